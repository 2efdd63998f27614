"""The tests that a verdict rests on, written with `math` alone: a statistics library would be the heaviest thing in the
installation, for five formulas.

Each `…_chance` is a p-value: the chance to see a difference at least this large in this direction when there is none. All of
them hold for samples of different sizes. They are held against SciPy's results in `tests/unit/rollout/test_statistics.py`.
"""

import math
from collections.abc import Sequence
from itertools import combinations, groupby

_NEGLIGIBLE = 1e-18
_SLOWLY = 300
"""Most points of a series that slopes are taken between, since there are n²/2 pairs."""


def more_errors_chance(errors: int, requests: int, base_errors: int, base_requests: int) -> float:
    """Fisher's exact test, one-sided: the chance of so many of all errors on this side when both sides have the same error
    rate. `requests` and `base_requests` are at least `errors` and `base_errors`. (Fisher 1935; the conditional test.)"""
    both = errors + base_errors
    total = requests + base_requests
    lowest, highest = max(0, both - base_requests), min(both, requests)
    if errors <= lowest:
        return 1.0
    mode = (both + 1) * (requests + 1) // (total + 2)
    if errors > mode:
        return min(1.0, _tail(errors, highest, 1, requests, both, total))
    return max(0.0, 1.0 - _tail(errors - 1, lowest, -1, requests, both, total))


def _tail(start: int, end: int, step: int, requests: int, both: int, total: int) -> float:
    """The hypergeometric distribution summed from `start` to `end`, away from its mode, until nothing is added any more."""
    chance = math.exp(
        _log_choose(both, start) + _log_choose(total - both, requests - start) - _log_choose(total, requests)
    )
    found = 0.0
    for count in range(start, end + step, step):
        found += chance
        if chance <= found * _NEGLIGIBLE:
            break
        if step > 0:
            chance *= (both - count) * (requests - count)
            chance /= (count + 1) * (total - both - requests + count + 1)
        else:
            chance *= count * (total - both - requests + count)
            chance /= (both - count + 1) * (requests - count + 1)
    return found


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def largest_increase(
    errors: int, requests: int, base_errors: int, base_requests: int, chance: float
) -> float:
    """The largest increase of the error rate that the counts leave open: a larger one is there with less than `chance`.
    Newcombe's hybrid score limit for the difference of two proportions (Newcombe 1998, method 10)."""
    score = score_of(chance)
    rate, base = errors / requests, base_errors / base_requests
    upper = _wilson(rate, requests, score)
    lower = _wilson(base, base_requests, -score)
    return rate - base + math.hypot(upper - rate, base - lower)


def _wilson(rate: float, requests: int, score: float) -> float:
    """A limit of Wilson's interval (1927): the upper one for a positive `score`, the lower one for a negative."""
    square = score * score
    spread = score * math.sqrt(rate * (1 - rate) / requests + square / (4 * requests * requests))
    return (rate + square / (2 * requests) + spread) / (1 + square / requests)


def slower_chance(times: Sequence[float], base_times: Sequence[float]) -> float:
    """The Mann-Whitney U test, one-sided: the chance that times are so much longer than the others when both come from the
    same distribution. Normal approximation with corrections for ties and continuity, as good as exact from about 20 points a
    side (Mann and Whitney 1947)."""
    size, base_size = len(times), len(base_times)
    pooled = sorted([(value, True) for value in times] + [(value, False) for value in base_times])
    ranks = ties = 0.0
    before = 0
    for _, group in groupby(pooled, key=lambda item: item[0]):
        ours = [is_ours for _, is_ours in group]
        ranks += sum(ours) * (before + (len(ours) + 1) / 2)
        ties += len(ours) ** 3 - len(ours)
        before += len(ours)
    larger = ranks - size * (size + 1) / 2
    total = size + base_size
    variance = size * base_size / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return above((larger - size * base_size / 2 - 0.5) / math.sqrt(variance))


def rising_chance(values: Sequence[float]) -> float:
    """The Mann-Kendall test, one-sided: the chance that values in the order of time rise so steadily when they have no trend.
    (Mann 1945, Kendall 1975.)"""
    size = len(values)
    rising = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    tied = sum(n * (n - 1) * (2 * n + 5) for n in (len(list(group)) for _, group in groupby(sorted(values))))
    variance = (size * (size - 1) * (2 * size + 5) - tied) / 18
    if variance <= 0 or rising <= 0:
        return 1.0
    return above((rising - 1) / math.sqrt(variance))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How fast a series rises: the median slope between any two of its points (Theil 1950, Sen 1968), which up to 29 % of
    outliers don't move far. 0 when no two points are apart."""
    points = thinned(points)
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 > x1)
    return percentile(slopes, 0.5) if slopes else 0.0


def thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """So few points, evenly chosen, that all pairs of them can be looked at."""
    return points[:: math.ceil(len(points) / _SLOWLY)] if len(points) > _SLOWLY else points


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie, interpolated between neighbours (Hyndman and Fan's type 7)."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    rest = place - below
    return ordered[below] + (rest * (ordered[below + 1] - ordered[below]) if rest else 0.0)


def above(score: float) -> float:
    """The share of the standard normal distribution above a score."""
    return math.erfc(score / math.sqrt(2)) / 2


def score_of(chance: float) -> float:
    """The score above which a share `chance` of the standard normal distribution lies, for 0 < `chance` < 1."""
    low, high = -40.0, 40.0
    while high - low > 1e-12 * max(1.0, abs(high)):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) > chance else (low, middle)
    return (low + high) / 2
