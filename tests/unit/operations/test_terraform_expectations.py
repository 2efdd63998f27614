"""What somebody who knows Terraform expects, one expectation a test. (Stale saved plans, push and force-unlock are tested with
plan files and with the state's commands.)"""

from pathlib import Path
from typing import Any

import pytest

from sutazai.address import Address, agent, network, service
from sutazai.errors import StateError
from sutazai.events import ChangeStarted, Notice
from sutazai.model.fleet import Fleet, Network
from sutazai.operations.plan import Planned, make_plan, plan_destroy, plan_refresh, plan_rollback
from sutazai.operations.run import Result
from sutazai.operations.session import Stop
from sutazai.operations.verification import verify
from sutazai.plan.build import PlanOptions
from sutazai.plan.change import Action, Reason
from sutazai.state.v2 import State
from unit.operations.lab import CHECK, IMAGES, SCOPE, Lab, lab, to_its_end

DB, APP, WEB, ALONE = service("db"), agent("app"), agent("web"), agent("alone")


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def fleet(*left_out: str, config: str = "a: 1", **changes: dict[str, Any]) -> Fleet:
    """db <- app <- web on one network, and alone. `changes` are laid over the bodies by name."""

    def body(name: str, **fields: Any) -> dict[str, Any]:
        rest = {"image": IMAGES[0], "checks": [CHECK], "rollout": {"healthy_deadline": "20s"}}
        return {**rest, **fields, **changes.get(name, {})}

    agents = {
        "app": body("app", networks=["net"], depends_on=["db"]),
        "web": body("web", networks=["net"], depends_on=["app"]),
        "alone": body("alone"),
    }
    return Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment, "networks": {"net": {}},
        "configs": {"main": {"content": config}}, "services": {"db": body("db", networks=["net"])} if "db" not in left_out else {},
        "agents": {name: found for name, found in agents.items() if name not in left_out},
    })  # fmt: skip


def plan(world: Lab, wanted: Fleet, **options: Any) -> Planned:
    return make_plan(world.session(), wanted, PlanOptions(**options))


def actions(planned: Planned) -> dict[Address, Action]:
    return {c.address: c.action for c in planned.plan.actions if c.address.kind.is_workload}


def started(world: Lab) -> list[Address]:
    return [event.address for event in world.events if isinstance(event, ChangeStarted)]


def recorded(result: Result) -> State:
    assert result.state is not None
    return result.state


def refused(planned: Planned) -> set[Address | None]:
    assert not planned.plan.applyable
    return {finding.address for finding in planned.plan.findings if finding.code == "prevent-destroy"}


# State


def test_a_plan_writes_nothing(world: Lab) -> None:
    world.apply(fleet())
    for options in ({}, {"kind": "refresh"}, {"replace": ("web",)}):
        plan(world, fleet(web={"user": "2"}), **options)
    assert world.session().store.serials() == (1,)
    assert world.session().store.journal().read() == ()


def test_the_plan_after_an_apply_is_empty(world: Lab) -> None:
    world.apply(fleet())
    assert not plan(world, fleet()).plan.actions


def test_an_apply_with_nothing_to_do_makes_no_serial(world: Lab) -> None:
    world.apply(fleet())
    assert world.apply(fleet()).state is None
    assert world.session().store.serials() == (1,)


def test_each_apply_is_one_more_serial_of_one_lineage(world: Lab) -> None:
    states = [recorded(world.apply(fleet(alone={"user": str(number)}))) for number in range(3)]
    assert [state.serial for state in states] == [1, 2, 3]
    assert len({state.lineage for state in states}) == 1
    assert [state.previous_sha256 for state in states] == [None, states[0].sha256, states[1].sha256]


def test_a_state_of_another_lineage_or_an_older_serial_is_not_written(world: Lab) -> None:
    first = recorded(world.apply(fleet()))
    store = world.session().store
    for other in ({"serial": 2, "lineage": "another"}, {"serial": 1}, {"serial": 3}):
        with pytest.raises(StateError):
            store.commit(first.model_copy(update={**other, "previous_sha256": first.sha256}))
    assert store.serials() == (1,)


# Partial failure


def test_a_partial_failure_leaves_independent_branches_done(world: Lab) -> None:
    world.sick[APP] = "answered 503"
    result = world.carry_out(plan(world, fleet()), on_failure="continue")
    assert result.outcome == "failed"
    assert {record.address for record in recorded(result).resources if record.address.kind.is_workload} == {
        DB,
        APP,
        ALONE,
    }
    assert WEB not in started(world)


def test_what_failed_after_it_was_made_is_tainted_and_taken_up_by_the_next_apply(world: Lab) -> None:
    world.sick[ALONE] = "answered 503"
    record = recorded(world.apply(fleet())).record(ALONE)
    assert record is not None
    assert record.tainted
    del world.sick[ALONE]
    planned = plan(world, fleet())
    assert next(c for c in planned.plan.actions if c.address == ALONE).reason is Reason.TAINTED
    after = recorded(world.carry_out(planned)).record(ALONE)
    assert after is not None
    assert not after.tainted


# -target, -exclude, -replace


def test_a_target_takes_what_it_depends_on_and_leaves_what_depends_on_it(world: Lab) -> None:
    planned = plan(world, fleet(), targets=("app",))
    assert set(actions(planned)) == {DB, APP}
    assert planned.plan.pending >= {WEB, ALONE}
    assert not planned.plan.pending & {DB, APP}


def test_a_targeted_apply_is_recorded_as_partial(world: Lab) -> None:
    state = recorded(world.carry_out(plan(world, fleet(), targets=("app",))))
    assert state.operation.outcome == "partial"
    assert set(actions(plan(world, fleet()))) == {WEB, ALONE}


@pytest.mark.parametrize("shared", [False, True], ids=["of its own", "that the target uses too"])
def test_the_config_of_what_a_targeted_apply_left_alone_was_not_changed_outside(
    world: Lab, shared: bool
) -> None:
    bodies = {"web": {"configs": ["main"]}, "app": {"configs": ["main"] if shared else []}}
    world.apply(fleet(**bodies))
    wanted = fleet(**bodies, db={"user": "1"}, config="a: 2")
    world.carry_out(plan(world, wanted, targets=("app",)))
    assert plan_refresh(world.session(), wanted, PlanOptions()).plan.drift == ()
    left = plan(world, wanted).plan
    assert left.drift == ()
    assert {c.address: (c.action, [f.drift for f in c.fields]) for c in left.actions if c.address == WEB} == {
        WEB: (Action.REPLACE, [False])
    }
    assert actions(plan(world, wanted, refreshed=False))[WEB] is Action.REPLACE


def test_a_targeted_destroy_takes_what_depends_on_it(world: Lab) -> None:
    world.apply(fleet())
    planned = plan_destroy(world.session(), fleet(), PlanOptions(targets=("app",)))
    assert actions(planned) == {APP: Action.DESTROY, WEB: Action.DESTROY}


def test_an_exclusion_takes_along_what_depends_on_it(world: Lab) -> None:
    assert set(actions(plan(world, fleet(), excludes=("app",)))) == {DB, ALONE}


def test_what_an_exclusion_keeps_is_no_failure_of_the_run(world: Lab) -> None:
    """What the excluded one used when it was last applied stays for as long; the run was not about that."""
    world.apply(fleet())
    wanted = fleet("db", app={"depends_on": []})
    planned = plan(world, wanted, excludes=("app",))
    assert (actions(planned), DB in planned.plan.pending) == ({}, True)
    found = to_its_end(verify(world.session(), planned, Stop()))
    assert found is not None
    assert found.differences == ()


def test_replace_makes_only_the_named_one_anew(world: Lab) -> None:
    world.apply(fleet())
    assert actions(plan(world, fleet(), replace=("app",))) == {APP: Action.REPLACE}


# lifecycle


KEPT = {"lifecycle": {"prevent_destroy": True}}


def test_prevent_destroy_forbids_a_destroy(world: Lab) -> None:
    world.apply(fleet(app=KEPT))
    assert refused(plan_destroy(world.session(), fleet(app=KEPT), PlanOptions())) == {APP}


def test_prevent_destroy_forbids_a_replacement_and_allows_an_update(world: Lab) -> None:
    world.apply(fleet(app=KEPT))
    assert refused(plan(world, fleet(app={**KEPT, "user": "2"}))) == {APP}
    assert refused(plan(world, fleet(app=KEPT), replace=("app",))) == {APP}
    assert plan(world, fleet(app={**KEPT, "restart": "always"})).plan.applyable


def test_prevent_destroy_holds_when_the_resource_is_no_longer_declared(world: Lab) -> None:
    """Stricter than Terraform, which forgets it with the block."""
    world.apply(fleet(alone=KEPT))
    assert refused(plan(world, fleet("alone"))) == {ALONE}


def test_prevent_destroy_forbids_a_rollback_that_would_destroy(world: Lab) -> None:
    world.apply(fleet("alone"))
    world.apply(fleet(alone=KEPT))
    assert refused(plan_rollback(world.session(), 1, PlanOptions())) == {ALONE}


def test_prevent_destroy_goes_by_what_the_specs_say_now(world: Lab) -> None:
    world.apply(fleet())
    assert refused(plan_destroy(world.session(), fleet(app=KEPT), PlanOptions())) == {APP}
    world.apply(fleet(app={**KEPT, "user": "2"}))
    assert refused(plan_rollback(world.session(), 1, PlanOptions(), fleet(app=KEPT))) == {APP}
    assert plan_rollback(world.session(), 1, PlanOptions(), fleet()).plan.applyable
    world.apply(fleet(app=KEPT))
    assert plan_destroy(world.session(), fleet(), PlanOptions()).plan.applyable


def test_prevent_destroy_forbids_fewer_replicas(world: Lab) -> None:
    def of(replicas: int) -> Fleet:
        return fleet(app={**KEPT, "deploy": {"replicas": replicas}})

    world.apply(of(3))
    for fewer in (0, 2):
        assert refused(plan(world, of(fewer))) == {APP}
    assert plan(world, of(4)).plan.applyable


def test_ignore_changes_counts_for_changes_and_not_for_creation(world: Lab) -> None:
    ignoring = {"lifecycle": {"ignore_changes": ["environment.MODE", "deploy.resources.limits"]}}
    one = {**ignoring, "environment": {"MODE": "1", "OTHER": "1"}}
    world.apply(fleet(app=one))
    (instance,) = (i for i in world.runs(fleet()) if i.address == APP)
    assert instance.body.environment["MODE"] == "1"
    other = {
        **one,
        "environment": {"MODE": "2", "OTHER": "1"},
        "deploy": {"resources": {"limits": {"memory": "1G"}}},
    }
    assert not actions(plan(world, fleet(app=other)))
    assert actions(plan(world, fleet(app={**one, "environment": {"MODE": "2", "OTHER": "2"}}))) == {
        APP: Action.REPLACE
    }


def test_ignore_changes_all_ignores_everything_but_that_it_is_there(world: Lab) -> None:
    ignoring = {"lifecycle": {"ignore_changes": ["all"]}}
    world.apply(fleet(alone=ignoring))
    changed = fleet(alone={**ignoring, "image": IMAGES[1], "user": "3", "deploy": {"replicas": 2}})
    assert not actions(plan(world, changed))
    world.session().provider.remove(next(i.id for i in world.runs(fleet()) if i.address == ALONE))
    assert actions(plan(world, changed)) == {ALONE: Action.CREATE}


@pytest.mark.parametrize("trigger", ["app", "agent.app", "config.main", "network.net"])
def test_replace_triggered_by_fires_for_every_kind_and_in_chains(world: Lab, trigger: str) -> None:
    bodies = {"app": {"configs": ["main"]}, "alone": {"lifecycle": {"replace_triggered_by": [trigger]}}}
    chain = {**bodies, "web": {"lifecycle": {"replace_triggered_by": ["alone"]}}}
    world.apply(fleet(**chain))
    assert not actions(plan(world, fleet(**chain)))
    if trigger == "network.net":
        wanted = Fleet.model_validate(
            {**fleet(**chain).model_dump(exclude_unset=True), "networks": {"net": {"internal": True}}}
        )
    else:
        wanted = fleet(config="a: 2", **chain)
    planned = plan(world, wanted)
    found = {c.address: (c.action, c.reason) for c in planned.plan.actions}
    assert found[ALONE] == found[WEB] == (Action.REPLACE, Reason.TRIGGERED)
    assert world.carry_out(planned).outcome == "done"
    assert not plan(world, wanted).plan.actions


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"targets": ("alone",)}, {"alone", "app", "db"}),
        ({"targets": ("app",)}, {"app", "db"}),
        ({"excludes": ("app",)}, {"db"}),
        ({"excludes": ("alone",)}, {"app", "db", "web"}),
    ],
    ids=["target it", "target the trigger", "exclude the trigger", "exclude it"],
)
def test_a_trigger_is_selected_as_a_dependency_is(
    world: Lab, selection: dict[str, tuple[str, ...]], expected: set[str]
) -> None:
    listening = {"lifecycle": {"replace_triggered_by": ["app"]}}
    world.apply(fleet(alone=listening))
    wanted = fleet(alone=listening, app={"user": "1"}, db={"user": "1"}, web={"user": "1"})
    assert {address.name for address in actions(plan(world, wanted, **selection))} == expected


def test_a_targeted_destroy_leaves_what_only_listens(world: Lab) -> None:
    wanted = fleet(alone={"lifecycle": {"replace_triggered_by": ["app"]}})
    world.apply(wanted)
    assert ALONE not in actions(plan_destroy(world.session(), wanted, PlanOptions(targets=("app",))))


def test_a_trigger_that_is_only_recorded_does_not_fire(world: Lab) -> None:
    listening = {"lifecycle": {"replace_triggered_by": ["app"]}}
    world.apply(fleet(alone=listening))
    recorded_only = {"rollout": {"healthy_deadline": "30s"}}
    assert actions(plan(world, fleet(alone=listening, app=recorded_only))) == {APP: Action.UPDATE}


# Refresh


def test_refresh_only_follows_reality_and_changes_nothing(world: Lab) -> None:
    world.apply(fleet())
    world.session().provider.remove(next(i.id for i in world.runs(fleet()) if i.address == WEB))
    planned = plan_refresh(world.session(), fleet(), PlanOptions())
    assert [(c.address, c.action) for c in planned.plan.drift] == [(WEB, Action.DESTROY)]
    state = recorded(world.carry_out(planned))
    assert state.record(WEB) is None
    assert state.operation.command == "apply"
    again = plan(world, fleet())
    assert not again.plan.drift
    assert next(c for c in again.plan.actions).reason is Reason.NEW


def test_without_a_refresh_the_state_is_believed(world: Lab) -> None:
    world.apply(fleet())
    world.session().provider.remove(next(i.id for i in world.runs(fleet()) if i.address == WEB))
    assert actions(plan(world, fleet())) == {WEB: Action.CREATE}
    assert not plan(world, fleet(), refreshed=False).plan.actions


def test_what_was_removed_outside_and_is_no_longer_declared_is_forgotten(world: Lab) -> None:
    world.apply(fleet())
    world.session().provider.remove(next(i.id for i in world.runs(fleet()) if i.address == ALONE))
    planned = plan(world, fleet("alone"))
    (change,) = planned.plan.actions
    assert (change.action, change.detail) == (Action.DESTROY, "only forgotten: its container is gone")
    assert recorded(world.carry_out(planned)).record(ALONE) is None


# Destroying, renaming


def test_what_others_made_stays_when_it_is_destroyed_here_and_that_is_said(world: Lab) -> None:
    theirs = SCOPE.object_name("net")
    world.session().provider.create_network("net", Network(), {})
    wanted = fleet().model_copy(update={"networks": {"net": Network(external=True, name=theirs)}})
    world.apply(wanted)
    result = world.carry_out(plan_destroy(world.session(), wanted, PlanOptions()))
    assert recorded(result).record(network("net")) is None
    assert [net.name for net in world.session().provider.observe(wanted).networks.values()] == [theirs]
    told = [event.message for event in world.events if isinstance(event, Notice)]
    assert told == ["network.net stays in Docker, only forgotten: it is not this environment's"]


def test_destroy_goes_in_reverse_order(world: Lab) -> None:
    world.apply(fleet())
    order = [address for address in started(world) if address in (DB, APP, WEB)]
    assert order == [DB, APP, WEB]
    world.events.clear()
    world.carry_out(plan_destroy(world.session(), fleet(), PlanOptions()))
    assert [address for address in started(world) if address in (DB, APP, WEB)] == order[::-1]
    assert started(world)[-1].kind.value in ("config", "network")


def test_after_a_destroy_nothing_is_recorded_and_everything_is_planned_again(world: Lab) -> None:
    world.apply(fleet())
    state = recorded(world.carry_out(plan_destroy(world.session(), fleet(), PlanOptions())))
    assert (state.serial, state.resources) == (2, ())
    assert set(actions(plan(world, fleet())).values()) == {Action.CREATE}


def test_a_destroy_with_nothing_there_makes_no_serial(world: Lab) -> None:
    world.apply(fleet())
    world.carry_out(plan_destroy(world.session(), fleet(), PlanOptions()))
    assert world.carry_out(plan_destroy(world.session(), fleet(), PlanOptions())).state is None


def test_what_nobody_declares_any_more_is_destroyed_after_its_dependents_changed(world: Lab) -> None:
    world.apply(fleet())
    planned = plan(world, fleet("db", app={"depends_on": [], "user": "2"}))
    assert actions(planned) == {DB: Action.DESTROY, APP: Action.REPLACE}
    world.events.clear()
    world.carry_out(planned)
    assert [address for address in started(world) if address.kind.is_workload] == [APP, DB]


def test_a_renamed_resource_is_one_destroyed_and_one_created(world: Lab) -> None:
    world.apply(fleet())
    body = fleet().agents["alone"].model_dump(exclude_unset=True)
    tables = fleet("alone").model_dump(exclude_unset=True)
    renamed = Fleet.model_validate({**tables, "agents": {**tables["agents"], "lonely": body}})
    assert actions(plan(world, renamed)) == {ALONE: Action.DESTROY, agent("lonely"): Action.CREATE}


def test_a_network_in_use_is_destroyed_after_its_members(world: Lab) -> None:
    world.apply(fleet())
    bare = fleet(db={"networks": []}, app={"networks": []}, web={"networks": []})
    without = Fleet.model_validate({**bare.model_dump(exclude_unset=True), "networks": {}})
    world.events.clear()
    world.carry_out(plan(world, without))
    assert started(world)[-1] == network("net")
    assert not plan(world, without).plan.actions
