"""Whether a new version is as good as the one that it is to replace: the analysis of a canary.

A verdict is `pass`, `fail` or `inconclusive`, and says its figures. What always holds:

* Two versions that are the same fail with a chance of at most 1 - `confidence`, however often they are looked at. That chance is
  shared between errors and latency, and between looks: errors and latency are judged when the smaller side has had
  `min_requests`, and again each time that it has had twice as many. An eighth of the chance goes to the first look, half as
  much to each one after, the rest to the look at `timeout` (Bonferroni's inequality; looks by amounts of information as in
  Lan and DeMets 1983). The polls between looks show figures and judge neither.
* It passes only when an increase of `max_error_increase`, and answers `max_latency_ratio` times as long, are ruled out: a version
  that is this much worse passes with a chance of at most 5 % for each of the two. Hence too little traffic is inconclusive.
* It fails for errors when there are more than chance explains, and the increase seen is nearer to `max_error_increase` than to
  none. In large numbers every trifle is beyond chance, and a trifle is no reason to go back.
* Restarts and lost checks are no matter of chance. They are judged at every poll; memory as `memory.py` says.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sutazai.model.rollout import Analysis
from sutazai.model.units import format_latency
from sutazai.rollout.comparison import Comparison
from sutazai.rollout.memory import SHORTEST, growth
from sutazai.rollout.statistics import largest_increase, more_errors_chance, percentile, slower_chance

Outcome = Literal["pass", "fail", "inconclusive"]
Metric = Literal["requests", "errors", "latency", "restarts", "checks", "memory", "time", "baseline"]

_FOR_ERRORS, _FOR_MEDIAN, _FOR_TAIL = 0.75, 0.125, 0.125
"""The parts of the chance of a false `fail`. Errors are few and need most of it."""
_MISSED = 0.05
"""The chance that a version which is worse by the limit passes."""
_FIRST_LOOK, _LAST_LOOK = 1 / 8, 3 / 4
_LEAST_TIMES = 50
"""Points a side below which no distributions are compared (Kayenta's judge has the same)."""
_TAIL = 0.95
_AS_MEANT = Comparison()


@dataclass(frozen=True, slots=True)
class Sample:
    """What one version did since the analysis began. `latencies` in seconds, in any order; None where a route has none (TCP).
    `failed_checks` counts how often a check used up its retries. `memory` are points of `(seconds, bytes)`, in order, of
    one container in the mean; empty where it is not measured."""

    requests: int = 0
    errors: int = 0
    latencies: Sequence[float] | None = ()
    restarts: int = 0
    failed_checks: int = 0
    memory: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of one metric, with its figures: in words for people, and by name. Latencies in seconds, memory in bytes a
    minute."""

    metric: Metric
    outcome: Outcome
    text: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`looks` is to be handed to the next poll. Inconclusive before `timeout` means: ask again."""

    outcome: Outcome
    judgements: tuple[Judgement, ...]
    looks: int

    @property
    def because(self) -> str:
        """The judgements that decided it, in words, and whatever was not as it should be with what it is compared with."""
        decisive = (i for i in self.judgements if i.outcome == self.outcome or i.metric == "baseline")
        return "; ".join(item.text for item in decisive)


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at the figures. `share` is the part of the chances that it may use; 0: only to show them."""

    options: Analysis
    share: float

    @property
    def false_alarm(self) -> float:
        return self.share * (1 - self.options.confidence)

    @property
    def missed(self) -> float:
        return self.share * _MISSED


def judge(
    canary: Sample,
    baseline: Sample,
    options: Analysis,
    elapsed: float,
    looks: int = 0,
    comparison: Comparison = _AS_MEANT,
) -> Verdict:
    """The verdict `elapsed` seconds after the analysis began; at `timeout` it is the last. `looks` is the number that the verdict
    before returned, also where the samples begin anew since it is compared with others now: so their looks share one chance."""
    requests, last = min(canary.requests, baseline.requests), elapsed >= options.timeout
    is_look = requests >= options.min_requests * (1 if last else 2**looks)
    share = (_LAST_LOOK if last else _FIRST_LOOK / 2**looks) if is_look else 0.0
    look = _Look(options, share)
    judgements = [
        _requests(canary, baseline, look, looks),
        _errors(canary, baseline, look),
        _latency(canary, baseline, look),
        _counted("restarts", canary.restarts, options.max_restarts, "it restarted", "no restarts"),
        _counted(
            "checks", canary.failed_checks, options.max_failed_checks, "a check was lost", "no lost checks"
        ),
        _memory(canary, baseline, options, elapsed),
        _time(elapsed, options),
        _compared(comparison),
    ]
    found = tuple(item for item in judgements if item is not None)
    outcomes = {item.outcome for item in found}
    outcome: Outcome = "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "inconclusive"
    return Verdict(outcome, found, (requests // options.min_requests).bit_length() if is_look else looks)


def _requests(canary: Sample, baseline: Sample, look: _Look, looks: int) -> Judgement | None:
    """Why nothing is judged yet."""
    if look.share:
        return None
    wanted = look.options.min_requests * 2**looks
    text = f"{canary.requests} requests, and {baseline.requests} to the old version, of at least {wanted}"
    figures = {"requests": canary.requests, "baseline": baseline.requests, "wanted": wanted}
    return Judgement("requests", "inconclusive", text, figures)


def _errors(canary: Sample, baseline: Sample, look: _Look) -> Judgement | None:
    if not canary.requests or not baseline.requests:
        return None
    counts = canary.errors, canary.requests, baseline.errors, baseline.requests
    rate, base, limit = (
        canary.errors / canary.requests, baseline.errors / baseline.requests, look.options.max_error_increase,
    )  # fmt: skip
    text = f"errors {rate:.1%} of {canary.requests} against {base:.1%} of {baseline.requests}".replace(
        "%", " %"
    )
    figures = {"rate": rate, "baseline": base}
    if not look.share:
        return Judgement("errors", "inconclusive", text, figures)
    chance = more_errors_chance(*counts)
    most = largest_increase(*counts, look.missed)
    figures |= {"p": chance, "largest_increase": most}
    if chance < look.false_alarm * _FOR_ERRORS and rate - base >= limit / 2:
        return Judgement("errors", "fail", f"{text} ({p_words(chance)})", figures)
    if most < limit:
        return Judgement("errors", "pass", f"{text}, at most {most * 100:.1f} points more", figures)
    text = f"{text}, {limit * 100:g} points more are not ruled out"
    return Judgement("errors", "inconclusive", text, figures)


def _latency(canary: Sample, baseline: Sample, look: _Look) -> Judgement | None:
    if canary.latencies is None or baseline.latencies is None:
        return Judgement("latency", "pass", "latency is not measured on this route")
    times, base_times = sorted(canary.latencies), sorted(baseline.latencies)
    if not times or not base_times:
        return None
    median, base = percentile(times, 0.5), percentile(base_times, 0.5)
    tail, base_tail = percentile(times, _TAIL), percentile(base_times, _TAIL)
    figures = {"median": median, "baseline_median": base, "p95": tail, "baseline_p95": base_tail}
    words = map(format_latency, (median, base, tail, base_tail))
    text = "latency median {} against {}, 95th percentile {} against {}".format(*words)
    if not look.share or min(len(times), len(base_times)) < _LEAST_TIMES:
        return Judgement("latency", "inconclusive", text, figures)
    chance = slower_chance(times, base_times)
    tail_chance, is_longer = _longer_tail(times, base_times, look.options)
    figures |= {"p": chance, "p95_p": tail_chance}
    if chance < look.false_alarm * _FOR_MEDIAN and median >= _slowed(base, look.options, 0.5):
        return Judgement("latency", "fail", f"{text} ({p_words(chance)})", figures)
    if tail_chance < look.false_alarm * _FOR_TAIL and is_longer:
        return Judgement("latency", "fail", f"{text} ({p_words(tail_chance)})", figures)
    ratio = f"{look.options.max_latency_ratio:g} times as long"
    if slower_chance([_slowed(time, look.options) for time in base_times], times) < look.missed:
        return Judgement("latency", "pass", f"{text}, not {ratio}", figures)
    return Judgement("latency", "inconclusive", f"{text}, {ratio} is not ruled out", figures)


def _longer_tail(
    times: Sequence[float], base_times: Sequence[float], options: Analysis
) -> tuple[float, bool]:
    """The chance of so many answers that take much longer than the baseline's 95th percentile, and whether they are so many more
    as would matter if they were errors."""
    limit = _slowed(percentile(base_times, _TAIL), options)
    slow, base_slow = sum(time >= limit for time in times), sum(time >= limit for time in base_times)
    chance = more_errors_chance(slow, len(times), base_slow, len(base_times))
    return chance, slow / len(times) - base_slow / len(base_times) >= options.max_error_increase / 2


def _slowed(time: float, options: Analysis, part: float = 1.0) -> float:
    """A time of the baseline when it is slowed down by the limit, or by `part` of the way there (geometrically: half-way to four
    times is twice)."""
    return max(time * math.pow(options.max_latency_ratio, part), time + options.min_latency_increase)


def _counted(metric: Metric, count: int, limit: int, what: str, none: str) -> Judgement:
    times = "once" if count == 1 else f"{count} times"
    text = f"{what} {times}" if count else none
    return Judgement(metric, "fail" if count > limit else "pass", text, {"count": count})


def _memory(canary: Sample, baseline: Sample, options: Analysis, elapsed: float) -> Judgement:
    if not canary.memory:
        return Judgement("memory", "pass", "memory is not measured here")
    figures = {"used": canary.memory[-1][1]}
    text = f"memory {_mib(figures['used'])} MiB"
    if baseline.memory:
        figures["baseline"] = baseline.memory[-1][1]
        text += f" against {_mib(figures['baseline'])}"
    found = growth(canary.memory, baseline.memory)
    if found is None:  # a leak that shows in nothing yet can't be told from none
        waits = options.min_duration >= SHORTEST and elapsed < options.timeout
        text += ", not watched for long enough to tell whether it grows"
        return Judgement("memory", "inconclusive" if waits else "pass", text, figures)
    figures |= {"growth": found.per_minute, "more": found.more}
    text = f"memory grows by {_mib(found.per_minute)} MiB a minute"
    if baseline.memory:
        text += f" against {_mib(found.base)}"
    leaks = found.is_steady and found.more > options.max_memory_growth
    return Judgement("memory", "fail" if leaks else "pass", text, figures)


def _compared(comparison: Comparison) -> Judgement | None:
    return Judgement("baseline", "pass", comparison.words) if comparison.words else None


def _time(elapsed: float, options: Analysis) -> Judgement | None:
    if elapsed >= options.min_duration:
        return None
    text = f"{elapsed:.0f}s of at least {options.min_duration:g}s"
    return Judgement("time", "inconclusive", text, {"elapsed": elapsed})


def p_words(chance: float) -> str:
    """`p = 0.0021`"""
    return f"p = {chance:.2g}" if chance >= 0.0001 else "p < 0.0001"


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.1f}"
