"""What a verdict says of figures that are handed to it, and what holds for all of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sutazai.model.rollout import Analysis
from sutazai.rollout.verdict import Judgement, Sample, Verdict, judge

OPTIONS = Analysis()
LATE = OPTIONS.timeout
GOOD = Sample(500, 0, tuple([0.05, 0.06, 0.07, 0.08] * 125))


def said(verdict: Verdict, metric: str) -> Judgement:
    return next(item for item in verdict.judgements if item.metric == metric)


def test_the_figures_are_in_words_and_by_name() -> None:
    verdict = judge(
        replace(GOOD, requests=520, errors=25), replace(GOOD, requests=514, errors=1), OPTIONS, 40
    )
    assert verdict.outcome == "fail"
    assert verdict.because == "errors 4.8 % of 520 against 0.2 % of 514 (p < 0.0001)"
    figures = said(verdict, "errors").figures
    assert figures["rate"] == 25 / 520
    assert figures["p"] == pytest.approx(3.5e-7, rel=0.02)


def test_words_of_every_judgement_when_all_is_well() -> None:
    memory = tuple((float(t), float(64 << 20)) for t in range(40))
    verdict = judge(replace(GOOD, memory=memory), replace(GOOD, memory=memory), OPTIONS, 40)
    assert verdict.outcome == "pass"
    assert [item.text for item in verdict.judgements] == [
        "errors 0.0 % of 500 against 0.0 % of 500, at most 1.2 points more",
        "latency median 65 ms against 65 ms, 95th percentile 80 ms against 80 ms, not 2 times as long",
        "no restarts",
        "no lost checks",
        "memory grows by 0.0 MiB a minute against 0.0",
    ]


def test_a_verdict_is_json() -> None:
    verdict = judge(replace(GOOD, errors=80), GOOD, OPTIONS, 40)
    adapter = TypeAdapter(Verdict)
    assert adapter.validate_json(adapter.dump_json(verdict)) == verdict


@pytest.mark.parametrize(
    ("canary", "why"),
    [
        (replace(GOOD, restarts=1), "it restarted once"),
        (replace(GOOD, restarts=3), "it restarted 3 times"),
        (replace(GOOD, failed_checks=1), "a check was lost once"),
        (replace(GOOD, latencies=tuple(5 * time for time in GOOD.latencies or ())),
         "latency median 325 ms against 65 ms, 95th percentile 400 ms against 80 ms (p < 0.0001)"),
    ],
)  # fmt: skip
def test_what_fails_at_once(canary: Sample, why: str) -> None:
    verdict = judge(canary, GOOD, OPTIONS, 6)
    assert (verdict.outcome, verdict.because) == ("fail", why)


def test_guards_need_no_traffic() -> None:
    verdict = judge(Sample(restarts=1), Sample(), OPTIONS, 3)
    assert (verdict.outcome, verdict.because) == ("fail", "it restarted once")
    assert judge(Sample(restarts=1), Sample(), Analysis(max_restarts=1), LATE).outcome == "inconclusive"


def test_a_tail_that_is_far_longer_fails_though_the_median_is_the_same() -> None:
    times = tuple([0.05, 0.06, 0.07, 0.08] * 112 + [1.5] * 52)
    verdict = judge(replace(GOOD, latencies=times), GOOD, OPTIONS, 40)
    assert verdict.outcome == "fail"
    assert "95th percentile 1.50 s against 80 ms" in verdict.because


def test_a_trifle_beyond_chance_is_no_reason_to_go_back() -> None:
    """One more error in a thousand, and a millisecond: beyond chance in a hundred thousand requests."""
    times = tuple([0.001] * 5000)
    old = Sample(100_000, 100, times)
    new = Sample(100_000, 200, tuple([0.002] * 5000))
    verdict = judge(new, old, OPTIONS, 40)
    assert said(verdict, "errors").figures["p"] < 0.0001
    assert said(verdict, "latency").figures["p"] < 0.0001
    assert verdict.outcome == "pass"


def test_it_passes_no_earlier_than_min_duration() -> None:
    early = judge(GOOD, GOOD, OPTIONS, OPTIONS.min_duration - 1)
    assert (early.outcome, early.because) == ("inconclusive", "29s of at least 30s")
    assert judge(GOOD, GOOD, OPTIONS, OPTIONS.min_duration).outcome == "pass"


def test_looks_are_taken_at_doubled_amounts_only() -> None:
    def at(requests: int, looks: int, elapsed: float = 40.0) -> tuple[bool, int]:
        sample = Sample(requests, 0, tuple([0.05] * requests))
        verdict = judge(sample, sample, OPTIONS, elapsed, looks)
        return "p" in said(verdict, "errors").figures, verdict.looks

    assert at(49, 0) == (False, 0)
    assert at(50, 0) == (True, 1)
    assert at(99, 1) == (False, 1)
    assert at(100, 1) == (True, 2)
    assert at(1000, 0) == (True, 5)
    assert at(1599, 5) == (False, 5)
    assert at(1599, 5, LATE) == (True, 5)


def test_no_look_uses_more_than_is_left_of_the_chance() -> None:
    """So many errors as a first look takes for chance are too many for the last."""
    new, old = Sample(200, 9, GOOD.latencies), Sample(200, 1, GOOD.latencies)
    assert said(judge(new, old, OPTIONS, 40), "errors").outcome == "inconclusive"
    assert said(judge(new, old, OPTIONS, LATE, looks=3), "errors").outcome == "fail"


def test_a_route_without_latencies_is_judged_by_the_rest() -> None:
    tcp = Sample(500, 0, None)
    verdict = judge(tcp, tcp, OPTIONS, 40)
    assert verdict.outcome == "pass"
    assert said(verdict, "latency").text == "latency is not measured on this route"
    assert judge(replace(tcp, errors=60), tcp, OPTIONS, 40).outcome == "fail"


samples = st.builds(
    Sample,
    requests=st.integers(0, 2000),
    errors=st.just(0),
    latencies=st.lists(st.integers(1, 50).map(lambda ms: ms / 100), max_size=120).map(tuple),
    restarts=st.integers(0, 1),
    failed_checks=st.integers(0, 1),
).flatmap(lambda sample: st.integers(0, sample.requests).map(lambda errors: replace(sample, errors=errors)))
moments = st.tuples(st.sampled_from([5.0, 40.0, 300.0]), st.integers(0, 6))
RANK = {"pass": 0, "inconclusive": 1, "fail": 2}


@given(samples, samples, moments, st.integers(0, 2000))
def test_more_errors_never_make_it_better(
    canary: Sample, baseline: Sample, moment: tuple[float, int], more: int
) -> None:
    worse = replace(canary, errors=min(canary.requests, canary.errors + more))
    before, after = judge(canary, baseline, OPTIONS, *moment), judge(worse, baseline, OPTIONS, *moment)
    assert RANK[after.outcome] >= RANK[before.outcome]


@given(samples, samples, moments)
def test_restarts_and_slower_answers_never_make_it_better(
    canary: Sample, baseline: Sample, moment: tuple[float, int]
) -> None:
    before = judge(canary, baseline, OPTIONS, *moment)
    slower = replace(canary, latencies=tuple(3 * time for time in canary.latencies or ()))
    for worse in (slower, replace(canary, restarts=1), replace(canary, failed_checks=1)):
        assert RANK[judge(worse, baseline, OPTIONS, *moment).outcome] >= RANK[before.outcome]


@given(samples, samples, moments)
def test_two_versions_are_never_both_the_worse_one(
    one: Sample, other: Sample, moment: tuple[float, int]
) -> None:
    one, other = (replace(sample, restarts=0, failed_checks=0) for sample in (one, other))
    there = said_errors(judge(one, other, OPTIONS, *moment))
    back = said_errors(judge(other, one, OPTIONS, *moment))
    assert not (there == back == "fail")


def said_errors(verdict: Verdict) -> str:
    return next((item.outcome for item in verdict.judgements if item.metric == "errors"), "inconclusive")


@given(samples, samples, moments)
def test_too_little_traffic_is_never_a_pass(
    canary: Sample, baseline: Sample, moment: tuple[float, int]
) -> None:
    few = replace(canary, requests=min(canary.requests, 49), errors=0, restarts=0, failed_checks=0)
    assert judge(few, baseline, OPTIONS, *moment).outcome == "inconclusive"
    if not baseline.restarts:
        assert judge(replace(baseline, failed_checks=0), few, OPTIONS, *moment).outcome == "inconclusive"


@given(samples, samples, moments)
def test_a_verdict_says_why(canary: Sample, baseline: Sample, moment: tuple[float, int]) -> None:
    verdict = judge(canary, baseline, OPTIONS, *moment)
    assert verdict.because
    assert verdict.looks >= 0
    assert (verdict.outcome == "pass") == all(item.outcome == "pass" for item in verdict.judgements)


def test_an_analysis_that_could_never_pass_is_no_analysis() -> None:
    with pytest.raises(ValidationError, match="min_duration is above timeout"):
        Analysis(min_duration=60, timeout=30)
