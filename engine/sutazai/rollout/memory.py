"""Whether a version leaks: its memory grows, steadily, and does not stop growing.

A version that has just started grows too, quickly at first and then ever more slowly. So only the second half of what was
seen counts, and only when it grows at least half as fast as the first half did. A sawtooth of a garbage collector has no
trend over the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sutazai.rollout.statistics import rising_chance, slope, thinned

_SHORTEST = 15.0
"""Seconds of a series below which nothing is said."""
_LEAST_IN_A_HALF = 3
_BY_CHANCE = 0.02
_SLOWING = 0.5


@dataclass(frozen=True, slots=True)
class Growth:
    """`per_minute` in bytes, over the second half. `is_steady`: it rises beyond chance, and does not slow down."""

    per_minute: float
    is_steady: bool


def growth(points: Sequence[tuple[float, float]]) -> Growth | None:
    """How a series of `(seconds, bytes)` grows; None when it is too short to say."""
    if not points or points[-1][0] - points[0][0] < _SHORTEST:
        return None
    middle = (points[0][0] + points[-1][0]) / 2
    first = [point for point in points if point[0] < middle]
    second = [point for point in points if point[0] >= middle]
    if min(len(first), len(second)) < _LEAST_IN_A_HALF:
        return None
    before, now = slope(first), slope(second)
    is_rising = rising_chance([size for _, size in thinned(points)]) < _BY_CHANCE
    return Growth(now * 60, is_rising and now >= _SLOWING * before)
