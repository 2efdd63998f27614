"""Planning without Docker, and following what was done outside."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.address import agent, network, volume
from sutazai.model.base import Effect
from sutazai.model.compose import NetworkAttachment
from sutazai.model.fleet import Fleet, Network
from sutazai.model.workload import Workload, effect_of, without_refused
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Action, Plan
from sutazai.plan.reality import as_found
from sutazai.plan.remembered import observed_in
from sutazai.plan.situation import situation_of
from sutazai.plan.workloads import LISTS
from sutazai.state.observed import Observed, Reported
from sutazai.state.v2 import ResourceRecord, State
from sutazai.views.plan_markdown import to_markdown
from sutazai.views.plan_text import REFRESH, REFRESH_NONE, REFRESH_PART, conclusion, render_plain
from unit.plan.fields import VALUES
from unit.plan.test_fields import fleet_with
from unit.plan.world import (
    applied,
    change_in,
    fleet_of,
    images_for,
    instance_of,
    plan_for,
    state_of,
    with_instance,
)

PLANNER, A = agent("planner"), agent("a")
IN_CONTAINERS = [
    name
    for name in VALUES
    if effect_of((name,)) is not Effect.ENGINE and name not in ("platform", "secrets", "configs")
]


def refreshed(fleet: Fleet, observed: Observed, state: State) -> State:
    """The state after a refresh."""
    options = PlanOptions(kind="refresh")
    plan = build_plan(fleet, observed, state, options)
    found = as_found(situation_of(fleet, observed, state, options), plan.drift)
    records = {record.address: record for record in state.resources} | dict(found)
    return state_of(fleet, [record for record in records.values() if record is not None], serial=2)


def changed_outside(name: str) -> tuple[Fleet, Observed, State]:
    """Made with one value, and made anew by somebody with another. What is not declared is nobody's drift, so the richer
    of the two is the declared one."""
    values = VALUES[name][::-1] if name in ("networks", "logging", "volumes") else VALUES[name]
    fleet, other = (fleet_with({name: value}) for value in values)
    observed, state = applied(fleet)
    stranger = instance_of(other, PLANNER)
    ours = {"configs": observed.of(PLANNER)[0].configs}
    return (
        fleet,
        with_instance(observed, PLANNER, reported=Reported.of(stranger.body), image=stranger.image, **ours),
        state,
    )


@pytest.mark.parametrize("name", IN_CONTAINERS)
def test_what_was_recorded_is_no_longer_drift(name: str) -> None:
    fleet, observed, state = changed_outside(name)
    observed = replace(observed, images=images_for(fleet))
    assert [change.address for change in plan_for(fleet, observed, state).drift] == [PLANNER]
    after = refreshed(fleet, observed, state)
    if name in LISTS - {"ports"}:
        (record,) = (record for record in after.resources if record.address == PLANNER)
        taken_over = after.applied_of(record)
        assert getattr(taken_over, name) == getattr(observed.of(PLANNER)[0].body, name)
    plan = plan_for(fleet, observed, after)
    assert plan.drift == ()
    change = change_in(plan, PLANNER)
    assert change.changes, "what the specs say is still to be done"
    assert not any(field.drift for field in change.fields)


@pytest.mark.parametrize("name", IN_CONTAINERS)
def test_a_plan_without_a_look_is_that_with_one_where_nothing_was_done_outside(name: str) -> None:
    first, second = ({name: value} for value in VALUES[name])
    for before, after in ((first, second), *([({}, first)] if name != "image" else [])):
        old, new = fleet_with(before), fleet_with(after)
        _, state = applied(old)
        plan = plan_for(new, observed_in(state), state, refreshed=False)
        assert plan_for(old, observed_in(state), state, refreshed=False).actions == ()
        (change,) = plan.actions
        assert change.address == PLANNER
        assert {field.path[0] for field in change.fields} - {"image_id"} == {name}
        assert change.action is (Action.UPDATE if effect_of((name,)) is Effect.IN_PLACE else Action.REPLACE)


def test_a_plan_without_a_look_says_what_it_cannot_know() -> None:
    fleet = fleet_of({"a": {"image": "shop/nowhere:1"}})
    plan = plan_for(fleet, observed_in(None), None, refreshed=False)
    assert change_in(plan, A).action is Action.CREATE
    assert {(finding.severity, finding.code) for finding in plan.findings} == {("warning", "not-refreshed")}
    _, state = applied(fleet)
    (finding,) = plan_for(fleet, observed_in(state), state, refreshed=False).findings
    assert "since serial 1" in finding.summary


def test_a_plan_without_a_look_does_not_see_what_was_done_outside() -> None:
    fleet, _, state = changed_outside("restart")
    plan = plan_for(fleet, observed_in(state), state, refreshed=False)
    assert (plan.actions, plan.drift) == ((), ())


def objects() -> tuple[Fleet, Observed, State]:
    fleet = fleet_of(
        {"a": {"networks": ["fleet"], "volumes": ["data:/data"]}},
        networks={"fleet": {"labels": {"team": "core"}, "ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}},
        volumes={"data": {"labels": {"team": "core"}}},
    )
    return fleet, *applied(fleet)


def test_networks_and_volumes_drift_too_and_are_recorded() -> None:
    fleet, observed, state = objects()
    there, data = observed.networks["fleet"], observed.volumes["data"]
    changed = replace(
        observed,
        networks={
            "fleet": replace(
                there, body=there.body.model_copy(update={"labels": {"team": "edge"}, "internal": True})
            )
        },
        volumes={"data": replace(data, body=data.body.model_copy(update={"labels": {}}))},
    )
    plan = plan_for(fleet, changed, state)
    drift = {change.address: [(f.path, f.before, f.after) for f in change.fields] for change in plan.drift}
    assert drift == {
        network("fleet"): [(("labels", "team"), "core", "edge")],
        volume("data"): [(("labels", "team"), "core", None)],
    }  # fmt: skip
    after = refreshed(fleet, changed, state)
    assert plan_for(fleet, changed, after).drift == ()
    recorded = after.record(network("fleet"))
    assert recorded is not None
    assert isinstance(recorded.applied, Network)
    assert recorded.applied.labels == {"team": "edge"}


def test_what_is_gone_is_forgotten() -> None:
    fleet, observed, state = objects()
    after = refreshed(fleet, replace(observed, instances=(), networks={}), state)
    assert [record.address for record in after.resources] == [volume("data")]


def test_replicas_and_names_are_recorded_as_they_are() -> None:
    fleet = fleet_of({"a": {"deploy": {"replicas": 3}}})
    observed, state = applied(fleet)
    two = replace(observed, instances=observed.instances[:2])
    after = refreshed(fleet, two, state)
    plan: Plan = plan_for(fleet, two, after)
    assert plan.drift == ()
    assert change_in(plan, A).steps == ("scale",)
    record = after.record(A)
    assert record is not None
    assert len(record.instances) == 2


@pytest.mark.parametrize(("name", "told", "first", "second"), [
    ("restart", "always", "always", "no"), ("restart", "always", "no", "on-failure"),
    ("environment", {"MODE": "a", "BOTH": "a"}, {"MODE": "b", "BOTH": "a"}, {"MODE": "c", "BOTH": "a"}),
    ("environment", {"MODE": "a"}, {"MODE": "a", "ONE": "1"}, {"MODE": "a", "TWO": "2"}),
    ("volumes", ["data:/data"], ["data:/data"], ["data:/elsewhere"]),
    ("ports", ["8000:80"], ["8001:80"], ["8002:80"]),
])  # fmt: skip
def test_what_replicas_differ_in_can_not_be_recorded_and_the_rest_is(
    name: str, told: Any, first: Any, second: Any
) -> None:
    """A record has one body for all of them."""

    def fleet(value: Any, user: str) -> Fleet:
        body = {name: value, "user": user, "deploy": {"replicas": 2}}
        return fleet_of({"a": body}, volumes={"data": {}})

    observed, state = applied(fleet(told, "1"))
    bodies = [instance_of(fleet(value, "2"), A).body for value in (first, second)]
    instances = [
        replace(one, reported=Reported.of(body)) for one, body in zip(observed.instances, bodies, strict=True)
    ]
    apart = replace(observed, instances=tuple(instances))
    before = plan_for(fleet(told, "1"), apart, state).drift
    after = refreshed(fleet(told, "1"), apart, state)
    record = after.record(A)
    assert record is not None
    assert after.applied_of(record) == fleet(told, "2").agents["a"]
    (drift,) = plan_for(fleet(told, "1"), apart, after).drift
    assert drift.fields == tuple(field for field in before[0].fields if field.path != ("user",))
    assert drift.fields


def test_a_network_that_was_joined_is_recorded_without_what_docker_chose_there() -> None:
    fleet = fleet_of({"a": {"networks": ["n"]}}, networks={"n": {}})
    observed, state = applied(fleet)
    (there,) = observed.instances

    def joined(mac: str) -> Observed:
        networks = {**there.body.networks, "theirs": NetworkAttachment(mac_address=mac)}
        body = there.body.model_copy(update={"networks": networks})
        return with_instance(
            observed, A, reported=Reported.of(body), answers={"n": ("a",), "theirs": ("0123456789ab",)}
        )

    (drift,) = plan_for(fleet, joined("02:42:ac:11:00:02"), state).drift
    assert [(field.path, field.after) for field in drift.fields] == [(("networks", "theirs"), {})]
    after = refreshed(fleet, joined("02:42:ac:11:00:02"), state)
    for mac in ("02:42:ac:11:00:02", "02:42:ac:11:00:03"):
        assert plan_for(fleet, joined(mac), after).drift == ()


def test_a_refresh_says_how_much_of_what_it_shows_it_records() -> None:
    fleet = fleet_of({"a": {"user": "1"}, "b": {"user": "1"}})
    observed, state = applied(fleet)
    other = Reported.of(instance_of(fleet_of({"a": {"user": "2"}}), A).body)
    stopped: dict[str, Any] = {"status": "exited", "exit_code": 1}
    for done, recorded, said in (
        ({A: {"reported": other}}, [A], REFRESH),
        ({A: stopped}, [], REFRESH_NONE),
        ({A: stopped | {"reported": other}}, [A], REFRESH_PART),
        ({A: stopped, agent("b"): {"reported": other}}, [agent("b")], REFRESH_PART),
    ):
        seen = observed
        for address, changes in done.items():
            seen = with_instance(seen, address, **changes)
        plan = plan_for(fleet, seen, state, kind="refresh")
        assert [change.address for change in plan.recorded] == recorded
        assert conclusion(plan) == said
        assert said in " ".join(render_plain(plan).split())
        assert said in to_markdown(plan).replace("\\", "")
        left = [finding.summary for finding in plan.findings]
        assert left == ["this can't be recorded: its container exited with code 1"] * (said != REFRESH)
        assert plan_for(fleet, seen, state).findings == ()


@pytest.mark.parametrize("rest", [{}, {"user": "2"}])
def test_another_key_for_an_object_of_others_is_nothing_that_was_done_outside(rest: dict[str, Any]) -> None:
    """Docker knows it by its name only: what is there is read by the keys that the specs have now."""

    def called(key: str, **more: Any) -> Fleet:
        other = {key: {"external": True, "name": "theirs"}}
        body = {"networks": ["n", key], "volumes": ["data:/data", f"{key}:/more"], "user": "1"} | more
        return fleet_of({"a": body}, networks={"n": {}, **other}, volumes={"data": {}, **other})

    observed, state = applied(called("old"))
    theirs = [ResourceRecord(address=address) for address in (network("old"), volume("old"))]
    state = state_of(called("old"), [*state.resources, *theirs])
    ours = observed.networks["n"], observed.volumes["data"]
    network_of, volume_of = (
        replace(one, address=address, owned=False)
        for one, address in zip(ours, (network("new"), volume("new")), strict=True)
    )
    seen = replace(
        with_instance(observed, A, reported=Reported.of(instance_of(called("new", **rest), A).body)),
        networks={"n": ours[0], "new": network_of},
        volumes={"data": ours[1], "new": volume_of},
    )
    drift = plan_for(called("new"), seen, state).drift
    assert [(change.address, [field.path for field in change.fields]) for change in drift] == [
        (A, [("user",)])
    ] * bool(rest)
    gone = plan_for(called("new"), replace(seen, networks={"n": ours[0]}), state).drift
    assert network("old") in {change.address for change in gone}


def test_that_a_container_does_not_run_can_not_be_recorded() -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    stopped = with_instance(observed, A, status="exited", exit_code=1)
    assert [change.detail for change in plan_for(fleet, stopped, refreshed(fleet, stopped, state)).drift] == [
        "its container exited with code 1"
    ]


@pytest.mark.parametrize(("name", "told", "there"), [
    ("restart", "always", "on-failure:99999999999"), ("stop_grace_period", "5s", -1),
    ("ports", ["8000:80"], [{"target": 80, "published": "8000-8010", "protocol": "tcp"}]),
])  # fmt: skip
def test_what_no_spec_may_say_can_not_be_recorded(name: str, told: Any, there: Any) -> None:
    """An engine takes it of those who make a container by hand."""
    fleet = fleet_of({"a": {name: told, "user": "1"}})
    observed, state = applied(fleet)
    form = {**observed.instances[0].form, name: there, "user": "2"}
    odd = with_instance(observed, A, reported=Reported(form, lambda: without_refused(form)))
    after = refreshed(fleet, odd, state)
    (change,) = plan_for(fleet, odd, after).drift
    assert [field.path for field in change.fields] == [(name,)]
    record = after.record(A)
    assert record is not None
    assert record.applied == fleet.agents["a"].model_copy(update={"user": "2"})


def test_drift_is_narrowed_by_targets() -> None:
    fleet = fleet_of({"a": {"restart": "always"}, "b": {"restart": "always"}})
    observed, state = applied(fleet)
    body = observed.instances[0].body.model_copy(update={"restart": "no"})
    tampered = with_instance(
        with_instance(observed, A, reported=Reported.of(body)), agent("b"), reported=Reported.of(body)
    )
    for kind in ("apply", "refresh"):
        plan = plan_for(fleet, tampered, state, kind=kind, targets=("b",))
        assert [change.address for change in plan.drift] == [agent("b")]


def test_a_disabled_healthcheck_that_somebody_gave_back_is_recorded() -> None:
    fleet, other = (
        fleet_of({"a": {"healthcheck": check}}) for check in ({"disable": True}, {"test": "true"})
    )
    observed, state = applied(fleet)
    given_back = with_instance(observed, A, reported=Reported.of(instance_of(other, A).body))
    assert plan_for(fleet, given_back, state).drift
    assert plan_for(fleet, given_back, refreshed(fleet, given_back, state)).drift == ()


def test_a_route_that_was_moved_is_recorded_with_what_no_container_tells_of_it() -> None:
    fleet = fleet_of({"a": {"route": {"port": 8000, "target": 80, "protocol": "tcp"}}})
    other = fleet_of({"a": {"route": {"port": 8000, "target": 80}, "ports": ["127.0.0.1:9000:90"]}})
    observed, state = applied(fleet)
    more = with_instance(observed, A, reported=Reported.of(instance_of(other, A).body))
    record = refreshed(fleet, more, state).record(A)
    assert record is not None
    assert isinstance(record.applied, Workload)
    assert record.applied.route == fleet.agents["a"].route
    assert [port.published for port in record.applied.ports] == [9000]
    gone = with_instance(observed, A, reported=Reported.of(instance_of(fleet_of({"a": {}}), A).body))
    record = refreshed(fleet, gone, state).record(A)
    assert record is not None
    assert record.applied == Workload(image="shop/thing:1", ports=())


def test_a_new_name_is_recorded_and_what_was_applied_stays() -> None:
    fleet = fleet_of({"a": {"user": "1"}})
    observed, state = applied(fleet_of({"a": {"user": "1", "restart": "always"}}))
    apart = [r.model_copy(update={"applied": state.desired.agents["a"]}) for r in state.resources]
    state = state.model_copy(update={"desired": fleet, "resources": tuple(apart)})
    record = refreshed(fleet, with_instance(observed, A, name="mine"), state).record(A)
    assert record is not None
    assert [row.name for row in record.instances] == ["mine"]
    assert record.applied == apart[0].applied


def test_what_an_object_no_longer_declares_is_taken_to_change_without_a_look() -> None:
    old = fleet_of({"a": {"networks": ["n"]}}, networks={"n": {"internal": True}})
    _, state = applied(old)
    plan = plan_for(fleet_of({"a": {"networks": ["n"]}}, networks={"n": {}}), observed_in(state), state)
    fields = change_in(plan, network("n")).fields
    assert [(f.path, f.before, f.after, f.drift) for f in fields] == [(("internal",), True, None, False)]
