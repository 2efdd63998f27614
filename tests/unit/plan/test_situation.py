"""What a plan is made from: what was declared, what depends on what, what the state remembers."""

from dataclasses import replace
from typing import Any

from sutazai.address import Address, Kind, agent, network, volume
from sutazai.model.fleet import Network
from sutazai.model.workload import Workload, declared
from sutazai.plan.branches import Branches, branches_of, hold_up
from sutazai.plan.ports import host_ports
from sutazai.plan.remembered import observed_in
from sutazai.plan.situation import PlanOptions, declared_in_either, situation_of, used_objects
from sutazai.state.observed import Observed
from unit.plan.world import applied, change_to, fleet_of

A, B, C = agent("a"), agent("b"), agent("c")


def workload(**body: Any) -> Workload:
    return Workload.model_validate(body)


def test_what_one_of_two_bodies_declares_counts() -> None:
    one = workload(
        image="i:1",
        user="1",
        environment={"A": "1", "B": "1"},
        ports=["80", "81"],
        command=["x"],
        expose=["1"],
    )
    two = workload(
        image="i:2", environment={"B": "2", "C": "2"}, ports=["81", "82"], command=["y"], expose=["2"]
    )
    both = declared_in_either(one, two)
    assert isinstance(both, Workload)
    assert declared(both) == declared(workload(
        image="i:2", user="1", environment={"A": "1", "B": "2", "C": "2"}, ports=["81", "82", "80"], command=["y"], expose=["2", "1"],
    ))  # fmt: skip
    networks = declared_in_either(
        workload(networks={"n": {"aliases": ["a"]}}), workload(networks={"n": {"aliases": ["b"]}})
    )
    assert declared(networks)["networks"] == {"n": {"aliases": ["b", "a"]}}  # type: ignore[arg-type]
    assert declared_in_either(None, two) is two
    assert declared_in_either(one, None) is one
    assert declared_in_either(None, None) is None
    assert declared_in_either(one, workload(**declared(one))) == one


def test_what_a_workload_uses() -> None:
    body = workload(networks=["n"], volumes=["v:/v", "/etc:/etc", "/anonymous"], configs=["c"], secrets=["s"])
    assert used_objects(body) == {
        network("n"), volume("v"), Address(Kind.CONFIG, "c"), Address(Kind.SECRET, "s"),
    }  # fmt: skip


def test_a_situation_has_everything_indexed() -> None:
    old = fleet_of(
        {"a": {"deploy": {"replicas": 2}, "networks": ["n"]}, "b": {"depends_on": ["a", "gone"]}},
        networks={"n": {}},
    )
    new = fleet_of({"a": {"user": "1"}, "c": {"depends_on": ["a"]}})
    observed, state = applied(old)
    backwards = replace(
        observed,
        instances=observed.instances[::-1],
        taken=frozenset({("container", "x"), ("network", "y")}),
    )
    situation = situation_of(new, backwards, state, PlanOptions())
    assert [i.replica for i in situation.instances[A]] == [1, 2]
    assert situation.edges == {A: (), B: (A,), C: (A,)}
    assert situation.taken == {"x"}
    assert situation.past_needs(A) == {network("n")}
    assert situation.past_needs(B) == {A}
    assert situation.past_needs(C) == frozenset()
    assert situation.workload(A) == new.agents["a"]
    assert situation.workload(B) == old.agents["b"]
    assert situation.applied(C) is None
    assert situation.applied_workload(network("n")) is None
    alone = situation_of(fleet_of(), observed, None, PlanOptions())
    assert alone.edges == {A: (), B: ()}
    assert (alone.records, alone.past_needs(A)) == ({}, frozenset())


def test_what_a_partial_run_left_out_is_still_depended_on() -> None:
    """By then no longer declared: it is in no desired model any more, and in the records all the same."""
    old = fleet_of({"a": {}, "b": {"depends_on": ["a"]}, "c": {"depends_on": ["agent.a"]}})
    observed, state = applied(old)
    records = tuple(r.model_copy(update={"applied": old.workload(r.address)}) for r in state.resources)
    later = state.model_copy(update={"desired": fleet_of({"b": {}}), "resources": records})
    situation = situation_of(fleet_of({"b": {}}), observed, later, PlanOptions())
    assert situation.past_needs(B) == {A}
    assert situation.edges[C] == (A,)


def test_what_was_applied_apart_from_the_desired_counts_for_edges() -> None:
    old = fleet_of({"a": {}, "b": {"depends_on": ["a"]}, "c": {}})
    observed, state = applied(old)
    (record,) = (r for r in state.resources if r.address == B)
    apart = record.model_copy(update={"applied": workload(image="x", depends_on=["c"])})
    records = tuple(apart if r.address == B else r for r in state.resources)
    situation = situation_of(
        fleet_of({"a": {}}), observed, state.model_copy(update={"resources": records}), PlanOptions()
    )
    assert situation.edges[B] == (C,)


def test_a_record_without_a_body_depends_on_nothing() -> None:
    _, state = applied(fleet_of({"a": {}}))
    forgotten = state.model_copy(update={"desired": fleet_of()})
    situation = situation_of(fleet_of(), Observed(), forgotten, PlanOptions())
    assert situation.edges == {A: ()}


# Branches


def held_up(branches: Branches, *failed: Address) -> dict[Address, Address]:
    held: dict[Address, Address] = {}
    for address in failed:
        hold_up(held, address, branches)
    return held


def test_a_failure_holds_up_what_needs_it_and_nothing_else() -> None:
    old = fleet_of({"a": {}, "old": {"networks": ["n"], "depends_on": ["a", "older"]}, "older": {}}, networks={"n": {}, "kept": {}})  # fmt: skip
    new = fleet_of(
        {"a": {"user": "1"}, "b": {"depends_on": ["a"], "networks": ["kept"]}, "c": {}}, networks={"kept": {}}
    )
    observed, state = applied(old)
    plan = change_to(old, new)
    branches = branches_of(situation_of(new, observed, state, PlanOptions()), plan.changes)
    assert held_up(branches, A) == {A: A, B: A}
    assert held_up(branches, network("kept")) == {network("kept"): network("kept"), B: network("kept")}
    old = agent("old")
    assert held_up(branches, old) == {old: old, agent("older"): old, network("n"): old}
    assert held_up(branches, C) == {C: C}


def test_what_several_failures_hold_up_is_held_up_by_the_first_of_them() -> None:
    fleet = fleet_of({"a": {}, "b": {"depends_on": ["a"]}, "c": {"depends_on": ["a", "b"]}})
    branches = branches_of(situation_of(fleet, Observed(), None, PlanOptions()), ())
    assert held_up(branches, A, B) == {A: A, B: B, C: A}
    assert held_up(branches, B, A) == {A: A, B: B, C: B}


def test_what_is_not_required_holds_nobody_up() -> None:
    """But a namespace that is joined is needed, whatever `depends_on` says."""
    optional = {"a": {"required": False}}
    fleet = fleet_of({
        "a": {}, "b": {"depends_on": optional}, "c": {"depends_on": optional, "network_mode": "service:a"},
    })  # fmt: skip
    branches = branches_of(situation_of(fleet, Observed(), None, PlanOptions()), ())
    assert held_up(branches, A) == {A: A, C: A}


# What the state remembers


def test_what_is_remembered_is_what_was_recorded() -> None:
    fleet = fleet_of(
        {"a": {"networks": ["n", "x"], "configs": ["c"], "route": {"port": 8000, "target": 80}, "ports": ["90"]}},
        networks={"n": {"internal": True}, "x": {"external": True, "name": "theirs"}},
        volumes={"v": {"driver": "nfs"}, "e": {"external": True}},
        configs={"c": {"content": "text"}},
    )  # fmt: skip
    observed, state = applied(fleet)
    found = observed_in(state)
    (there,) = found.instances
    (was,) = observed.instances
    same = ("id", "name", "address", "slot", "replica", "image", "image_id", "spec_hash", "configs")
    assert [getattr(there, name) for name in same] == [getattr(was, name) for name in same]
    assert (there.status, there.health, there.adopted) == ("running", "none", False)
    assert (there.form, there.defaults) == (there.body.form, {})
    assert [str(port) for port in host_ports(there.body)] == ["127.0.0.1:8000"] * 2
    n = found.networks["n"]
    assert (n.id, n.name, n.address, n.owned) == ("shop-local-n", "shop-local-n", network("n"), True)
    assert (n.body, n.defaults) == (fleet.networks["n"], Network())
    assert observed_in(None) == Observed()


def test_objects_are_remembered_by_what_they_are_called() -> None:
    fleet = fleet_of(networks={"x": {"external": True, "name": "theirs"}, "n": {}}, volumes={"v": {"name": "mine"}})  # fmt: skip
    records = [r for r in applied(fleet)[1].resources if r.address != network("x")]
    recorded = [
        r.model_copy(update={"object_id": "id-n"}) if r.address == network("n") else r for r in records
    ]
    external = records[0].model_copy(update={"address": network("x"), "object_id": None})
    state = applied(fleet)[1].model_copy(update={"resources": (*recorded, external)})
    found = observed_in(state)
    assert (found.networks["n"].id, found.networks["n"].name) == ("id-n", "shop-local-n")
    assert (found.networks["x"].id, found.networks["x"].owned) == ("theirs", False)
    assert (found.volumes["v"].name, found.volumes["v"].owned) == ("mine", True)


def test_a_port_that_carries_a_route_is_remembered_once() -> None:
    fleet = fleet_of({"a": {"route": {"port": 8000, "target": 80}, "ports": ["127.0.0.1:8000:80"]}, "b": {}})
    first, second = observed_in(applied(fleet)[1]).instances
    assert first.body == fleet.agents["a"]
    assert second.body == fleet.agents["b"]
