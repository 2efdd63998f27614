"""Whether a version leaks: its memory grows, steadily, more than that of the old one does, and does not stop growing.

What has just started grows too, quickly at first and then ever more slowly, and what collects its garbage goes up and down. So
what counts is the difference of the two versions, seen at the same moments: a baseline of the same age takes the start out of
it. It must rise beyond chance, by as much over the whole as over its second half, and there not much slower than in the first.

A series that is looked at again and again rises beyond chance at some time. So looks are taken after 14 seconds and then each
time that 1.4 times as much was seen (20, 28, 40, ...); between them the last one holds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sutazai.rollout.statistics import rising_chance, slope, thinned

SHORTEST = 14.0
"""Seconds of a series below which nothing is said."""
_NEXT_LOOK = math.sqrt(2)
_LEAST_IN_A_HALF = 3
_BY_CHANCE = 0.01
_SLOWING = 0.6
_NEARLY = 1e-6

Series = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Growth:
    """In bytes a minute: `per_minute` and `base` of either version over the second half, `more` that of their difference, over
    the second half or the whole, whichever is less. `is_steady`: it rises beyond chance, and does not slow down."""

    per_minute: float
    base: float
    more: float
    is_steady: bool


def growth(points: Series, baseline: Series = ()) -> Growth | None:
    """How a series of `(seconds, bytes)` grows, beside one of the same moments where there is one; None when it is too short to
    say."""
    base_at = dict(baseline)
    pairs = [(at, size, base_at.get(at, 0.0)) for at, size in points if at in base_at or not baseline]
    pairs = pairs[: _looked_at([at for at, *_ in pairs])]
    if not pairs:
        return None
    middle = (pairs[0][0] + pairs[-1][0]) / 2
    second = [pair for pair in pairs if pair[0] >= middle]
    if min(len(second), len(pairs) - len(second)) < _LEAST_IN_A_HALF:
        return None
    difference = [(at, size - base) for at, size, base in pairs]
    early, late = difference[: -len(second)], difference[-len(second) :]
    before, now = slope(early), slope(late)
    is_rising = rising_chance([size for _, size in thinned(difference)]) < _BY_CHANCE
    return Growth(
        60 * slope([(at, size) for at, size, _ in second]),
        60 * slope([(at, base) for at, _, base in second]),
        60 * min(now, slope(difference)),
        is_rising and now >= _SLOWING * before,
    )


def _looked_at(times: Sequence[float]) -> int:
    """How many points there were at the last look; 0 before the first."""
    span = times[-1] - times[0] if times else 0.0
    if span < SHORTEST:
        return 0
    looks = math.floor(math.log(span / SHORTEST, _NEXT_LOOK) + _NEARLY)
    until = times[0] + SHORTEST * _NEXT_LOOK**looks * (1 + _NEARLY)
    return sum(at <= until for at in times)
