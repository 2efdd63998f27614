"""Analyses of synthetic traffic: how often two versions that are the same fail, and how often one that is worse is found.

Everything is drawn from seeds, so the figures are the same in each run. The bounds are the project's aims."""

from random import Random

import pytest

from sutazai.model.rollout import Analysis
from sutazai.rollout.verdict import Sample, judge
from unit.rollout.traffic import Memory, Version, analysed, outcomes

MIB = 1 << 20
SHORT = Analysis(timeout=50)
"""At 10 requests a second to each side: 500 a side, and no more."""


@pytest.mark.parametrize("errors", [0.0, 0.005, 0.05])
@pytest.mark.parametrize(("rate", "share", "spread"), [(20.0, 0.5, 0.5), (40.0, 0.1, 1.0), (6.0, 0.5, 1.5)])
def test_versions_that_are_the_same_pass(errors: float, rate: float, share: float, spread: float) -> None:
    """The default policy takes back what is inconclusive, so that counts as well."""
    same = Version(errors, spread=spread)
    found = outcomes(same, same, analyses=200, rate=rate, share=share)
    assert found["fail"] + found["inconclusive"] <= 4


@pytest.mark.parametrize("errors", [0.0, 0.005, 0.01])
def test_five_points_more_errors_are_found_in_500_requests(errors: float) -> None:
    found = outcomes(Version(errors + 0.05), Version(errors), analyses=300, options=SHORT)
    assert found["fail"] >= 0.95 * 300


def test_five_points_more_on_top_of_five_take_more_requests() -> None:
    """No test of 500 a side finds them in 95 of 100 and clears equal versions in 98 of 100. They don't pass all the same, and
    1,000 requests are enough."""
    few = outcomes(Version(0.1), Version(0.05), analyses=200, options=SHORT)
    many = outcomes(Version(0.1), Version(0.05), analyses=200, options=Analysis(timeout=100))
    assert few["pass"] <= 0.05 * 200 + 2
    assert many["fail"] >= 0.95 * 200


@pytest.mark.parametrize("spread", [0.3, 1.0, 1.5])
def test_five_times_slower_is_found(spread: float) -> None:
    found = outcomes(Version(slower=5, spread=spread), Version(spread=spread), analyses=100, options=SHORT)
    assert found["fail"] == 100


def test_twice_as_slow_is_found() -> None:
    found = outcomes(Version(slower=2.0), Version(), analyses=100, options=SHORT)
    assert found["fail"] >= 98


@pytest.mark.parametrize("canary", [Version(), Version(errors=0.5), Version(slower=5)])
def test_too_little_traffic_is_inconclusive_whatever_it_shows(canary: Version) -> None:
    found = outcomes(canary, Version(), analyses=100, rate=0.15)
    assert found["inconclusive"] == 100


def leaking(mib_a_minute: float) -> Memory:
    return lambda seconds: 20 * MIB + mib_a_minute * MIB * seconds / 60


def warming(seconds: float) -> float:
    """A runtime that takes 200 MiB in its first minute and then has what it needs."""
    return 40 * MIB + 200 * MIB * (1 - 2.718 ** (-seconds / 12))


def collecting(seconds: float) -> float:
    """Garbage of 120 MiB a minute, collected every 9 seconds."""
    return 60 * MIB + 2 * MIB * (seconds % 9)


def caching(seconds: float) -> float:
    """30 MiB at once, while it starts."""
    return (60 if seconds > 6 else 30) * MIB


@pytest.mark.parametrize("rate", [50.0, 100.0, 400.0])
@pytest.mark.parametrize("traffic", [20.0, 0.0])
def test_a_leak_is_found_with_and_without_traffic(rate: float, traffic: float) -> None:
    verdict = analysed(Version(memory=leaking(rate)), Version(memory=leaking(1)), "leak", traffic)
    assert verdict.outcome == "fail"
    assert f"memory grows by {rate:.1f} MiB a minute against 1.0" in verdict.because


@pytest.mark.parametrize("memory", [warming, collecting, caching, leaking(5)])
@pytest.mark.parametrize("rate", [20.0, 2.0])
def test_what_is_no_leak_passes(memory: Memory, rate: float) -> None:
    assert analysed(Version(memory=memory), Version(memory=leaking(0)), "no leak", rate).outcome == "pass"


def noise(seed: str, size: float) -> list[float]:
    """Of the kind that memory has: what is taken now stays for a while."""
    draw, found, now = Random(seed), list[float](), 0.0  # noqa: S311 - figures, not secrets
    for _ in range(400):
        now = 0.6 * now + draw.gauss(0, size * 0.8)
        found.append(now)
    return found


def shaky(memory: Memory, seed: str, size: float = 2.0) -> Memory:
    """The same, with so many MiB of noise."""
    added = noise(seed, size)
    return lambda seconds: memory(seconds) + added[round(seconds)] * MIB


def starting(seconds: float) -> float:
    """A runtime that still warms up when it is judged."""
    return 40 * MIB + 100 * MIB * (1 - 2.718 ** (-seconds / 30))


@pytest.mark.parametrize("memory", [warming, starting, collecting])
def test_of_equal_versions_of_one_age_hardly_any_is_taken_for_leaking(memory: Memory) -> None:
    """What warms up would be taken for a leak beside one that is old."""
    found = sum(
        analysed(Version(memory=shaky(memory, f"new {seed}")), Version(memory=shaky(memory, f"old {seed}")), f"{seed}").outcome
        == "fail"
        for seed in range(100)
    )  # fmt: skip
    assert found <= 2


@pytest.mark.parametrize("memory", [leaking(0), warming, starting])
def test_50_mib_a_minute_are_found_well_within_30_seconds(memory: Memory) -> None:
    """With a point each second and a MiB of noise on each side, in 95 of 100 cases."""
    found = 0
    for seed in range(100):
        bad, old = shaky(memory, f"bad {seed}", 1), shaky(memory, f"old {seed}", 1)
        found += any(
            judge(
                Sample(memory=[(t, bad(t) + t * 50 * MIB / 60) for t in range(until)]),
                Sample(memory=[(t, old(t)) for t in range(until)]),
                Analysis(),
                until,
            ).outcome
            == "fail"
            for until in (15, 24)
        )
    assert found >= 95


def test_what_the_old_version_needs_for_the_same_traffic_is_no_leak() -> None:
    both = Version(memory=leaking(60))
    assert analysed(both, both, "both grow").outcome == "pass"
