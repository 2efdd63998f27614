"""The formulas against SciPy 1.17.1's results, published examples, and counting out."""

from itertools import combinations, permutations
from math import comb, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.rollout.statistics import (
    above,
    largest_increase,
    more_errors_chance,
    percentile,
    rising_chance,
    score_of,
    slope,
    slower_chance,
    thinned,
)

counts = st.tuples(st.integers(1, 60), st.integers(1, 60)).flatmap(
    lambda sizes: st.tuples(
        st.integers(0, sizes[0]), st.just(sizes[0]), st.integers(0, sizes[1]), st.just(sizes[1])
    )
)
times = st.lists(st.integers(0, 30), min_size=2, max_size=30).map(lambda values: [v / 10 for v in values])


def series(size: int, step: int, modulus: int, scale: int) -> list[float]:
    return [((i * step) % modulus) / scale for i in range(size)]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((1, 1, 0, 1), 0.5),
        ((8, 10, 3, 10), 0.03488925934746368),
        ((5, 50, 0, 50), 0.028142247214412164),
        ((26, 520, 1, 514), 1.7958386851016794e-07),
        ((12, 500, 9, 500), 0.3301052345904422),
        ((0, 50, 5, 50), 1.0),
        ((30, 100, 270, 900), 0.5409116442955613),
        ((3, 3000, 0, 27000), 0.000999100130015001),
        ((250, 5000, 200, 5000), 0.009002495469914535),
        ((50, 50, 50, 50), 1.0),
    ],
)
def test_fisher_as_scipy(table: tuple[int, int, int, int], expected: float) -> None:
    assert isclose(more_errors_chance(*table), expected, rel_tol=1e-9)


@given(counts)
def test_fisher_as_counted_out(table: tuple[int, int, int, int]) -> None:
    errors, requests, base_errors, base_requests = table
    both = errors + base_errors
    ways = sum(
        comb(requests, k) * comb(base_requests, both - k) for k in range(errors, min(both, requests) + 1)
    )
    assert isclose(
        more_errors_chance(*table), ways / comb(requests + base_requests, both), abs_tol=1e-12, rel_tol=1e-9
    )


@given(counts)
def test_fisher_is_symmetric(table: tuple[int, int, int, int]) -> None:
    """More errors here is fewer there, and fewer errors is more successes."""
    errors, requests, base_errors, base_requests = table
    fewer_there = more_errors_chance(base_requests - base_errors, base_requests, requests - errors, requests)
    assert isclose(more_errors_chance(*table), fewer_there, rel_tol=1e-9, abs_tol=1e-12)


def test_fisher_of_millions_is_quick_and_finite() -> None:
    assert more_errors_chance(60_000, 1_000_000, 58_000, 1_000_000) < 1e-8
    assert more_errors_chance(1_000_000, 1_000_000, 0, 1_000_000) == 0.0
    assert more_errors_chance(0, 1_000_000, 1_000_000, 1_000_000) == 1.0


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((56, 70, 48, 80), 0.3339),  # Newcombe 1998, table II, method 10, 95 % two-sided
        ((9, 10, 3, 10), 0.8090),
        ((6, 7, 2, 7), 0.8062),
        ((5, 56, 0, 29), 0.1926),
        ((0, 10, 0, 20), 0.2775),
        ((0, 10, 0, 10), 0.2775),
        ((10, 10, 0, 20), 1.0),
        ((10, 10, 0, 10), 1.0),
    ],
)
def test_newcombe_as_published(table: tuple[int, int, int, int], expected: float) -> None:
    assert abs(largest_increase(*table, 0.025) - expected) < 0.00006


@given(counts, st.sampled_from([0.001, 0.0125, 0.05]))
def test_what_is_seen_is_never_ruled_out(table: tuple[int, int, int, int], chance: float) -> None:
    errors, requests, base_errors, base_requests = table
    limit = largest_increase(*table, chance)
    assert errors / requests - base_errors / base_requests <= limit + 1e-12
    assert limit <= 1 + 1e-12
    if errors < requests:
        assert largest_increase(errors + 1, requests, base_errors, base_requests, chance) >= limit - 1e-12
    assert largest_increase(*table, chance / 2) >= limit - 1e-12


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((20, 7, 31, 1), (20, 11, 29, 1), 0.43549559739873167),
        ((50, 37, 101, 10), (60, 41, 97, 10), 0.410939923884483),
        ((64, 5, 9, 1), (50, 3, 7, 1), 0.022206372247562892),
        ((200, 17, 211, 100), (150, 19, 197, 110), 0.00603181085466345),
        ((5, 1, 5, 1), (5, 2, 7, 1), 0.6638320958170224),
    ],
)
def test_mann_whitney_as_scipy(
    ours: tuple[int, int, int, int], theirs: tuple[int, int, int, int], expected: float
) -> None:
    assert isclose(slower_chance(series(*ours), series(*theirs)), expected, rel_tol=1e-12)


@given(times, times)
def test_mann_whitney_is_symmetric(ours: list[float], theirs: list[float]) -> None:
    """Both directions together are certain, but for the half step that continuity takes from each."""
    both = slower_chance(ours, theirs) + slower_chance(theirs, ours)
    assert both + 1e-12 >= 1.0
    if len(set(ours + theirs)) > 1:
        by_pairs = sum((x > y) + (x == y) / 2 for x in ours for y in theirs)
        middle = len(ours) * len(theirs) / 2
        assert (slower_chance(ours, theirs) < 0.5) == (by_pairs > middle + 0.5)


def test_times_that_are_all_the_same_are_not_slower() -> None:
    assert slower_chance([0.1] * 60, [0.1] * 60) == 1.0


def test_mann_kendall_is_near_what_counting_out_gives() -> None:
    scores = [
        sum(1 if later > earlier else -1 for earlier, later in combinations(order, 2))
        for order in permutations(range(7))
    ]
    for order in ([0, 1, 2, 3, 4, 5, 6], [0, 2, 1, 3, 4, 6, 5], [3, 0, 1, 2, 5, 4, 6], [1, 0, 3, 2, 5, 4, 6]):
        score = sum(1 if later > earlier else -1 for earlier, later in combinations(order, 2))
        exact = sum(other >= score for other in scores) / len(scores)
        assert abs(rising_chance([float(value) for value in order]) - exact) < 0.006
    assert rising_chance([1.0] * 9) == 1.0
    assert rising_chance([9.0, 8.0, 7.0]) == 1.0


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((12, 5, 13, 1), 0.33257575757575764),
        ((30, 7, 31, 10), 0.20740740740740743),
        ((9, 2, 5, 1), 0.24166666666666667),
    ],
)
def test_slope_as_scipy(shape: tuple[int, int, int, int], expected: float) -> None:
    points = [(i * 1.5, value + i * 0.3) for i, value in enumerate(series(*shape))]
    assert isclose(slope(points), expected, rel_tol=1e-12)


def test_slope_of_a_line_is_the_line_whatever_a_few_points_do() -> None:
    line = [(float(x), 3.0 * x) for x in range(20)]
    line[4], line[11], line[17] = (4.0, 900.0), (11.0, -50.0), (17.0, 0.0)
    assert isclose(slope(line), 3.0)
    assert isclose(slope([(float(x), 3.0 * x) for x in range(5000)]), 3.0)
    assert len(thinned([(0.0, 0.0)] * 5000)) <= 300
    assert slope([(1.0, 5.0), (1.0, 9.0)]) == 0.0


def test_percentiles_as_numpy() -> None:
    values = sorted(value + i * 0.3 for i, value in enumerate(series(12, 5, 13, 1)))
    assert isclose(percentile(values, 0.95), 13.725)
    assert percentile([4.0], 0.95) == 4.0
    assert percentile([1.0, 3.0], 1.0) == 3.0


@pytest.mark.parametrize(
    ("chance", "score"),
    [
        (1e-6, 4.753424308822899),
        (0.0025, 2.8070337683438042),
        (0.02, 2.053748910631823),
        (0.5, 0.0),
        (0.9, -1.2815515655446004),
    ],
)
def test_the_normal_distribution_as_scipy(chance: float, score: float) -> None:
    assert abs(score_of(chance) - score) < 1e-9
    assert isclose(above(score), chance, rel_tol=1e-9)
