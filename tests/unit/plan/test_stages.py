"""What holds for the stages of every change."""

import time
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.address import Address, agent
from sutazai.graph.waves import CycleError
from sutazai.model.rollout import FleetCanary
from sutazai.plan.change import Wave
from sutazai.plan.stages import Edges, Member, among, staged

TIERS = ["critical", "specialized", "auxiliary", None]
CATEGORIES = ["data", "security", "quality", None]
Change = tuple[list[Member], dict[Address, tuple[Address, ...]]]


@st.composite
def changes(draw: st.DrawFn, most: int = 40, connected: bool = True) -> Change:
    """Some of a fleet changes. Each depends on earlier ones only."""
    size = draw(st.integers(1, most))
    fleet = [agent(f"a{draw(st.integers(0, 99)):02}-{number}") for number in range(size)]
    edges: dict[Address, tuple[Address, ...]] = {}
    for place, address in enumerate(fleet):
        needs = st.lists(st.sampled_from(fleet[:place]), max_size=3, unique=True) if place else st.just([])
        edges[address] = tuple(draw(needs)) if connected else ()
    changed = draw(st.lists(st.sampled_from(fleet), min_size=1, unique=True))
    tier, category = st.sampled_from(TIERS), st.sampled_from(CATEGORIES)
    return [Member(address, draw(tier), draw(category)) for address in changed], edges


def canary_of(waves: tuple[Wave, ...]) -> set[Address]:
    return {address for wave in waves if wave.canary for address in wave.addresses}


def whole(members: list[Member], chosen: set[Address], name: str) -> set[str]:
    """Tiers or categories of the change that are wholly among the chosen."""
    groups = {word for member in members if (word := getattr(member, name)) is not None}
    left = {getattr(member, name) for member in members if member.address not in chosen}
    return groups - left


@given(changes(), st.integers(0, 100))
def test_each_is_in_one_wave_after_all_that_it_depends_on(change: Change, percent: int) -> None:
    members, edges = change
    waves = staged(members, edges, FleetCanary(percent=percent))
    place = {address: wave.index for wave in waves for address in wave.addresses}
    assert sum(len(wave.addresses) for wave in waves) == len(place)
    assert set(place) == {member.address for member in members}
    assert [wave.index for wave in waves] == list(range(1, len(waves) + 1))
    for address, needs in among(set(place), edges).items():
        assert all(place[to] < place[address] for to in needs)


@given(changes(), st.integers(1, 50))
def test_the_canary_comes_first_and_is_small(change: Change, percent: int) -> None:
    members, edges = change
    waves = staged(members, edges, FleetCanary(percent=percent))
    assert [wave.canary for wave in waves] == sorted((wave.canary for wave in waves), reverse=True)
    canary = canary_of(waves)
    assert len(canary) <= max(1, len(members) * percent // 100)
    assert len(canary) == 0 if len(members) == 1 else len(canary) >= 1


@given(changes(connected=False), st.integers(1, 100))
def test_nothing_is_wholly_in_the_canary_where_that_can_be(change: Change, percent: int) -> None:
    members, edges = change
    canary = canary_of(staged(members, edges, FleetCanary(percent=percent)))
    tiers, categories = (Counter(getattr(m, name) for m in members) for name in ("tier", "category"))

    def spares(count: Counter[str | None], word: str | None) -> bool:
        return word is None or count[word] > 1

    if any(spares(tiers, m.tier) and spares(categories, m.category) for m in members):
        assert not whole(members, canary, "category")
    if any(spares(tiers, m.tier) for m in members):
        assert not whole(members, canary, "tier")


@given(changes(), st.integers(1, 50))
def test_a_tier_is_whole_only_where_everything_waits_for_it(change: Change, percent: int) -> None:
    members, edges = change
    if len(members) == 1:
        return
    canary = canary_of(staged(members, edges, FleetCanary(percent=percent)))
    if gone := whole(members, canary, "tier"):
        needs = among({member.address for member in members}, edges)
        tiers = Counter(member.tier for member in members)
        assert [tiers[tier] for tier in gone] == [1]
        assert all(m.tier is not None and tiers[m.tier] == 1 for m in members if not needs[m.address])


@given(changes())
def test_stages_grow(change: Change) -> None:
    """With no dependencies a stage is a wave: each has twice as many as the one before it, until all are changed."""
    members, edges = change
    waves = staged(members, dict.fromkeys(edges, ()), FleetCanary())
    sizes = [len(wave.addresses) for wave in waves]
    assert all(later >= 2 * earlier for earlier, later in pairwise(sizes[:-1]))


@given(changes())
def test_the_order_of_the_input_makes_no_difference(change: Change) -> None:
    members, edges = change
    backwards = {address: tuple(reversed(needs)) for address, needs in reversed(edges.items())}
    assert staged(members, edges, FleetCanary()) == staged(members[::-1], backwards, FleetCanary())


@given(changes(), st.data())
def test_a_selected_canary_is_what_was_selected_and_what_it_needs(
    change: Change, data: st.DataObject
) -> None:
    members, edges = change
    selected = frozenset(data.draw(st.sets(st.sampled_from(sorted(edges)))))
    waves = staged(members, edges, FleetCanary(select="x"), selected)
    changed = {member.address for member in members}
    needs = among(changed, edges)
    wanted: set[Address] = set(selected & changed)
    while more := {to for address in wanted for to in needs[address]} - wanted:
        wanted |= more
    if wanted == changed:
        assert not canary_of(waves)
    elif wanted:
        assert canary_of(waves) == wanted
    else:
        assert waves == staged(members, edges, FleetCanary())


def members_of(*words: str) -> list[Member]:
    """`name tier category` each; a dot is none."""
    parts = (word.split() for word in words)
    return [Member(agent(name), *(None if w == "." else w for w in rest)) for name, *rest in parts]


def shown(waves: tuple[Wave, ...]) -> list[str]:
    return [" ".join(a.name for a in wave.addresses) + " canary" * wave.canary for wave in waves]


def test_auxiliary_goes_before_critical_and_what_nobody_needs_before_the_rest() -> None:
    members = members_of(
        "a critical x", "b critical x", "c auxiliary x", "d auxiliary x", "e specialized x", "f specialized x"
    )
    edges: Edges = {member.address: () for member in members} | {agent("other"): (agent("c"),)}
    assert shown(staged(members, edges, FleetCanary())) == ["d canary", "c e", "a b f"]


def test_the_canary_is_of_as_many_categories_as_it_can() -> None:
    members = members_of(*(f"{letter}{n} auxiliary {letter}" for letter in "xyz" for n in range(10)))
    edges: Edges = {member.address: () for member in members}
    assert shown(staged(members, edges, FleetCanary()))[0] == "x0 y0 z0 canary"


def test_what_all_wait_for_is_in_the_canary_though_it_is_all_of_its_category() -> None:
    members = members_of("db critical database", *(f"a{n:02} critical data" for n in range(19)))
    edges: Edges = {m.address: (agent("db"),) if m.category == "data" else () for m in members}
    assert shown(staged(members, edges, FleetCanary()))[:2] == ["db canary", "a00 canary"]


def test_order_goes_through_what_does_not_change() -> None:
    members = members_of("a auxiliary .", "c auxiliary .", "d auxiliary .")
    edges = {
        agent("a"): (agent("b"),),
        agent("b"): (agent("c"),),
        agent("c"): (),
        agent("d"): (agent("gone"),),
    }
    assert shown(staged(members, edges, FleetCanary())) == ["d canary", "c", "a"]


def test_no_canary_is_no_stages() -> None:
    members = members_of("a . .", "b . .", "c . .")
    edges = {agent("a"): (agent("b"),), agent("b"): (), agent("c"): ()}
    assert shown(staged(members, edges, FleetCanary(percent=0))) == ["b c", "a"]
    assert staged([], edges, FleetCanary()) == ()


def test_a_cycle_is_an_error() -> None:
    edges = {agent("a"): (agent("b"),), agent("b"): (agent("a"),)}
    with pytest.raises(CycleError, match=r"agent\.a → agent\.b → agent\.a"):
        staged(members_of("a . .", "b . ."), edges, FleetCanary())


def test_ten_thousand_in_a_moment() -> None:
    fleet = [agent(f"a{n:05}") for n in range(10_000)]
    edges = {a: tuple(fleet[max(0, n // 2 - 2) : n // 2]) for n, a in enumerate(fleet)}
    members = [Member(a, TIERS[n % 4], f"category-{n % 50}") for n, a in enumerate(fleet)]
    began = time.process_time()
    waves = staged(members, edges, FleetCanary())
    assert time.process_time() - began < 3
    assert len(canary_of(waves)) == 1000
