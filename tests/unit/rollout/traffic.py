"""Synthetic traffic to two versions, from a seed, and the analysis of it as the executor carries it out: polled at `interval`
until it can decide or its time is over."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from sutazai.model.rollout import Analysis
from sutazai.rollout.comparison import Comparison
from sutazai.rollout.verdict import Sample, Verdict, judge

Memory = Callable[[float], float]
BASE_TIME = 0.05


@dataclass(frozen=True)
class Version:
    """`errors`: share of requests. `spread`: the sigma of the lognormal latencies. `memory`: bytes after so many seconds."""

    errors: float = 0.0
    slower: float = 1.0
    spread: float = 0.5
    memory: Memory | None = None


@dataclass
class Stream:
    """Poisson arrivals at `rate` a second, latencies as a log has them: in whole milliseconds."""

    version: Version
    rate: float
    random: Random
    requests: int = 0
    errors: int = 0
    latencies: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def run(self, until: float, seconds: float) -> Sample:
        for _ in range(poisson(self.random, self.rate * seconds)):
            self.requests += 1
            self.errors += self.random.random() < self.version.errors
            time = BASE_TIME * self.version.slower * self.random.lognormvariate(0, self.version.spread)
            self.latencies.append(round(time, 3))
        if self.version.memory is not None:
            steps = range(math.ceil(seconds))
            self.memory += [(t, self.version.memory(t)) for t in (until - seconds + step for step in steps)]
        return Sample(self.requests, self.errors, tuple(self.latencies), memory=tuple(self.memory))


def poisson(random: Random, mean: float) -> int:
    """Arrivals at random instants of a span, counted by the gaps between them."""
    count, left = 0, mean - random.expovariate(1)
    while left > 0:
        count, left = count + 1, left - random.expovariate(1)
    return count


def analysed(
    canary: Version,
    baseline: Version,
    seed: str,
    rate: float = 20.0,
    share: float = 0.5,
    options: Analysis = Analysis(),  # noqa: B008 - nothing can change it
    lost_at: float = math.inf,
) -> Verdict:
    """The verdict that ends one analysis. `share` of `rate` requests a second go to the canary. The baseline crashes at `lost_at`, and
    from then on the same version is compared with that runs."""
    random = Random(seed)  # noqa: S311 - figures, not secrets
    new, old = Stream(canary, rate * share, random), Stream(baseline, rate * (1 - share), random)
    elapsed, looks, comparison = 0.0, 0, Comparison(fresh=True)
    while True:
        elapsed += options.interval
        samples = new.run(elapsed, options.interval), old.run(elapsed, options.interval)
        if comparison.fresh and elapsed >= lost_at:
            comparison = comparison.after("its container exited with code 1")
            new, old = Stream(canary, rate * share, random), Stream(baseline, rate * (1 - share), random)
            samples = Sample(), Sample()
        verdict = judge(*samples, options, elapsed, looks, comparison)
        if verdict.outcome != "inconclusive" or elapsed >= options.timeout:
            return verdict
        looks = verdict.looks


def outcomes(
    canary: Version, baseline: Version, analyses: int, rate: float = 20.0, share: float = 0.5,
    options: Analysis = Analysis(),  # noqa: B008 - nothing can change it
    lost_at: float = math.inf,
) -> dict[str, int]:  # fmt: skip
    """How often each outcome came of so many analyses."""
    found = {"pass": 0, "fail": 0, "inconclusive": 0}
    for seed in range(analyses):
        found[
            analysed(canary, baseline, f"{seed} {canary.errors}", rate, share, options, lost_at).outcome
        ] += 1
    return found
