"""The selector language."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.address import Address, agent, network, service
from sutazai.graph.selectors import Selectable, SelectorError, select

REDIS, PLANNER, WRITER, EDITOR, NET = (
    service("redis"),
    agent("planner"),
    agent("writer"),
    agent("data-editor"),
    network("fleet"),
)
BOTH = (agent("consul"), service("consul"))


def item(
    address: Address,
    *needs: Address,
    tier: str | None = None,
    category: str | None = None,
    modified: bool = False,
    **labels: str,
) -> Selectable:
    return Selectable(address, tier, category, labels, needs, modified)


ITEMS = {
    found.address: found
    for found in (
        item(REDIS, tier="critical", category="data"),
        item(PLANNER, REDIS, tier="critical", team="core"),
        item(WRITER, PLANNER, category="text", team="edge"),
        item(EDITOR, WRITER, modified=True),
        item(NET),
        item(BOTH[0]),
        item(BOTH[1]),
    )
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("planner", {PLANNER}),
        ("agent.planner", {PLANNER}),
        ("consul", set(BOTH)),
        ("service.consul", {BOTH[1]}),
        ("network.fleet", {NET}),
        ("network.*", {NET}),
        ("data-*", {EDITOR}),
        ("agent.*", {PLANNER, WRITER, EDITOR, BOTH[0]}),
        ("*", set(ITEMS) - {NET}),
        ("nothing-*", set()),
        ("tier:critical", {REDIS, PLANNER}),
        ("tier:auxiliary", set()),
        ("category:data", {REDIS}),
        ("category:*", {REDIS, WRITER}),
        ("label:team=core", {PLANNER}),
        ("label:team=*", {PLANNER, WRITER}),
        ("label:team", {PLANNER, WRITER}),
        ("state:modified", {EDITOR}),
        ("+writer", {WRITER, PLANNER, REDIS}),
        ("1+writer", {WRITER, PLANNER}),
        ("0+writer", {WRITER}),
        ("planner+", {PLANNER, WRITER, EDITOR}),
        ("redis+1", {REDIS, PLANNER}),
        ("+planner+", {REDIS, PLANNER, WRITER, EDITOR}),
        ("1+writer+1", {PLANNER, WRITER, EDITOR}),
        ("+tier:critical+1", {REDIS, PLANNER, WRITER}),
        ("tier:critical,agent.*", {PLANNER}),
        ("redis  writer", {REDIS, WRITER}),
        ("redis+1,agent.* data-editor", {PLANNER, EDITOR}),
    ],
)
def test_select(expression: str, expected: set[Address]) -> None:
    assert select(expression, ITEMS) == expected


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("plannr", "matches nothing", 'did you mean "planner"?'),
        ("agent.redis", "matches nothing", 'did you mean "redis"?'),
        ("fleet", "matches nothing", 'did you mean "network.fleet"?'),
        ("network.flet", "matches nothing", 'did you mean "network.fleet"?'),
        ("teir:critical", "no method 'teir'", 'did you mean "tier"?'),
        ("tier:critcal", "no tier 'critcal'", 'did you mean "critical"?'),
        ("tier:", "a value is missing", None),
        ("category:dta", "matches nothing", 'did you mean "data"?'),
        ("label:team=cor", "matches nothing", 'did you mean "team=core"?'),
        ("state:new", "no state 'new'", "write state:modified"),
        ("a,,b", "beside the comma", "write a,b for both"),
        ("x++y", "can't be read", "write x, +x, x+, 2+x or x+1"),
        ("  ", "empty", "write a name, agent.NAME or tier:critical"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_help(expression: str, message: str, hint: str | None) -> None:
    with pytest.raises(SelectorError, match=message) as caught:
        select(expression, ITEMS)
    if expression != "agent.redis":
        assert caught.value.hint == hint
    assert caught.value.hint is None or caught.value.hint


WORDS = st.sampled_from(
    ["redis", "planner", "writer", "data-*", "tier:critical", "+writer", "redis+", "category:data"]
)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_a_comma_is_both_and_a_blank_is_either(one: str, other: str) -> None:
    left, right = select(one, ITEMS), select(other, ITEMS)
    assert select(f"{one},{other}", ITEMS) == left & right
    assert select(f"{one} {other}", ITEMS) == left | right


def test_who_asks_for_what_is_never_chosen_is_told_so() -> None:
    workloads = {address: item for address, item in ITEMS.items() if address.kind.is_workload}
    with pytest.raises(SelectorError) as caught:
        select("network.fleet+", workloads)
    assert (
        caught.value.hint
        == "only agents and services are chosen here, by their name, tier, category or label"
    )
