"""Which action, why, and by which steps: one example for each."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.address import Address, Kind, agent, network, service, volume
from sutazai.errors import InvalidInput
from sutazai.model.base import Effect
from sutazai.model.compose import NetworkAttachment
from sutazai.model.fleet import Fleet
from sutazai.plan.change import Action, FieldChange, Plan, Reason
from sutazai.plan.compare import is_ignored
from sutazai.plan.known import current_slot
from sutazai.state import edits
from sutazai.state.observed import Observed, Reported
from sutazai.state.scope import Slot
from sutazai.state.v2 import ResourceRecord
from sutazai.views.plan_json import resource_changes
from unit.plan.world import (
    HOST,
    applied,
    carried_out,
    change_in,
    change_to,
    fleet_of,
    image_of,
    images_for,
    instance_of,
    plan_for,
    with_instance,
)

A, B, C, REDIS = agent("a"), agent("b"), agent("c"), service("redis")


def codes(plan: Plan) -> set[tuple[str, str]]:
    return {(finding.severity, finding.code) for finding in plan.findings}


def body_with(observed: Observed, address: Address, **fields: Any) -> Any:
    return observed.of(address)[0].body.model_copy(update=fields)


# Creating, destroying, nothing


def test_an_empty_engine_is_filled() -> None:
    plan = plan_for(fleet_of({"a": {"networks": ["fleet"]}}, networks={"fleet": {}}))
    assert plan.summary == "Plan: 2 to add, 0 to change, 0 to replace, 0 to destroy."
    change = change_in(plan, A)
    assert (change.reason, change.slot, change.before) == (Reason.NEW, Slot.BLUE, None)
    assert change.after == {"image": "shop/thing:1", "networks": {"fleet": {}}}
    assert change.image_id == image_of("shop/thing:1").id
    assert change.fields == ()


def test_what_only_docker_knows_is_marked() -> None:
    fleet = fleet_of({"a": {"ports": ["80", "81:81"]}})
    change = change_in(plan_for(fleet, Observed()), A)
    assert change.fields == (
        FieldChange(("image_id",), None, None, Effect.REPLACE, known=False),
        FieldChange(("ports",), None, ["*:81"], Effect.REPLACE, known=False),
    )


def test_a_container_that_is_gone_is_made_again_and_is_drift() -> None:
    fleet = fleet_of({"a": {}, "b": {}})
    observed, state = applied(fleet)
    plan = plan_for(fleet, replace(observed, instances=observed.of(B)), state)
    change = change_in(plan, A)
    assert (change.action, change.reason) == (Action.CREATE, Reason.MISSING)
    assert [(d.address, d.action, d.after) for d in plan.drift] == [(A, Action.DESTROY, None)]


def test_what_is_no_longer_declared_is_destroyed_after_all_else() -> None:
    old = fleet_of(
        {"a": {"networks": ["fleet"]}, "b": {"depends_on": ["a"]}, "c": {}}, networks={"fleet": {}}
    )
    plan = change_to(old, fleet_of({"c": {"restart": "always"}}))
    assert {c.address: c.action for c in plan.actions} == {
        network("fleet"): Action.DESTROY, A: Action.DESTROY, B: Action.DESTROY, C: Action.UPDATE,
    }  # fmt: skip
    assert change_in(plan, A).reason is Reason.UNDECLARED
    assert [wave.addresses for wave in plan.waves] == [(C,), (B,), (A,)]


def test_a_destroyed_workload_goes_first_where_its_port_is_needed() -> None:
    old = fleet_of({"a": {"ports": ["8000:80"]}})
    plan = change_to(old, fleet_of({"b": {"route": {"port": 8000, "target": 80}}}))
    assert [wave.addresses for wave in plan.waves] == [(A,), (B,)]
    plan = change_to(old, fleet_of({"b": {"route": {"port": 8001, "target": 80}}}))
    assert [wave.addresses for wave in plan.waves] == [(B,), (A,)]


@pytest.mark.parametrize(
    ("before", "after", "goes_first"),
    [
        ({"volumes": ["data:/data"]}, {"volumes": ["data:/elsewhere"]}, True),
        ({"volumes": ["/srv/a:/data"]}, {"volumes": ["/srv/a:/data"]}, True),
        ({"volumes": ["data:/data:ro"]}, {"volumes": ["data:/data"]}, False),
        ({"volumes": ["data:/data"]}, {"volumes": ["data:/data:ro"]}, False),
        (
            {"volumes": ["data:/data"], "rollout": {"order": "start-first"}},
            {"volumes": ["data:/data"], "rollout": {"order": "start-first"}},
            False,
        ),
        (
            {"networks": {"n": {"ipv4_address": "10.9.0.2"}}},
            {"networks": {"n": {"ipv4_address": "10.9.0.2"}}},
            True,
        ),
        (
            {"networks": {"n": {"ipv4_address": "10.9.0.2"}}},
            {"networks": {"n": {"ipv4_address": "10.9.0.3"}}},
            False,
        ),
    ],
)
def test_a_destroyed_workload_goes_first_where_another_comes_to_what_it_has_alone(
    before: dict[str, Any], after: dict[str, Any], goes_first: bool
) -> None:
    """Two databases on one folder of data is what must never be."""
    tables = {"volumes": {"data": {}}, "networks": {"n": {"ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}}}
    old, new = fleet_of({"a": before, "c": {}}, **tables), fleet_of({"b": after, "c": {}}, **tables)
    order = [(A,), (B,)] if goes_first else [(B,), (A,)]
    assert [wave.addresses for wave in change_to(old, new).waves] == order
    alone = change_to(old, new, targets=("agent.b",))
    assert [f.address for f in alone.findings if f.code == "still-held"] == [B] * goes_first
    assert alone.applyable is not goes_first
    assert not [f for f in change_to(old, new).findings if f.code == "still-held"]


def test_who_takes_part_in_a_volume_already_waits_for_nobody_that_leaves_it() -> None:
    both, tables = {"volumes": ["data:/data"]}, {"volumes": {"data": {}}}
    plan = change_to(
        fleet_of({"a": both, "b": both}, **tables), fleet_of({"b": {**both, "restart": "always"}}, **tables)
    )
    assert [wave.addresses for wave in plan.waves] == [(B,), (A,)]


def test_an_agent_that_becomes_a_service_gives_its_name_first() -> None:
    plan = change_to(fleet_of({"redis": {}}), fleet_of(None, {"redis": {}}))
    assert [wave.addresses for wave in plan.waves] == [(agent("redis"),), (REDIS,)]


@pytest.mark.parametrize(
    ("published", "wanted", "first"),
    [
        ({"80/tcp": ("0.0.0.0", 32768)}, "32768:80", A),
        ({"80/tcp": ("127.0.0.1", 32768)}, "127.0.0.2:32768:80", B),
        ({"80/udp": ("0.0.0.0", 32768)}, "32768:80", B),
        ({"80/udp": ("0.0.0.0", 32768)}, "32768:80/udp", A),
        ({}, "32768:80", B),
    ],
)
def test_a_port_that_docker_chose_is_held_too(published: Any, wanted: str, first: Address) -> None:
    observed, state = applied(fleet_of({"a": {"ports": ["80"]}}))
    seen = with_instance(observed, A, published=published)
    plan = plan_for(fleet_of({"b": {"ports": [wanted]}}), seen, state)
    assert plan.waves[0].addresses == (first,)


def test_containers_that_no_state_knows_are_destroyed_when_undeclared() -> None:
    observed, _ = applied(fleet_of({"a": {}}))
    assert change_in(plan_for(fleet_of(), observed), A).action is Action.DESTROY


def test_a_no_op_shows_its_body_and_has_no_waves() -> None:
    fleet = fleet_of({"a": {"user": "1"}})
    plan = change_to(fleet, fleet)
    assert plan.waves == ()
    assert change_in(plan, A).before == change_in(plan, A).after == {"image": "shop/thing:1", "user": "1"}


# Not running, not complete, not finished


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (
            {"status": "exited", "exit_code": 137, "oom_killed": True},
            "its container exited with code 137 (out of memory)",
        ),
        ({"status": "exited", "exit_code": 0}, "its container exited with code 0"),
        ({"status": "created"}, "its container was never started"),
        ({"status": "paused"}, "its container is paused"),
        ({"status": "restarting", "exit_code": 1}, "its container keeps restarting, last ended with code 1"),
    ],
)
def test_what_does_not_run_is_started(done: dict[str, Any], words: str) -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    plan = plan_for(fleet, with_instance(observed, A, **done), state)
    change = change_in(plan, A)
    assert (change.action, change.reason, change.steps) == (Action.UPDATE, Reason.STOPPED, ("start", "wait"))
    assert change.detail == words
    assert [(d.reason, d.detail) for d in plan.drift] == [(Reason.STOPPED, words)]


@pytest.mark.parametrize(
    ("done", "words"),
    [
        ({"status": "dead", "error": "no space"}, "its container is dead: no space"),
        ({"status": "removing"}, "its container is being removed"),
    ],
)
def test_what_can_never_be_started_again_is_replaced(done: dict[str, Any], words: str) -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    plan = plan_for(fleet, with_instance(observed, A, **done), state)
    change = change_in(plan, A)
    assert (change.action, change.reason) == (Action.REPLACE, Reason.TAINTED)
    assert change.detail == f"{words}, and can't be started again"
    assert [(d.reason, d.detail) for d in plan.drift] == [(Reason.STOPPED, words)]


def test_a_job_that_others_wait_for_may_have_ended_well() -> None:
    fleet = fleet_of({"a": {}, "b": {"depends_on": {"a": {"condition": "service_completed_successfully"}}}})
    observed, state = applied(fleet)
    ended = with_instance(observed, A, status="exited", exit_code=0)
    assert plan_for(fleet, ended, state).actions == ()
    assert plan_for(fleet, ended, state).drift == ()
    failed = with_instance(observed, A, status="exited", exit_code=1)
    assert change_in(plan_for(fleet, failed, state), A).steps == ("start", "wait")


def test_replicas_are_made_and_removed_in_place() -> None:
    def fleet(replicas: int) -> Any:
        return fleet_of({"a": {"deploy": {"replicas": replicas}}})

    more = change_in(change_to(fleet(2), fleet(3)), A)
    assert (more.action, more.reason, more.steps) == (Action.UPDATE, Reason.SCALED, ("scale",))
    assert more.detail == "2 of 3 there"
    from_one = change_in(change_to(fleet(1), fleet(2)), A)
    assert from_one.steps == ("scale", "rename")
    assert change_in(change_to(fleet(2), fleet(0)), A).steps == ("scale",)
    assert change_in(change_to(fleet(0), fleet(2)), A).action is Action.CREATE
    observed, state = applied(fleet(3))
    lost = replace(observed, instances=tuple(i for i in observed.instances if i.replica != 1))
    plan = plan_for(fleet(3), lost, state)
    assert change_in(plan, A).steps == ("scale",)
    assert plan.drift[0].fields[0].before == 3
    assert plan.drift[0].fields[0].after == 2


def test_no_replicas_are_recorded_once() -> None:
    fleet = fleet_of({"a": {"deploy": {"replicas": 0}}})
    plan = plan_for(fleet)
    assert change_in(plan, A).steps == ("record",)
    assert plan_for(fleet, *applied(fleet)).actions == ()


def test_what_had_no_replicas_is_not_new_in_the_specs() -> None:
    none, some = (fleet_of({"a": {"deploy": {"replicas": n}}}) for n in (0, 3))
    change = change_in(change_to(none, some), A)
    assert (change.action, change.detail) == (Action.CREATE, "none of 3 there")


def test_a_container_in_the_other_slot_is_removed() -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    left = instance_of(fleet, A, slot=Slot.GREEN, status="created")
    change = change_in(plan_for(fleet, replace(observed, instances=(*observed.instances, left)), state), A)
    assert (change.action, change.slot, change.steps) == (Action.UPDATE, Slot.BLUE, ("remove-deposed",))


def test_without_a_record_the_slot_that_runs_is_in_use() -> None:
    fleet = fleet_of({"a": {}})
    old = instance_of(fleet, A, slot=Slot.BLUE, status="exited", created_at="2026-02-01")
    new = instance_of(fleet, A, slot=Slot.GREEN)
    observed = Observed(instances=(old, new), images=images_for(fleet))
    assert change_in(plan_for(fleet, observed), A).slot is Slot.GREEN


@pytest.mark.parametrize(
    ("recorded", "there", "slot"),
    [
        (None, [], Slot.BLUE),
        (Slot.GREEN, [(Slot.GREEN, "exited", "1"), (Slot.BLUE, "running", "2")], Slot.GREEN),
        (Slot.GREEN, [(Slot.BLUE, "exited", "1")], Slot.BLUE),
        (None, [(Slot.BLUE, "running", "1"), (Slot.GREEN, "exited", "2")], Slot.BLUE),
        (None, [(Slot.BLUE, "running", "2"), (Slot.GREEN, "running", "1")], Slot.BLUE),
        (None, [(Slot.BLUE, "exited", "1"), (Slot.GREEN, "exited", "2")], Slot.GREEN),
        (None, [(Slot.BLUE, "exited", "1"), (Slot.GREEN, "exited", "1")], Slot.GREEN),
    ],
)
def test_which_slot_is_in_use(recorded: Slot | None, there: list[tuple[Slot, Any, str]], slot: Slot) -> None:
    fleet = fleet_of({"a": {}})
    found = [instance_of(fleet, A, slot=s, status=status, created_at=at) for s, status, at in there]
    record = ResourceRecord(address=A, slot=recorded) if recorded else None
    assert current_slot(record, found) is slot


def test_what_was_not_healthy_is_gone_on_with() -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    tainted = state.model_copy(
        update={"resources": tuple(r.model_copy(update={"tainted": True}) for r in state.resources)}
    )
    assert change_in(plan_for(fleet, observed, tainted), A).steps == ("wait",)
    stopped = with_instance(observed, A, status="exited", exit_code=1)
    assert change_in(plan_for(fleet, stopped, tainted), A).steps == ("start", "wait")
    changed = fleet_of({"a": {"user": "1"}})
    assert change_in(plan_for(changed, observed, tainted), A).action is Action.REPLACE


def test_one_that_was_never_started_may_be_without_its_configs() -> None:
    """A run was killed after the container was made and before the files were put into it, for all that is known."""
    fleet = fleet_of({"a": {"configs": ["c"]}, "b": {}}, configs={"c": {"content": "x"}})
    observed, state = applied(fleet)
    plan = plan_for(
        fleet, with_instance(with_instance(observed, A, status="created"), B, status="created"), state
    )
    change = change_in(plan, A)
    assert (change.action, change.reason) == (Action.REPLACE, Reason.TAINTED)
    assert change.detail == "its container was never started, and may be without its configs"
    assert change_in(plan, B).steps == ("start", "wait")


def test_a_renamed_container_gets_its_name_back() -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    change = change_in(plan_for(fleet, with_instance(observed, A, name="mine"), state), A)
    assert (change.steps, change.detail) == (("rename",), "its container was renamed")


def test_all_that_was_done_to_a_container_is_drift() -> None:
    fleet = fleet_of({"a": {"restart": "always"}})
    observed, state = applied(fleet)
    there = observed.of(A)[0].body.model_copy(update={"restart": "no"})
    seen = with_instance(observed, A, name="mine", reported=Reported.of(there), status="paused")
    (drift,) = plan_for(fleet, seen, state).drift
    assert (drift.reason, drift.detail) == (
        Reason.STOPPED,
        "its container is paused; its container was renamed to mine",
    )
    assert [field.path for field in drift.fields] == [("restart",)]


@pytest.mark.parametrize("ignored", ["deploy.replicas", "all"])
@pytest.mark.parametrize("left", [1, 2])
def test_a_renamed_container_gets_its_name_back_also_where_its_number_is_ignored(
    left: int, ignored: str
) -> None:
    """But one that was the second of two keeps its number as the only one."""
    wanted = fleet_of({"a": {"deploy": {"replicas": 2}, "lifecycle": {"ignore_changes": [ignored]}}})
    observed, state = applied(wanted)
    there = observed.instances[:left]
    assert plan_for(wanted, replace(observed, instances=there), state).actions == ()
    renamed = (replace(there[0], name="mine"), *there[1:])
    change = change_in(plan_for(wanted, replace(observed, instances=renamed), state), A)
    assert (change.steps, change.detail) == (("rename",), "its container was renamed")


@pytest.mark.parametrize("ignored", ["deploy.replicas", "all"])
def test_where_their_number_is_ignored_the_second_does_not_make_way_for_a_new_first(ignored: str) -> None:
    wanted = fleet_of(
        {"a": {"deploy": {"replicas": 3}, "lifecycle": {"ignore_changes": [ignored]}},
         "b": {"lifecycle": {"replace_triggered_by": ["agent.a"]}}}
    )  # fmt: skip
    observed, state = applied(wanted)
    there = tuple(i for i in observed.instances if (i.address, i.replica) not in {(A, 1), (A, 3)})
    plan = plan_for(wanted, replace(observed, instances=there), state)
    assert (plan.actions, plan.drift) == ((), ())


def test_a_container_under_another_address_is_not_said_to_have_been_renamed() -> None:
    """After `state mv`: nobody did anything to it outside."""
    fleet, moved = (fleet_of({name: {"networks": ["net"]}}, networks={"net": {}}) for name in "ab")
    observed, state = applied(fleet)
    state = edits.moved(state, A, agent("b"))
    (there,) = observed.instances
    seen = replace(observed, instances=(replace(there, address=agent("b"), answers={"net": ("a",)}),))
    plan = plan_for(moved, seen, state)
    assert (change_in(plan, agent("b")).detail, plan.drift) == (
        "networks.net.aliases; its container will be called shop-local-b-blue",
        (),
    )


# In place, replaced


@pytest.mark.parametrize("body", ["declared", "reported"])
def test_its_own_name_may_be_asked_for_as_an_alias(body: str) -> None:
    """Docker's report of a container leaves out the names that the engine gives it."""
    fleet, bare = (
        fleet_of({"a": {"networks": {"n": {"aliases": aliases}}}}, networks={"n": {}})
        for aliases in (["a"], [])
    )
    observed, state = applied(fleet)
    (there,) = observed.instances
    if body == "reported":
        there = replace(
            there,
            reported=Reported.of(there.body.model_copy(update={"networks": {"n": NetworkAttachment()}})),
        )
    seen = replace(observed, instances=(replace(there, answers={"n": ("a", "0123456789ab")}),))
    for wanted in (fleet, bare):
        plan = plan_for(wanted, seen, state)
        assert (plan.actions, plan.drift) == ((), ())


def test_a_memory_limit_is_one_update_in_place() -> None:
    def fleet(memory: str) -> Any:
        return fleet_of(
            {"a": {"deploy": {"resources": {"limits": {"memory": memory}}}}, "b": {"depends_on": ["a"]}}
        )

    plan = change_to(fleet("64M"), fleet("128M"))
    assert plan.summary == "Plan: 0 to add, 1 to change, 0 to replace, 0 to destroy."
    change = change_in(plan, A)
    (field,) = change.fields
    assert (field.path, field.before, field.after) == (
        ("deploy", "resources", "limits", "memory"),
        64 << 20,
        128 << 20,
    )
    assert (change.reason, change.steps, field.effect) == (Reason.CHANGED, ("update",), Effect.IN_PLACE)


def test_an_image_is_one_replacement_and_nothing_of_its_dependents() -> None:
    plan = change_to(
        fleet_of({"a": {}, "b": {"depends_on": ["a"]}}),
        fleet_of({"a": {"image": "shop/thing:2"}, "b": {"depends_on": ["a"]}}),
    )
    assert [c.address for c in plan.actions] == [A]
    change = change_in(plan, A)
    assert (change.action, change.reason, change.detail) == (
        Action.REPLACE,
        Reason.CANNOT_UPDATE,
        "image, image_id",
    )
    assert (change.slot, change.strategy, change.image_id) == (
        Slot.GREEN,
        "recreate",
        image_of("shop/thing:2").id,
    )


def test_an_image_name_that_points_elsewhere_replaces() -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    moved = replace(observed, images={"shop/thing:1": image_of("another")})
    change = change_in(plan_for(fleet, moved, state), A)
    assert (change.action, change.reason) == (Action.REPLACE, Reason.IMAGE_MOVED)
    assert plan_for(fleet, moved, state).drift == ()
    (shown,) = [
        found["change"]
        for found in resource_changes(plan_for(fleet, moved, state))
        if found["address"] == str(A)
    ]
    ids = [shown[side].pop("image_id") for side in ("before", "after")]
    assert ids == [image_of("shop/thing:1").id, image_of("another").id]
    assert (shown["replace_paths"], shown["before"]) == ([["image_id"]], shown["after"])
    swapped = with_instance(observed, A, image_id=image_of("another").id)
    (drift,) = plan_for(fleet, swapped, state).drift
    assert [(f.path, f.before, f.after) for f in drift.fields] == [
        (("image_id",), image_of("shop/thing:1").id, image_of("another").id)
    ]
    gone = replace(observed, images={"shop/thing:1": None})
    assert plan_for(fleet, gone, state).actions == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"route": {"port": 1, "target": 2}}, "its route publishes the port itself"),
        ({"ports": ["127.0.0.1:8000:80"]}, "host port 127.0.0.1:8000"),
        ({"volumes": ["data:/data"]}, "volume data"),
        ({"volumes": ["data:/data:ro"]}, "it has no route"),
    ],
)
def test_a_replacement_says_why_it_stops_first(body: dict[str, Any], words: str) -> None:
    tables = {"volumes": {"data": {}}}
    plan = change_to(fleet_of({"a": body}, **tables), fleet_of({"a": {**body, "user": "1"}}, **tables))
    assert words in change_in(plan, A).strategy_reason


def test_environment_put_there_by_somebody_is_drift_and_the_images_own_is_not() -> None:
    fleet = fleet_of({"a": {"environment": {"MODE": "fast"}}})
    observed, state = applied(fleet)
    body = observed.instances[0].body
    other = body.model_copy(update={"environment": {**body.environment, "DEBUG": "1", "MODE": "slow"}})
    plan = plan_for(fleet, with_instance(observed, A, reported=Reported.of(other)), state)
    change = change_in(plan, A)
    assert {(f.path[1], f.before, f.after, f.drift) for f in change.fields} == {
        ("DEBUG", "1", None, True),
        ("MODE", "slow", "fast", True),
    }
    assert change.before == {"image": "shop/thing:1", "environment": {"MODE": "slow", "DEBUG": "1"}}
    (drift,) = plan.drift
    assert {(f.path[1], f.before, f.after) for f in drift.fields} == {
        ("DEBUG", None, "1"),
        ("MODE", "fast", "slow"),
    }
    assert drift.before == change.after
    assert drift.after == change.before


def test_drift_is_told_apart_from_what_the_user_changed() -> None:
    old, new = fleet_of({"a": {"restart": "always"}}), fleet_of({"a": {"restart": "no"}})
    observed, state = applied(old)
    body = observed.instances[0].body.model_copy(update={"restart": "on-failure"})
    tampered = with_instance(observed, A, reported=Reported.of(body))
    again = plan_for(old, tampered, state)
    assert (change_in(again, A).reason, change_in(again, A).steps) == (Reason.DRIFTED, ("update",))
    plan = plan_for(new, tampered, state)
    assert change_in(plan, A).reason is Reason.CHANGED
    assert [(f.before, f.after) for f in plan.drift[0].fields] == [("always", "on-failure")]


def test_networks_joined_and_left_outside_are_drift() -> None:
    fleet = fleet_of({"a": {"networks": ["fleet"]}}, networks={"fleet": {}})
    observed, state = applied(fleet)
    body = observed.instances[0].body
    for networks in ({}, {**body.networks, "stranger": body.networks["fleet"]}):
        seen = with_instance(
            observed, A, reported=Reported.of(body.model_copy(update={"networks": networks}))
        )
        change = change_in(plan_for(fleet, seen, state), A)
        assert (change.reason, change.steps) == (Reason.DRIFTED, ("networks",))


def test_only_recorded_fields_touch_no_container() -> None:
    plan = change_to(fleet_of({"a": {}, "b": {}}), fleet_of({"a": {}, "b": {"depends_on": ["a"]}}))
    change = change_in(plan, B)
    assert (change.action, change.reason, change.steps) == (Action.UPDATE, Reason.RECORD, ("record",))


def test_ignored_changes_are_left_alone() -> None:
    ignore = {
        "lifecycle": {"ignore_changes": ["environment.MODE", "deploy.resources", "image", "deploy.replicas"]}
    }
    old = fleet_of({"a": {**ignore, "environment": {"MODE": "1"}}})
    new = {"environment": {"MODE": "2"}, "image": "shop/thing:2",
           "deploy": {"replicas": 2, "resources": {"limits": {"memory": "1G"}}}}  # fmt: skip
    assert change_to(old, fleet_of({"a": {**ignore, **new}})).actions == ()
    other = change_in(change_to(old, fleet_of({"a": {**ignore, "environment": {"MODE": "2", "X": "1"}}})), A)
    assert [field.path for field in other.fields] == [("environment", "X")]


IGNORING = {
    "image": (["image"], {"image": "shop/thing:2"}),
    "replicas": (["deploy.replicas"], {"deploy": {"replicas": 1}}),
    "variable": (["environment.MODE"], {"environment": {"MODE": "2", "OTHER": "1"}}),
    "new variable": (["environment"], {"environment": {"MODE": "1", "OTHER": "1", "NEW": "1"}}),
    "gone variable": (["environment.MODE"], {"environment": {"OTHER": "1"}}),
    "label with dots": (["labels.com.shop.x"], {"labels": {"com.shop.x": "2"}}),
    "limit": (["deploy.resources"], {"deploy": {"replicas": 3, "resources": {"limits": {"memory": "1G"}}}}),
    "volumes": (["volumes"], {"volumes": ["/b:/b"]}),
    "a volume": (["volumes./a"], {"volumes": ["/b:/a"]}),
    "a gone volume": (["volumes./a"], {"volumes": []}),
    "a word of a volume": (["volumes./a.read_only"], {"volumes": ["/a:/a:ro"]}),
    "a tmpfs": (["tmpfs./t"], {"tmpfs": ["/t:size=2m"]}),
    "a config": (["configs.file"], {"configs": [{"source": "file", "target": "/elsewhere"}]}),
    "networks": (["networks"], {"networks": ["other"]}),
    "all": (["all"], {"image": "shop/thing:2", "deploy": {"replicas": 1}, "environment": {}, "volumes": []}),
}


@pytest.mark.parametrize("case", IGNORING)
def test_what_is_ignored_stays_when_something_else_makes_a_new_container(case: str) -> None:
    ignored, change = IGNORING[case]
    body = {
        "lifecycle": {"ignore_changes": ignored}, "deploy": {"replicas": 3}, "environment": {"MODE": "1", "OTHER": "1"},
        "labels": {"com.shop.x": "1"}, "volumes": ["/a:/a"], "networks": ["fleet"], "tmpfs": ["/t:size=1m"],
        "configs": ["file"],
    }  # fmt: skip
    tables = {"networks": {"fleet": {}, "other": {}}, "configs": {"file": {"content": "x"}}}
    observed, state = applied(fleet_of({"a": body}, **tables))
    wanted = fleet_of({"a": {**body, **change}}, **tables)
    observed = replace(observed, images={**observed.images, **images_for(wanted)})
    plan = plan_for(wanted, observed, state, replace=("a",))
    was = change_in(plan_for(wanted, observed, state), A)
    assert was.action is Action.NOOP
    made = change_in(plan, A)
    assert (made.action, made.fields, made.image_id) == (
        Action.REPLACE,
        (),
        image_of("shop/thing:1").id,
    )
    assert plan.desired.agents["a"] == state.desired.agents["a"]
    after, recorded = carried_out(plan, observed, state)
    assert [i.form for i in after.instances] == [i.form for i in observed.instances]
    assert plan_for(wanted, after, recorded).actions == ()


@pytest.mark.parametrize("ignored", ["configs.file", "configs.file.content", "configs", "all"])
def test_the_content_of_a_config_that_is_ignored_stays_in_a_new_container(ignored: str) -> None:
    def of(content: str, ignored: str = ignored, **others: Any) -> Fleet:
        body = {"configs": ["file"], "lifecycle": {"ignore_changes": [ignored]}}
        return fleet_of({"a": body, **others}, configs={"file": {"content": content}})

    observed, state = applied(of("old"))
    wanted = of("new")
    assert plan_for(wanted, observed, state).actions == ()
    plan = plan_for(wanted, observed, state, replace=("a",))
    assert (plan.desired.configs["file"].content, change_in(plan, A).fields) == ("old", ())
    after, recorded = carried_out(plan, observed, state)
    assert plan_for(wanted, after, recorded).actions == ()
    followed = change_in(plan_for(of("new", ignored="user"), after, recorded), A)
    assert ("configs", "file", "content") in [field.path for field in followed.fields]
    shared = plan_for(of("new", b={"configs": ["file"]}), observed, state)
    assert shared.desired.configs["file"].content == "new"


def test_a_config_that_is_ignored_stays_at_all_its_places() -> None:
    def of(*targets: str, user: str) -> Fleet:
        grants = [{"source": "file", "target": target} for target in targets]
        body = {"configs": grants, "user": user, "lifecycle": {"ignore_changes": ["configs.file"]}}
        return fleet_of({"a": body}, configs={"file": {"content": "x"}})

    observed, state = applied(of("/etc/a", "/etc/b", user="1"))
    plan = plan_for(of("/etc/a", "/etc/c", user="2"), observed, state)
    assert [grant.target for grant in plan.desired.agents["a"].configs] == ["/etc/a", "/etc/b"]
    assert [field.path for field in change_in(plan, A).fields] == [("user",)]


def test_what_is_ignored_is_not_what_only_begins_like_it() -> None:
    assert is_ignored(("configs", "app", "content"), ["configs.app"])
    assert is_ignored(("configs", "app.yml", "content"), ["configs.app.yml"])
    assert not is_ignored(("configs", "app.yml", "content"), ["configs.app"])
    assert not is_ignored(("volumes", "/etc/app.d"), ["volumes./etc/app"])


def test_what_was_done_outside_to_what_is_ignored_stays_in_a_new_container() -> None:
    body = {
        "lifecycle": {"ignore_changes": ["restart", "deploy.replicas", "image"]},
        "restart": "no",
        "deploy": {"replicas": 2},
    }
    wanted = fleet_of({"a": body})
    observed, state = applied(wanted, also_images=["shop/thing:9"])
    there = observed.instances[0].body.model_copy(update={"restart": "always"})
    observed = replace(
        observed,
        instances=(replace(observed.instances[0], reported=Reported.of(there)),),
        images={**observed.images, "shop/thing:1": image_of("shop/thing:9")},
    )
    made = plan_for(wanted, observed, state, replace=("a",))
    assert (made.desired.agents["a"].restart, made.desired.agents["a"].deploy.replicas) == ("always", 1)
    assert change_in(made, A).image_id == image_of("shop/thing:1").id


def test_the_image_that_stays_is_not_said_to_be_pulled() -> None:
    """Only what is declared was looked for; the one that runs is there."""
    body = {"lifecycle": {"ignore_changes": ["image"]}}
    observed, state = applied(fleet_of({"a": body}))
    wanted = fleet_of({"a": {**body, "image": "shop/thing:2", "user": "1"}})
    plan = plan_for(wanted, replace(observed, images={"shop/thing:2": None}), state)
    assert change_in(plan, A).image_id == image_of("shop/thing:1").id
    assert plan.findings == ()


@pytest.mark.parametrize("place", ["/data", "/data/", "//data"])
@pytest.mark.parametrize("user", [None, "1"])
def test_a_place_that_is_ignored_may_be_spelt_as_it_is_in_the_body(place: str, user: str | None) -> None:
    def fleet(volume: str, size: str, **fields: Any) -> Any:
        lifecycle = {"ignore_changes": [f"volumes.{place}", "tmpfs./run/"]}
        body = {"volumes": [f"{volume}:/data/"], "tmpfs": f"/run/:size={size}", "lifecycle": lifecycle}
        return fleet_of({"a": {**body, **fields}}, volumes={"data": {}, "more": {}})

    plan = change_to(fleet("data", "1m"), fleet("more", "2m", **({"user": user} if user else {})))
    assert [field.path for change in plan.actions for field in change.fields] == ([("user",)] if user else [])
    assert [mount.source for mount in plan.desired.agents["a"].volumes] == ["data"]
    assert plan.desired.agents["a"].tmpfs == ("/run/:size=1m",)


def test_what_is_ignored_and_names_what_is_no_longer_declared_is_as_declared() -> None:
    body = {"lifecycle": {"ignore_changes": ["networks"]}}
    observed, state = applied(fleet_of({"a": {**body, "networks": ["old"]}}, networks={"old": {}}))
    wanted = fleet_of({"a": {**body, "networks": ["new"], "user": "1"}}, networks={"new": {}})
    assert set(plan_for(wanted, observed, state).desired.agents["a"].networks) == {"new"}


@pytest.mark.parametrize("user", [None, "1"])
def test_what_is_ignored_and_names_others_that_are_declared_stays_and_they_with_it(user: str | None) -> None:
    def fleet(name: str, **fields: Any) -> Any:
        body = {
            "lifecycle": {"ignore_changes": ["networks", "volumes"]},
            "networks": [name],
            "volumes": [f"{name}:/data"],
            **fields,
        }
        objects = {"old": {}, "new": {}}
        return fleet_of({"a": body}, networks=objects, volumes=objects)

    first = plan_for(fleet("old"))
    assert [c.address.name for c in first.actions if c.action is Action.CREATE] == ["old", "old", "a"]
    observed, state = carried_out(first, Observed(images=images_for(fleet("old"))), None)
    plan = plan_for(fleet("new", **({"user": user} if user else {})), observed, state)
    assert [c.address for c in plan.actions] == ([A] if user else [])
    there = plan.desired.agents["a"]
    assert (set(there.networks), [mount.source for mount in there.volumes]) == ({"old"}, ["old"])
    assert (set(plan.desired.networks), set(plan.desired.volumes)) == ({"old"}, {"old"})


def test_replace_on_request() -> None:
    fleet = fleet_of({"a": {}, "b": {}})
    plan = change_to(fleet, fleet, replace=("a",))
    assert [(c.address, c.action, c.reason, c.slot) for c in plan.actions] == [
        (A, Action.REPLACE, Reason.REQUESTED, Slot.GREEN)
    ]


def test_where_nothing_is_to_run_nothing_is_replaced_on_request() -> None:
    fleet = fleet_of({"a": {"deploy": {"replicas": 0}}})
    assert change_to(fleet, fleet, replace=("a",)).actions == ()


def test_triggers_replace_in_a_chain() -> None:
    def fleet(user: str, content: str = "x") -> Any:
        return fleet_of(
            {
                "a": {"user": user, "configs": ["settings"]},
                "b": {"lifecycle": {"replace_triggered_by": ["agent.a"]}},
                "c": {"lifecycle": {"replace_triggered_by": ["b", "config.settings"]}},
            },
            configs={"settings": {"content": content}},
        )

    plan = change_to(fleet("1"), fleet("2"))
    assert [(c.address, c.reason, c.detail) for c in plan.actions][1:] == [
        (B, Reason.TRIGGERED, "agent.a changes"), (C, Reason.TRIGGERED, "agent.b changes"),
    ]  # fmt: skip
    plan = change_to(fleet("1"), fleet("1", "y"))
    assert change_in(plan, Address(Kind.CONFIG, "settings")).action is Action.UPDATE
    assert change_in(plan, A).detail == "configs.settings.content"
    assert change_in(plan, C).action is Action.REPLACE


@pytest.mark.parametrize("field", ["network_mode", "pid", "ipc"])
def test_a_new_container_takes_along_those_that_share_its_namespaces(field: str) -> None:
    def fleet(user: str) -> Any:
        return fleet_of(
            {
                "a": {"user": user},
                "b": {field: "service:a", "depends_on": ["a"]},
                "c": {field: "service:b", "depends_on": ["b"]},
                "d": {"depends_on": ["a"]},
            }
        )

    for options in ({}, {"targets": ("a",)}):
        plan = change_to(fleet("1"), fleet("2"), **options)
        assert {c.address: (c.action, c.reason) for c in plan.actions} == {
            A: (Action.REPLACE, Reason.CANNOT_UPDATE),
            B: (Action.REPLACE, Reason.TRIGGERED),
            C: (Action.REPLACE, Reason.TRIGGERED),
        }
        assert change_in(plan, C).detail == "it shares a namespace of agent.b, which is started anew"
        assert [wave.addresses for wave in plan.waves] == [(A,), (B,), (C,)]
    assert change_to(fleet("1"), fleet("1")).actions == ()


@pytest.mark.parametrize("gone", [True, False])
def test_what_shares_a_namespace_of_a_stopped_container_is_made_anew(gone: bool) -> None:
    fleet = fleet_of({"a": {}, "b": {"network_mode": "service:a", "depends_on": ["a"]}})
    observed, state = applied(fleet)
    stopped = with_instance(observed, A, status="exited", exit_code=1)
    observed = replace(observed, instances=observed.of(B)) if gone else stopped
    plan = plan_for(fleet, observed, state)
    assert change_in(plan, A).action is (Action.CREATE if gone else Action.UPDATE)
    assert change_in(plan, B).action is Action.REPLACE


# Networks, volumes, configs


def test_a_network_that_differs_is_made_anew_and_its_members_join_again() -> None:
    def fleet(internal: bool) -> Any:
        return fleet_of({"a": {"networks": ["fleet"]}, "b": {}}, networks={"fleet": {"internal": internal}})

    for options in ({}, {"targets": ("network.fleet",)}):
        plan = change_to(fleet(False), fleet(True), **options)
        assert {c.address: c.action for c in plan.actions} == {
            network("fleet"): Action.REPLACE,
            A: Action.UPDATE,
        }
        assert change_in(plan, A).steps == ("networks",)
        assert [f.path for f in change_in(plan, A).fields] == [("networks", "fleet")]
        assert "join it again" in change_in(plan, network("fleet")).detail


def test_only_members_go_along_with_a_network_that_is_made_anew() -> None:
    """A container that somebody joined to it by hand is one too: its place in it is not what is declared."""
    bodies = {"a": {"networks": ["fleet"]}, "b": {}, "c": {}}
    old = fleet_of(bodies, networks={"fleet": {}})
    new = fleet_of({**bodies, "b": {"user": "1"}}, networks={"fleet": {"internal": True}})
    observed, state = applied(old)
    joined = body_with(observed, C, networks=observed.of(A)[0].body.networks)
    plan = plan_for(
        new, with_instance(observed, C, reported=Reported.of(joined)), state, targets=("network.fleet",)
    )
    assert [c.address for c in plan.actions] == [network("fleet"), A, C]
    assert plan.pending == {B}
    assert change_in(plan, C).steps == ("networks",)
    assert change_in(plan, C).fields == ()


@pytest.mark.parametrize(
    ("excluded", "expected"),
    [
        ("a", {C, agent("d")}),
        ("b", {network("fleet"), A, C, agent("d")}),
        ("c", {network("fleet"), A}),
        ("d", {network("fleet"), A}),
    ],
)
def test_what_is_excluded_is_not_taken_along_by_what_is_made_anew(
    excluded: str, expected: set[Address]
) -> None:
    """It keeps the network that it is in, and the container that it shares a namespace of."""
    bodies = {
        "a": {"networks": ["fleet"]},
        "b": {},
        "c": {"network_mode": "service:d", "depends_on": ["d"]},
        "d": {},
    }
    old = fleet_of(bodies, networks={"fleet": {}})
    new = fleet_of({**bodies, "d": {"user": "1"}}, networks={"fleet": {"internal": True}})
    assert {c.address for c in change_to(old, new, excludes=(excluded,)).actions} == expected


def test_an_address_of_its_own_in_a_network_wants_a_new_container() -> None:
    def fleet(networks: Any) -> Any:
        return fleet_of({"a": {"networks": networks}}, networks={"n": {}, "m": {}})

    mac = {"mac_address": "02:42:0a:d5:07:11"}
    assert change_in(change_to(fleet(["n"]), fleet({"n": {}, "m": mac})), A).action is Action.REPLACE
    assert change_in(change_to(fleet(["n"]), fleet({"n": {}, "m": {}})), A).action is Action.UPDATE
    assert change_in(change_to(fleet({"n": {}, "m": mac}), fleet(["n"])), A).action is Action.UPDATE


def test_what_the_engine_fills_into_a_network_is_no_difference() -> None:
    body = {"ipam": {"config": [{"subnet": "10.9.0.0/24"}]}, "labels": {"a": "b"}}
    fleet = fleet_of({"a": {"networks": ["fleet"]}}, networks={"fleet": body})
    assert change_to(fleet, fleet).actions == ()
    other = fleet_of(
        {"a": {"networks": ["fleet"]}},
        networks={"fleet": {**body, "ipam": {"config": [{"subnet": "10.8.0.0/24"}]}}},
    )
    assert change_in(change_to(fleet, other), network("fleet")).action is Action.REPLACE
    without = fleet_of({"a": {"networks": ["fleet"]}}, networks={"fleet": {}})
    assert change_in(change_to(fleet, without), network("fleet")).action is Action.REPLACE


def test_a_volume_that_differs_stops_the_plan() -> None:
    def fleet(driver: str) -> Any:
        return fleet_of({"a": {"volumes": ["data:/data"]}}, volumes={"data": {"driver": driver}})

    plan = change_to(fleet("local"), fleet("nfs"))
    assert ("error", "volume-changed") in codes(plan)
    assert not plan.applyable
    assert change_in(plan, volume("data")).action is Action.NOOP
    left = change_to(fleet("local"), fleet("nfs"), excludes=("volume.data",))
    assert left.applyable
    assert change_in(left, volume("data")).fields == ()


def test_a_volume_that_is_no_longer_declared_is_kept() -> None:
    plan = change_to(fleet_of({"a": {"volumes": ["data:/data"]}}, volumes={"data": {}}), fleet_of({"b": {}}))
    assert change_in(plan, volume("data")).action is Action.NOOP


def test_external_objects_are_used_and_left_alone() -> None:
    fleet = fleet_of({"a": {"networks": ["out"]}}, networks={"out": {"external": True, "name": "theirs"}})
    plan = plan_for(fleet)
    assert change_in(plan, network("out")).action is Action.NOOP
    assert ("error", "external-missing") in codes(plan)


def test_prevent_destroy_forbids() -> None:
    kept = fleet_of({"a": {"lifecycle": {"prevent_destroy": True}}})
    for plan in (
        change_to(kept, fleet_of()),
        change_to(kept, fleet_of({"a": {"lifecycle": {"prevent_destroy": True}, "user": "1"}})),
        change_to(kept, kept, kind="destroy"),
    ):
        assert ("error", "prevent-destroy") in codes(plan)


def test_what_is_no_longer_declared_can_not_be_told_to_unset_its_prevent_destroy() -> None:
    kept = fleet_of({"a": {"lifecycle": {"prevent_destroy": True}}})
    (said,) = (f.hint for f in change_to(kept, fleet_of()).findings if f.code == "prevent-destroy")
    assert "state rm agent.a" in said
    (said,) = (f.hint for f in change_to(kept, kept, kind="destroy").findings if f.code == "prevent-destroy")
    assert said.startswith("unset it")


# Other kinds of plan


def _shop() -> Any:
    return fleet_of(
        {"a": {"networks": ["fleet"], "depends_on": ["redis"]}, "b": {"depends_on": ["a"]}},
        {"redis": {"volumes": ["data:/data"], "networks": ["fleet"]}},
        networks={"fleet": {}, "out": {"external": True}}, volumes={"data": {}},
    )  # fmt: skip


def test_destroy_goes_in_reverse_and_keeps_volumes() -> None:
    fleet = _shop()
    plan = change_to(fleet, fleet, kind="destroy")
    assert [wave.addresses for wave in plan.waves] == [(B,), (A,), (REDIS,)]
    assert {c.address for c in plan.actions} == {network("fleet"), A, B, REDIS}
    assert change_in(plan, A).reason is Reason.DESTROYING
    kept = change_in(plan, volume("data"))
    assert (kept.action, kept.before, kept.after) == (Action.NOOP, {}, {})
    everything = change_to(fleet, fleet, kind="destroy", destroy_volumes=True)
    assert change_in(everything, volume("data")).action is Action.DESTROY
    assert everything.destroy_volumes


def test_a_target_of_destroy_takes_its_dependents_along() -> None:
    fleet = _shop()
    plan = change_to(fleet, fleet, kind="destroy", targets=("a",))
    assert {c.address for c in plan.actions} == {A, B}
    plan = change_to(fleet, fleet, kind="destroy", excludes=("a",))
    assert {c.address for c in plan.actions} == {B}


def test_a_target_brings_what_it_needs() -> None:
    fleet = _shop()
    plan = plan_for(fleet, targets=("a",))
    assert {c.address for c in plan.actions} == {network("fleet"), volume("data"), REDIS, A}
    assert plan.targeted
    assert plan.pending == {B}
    assert change_in(plan, B).after is None


def test_what_has_no_containers_is_not_replaced_on_request() -> None:
    fleet = fleet_of({"a": {"networks": ["net"]}}, networks={"net": {}})
    observed, state = applied(fleet)
    with pytest.raises(InvalidInput) as caught:
        plan_for(fleet, observed, state, replace=("network.net", "a"))
    (found,) = caught.value.diagnostics
    assert found.summary == "--replace network.net: only agents and services can be replaced"
    assert [c.address for c in plan_for(fleet, observed, state, replace=("a network.net",)).actions] == [A]


def test_an_exclusion_takes_its_dependents_along() -> None:
    plan = plan_for(_shop(), excludes=("service.redis",))
    assert {c.address for c in plan.actions} == {network("fleet"), volume("data")}
    assert plan.pending == {REDIS, A, B}


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({}, {network("old"), REDIS, A, B}),
        ({"excludes": ("a",)}, {B}),
        ({"excludes": ("b",)}, {REDIS, A}),
        ({"excludes": ("redis",)}, {network("old"), A, B}),
        ({"targets": ("b",)}, {B}),
        ({"targets": ("network.old",)}, {network("old"), A, B}),
        ({"targets": ("redis",)}, {REDIS, A}),
        ({"targets": ("network.old",), "excludes": ("b",)}, {A}),
    ],
)
def test_what_is_no_longer_declared_goes_with_or_after_those_that_used_it(
    narrowed: dict[str, tuple[str, ...]], expected: set[Address]
) -> None:
    objects = {"old": {}, "new": {}}
    listener = {"networks": ["new"], "depends_on": {"redis": {"required": False}}}
    user = {"networks": ["old"], "depends_on": ["redis"]}
    before = fleet_of(
        {"a": user, "b": {"networks": ["old"]}, "c": listener}, services={"redis": {}}, networks=objects
    )
    after = fleet_of({"a": {"networks": ["new"]}, "c": listener}, networks={"new": {}})
    assert {c.address for c in change_to(before, after, **narrowed).actions} == expected


@pytest.mark.parametrize(
    ("selector", "names"),
    [("tier:critical", "a"), ("category:data", "b"), ("label:team=core", "c"), ("a+", "abd"), ("+d", "ad")],
)
def test_a_target_is_named_by_what_is_declared_of_it(selector: str, names: str) -> None:
    bodies = {
        "a": {"tier": "critical"},
        "b": {"category": "data", "depends_on": ["a"]},
        "c": {"labels": {"team": "core"}},
    }
    fleet = fleet_of({**bodies, "d": {"depends_on": ["a"]}})
    observed, state = applied(fleet)
    replaced = plan_for(fleet, observed, state, replace=(selector,))
    assert [c.address for c in replaced.actions] == [agent(name) for name in names]
    # also what is no longer declared, by what was applied to it
    gone = plan_for(fleet_of(), observed, state, kind="destroy", targets=(selector,))
    assert {agent(name) for name in names} <= {c.address for c in gone.actions}
    assert (C in {c.address for c in gone.actions}) == ("c" in names)


def test_what_uses_an_object_or_is_replaced_with_another_depends_on_it() -> None:
    bodies = {
        "a": {"volumes": ["data:/d"]},
        "b": {"depends_on": ["a"]},
        "c": {"lifecycle": {"replace_triggered_by": ["volume.data"]}},
        "d": {},
    }
    fleet = fleet_of(bodies, volumes={"data": {}})
    observed, state = applied(fleet)
    for selector, names in (("volume.data+", "abc"), ("volume.data+1", "ac"), ("1+agent.b", "ab")):
        replaced = plan_for(fleet, observed, state, replace=(selector,))
        assert [c.address for c in replaced.actions] == [agent(name) for name in names]


def test_modified_is_what_the_plan_would_change() -> None:
    old, new = fleet_of({"a": {}, "b": {}}), fleet_of({"a": {}, "b": {"user": "1"}})
    assert [c.address for c in change_to(old, new, targets=("state:modified",)).actions] == [B]
    assert change_to(old, new, excludes=("state:modified",)).actions == ()


@pytest.mark.parametrize(
    "options", [{"targets": ("plannr",)}, {"excludes": ("x*",)}, {"replace": ("nobody",)}]
)
def test_a_selector_that_names_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_for(fleet_of({"planner": {}}), **options)
    assert caught.value.diagnostics[0].code == "unknown-selector"


@pytest.mark.parametrize(
    "options",
    [
        {"replace": ("a",), "targets": ("b",)},
        {"replace": ("a",), "excludes": ("a",)},
        {"replace": ("b", "agent.a"), "targets": ("b",)},
    ],
)
def test_a_replacement_that_the_other_options_leave_out_is_refused(options: dict[str, Any]) -> None:
    fleet = fleet_of({"a": {}, "b": {}})
    with pytest.raises(InvalidInput) as caught:
        change_to(fleet, fleet, **options)
    assert [found.code for found in caught.value.diagnostics] == ["replaces-nothing"]
    assert caught.value.diagnostics[0].summary.endswith(": --target and --exclude leave agent.a out")


def test_what_is_replaced_may_be_more_than_what_is_left() -> None:
    fleet = fleet_of({"a": {"tier": "critical"}, "b": {"tier": "critical"}})
    plan = change_to(fleet, fleet, replace=("tier:critical",), excludes=("b",))
    assert [change.address for change in plan.actions] == [A]


def test_refresh_shows_drift_and_does_nothing() -> None:
    fleet = fleet_of({"a": {}, "b": {}})
    observed, state = applied(fleet)
    plan = plan_for(
        fleet_of({"a": {"user": "1"}}),
        with_instance(observed, B, status="exited", exit_code=1),
        state,
        kind="refresh",
    )
    assert plan.actions == ()
    assert {(finding.code, finding.address) for finding in plan.findings} == {("not-recordable", B)}
    assert [d.address for d in plan.drift] == [B]


def test_rollback_runs_the_images_of_that_time() -> None:
    fleet = fleet_of({"a": {}, "b": {}})
    observed, state = applied(fleet)
    pin = image_of("of that time").id
    plan = plan_for(
        fleet, observed, state, kind="rollback", of_serial=1, pinned={A: pin, B: observed.of(B)[0].image_id}
    )
    assert [c.address for c in plan.actions] == [A]
    assert change_in(plan, A).image_id == pin
    assert ("error", "image-gone") in codes(plan)
    there = replace(observed, images={**observed.images, pin: image_of("of that time")})
    plan = plan_for(fleet, there, state, kind="rollback", of_serial=1, pinned={A: pin})
    assert plan.applyable
    assert plan_for(fleet, *carried_out(plan, there, state), kind="rollback", pinned={A: pin}).actions == ()


def test_what_is_compared_with_a_serial_is_told_of_that_and_not_of_the_specs() -> None:
    observed, state = applied(fleet_of({"a": {}, "b": {}}))
    then = fleet_of({"a": {"user": "1"}, "c": {}})

    def told(**options: Any) -> dict[str, str]:
        return {
            change.address.name: change.detail
            for change in plan_for(then, observed, state, **options).actions
        }

    assert told() == {"a": "user", "b": "", "c": ""}
    assert told(kind="rollback", of_serial=7) == {
        "a": "user",
        "b": "serial 7 does not have it",
        "c": "serial 7 has it",
    }


def test_an_apply_of_nothing_has_the_facts_of_the_state() -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    plan = plan_for(fleet, replace(observed, host=HOST), state, spec_digest="d")
    assert (plan.serial, plan.lineage, plan.spec_digest, plan.project) == (1, "lineage", "d", "shop")


# What is left alone, and what is shown of what goes


def test_what_a_target_leaves_out_stays_in_its_slot() -> None:
    observed, state = applied(fleet_of({"a": {}, "b": {}, "c": {}}))
    plan = plan_for(
        fleet_of({"a": {"user": "1"}, "b": {"user": "1"}, "c": {}}), observed, state, targets=("a",)
    )
    assert [(c.address, c.slot) for c in plan.changes] == [(A, Slot.GREEN), (B, Slot.BLUE), (C, Slot.BLUE)]
    left = change_in(plan, B)
    assert (left.action, left.before, left.after, left.fields) == (
        Action.NOOP, {"image": "shop/thing:1"}, {"image": "shop/thing:1"}, (),
    )  # fmt: skip
    assert plan.pending == {B}


def test_what_goes_is_shown_as_it_was_applied() -> None:
    old = fleet_of({"a": {"user": "1"}}, networks={"n": {"labels": {"a": "1"}}})
    new = fleet_of({"a": {"user": "2"}}, networks={"n": {"labels": {"a": "2"}}, "m": {"internal": True}})
    observed, state = applied(old)
    plan = plan_for(new, observed, state, kind="destroy")
    assert [(c.address, c.before) for c in plan.actions] == [
        (network("n"), {"labels": {"a": "1"}}), (A, {"image": "shop/thing:1", "user": "1"}),
    ]  # fmt: skip
    unrecorded = plan_for(new, observed, None, kind="destroy")
    assert [(c.address, c.before) for c in unrecorded.actions] == [
        (network("n"), {"labels": {"a": "2"}}), (A, {"image": "shop/thing:1"}),
    ]  # fmt: skip
    assert [c.before for c in plan_for(fleet_of(), observed, None, kind="destroy").actions] == [
        {}, {"image": "shop/thing:1"},
    ]  # fmt: skip


def test_an_external_object_is_shown_as_it_is_declared() -> None:
    body = {"external": True, "name": "theirs"}
    change = change_in(plan_for(fleet_of({"a": {"networks": ["n"]}}, networks={"n": body})), network("n"))
    assert (change.before, change.after, change.fields) == (body, body, ())


def test_every_selector_that_names_nothing_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_for(fleet_of({"planner": {}}), targets=("plannr", "x,,y", "x*", "planner", "nobody"))
    assert [(d.summary, d.code) for d in caught.value.diagnostics][2] == (
        "--target x*: matches nothing", "unknown-selector",
    )  # fmt: skip
    assert len(caught.value.diagnostics) == 4
    assert caught.value.diagnostics[0].summary.startswith("--target plannr: ")
    assert "planner" in (caught.value.diagnostics[0].hint or "")
    for option in ("excludes", "replace"):
        with pytest.raises(InvalidInput) as caught:
            plan_for(fleet_of({"a": {}}), **{option: ("nobody",)})
        assert caught.value.diagnostics[0].summary.startswith(f"--{option.removesuffix('s')} nobody: ")


def test_an_empty_config_is_a_config() -> None:
    fleet = fleet_of({"a": {"configs": ["c"]}}, configs={"c": {"content": ""}})
    assert change_to(fleet, fleet).actions == ()


def test_an_image_that_somebody_changed_is_drift() -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    other = with_instance(observed, A, image="shop/other:1", image_id=image_of("other").id)
    fields = change_in(plan_for(fleet, other, state), A).fields
    assert {field.path: (field.before, field.drift) for field in fields} == {
        ("image",): ("shop/other:1", True), ("image_id",): (image_of("other").id, True),
    }  # fmt: skip
    wanted = fleet_of({"a": {"image": "shop/thing:2"}})
    seen = replace(observed, images=images_for(fleet, wanted))
    assert [field.drift for field in change_in(plan_for(wanted, seen, state), A).fields] == [False, False]


def test_what_no_container_reports_is_compared_with_what_was_applied() -> None:
    def fleet(**port: Any) -> Any:
        mount = {"type": "bind", "source": "/x", "target": "/y", "consistency": port.get("name", "cached")}
        return fleet_of({"a": {"ports": [{"target": 80, **port}], "volumes": [mount]}})

    change = change_in(change_to(fleet(name="web", mode="host"), fleet(name="api", mode="host")), A)
    assert [(f.path, f.before, f.after, f.effect) for f in change.fields] == [
        (("ports", "80/tcp", "name"), "web", "api", Effect.ENGINE),
        (("volumes", "/y", "consistency"), "web", "api", Effect.ENGINE),
    ]
    gone = change_in(change_to(fleet(name="web"), fleet()), A)
    assert (("ports", "80/tcp", "name"), "web", None) in [(f.path, f.before, f.after) for f in gone.fields]
    moved = change_in(change_to(fleet(name="web"), fleet(name="web", target=81)), A)
    assert [f.path[0] for f in moved.fields] == ["ports"]


def test_a_route_that_the_switch_carries_changes_nothing_of_a_container() -> None:
    """The switch is told, and that is all."""
    led = {"port": 8000, "target": 80, "switched": True}

    def plan(before: dict[str, Any], after: dict[str, Any]) -> tuple[Action, Any, list[tuple[str, ...]]]:
        change = change_in(change_to(fleet_of({"b": before}), fleet_of({"b": after})), B)
        return change.action, change.steps, [field.path for field in change.fields]

    assert plan({"route": led}, {"route": {**led, "port": 8001}}) == (
        Action.UPDATE, ("route",), [("route", "port")],
    )  # fmt: skip
    assert plan({"route": led}, {"route": {**led, "protocol": "tcp"}}) == (
        Action.UPDATE, ("route",), [("route", "protocol")],
    )  # fmt: skip
    assert plan({}, {"route": led}) == (Action.UPDATE, ("route",), [("route",)])
    assert plan({"route": led}, {}) == (Action.UPDATE, ("route",), [("route",)])
    (came,) = change_in(change_to(fleet_of({"b": {}}), fleet_of({"b": {"route": led}})), B).fields
    (went,) = change_in(change_to(fleet_of({"b": {"route": led}}), fleet_of({"b": {}})), B).fields
    assert (came.before, came.after) == (went.after, went.before)
    assert (came.before, came.after["port"]) == (None, 8000)
    assert plan({"route": {**led, "switched": False}}, {"route": led})[0] is Action.REPLACE_START_FIRST
    assert plan({"route": led}, {"route": {**led, "switched": False}})[0] is Action.REPLACE


def test_an_old_version_that_stands_by_does_not_stand_in_for_one_that_was_removed() -> None:
    """What is known of the state's version tells nothing of what was declared when the old one was made."""
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    old = with_instance(observed, A, slot=Slot.GREEN, status="exited", serial=1)
    change = change_in(plan_for(fleet, old, state), A)
    assert (change.action, change.reason, change.slot) == (Action.CREATE, Reason.MISSING, Slot.BLUE)
    assert "remove-deposed" in change.steps
    newer = plan_for(fleet, with_instance(old, A, serial=2), state)  # left by a run that was cut off
    assert (change_in(newer, A).action, change_in(newer, A).slot) != (Action.CREATE, Slot.BLUE)
    serving = change_in(plan_for(fleet, with_instance(old, A, status="running"), state), A)
    assert (serving.action, serving.slot) == (Action.REPLACE, Slot.BLUE)
    assert serving.detail == "its container is gone, and one of an earlier version runs"
