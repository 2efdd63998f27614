"""The waves of a plan that replaces many: a canary first, whatever else is made, updated or destroyed in the same run."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.address import Address, agent, service
from sutazai.model.fleet import Fleet
from sutazai.plan.change import REPLACED, Action, Plan, ResourceChange
from sutazai.plan.fleet_canary import MANY
from sutazai.plan.order import waves_of
from sutazai.plan.situation import PlanOptions, situation_of
from sutazai.plan.stages import among
from sutazai.state.observed import Observed
from unit.plan.world import change_to, fleet_of

OLD, NEW = "shop/thing:1", "shop/thing:2"
KINDS = ("replace", "replace", "update", "create", "destroy", "keep")
LIMITS = {"resources": {"limits": {"memory": "64M"}}}


def change(kinds: dict[str, str], needs: dict[str, list[str]], **tables: Any) -> tuple[Fleet, Fleet]:
    """The fleet before and after, where each agent changes in its own way."""

    def bodies(there: list[str], *, after: bool) -> dict[str, dict[str, Any]]:
        return {
            name: {
                "image": NEW if after and kinds[name] == "replace" else OLD,
                "depends_on": [other for other in needs.get(name, ()) if other in there],
                **({"deploy": LIMITS} if after and kinds[name] == "update" else {}),
            }
            for name in there
        }

    before = [name for name, kind in kinds.items() if kind != "create"]
    after = [name for name, kind in kinds.items() if kind != "destroy"]
    return fleet_of(bodies(before, after=False)), fleet_of(bodies(after, after=True), **tables)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Fleet, Fleet]:
    """Up to twenty agents that depend on earlier ones only."""
    names = [f"a{number:02}" for number in range(draw(st.integers(0, 20)))]
    kinds = {name: draw(st.sampled_from(KINDS)) for name in names}
    needs = {
        name: draw(st.lists(st.sampled_from(names[:place]), max_size=3, unique=True)) if place else []
        for place, name in enumerate(names)
    }
    percent = draw(st.sampled_from([None, 0, 10, 30]))
    return change(kinds, needs, **({} if percent is None else {"fleet_canary": {"percent": percent}}))


def replaced(plan: Plan) -> set[Address]:
    return {change.address for change in plan.actions if change.action in REPLACED}


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(changes(), st.booleans())
def test_every_change_is_in_one_wave_after_all_that_it_needs(
    fleets: tuple[Fleet, Fleet], no_canary: bool
) -> None:
    before, after = fleets
    plan = change_to(before, after, no_canary=no_canary)
    place = {address: wave.index for wave in plan.waves for address in wave.addresses}
    assert sum(len(wave.addresses) for wave in plan.waves) == len(place)
    assert sorted(place) == [change.address for change in plan.actions]
    assert [wave.index for wave in plan.waves] == list(range(1, len(plan.waves) + 1))
    gone = {change.address for change in plan.actions if change.action is Action.DESTROY}
    edges = {address: after.dependencies(address) for address, _ in after.workloads()}
    needs = among(set(place) - gone, edges)
    assert all(place[to] < place[address] for address, found in needs.items() for to in found)
    assert all(place[address] < place[to] for address in place.keys() - gone for to in gone)
    canaries = set(plan.canaries)
    percent = after.fleet_canary.percent if after.fleet_canary else 10
    assert canaries <= replaced(plan)
    assert len(canaries) <= max(1, len(replaced(plan)) * percent // 100)
    if no_canary or percent == 0 or len(replaced(plan)) < (2 if after.fleet_canary else MANY):
        assert not canaries
    else:
        assert canaries
        earlier = {a for a in place if place[a] < max(place[canary] for canary in canaries)} - canaries
        assert earlier <= {to for address in (canaries | earlier) for to in needs[address]}


def many(count: int, **tables: Any) -> tuple[Fleet, Fleet]:
    return change({f"a{n:02}": "replace" for n in range(count)}, {}, **tables)


def sizes(plan: Plan) -> list[str]:
    return [f"{len(wave.addresses)}{' canary' * wave.canary}" for wave in plan.waves]


def test_a_release_of_many_has_a_canary_though_nobody_declared_one() -> None:
    assert sizes(change_to(*many(MANY - 1))) == ["9"]
    assert sizes(change_to(*many(MANY))) == ["1 canary", "2", "4", "3"]
    assert sizes(change_to(*many(40))) == ["4 canary", "8", "16", "12"]


def test_what_was_declared_holds_for_a_few_too() -> None:
    assert sizes(change_to(*many(3, fleet_canary={"percent": 10}))) == ["1 canary", "2"]
    assert sizes(change_to(*many(40, fleet_canary={"percent": 0}))) == ["40"]
    assert sizes(change_to(*many(40, fleet_canary={"bake_time": "1m"}))) == ["4 canary", "8", "16", "12"]


def test_the_canary_may_be_selected() -> None:
    plan = change_to(*many(20, fleet_canary={"select": "a07 a1?"}))
    assert plan.canaries == tuple(agent(name) for name in ("a07", *(f"a1{n}" for n in range(10))))


@pytest.mark.parametrize("options", [{"no_canary": True}, {"kind": "rollback"}])
def test_none_where_nobody_wants_one_and_none_on_the_way_back(options: dict[str, Any]) -> None:
    assert sizes(change_to(*many(40), **options)) == ["40"]


def test_creations_are_not_staged() -> None:
    kinds = {f"a{n:02}": "create" for n in range(40)}
    assert sizes(change_to(*change(kinds, {}))) == ["40"]


def test_what_the_canary_needs_goes_before_it_and_all_else_after() -> None:
    kinds = {f"a{n:02}": "replace" for n in range(10)} | {
        "needed": "create", "under": "update", "free": "create", "above": "update", "last": "create", "gone": "destroy",
    }  # fmt: skip
    needs = {f"a{n:02}": ["needed"] for n in range(10)} | {
        "needed": ["under"],
        "above": ["a00"],
        "last": ["a09"],
    }
    plan = change_to(*change(kinds, needs))
    assert [" ".join(a.name for a in wave.addresses) + " canary" * wave.canary for wave in plan.waves] == [
        "under", "needed", "a01 canary", "a02 a03 free", "a04 a05 a06 a07", "a00 a08 a09", "above last", "gone",
    ]  # fmt: skip


def test_no_canary_where_all_are_without_their_network_until_they_have_changed() -> None:
    def fleet(image: str, *, internal: bool) -> Fleet:
        agents = {f"a{n:02}": {"image": image, "networks": ["net"]} for n in range(12)}
        return fleet_of(agents, networks={"net": {"internal": internal}})

    assert sizes(change_to(fleet(OLD, internal=False), fleet(NEW, internal=False)))[0] == "1 canary"
    assert sizes(change_to(fleet(OLD, internal=False), fleet(NEW, internal=True))) == ["12"]


def test_who_shares_a_namespace_changes_with_its_owner_after_the_canary() -> None:
    def fleet(image: str) -> Fleet:
        agents: dict[str, dict[str, Any]] = {f"a{n:02}": {"image": image} for n in range(12)}
        agents["side"] = {"image": image, "network_mode": "service:pod", "depends_on": ["pod"]}
        return fleet_of(agents, {"pod": {"image": image}}, fleet_canary={"select": "a00 pod side"})

    plan = change_to(fleet(OLD), fleet(NEW))
    place = {address: wave.index for wave in plan.waves for address in wave.addresses}
    assert plan.canaries == (agent("a00"),)
    assert place[service("pod")] == 2
    assert place[agent("side")] == 3


def test_thousands_in_a_moment() -> None:
    names = [f"a{n:05}" for n in range(3000)]
    needs = {name: [names[n // 2]] for n, name in enumerate(names) if n}
    _, fleet = change(dict.fromkeys(names, "replace"), needs)
    actions = (Action.REPLACE, Action.UPDATE)
    changed = [ResourceChange(agent(name), actions[n % 2]) for n, name in enumerate(names)]
    situation = situation_of(fleet, Observed(), None, PlanOptions())
    began = time.process_time()
    waves = waves_of(changed, situation)
    assert time.process_time() - began < 1.5
    assert sum(len(wave.addresses) for wave in waves if wave.canary) == 150


@pytest.mark.parametrize("canary", [True, False])
def test_what_is_triggered_comes_after_its_trigger(canary: bool) -> None:
    def fleet(user: str) -> Fleet:
        triggered = {"lifecycle": {"replace_triggered_by": ["service.t"]}}
        tables = {"fleet_canary": {"percent": 50}} if canary else {}
        # without an order the auxiliary one would be the canary
        agents = {"s": {"tier": "auxiliary", **triggered}, "z": {"depends_on": ["s"], "user": user}}
        return fleet_of(agents, {"t": {"tier": "critical", "user": user}}, **tables)

    waves = [wave.addresses for wave in change_to(fleet("1"), fleet("2")).waves]
    assert waves == [(service("t"),), (agent("s"),), (agent("z"),)]


def test_what_its_trigger_depends_on_comes_before_it() -> None:
    def fleet(user: str) -> Fleet:
        triggered = {"lifecycle": {"replace_triggered_by": ["t", "u"]}}
        return fleet_of({
            "s": triggered, "t": {"depends_on": ["s"], "user": user}, "u": {"user": user},
            "x": {"lifecycle": {"replace_triggered_by": ["y"]}, "user": user}, "y": {"lifecycle": {"replace_triggered_by": ["x"]}},
        })  # fmt: skip

    waves = [wave.addresses for wave in change_to(fleet("1"), fleet("2")).waves]
    assert waves == [(agent("u"), agent("x")), (agent("s"), agent("y")), (agent("t"),)]


def test_what_does_not_change_with_its_trigger_waits_for_nothing() -> None:
    """The trigger is only recorded, and does not fire."""

    def fleet(user: str, tier: str) -> Fleet:
        agents = {
            "s": {"lifecycle": {"replace_triggered_by": ["t"]}, "user": user},
            "t": {"pull_policy": tier},
        }
        return fleet_of(agents)

    waves = [wave.addresses for wave in change_to(fleet("1", "missing"), fleet("2", "always")).waves]
    assert waves == [(agent("s"), agent("t"))]
