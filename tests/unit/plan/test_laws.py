"""What holds for every plan."""

import time
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.address import Address, agent
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload, declared, effect_of
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Action
from sutazai.plan.compare import Wanted, compare
from sutazai.plan.differ import Sides, differences, facing, says
from sutazai.plan.normal import Shape
from sutazai.state.observed import Reported
from unit.plan.fields import VALUES
from unit.plan.world import (
    DEFAULTS,
    applied,
    carried_out,
    change_to,
    fleet_of,
    instance_of,
)

NAMES = ["a", "b", "c", "d", "e"]
FREE = [n for n in VALUES if n not in ("lifecycle", "image", "depends_on", "network_mode", "pid", "secrets")]
RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(FREE), max_size=6, unique=True))
    return {name: VALUES[name][draw(st.integers(0, 1))] for name in names}


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Up to five agents that depend on earlier ones only, in one of two images each."""
    there = draw(st.lists(st.sampled_from(NAMES), unique=True).map(sorted))
    agents = {}
    for position, name in enumerate(there):
        needs = draw(st.lists(st.sampled_from(there[:position]), unique=True)) if position else []
        image = draw(st.sampled_from(["shop/thing:1", "shop/thing:2"]))
        agents[name] = {**draw(bodies()), "depends_on": needs, "image": image}
    return fleet_of(
        agents,
        networks={"fleet": {}},
        volumes={"data": {}, "other": {}},
        configs={"settings": {"content": "x"}},
    )


@RELAXED
@given(fleets(), fleets())
def test_applying_then_planning_is_empty(before: Fleet, after: Fleet) -> None:
    observed, state = applied(before, also_images=["shop/thing:1", "shop/thing:2"])
    plan = build_plan(after, observed, state, PlanOptions())
    again = build_plan(after, *carried_out(plan, observed, state), PlanOptions())
    assert again.actions == ()
    assert again.drift == ()
    assert again.waves == ()


@RELAXED
@given(fleets())
def test_the_same_input_gives_the_same_plan(fleet: Fleet) -> None:
    observed, state = applied(fleet)
    backwards = replace(
        observed, instances=observed.instances[::-1], networks=dict(reversed(observed.networks.items()))
    )
    other = Fleet.model_validate(
        {**declared(fleet), "agents": dict(reversed(declared(fleet).get("agents", {}).items()))}
    )
    assert repr(build_plan(fleet, observed, None, PlanOptions())) == repr(
        build_plan(fleet, backwards, None, PlanOptions())
    )
    assert (
        build_plan(fleet, observed, state, PlanOptions()).changes
        == build_plan(other, backwards, state, PlanOptions()).changes
    )


@RELAXED
@given(fleets(), fleets())
def test_waves_respect_dependencies(before: Fleet, after: Fleet) -> None:
    plan = change_to(before, after)
    wave = {address: wave.index for wave in plan.waves for address in wave.addresses}
    assert sorted(wave) == sorted(c.address for c in plan.actions if c.address.kind.is_workload)
    gone = {c.address for c in plan.actions if c.action is Action.DESTROY}
    for address, place in wave.items():
        for needed in _all_dependencies(before, after, address) & set(wave):
            if address in gone and needed in gone:
                assert place < wave[needed]
            elif address not in gone:
                assert needed in gone or wave[needed] < place


def _all_dependencies(before: Fleet, after: Fleet, address: Address) -> set[Address]:
    """Through others too: as declared, for what goes as it was declared."""
    found: set[Address] = set()
    left = [address]
    while left:
        node = left.pop()
        fleet = before if after.workload(node) is None else after
        new = set(fleet.dependencies(node)) - found
        found |= new
        left.extend(new)
    return found


@RELAXED
@given(bodies(), bodies())
def test_a_container_made_from_a_body_does_not_differ_from_it(
    body: dict[str, Any], past: dict[str, Any]
) -> None:
    fleet = _one(body)
    instance = instance_of(fleet, agent("a"))
    workload, digests = fleet.agents["a"], dict(instance.configs)
    found = compare(Wanted(workload, _one(past).agents["a"], digests), instance)
    unreported = {("platform",), ("secrets",)}
    assert {
        f.path
        for f in found
        if f.effect is not Effect.ENGINE and f.path not in unreported and f.path[0] != "configs"
    } == set()
    assert compare(Wanted(workload, workload, digests), instance) == ()
    assert compare(Wanted(workload, None, digests), instance) == ()


WORDS = st.none() | st.booleans() | st.sampled_from("ab")
PLAIN = st.recursive(
    WORDS | st.lists(st.sampled_from("ab"), max_size=2, unique=True),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=5,
)


def _with_more(told: Any, more: Any) -> Any:
    """The same with what an engine adds to the maps in it."""
    if not isinstance(told, dict):
        return told
    added = more if isinstance(more, dict) else {}
    return {**added, **{key: _with_more(value, added.get(key)) for key, value in told.items()}}


@settings(RELAXED, max_examples=500)
@given(asked=PLAIN.filter(lambda told: told is not None), more=PLAIN, usual=WORDS, known=st.booleans())
def test_what_a_container_says_word_for_word_is_no_difference(
    *, asked: Any, more: Any, usual: Any, known: bool
) -> None:
    """The short way of comparing never finds equal what the long way tells apart."""
    have = _with_more(asked, more)
    shapes = {dict: (Shape.MAP, Shape.RECORD), list: (Shape.SET,)}.get(type(asked), ())
    for shape in (Shape.VALUE, *shapes):
        for default in (None, have, _unasked(have, asked), _all_at(usual, have)):
            if says(shape, have, asked, partial(_same, default)):
                before, after = facing(shape, Sides(asked, asked if known else None, have, default))
                assert list(differences(before, after)) == []


def _unasked(have: Any, asked: Any) -> Any:
    """What the image alone would have put there."""
    return {key: have[key] for key in have.keys() - asked.keys()} if isinstance(have, dict) else have


def _same(value: Any) -> Any:
    return value


def _all_at(usual: Any, told: Any) -> Any:
    """The same maps with one value everywhere."""
    if isinstance(told, dict):
        return {key: _all_at(usual, value) for key, value in told.items()}
    return [] if isinstance(told, list) else usual


@RELAXED
@given(bodies(), bodies())
def test_what_nobody_declared_is_nobodys_difference(body: dict[str, Any], outside: dict[str, Any]) -> None:
    """Values that somebody else gave the container count only where a field is declared."""
    workload = _one(body).agents["a"]
    mixed = {**{k: v for k, v in outside.items() if k not in body}, **body}
    instance = instance_of(_one(mixed), agent("a"))
    digests = {name: digest for name, digest in instance.configs.items() if "configs" in body}
    told = {"ports"} if {"route", "ports"} & set(body) else set()
    assert {field.path[0] for field in compare(Wanted(workload, workload, digests), instance)} <= told


@RELAXED
@given(bodies(), st.data())
def test_what_is_no_longer_declared_differs_unless_it_is_at_its_default(
    past: dict[str, Any], data: st.DataObject
) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(past)))) if past else set()
    before, now = _one(past), _one({name: past[name] for name in kept})
    instance = instance_of(before, agent("a"))
    found = {f.path[0] for f in compare(Wanted(now.agents["a"], before.agents["a"], {}), instance)} - {
        "configs"
    }
    assert not found & kept - {"ports"}
    at_default = replace(instance, reported=Reported.of(DEFAULTS), configs={})
    left = compare(Wanted(Workload(image="shop/thing:1"), before.agents["a"], {}), at_default)
    reported = {f.path[0] for f in left if f.effect is not Effect.ENGINE}
    assert reported <= {"platform"}
    real = {
        n for n in past if n not in kept and effect_of((n,)) is not Effect.ENGINE and past[n] is not False
    } - {"configs"}
    assert real <= found | ({"ports"} if "route" in kept else set())


def _one(body: dict[str, Any]) -> Fleet:
    return fleet_of(
        {"a": body},
        networks={"fleet": {}},
        volumes={"data": {}, "other": {}},
        configs={"settings": {"content": "x"}},
    )


def test_ten_thousand_workloads_are_planned_in_seconds() -> None:
    """A chain of hundreds and a wide fan: neither the number nor the depth may cost more than time in proportion."""

    def fleet(memory: str) -> Fleet:
        agents = {
            f"n{number:05}": {
                "environment": {"NUMBER": str(number)}, "deploy": {"resources": {"limits": {"memory": memory}}},
                "depends_on": [f"n{number - 1:05}"] if number % 500 else [], "networks": ["fleet"],
            }
            for number in range(10_000)
        }  # fmt: skip
        return fleet_of(agents, networks={"fleet": {}})

    old, new = fleet("64M"), fleet("128M")
    observed, state = applied(old)
    took: dict[str, float] = {}
    for name, desired, prior in (("create", old, None), ("no-op", old, state), ("update", new, state)):
        seen = observed if prior else replace(observed, instances=(), networks={})
        began = time.process_time()
        plan = build_plan(desired, seen, prior, PlanOptions())
        took[name] = time.process_time() - began
        assert len(plan.actions) == {"create": 10_001, "no-op": 0, "update": 10_000}[name]
    assert max(took.values()) < 10, took  # seconds of CPU time
