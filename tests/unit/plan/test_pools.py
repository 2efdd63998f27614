"""Which of an engine's address pools are somebody's difference."""

from typing import Any

import pytest

from sutazai.plan.differ import Sides, differences, facing
from sutazai.plan.normal import Shape
from sutazai.plan.pools import pools_as_asked

FOUR, SIX, OTHER = {"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}, {"subnet": "10.2.0.0/24"}
FULL = {**FOUR, "gateway": "10.1.0.1", "ip_range": "10.1.0.128/25", "aux_addresses": {"a": "10.1.0.9"}}


def seen(want: list[Any] | None, past: list[Any] | None, have: list[Any]) -> list[Any]:
    """The two sides of each difference."""
    default = {"driver": "default", "config": have, "options": {}}
    ipam = [None if side is None else {"config": side} for side in (want, past)]
    sides = pools_as_asked(Sides(ipam[0], ipam[1], default, default))
    return [(path, old, new) for path, old, new in differences(*facing(Shape.RECORD, sides))]


@pytest.mark.parametrize(("want", "past", "have"), [
    ([FOUR], [FOUR], [FULL]),
    ([SIX, FOUR], [SIX, FOUR], [FOUR, SIX]),
    ([SIX], [SIX], [OTHER, SIX]),
    (None, [FULL], [OTHER]),
    (None, None, [FOUR]),
    ([], [FULL], [FULL]),
    ([{"subnet": "10.1.0.7/24"}], None, [FOUR]),
    ([{"subnet": "FD00:0::/64", "gateway": "FD00::0:1"}], None, [{**SIX, "gateway": "fd00::1/64"}]),
    ([{**FOUR, "aux_addresses": {}}], None, [FULL]),
    *(([asked], [past], [FOUR]) for first in ({**FOUR, "gateway": "10.1.0.1"},) for asked in (FOUR, first) for past in (FOUR, first)),
    ([{**SIX, "gateway": "fd00::1"}], [SIX], [SIX]),
    ([FOUR], [{**FOUR, "gateway": "10.1.0.1"}], [{**FOUR, "gateway": "10.1.0.1"}]),
])  # fmt: skip
def test_the_same(want: list[Any] | None, past: list[Any] | None, have: list[Any]) -> None:
    assert seen(want, past, have) == []


@pytest.mark.parametrize(("want", "past", "have", "before", "after"), [
    ([FOUR], [FOUR], [OTHER], [OTHER], [FOUR]),
    ([FOUR], [FOUR, SIX], [FOUR, SIX], [FOUR, SIX], [FOUR]),
    ([FOUR, SIX], [FOUR], [FOUR], [FOUR], [FOUR, SIX]),
    ([{**FOUR, "gateway": "10.1.0.2"}], None, [FULL], [{**FOUR, "gateway": "10.1.0.1"}], [{**FOUR, "gateway": "10.1.0.2"}]),
    ([FOUR], [{**FOUR, "ip_range": "10.1.0.128/25"}], [FULL], [{**FOUR, "ip_range": "10.1.0.128/25"}], [FOUR]),
    ([FOUR], [{**FOUR, "aux_addresses": {"a": "10.1.0.9"}}], [FULL], [{**FOUR, "aux_addresses": {"a": "10.1.0.9"}}], [FOUR]),
    ([OTHER], [FOUR], [FOUR, SIX], [FOUR], [OTHER]),
    ([{**FOUR, "gateway": "10.1.0.9"}], [FOUR], [FOUR], [{**FOUR, "gateway": "10.1.0.1"}], [{**FOUR, "gateway": "10.1.0.9"}]),
    ([FOUR], [{**FOUR, "gateway": "10.1.0.9"}], [{**FOUR, "gateway": "10.1.0.9"}],
     [{**FOUR, "gateway": "10.1.0.9"}], [{**FOUR, "gateway": "10.1.0.1"}]),
])  # fmt: skip
def test_a_difference(
    want: list[Any], past: list[Any] | None, have: list[Any], before: list[Any], after: list[Any]
) -> None:
    by_words = [[dict(sorted(pool.items())) for pool in side] for side in (before, after)]
    assert seen(want, past, have) == [(("config",), *by_words)]


def test_the_rest_of_it_is_left_as_it_is() -> None:
    sides = Sides(
        {"driver": "other"},
        {"options": {"a": "b"}},
        {"driver": "default", "options": {"a": "b"}},
        {"driver": "default"},
    )
    assert pools_as_asked(sides) == sides
