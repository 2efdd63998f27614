"""A baseline that crashes makes no canary look good, and none look bad; the verdict says that it did."""

from dataclasses import replace

import pytest

from sutazai.model.rollout import Analysis
from sutazai.rollout.comparison import Comparison
from sutazai.rollout.verdict import Outcome, Sample, judge
from unit.rollout.traffic import Version, outcomes

CRASHED = "its container exited with code 137"
LOST = f"compared with the running version, as a new container of it is not well: {CRASHED}"
GOOD = Sample(500, 0, tuple([0.05, 0.06, 0.07, 0.08] * 125))


def test_new_containers_are_given_up_for_those_that_run_and_those_for_nothing() -> None:
    lost = Comparison(fresh=True).after(CRASHED)
    assert (lost.fresh, lost.words) == (False, LOST)
    both = lost.after("it restarted")
    assert both.words == f"{LOST}; the running version is not well itself: it restarted"
    assert Comparison(fresh=True).words == Comparison().words == ""


@pytest.mark.parametrize(("errors", "outcome"), [(0, "pass"), (80, "fail")])
def test_every_verdict_says_with_what_it_was_compared(errors: int, outcome: Outcome) -> None:
    verdict = judge(
        replace(GOOD, errors=errors), GOOD, Analysis(), 40, 0, Comparison(fresh=True).after(CRASHED)
    )
    assert verdict.outcome == outcome
    assert verdict.because.endswith(f"; {LOST}")
    assert [item.text for item in verdict.judgements if item.metric == "baseline"] == [LOST]


@pytest.mark.parametrize("lost_at", [5.0, 30.0, 100.0])
def test_two_versions_that_are_the_same_are_told_apart_as_rarely_as_ever(lost_at: float) -> None:
    version = Version(errors=0.05)
    assert outcomes(version, version, 200, lost_at=lost_at)["fail"] <= 4


@pytest.mark.parametrize("lost_at", [5.0, 30.0, 100.0])
def test_more_errors_are_found_though_the_baseline_answered_nothing_but_errors_at_last(
    lost_at: float,
) -> None:
    found = outcomes(Version(errors=0.12), Version(errors=0.01), 100, lost_at=lost_at)
    assert found["fail"] >= 95
    assert not found["pass"]
