"""What is recorded, changed alone: what plans and runs make of it, also when they are cut off."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sutazai.address import Address, agent, network, volume
from sutazai.errors import ApplyFailed, Refused, StateError
from sutazai.events import Notice
from sutazai.model.compose import NetworkAttachment
from sutazai.model.fleet import Config, Fleet, Network
from sutazai.model.workload import Workload
from sutazai.operations import records
from sutazai.operations.changing import Order, change_environment
from sutazai.operations.plan import (
    fleet_of,
    look,
    make_plan,
    plan_refresh,
    plan_resume,
    plan_rollback,
    plan_take_back,
)
from sutazai.operations.recovery import told_of_runs, unfinished_runs
from sutazai.operations.session import Stop
from sutazai.plan.change import Action, Reason
from sutazai.plan.situation import PlanOptions
from sutazai.ports import InstanceSpec
from sutazai.providers.simulated import SimulatedProvider
from sutazai.state.claims import claims_of
from sutazai.state.deviations import deviations
from sutazai.state.observed import Instance, Reported
from sutazai.state.scope import Scope, Slot
from sutazai.state.v2 import State
from unit.operations.lab import IMAGES, SCOPE, Cut, Killed, Lab, Willing, fleet, lab, to_its_end


def instance_spec(declared: Fleet, address: Address, name: str, slot: Slot = Slot.BLUE) -> InstanceSpec:
    workload = declared.workload(address)
    assert workload is not None
    return InstanceSpec(name, address, workload, slot, 1, workload.image or "", {}, (address.name,))


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def with_guest(**fields: object) -> Fleet:
    """The fleet with an agent that is not there."""
    declared = fleet()
    body = declared.agents["c"].model_copy(update={"depends_on": {}, **fields})
    return declared.model_copy(update={"agents": {**declared.agents, "guest": body}})


def guest_in(world: Lab, name: str = "by-hand") -> str:
    """A container in the fleet's network that somebody made by hand; its ID."""
    provider = SimulatedProvider(SCOPE, world.engine)
    identity = provider.create_instance(instance_spec(with_guest(), agent("guest"), name))
    provider.start(identity)
    container = world.engine.containers[identity]
    container.labels.clear()
    container.hosts.clear()
    return identity


def imported(world: Lab, declared: Fleet, *containers: str) -> State:
    session = world.session()
    with session.store.lock("import"):
        state, _ = records.take_over(session, declared, agent("guest"), containers, "")
        return records.commit(session, state, "import")


def observed(world: Lab, declared: Fleet) -> tuple[Instance, ...]:
    session = world.session()
    return session.provider.observe(declared, claims=claims_of(session.store.newest())).instances


def of(world: Lab, declared: Fleet, address: Address) -> list[Instance]:
    return [instance for instance in observed(world, declared) if instance.address == address]


def test_what_is_imported_is_adopted_by_the_next_apply(world: Lab) -> None:
    world.apply(fleet())
    identity = guest_in(world)
    declared = with_guest()
    assert imported(world, declared, "by-hand").serial == 2
    (change,) = world.plan(declared).plan.actions
    assert (change.address, change.action, change.reason) == (agent("guest"), Action.ADOPT, Reason.ADOPTED)
    assert change.imported_id == identity
    result = world.apply(declared)
    assert result.outcome == "done"
    (guest,) = of(world, declared, agent("guest"))
    assert (guest.id, guest.name, guest.status) == (identity, "shop-test-guest-blue", "running")
    assert "guest" in guest.answers["net"]
    assert world.plan(declared).plan.actions == ()


def test_an_import_is_gone_back_to_with_what_the_imported_uses(world: Lab) -> None:
    """Nothing was applied yet of what was imported then: it is as it was declared, in a network that no run had made."""
    world.apply(fleet())
    guest_in(world)
    attachment = NetworkAttachment()
    wanted = with_guest(networks={"net": attachment, "more": attachment})
    declared = wanted.model_copy(update={"networks": {**wanted.networks, "more": Network()}})
    serial = imported(world, declared, "by-hand").serial
    assert world.apply(declared).outcome == "done"
    assert world.apply(declared.model_copy(update={"agents": fleet().agents})).outcome == "done"
    assert world.carry_out(world.rollback(serial)).outcome == "done"
    (guest,) = of(world, declared, agent("guest"))
    assert (guest.status, set(guest.body.networks)) == ("running", {"net", "more"})
    assert world.plan(declared).plan.actions == ()


def test_what_replaces_an_imported_container_and_fails_is_not_said_to_be_taken_back(world: Lab) -> None:
    """No serial says how that was made by hand: it is left where it stands."""
    world.apply(fleet())
    identity = guest_in(world)
    declared = with_guest(image=IMAGES[1])
    imported(world, declared, "by-hand")
    world.sick[agent("guest")] = "answered 503"
    session = world.session()
    with pytest.raises(ApplyFailed, match=r"answered 503.*what was done is serial 3"):
        change_environment(
            session, Order("apply", on_failure="rollback"), lambda _: make_plan(session, declared, PlanOptions()), Willing(),
            lambda work, _: to_its_end(work(Stop())),
        )  # fmt: skip
    told = [event.message for event in world.events if isinstance(event, Notice)]
    assert "serial 2 only took by-hand over as agent.guest" in told[-1]
    assert identity in world.engine.containers
    assert session.store.newest().operation.outcome == "failed"  # type: ignore[union-attr]
    (failed,) = unfinished_runs(session.store)
    with pytest.raises(Refused, match="does not say how it was made"):
        plan_take_back(session, failed, PlanOptions(kind="rollback"))


@pytest.mark.parametrize("refreshed", [True, False])
def test_what_a_failed_run_stopped_of_what_was_imported_is_told_of_and_goes_with_the_next_one(
    world: Lab, refreshed: bool
) -> None:
    """It bears no label: were it in no record, no plan would ever name it again."""
    world.apply(fleet())
    identity = guest_in(world)
    declared = with_guest(environment={"MODE": "declared"})
    imported(world, declared, "by-hand")
    world.sick[agent("guest")] = "answered 503"
    assert world.apply(declared).outcome == "failed"
    assert identity in {one.id for one in of(world, declared, agent("guest"))}
    newest = world.session().store.newest()
    assert newest is not None
    assert identity in newest.instance_ids
    assert not deviations(newest, look(world.session(), declared, newest))
    other = declared.model_copy(update={"agents": {**declared.agents, "c": fleet().agents["c"].model_copy(
        update={"environment": {"OTHER": "1"}})}})  # fmt: skip
    world.carry_out(world.plan(other, targets=("agent.c",)))
    assert identity in {one.id for one in of(world, declared, agent("guest"))}
    world.sick.clear()
    assert world.carry_out(world.plan(other, refreshed=refreshed)).outcome == "done"
    assert identity not in world.engine.containers
    newest = world.session().store.newest()
    assert newest is not None
    assert [record.deposed for record in newest.resources if record.deposed] == []
    assert world.plan(other).plan.actions == ()


def test_what_a_failed_run_stopped_of_what_was_imported_is_in_use_again_where_all_else_is_gone(
    world: Lab,
) -> None:
    """So the refresh records it once."""
    world.apply(fleet())
    identity = guest_in(world)
    declared = with_guest(environment={"MODE": "declared"})
    imported(world, declared, "by-hand")
    world.sick[agent("guest")] = "answered 503"
    world.apply(declared)
    (new,) = [one.id for one in of(world, declared, agent("guest")) if one.id != identity]
    del world.engine.containers[new]
    session = world.session()
    assert world.carry_out(plan_refresh(session, declared, PlanOptions())).outcome == "done"
    newest = session.store.newest()
    assert newest is not None
    (record,) = [record for record in newest.resources if record.address == agent("guest")]
    assert ([row.id for row in record.instances], record.deposed) == ([identity], ())
    world.sick.clear()
    assert world.apply(declared).outcome == "done"
    assert identity not in world.engine.containers


def cut_off_after_an_import(root: Path, declared: Fleet, *, after: bool) -> Iterator[tuple[Lab, str]]:
    """For each call of an apply that follows an import: a world in which the apply died at it, and the ID of what was imported.
    Ends when an apply comes to its end."""
    for at in range(1, 50):
        world = lab(root / str(at))
        world.apply(fleet())
        identity = guest_in(world)
        imported(world, declared, identity)
        cut = Cut(SimulatedProvider(SCOPE, world.engine), at, after=after)
        try:
            world.carry_out(world.plan(declared), cut)
        except Killed:
            yield world, identity
        else:
            assert at > 2
            return
    pytest.fail("no run came to its end")


@pytest.mark.parametrize("after", [False, True])
def test_what_is_cut_off_while_it_replaces_an_imported_container_is_taken_back_to_that(
    tmp_path: Path, after: bool
) -> None:
    """And not on to what is declared, which is all that serial 2 says of it: as long as it is there, it runs again."""
    declared, brought_back = with_guest(environment={"MODE": "declared"}), 0
    for world, identity in cut_off_after_an_import(tmp_path, declared, after=after):
        session = world.session()
        (run,) = unfinished_runs(session.store)
        if identity not in world.engine.containers:
            with pytest.raises(Refused, match="serial 2 only took by-hand over"):
                plan_take_back(session, run, PlanOptions(kind="rollback"))
            continue
        planned = plan_take_back(session, run, PlanOptions(kind="rollback"))
        assert world.carry_out(planned, command="rollback").outcome == "done"
        (guest,) = of(world, declared, agent("guest"))
        assert (guest.id, guest.status, guest.body.environment) == (identity, "running", {})
        assert session.store.newest().desired.agents["guest"].environment == {}  # type: ignore[union-attr]
        brought_back += 1
    assert brought_back > 2


def test_a_secret_of_an_imported_container_gets_into_no_state(world: Lab) -> None:
    """So what runs can't be recorded: the way back leaves it alone, and is refused where it does not run."""
    world.apply(fleet())
    identity = guest_in(world)
    container = world.engine.containers[identity]
    body = container.instance.body.model_copy(update={"environment": {"TOKEN": "hunter2"}})
    container.instance = replace(container.instance, reported=Reported.of(body))
    imported(world, with_guest(environment={"TOKEN": "{{ secret.token }}"}), identity)
    assert world.rollback(2).plan.actions == ()
    container.instance = replace(container.instance, status="exited")
    with pytest.raises(Refused, match="does not say how it was made"):
        world.rollback(2)
    emergency = PlanOptions(kind="rollback", strategy="emergency")
    assert plan_rollback(world.session(), 2, emergency).plan.actions == ()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("image", IMAGES)
def test_an_apply_after_an_import_that_is_cut_off_anywhere_is_finished(
    tmp_path: Path, image: str, after: bool
) -> None:
    """Whether it stays or is replaced, there is one container in the end, and nothing of it twice."""
    declared = with_guest(image=image)
    for world, identity in cut_off_after_an_import(tmp_path, declared, after=after):
        assert world.apply(declared).outcome == "done"
        assert world.plan(declared).plan.actions == ()
        (guest,) = of(world, declared, agent("guest"))
        assert (guest.id == identity) == (image == IMAGES[0])
        assert (identity in world.engine.containers) == (image == IMAGES[0])


def test_destroy_takes_what_was_imported_and_leaves_what_was_let_go(world: Lab) -> None:
    world.apply(fleet())
    identity = guest_in(world)
    declared = with_guest()
    imported(world, declared, identity)
    session = world.session()
    (kept,) = [i.id for i in observed(world, declared) if i.address == agent("c")]
    with session.store.lock("rm"):
        state = records.forget(session, [agent("c"), volume("data"), network("net")])
        records.commit(session, state, "rm")
    world.carry_out(world.destroy(declared, volumes=True))
    assert set(world.engine.containers) == {kept}
    assert [v.observed.name for v in world.engine.volumes.values()] == ["shop-test-data"]
    assert [n.observed.name for n in world.engine.networks.values()] == ["shop-test-net"]


def test_a_name_that_is_taken_is_said_before_anything_is_touched(world: Lab) -> None:
    """Both slots are taken by what was let go."""
    world.apply(fleet())
    session = world.session()
    for _ in range(2):
        with session.store.lock("rm"):
            records.commit(session, records.forget(session, [agent("c")]), "rm")
        planned = world.plan(fleet())
        if planned.plan.applyable:
            world.carry_out(planned)
    names = [finding for finding in world.plan(fleet()).plan.findings if finding.code == "name-taken"]
    assert [finding.address for finding in names] == [agent("c")]
    assert names[0].hint.endswith("sutazai state import agent.c shop-test-c-blue")


def test_replicas_are_imported_in_their_order(world: Lab) -> None:
    world.apply(fleet())
    first, second = guest_in(world, "one"), guest_in(world, "two")
    declared = with_guest(deploy=fleet().agents["c"].deploy.model_copy(update={"replicas": 2}))
    imported(world, declared, "one", "two")
    assert world.apply(declared).outcome == "done"
    found = of(world, declared, agent("guest"))
    assert [(i.id, i.replica, i.name) for i in found] == [
        (first, 1, "shop-test-guest-blue-1"),
        (second, 2, "shop-test-guest-blue-2"),
    ]


def test_an_import_can_be_the_first_serial(world: Lab) -> None:
    world.apply(fleet())
    identity = guest_in(world)
    for path in world.root.rglob("*.json"):
        path.unlink()
    state = imported(world, with_guest(), identity)
    assert (state.serial, set(state.desired.agents), set(state.desired.networks)) == (1, {"guest"}, {"net"})


def test_what_is_not_there_or_not_free_is_not_imported(world: Lab) -> None:
    world.apply(fleet())
    identity = guest_in(world)
    declared = with_guest()
    with pytest.raises(Refused, match="there is no container nobody"):
        imported(world, declared, "nobody")
    with pytest.raises(Refused, match=r"is known as agent.a already"):
        imported(world, declared, "shop-test-a-blue")
    with pytest.raises(Refused, match="named twice"):
        imported(world, declared, identity, "by-hand")
    with pytest.raises(Refused, match=r"agent.guest is not declared"):
        imported(world, fleet(), identity)
    imported(world, declared, identity)
    with pytest.raises(Refused, match=r"agent.guest has a container already"):
        imported(world, declared, guest_in(world, "other"))


def test_a_moved_workload_keeps_its_place_and_those_who_depend_on_it(world: Lab) -> None:
    world.apply(fleet())
    (before,) = of(world, fleet(), agent("a"))
    session = world.session()
    with session.store.lock("mv"):
        state = records.commit(session, records.move(session, agent("a"), agent("z")), "mv")
    assert set(state.desired.agents) == {"b", "c", "z"}
    assert state.desired.dependencies(agent("b")) == (agent("z"),)
    declared = state.desired
    (change,) = world.plan(declared).plan.actions
    assert (change.address, change.action) == (agent("z"), Action.UPDATE)
    assert world.apply(declared).outcome == "done"
    (there,) = of(world, declared, agent("z"))
    assert (there.id, there.name, there.slot) == (before.id, "shop-test-z-blue", Slot.BLUE)
    assert world.plan(declared).plan.actions == ()


def of_letters(letters: str) -> Fleet:
    body = fleet().agents["a"].model_copy(update={"volumes": ()})
    return fleet().model_copy(update={"agents": dict.fromkeys(letters, body), "volumes": {}})


@pytest.mark.parametrize(
    ("moves", "then", "stay"),
    [("bx ab xa", "ab", 2), ("bc ab", "bc", 2), ("bc ab", "abc", 2), ("bc", "abc", 2), ("bc", "ab", 1)],
    ids=["swapped", "one after the other", "and a new one", "a new one", "and the old one goes"],
)
@pytest.mark.parametrize("at", [None, 1, 2, 3, 4])
def test_a_name_that_another_still_has_is_let_go_of(
    world: Lab, moves: str, then: str, stay: int, at: int | None
) -> None:
    """Wherever that is cut off. `stay` of the two that are there go on running."""
    world.apply(of_letters("ab"))
    before = {one.id for one in world.runs(of_letters("ab"))}
    session = world.session()
    with session.store.lock("mv"):
        for source, target in moves.split():
            records.commit(session, records.move(session, agent(source), agent(target)), "mv")
    declared = of_letters(then)
    if at is not None:
        with contextlib.suppress(Killed):
            world.carry_out(world.plan(declared), Cut(SimulatedProvider(SCOPE, world.engine), at, after=True))
    result = world.apply(declared)
    assert (result.outcome, result.failures) == ("done", ())
    there = [one for letter in then for one in of(world, declared, agent(letter))]
    assert [one.name for one in there] == [f"shop-test-{letter}-blue" for letter in then]
    assert len(before & {one.id for one in there}) == stay
    assert len(world.engine.containers) == len(then)
    assert world.plan(declared).plan.actions == ()


def test_what_a_run_of_a_selection_first_heard_the_new_name_of_can_be_moved_to_it(world: Lab) -> None:
    world.apply(fleet())
    agents = dict(fleet().agents)
    agents["z"] = agents.pop("c")
    renamed = fleet().model_copy(update={"agents": agents})
    (before,) = of(world, fleet(), agent("c"))
    world.carry_out(world.plan(renamed, targets=("agent.a",), replace=("agent.a",)))
    session = world.session()
    with session.store.lock("mv"):
        records.commit(session, records.move(session, agent("c"), agent("z")), "mv")
    actions = world.plan(renamed).plan.actions
    assert [(change.address, change.action) for change in actions] == [(agent("z"), Action.UPDATE)]
    assert world.apply(renamed).outcome == "done"
    assert [one.id for one in of(world, renamed, agent("z"))] == [before.id]
    assert world.plan(renamed).plan.actions == ()


def test_nothing_is_recorded_after_a_run_that_was_cut_off(world: Lab) -> None:
    planned = world.plan(fleet())
    with pytest.raises(Killed):
        world.carry_out(planned, Cut(SimulatedProvider(SCOPE, world.engine), 2, after=True))
    guest = guest_in(world)
    with pytest.raises(Refused, match="was cut off"):
        imported(world, with_guest(), guest)


def test_a_failed_run_is_not_gone_on_with_nor_taken_back_once_the_state_was_edited(world: Lab) -> None:
    world.apply(fleet())
    wanted = fleet(image=IMAGES[1])
    world.sick[agent("b")] = "answered 503"
    assert world.apply(wanted).outcome == "failed"
    world.sick.clear()
    session = world.session()
    (failed,) = unfinished_runs(session.store)
    assert plan_resume(session, failed).plan.actions
    with session.store.lock("rm"):
        records.commit(session, records.forget(session, [agent("c")]), "rm")
    with pytest.raises(Refused, match=r"the last apply failed, .* edited since \(state rm, serial 3\)"):
        plan_resume(session, failed)
    told = told_of_runs(session.store, session.store.newest(), session.provider.observe(wanted))
    assert told is not None
    assert told.endswith("; the state was edited since (state rm, serial 3): apply plans anew")
    with pytest.raises(Refused, match=r"\(state rm, serial 3\), which taking it back would undo") as caught:
        plan_take_back(session, failed, PlanOptions())
    assert caught.value.hint == "sutazai rollback --state 1 does so all the same"
    left = wanted.model_copy(
        update={"agents": {name: body for name, body in wanted.agents.items() if name != "c"}}
    )
    assert world.apply(left).outcome == "done"
    assert unfinished_runs(session.store) == ()


def test_what_a_failed_run_left_is_forgotten_too_and_is_not_moved_without_it(world: Lab) -> None:
    """The version that ran before is in no serial any more, once the one that failed is."""
    world.apply(fleet())
    world.sick[agent("b")] = "answered 503"
    assert world.apply(fleet(image=IMAGES[1])).outcome == "failed"
    world.sick.clear()
    both = {one.id for one in of(world, fleet(), agent("b"))}
    assert len(both) == 2
    session = world.session()
    with session.store.lock("rm"):
        with pytest.raises(
            Refused, match=r"left shop-test-b-blue, which is in no serial and would stay agent\.b"
        ):
            records.move(session, agent("b"), agent("z"))
        assert records.move(session, agent("a"), agent("z")).record(agent("z")) is not None
        state = records.commit(session, records.forget(session, [agent("b")]), "rm")
    assert {one.id for one in state.released} == both
    alone = fleet().model_copy(update={"agents": {"a": fleet().agents["a"]}})
    assert world.apply(alone).outcome == "done"
    assert both <= set(world.engine.containers)


@pytest.mark.parametrize("edit", ["mv", "refresh"])
def test_going_back_to_what_was_only_recorded_asks_for_no_more_than_there_was(world: Lab, edit: str) -> None:
    """The run before it failed, so that much of what its serial desires never ran."""
    world.apply(fleet(last=False))
    world.sick[agent("b")] = "answered 503"
    assert world.apply(fleet(image=IMAGES[1])).outcome == "failed"
    world.sick.clear()
    session = world.session()
    if edit == "mv":
        with session.store.lock("mv"):
            records.commit(session, records.move(session, agent("a"), agent("z")), "mv")
    else:
        bigger = fleet(memory="96M").agents["b"].deploy
        for there in of(world, fleet(), agent("b")):
            world.engine.change(
                there.id, reported=Reported.of(there.body.model_copy(update={"deploy": bigger}))
            )
        planned = plan_refresh(session, fleet(), PlanOptions())
        assert world.carry_out(planned, command="refresh").outcome == "done"
    assert session.store.serials() == (1, 2, 3)
    assert agent("c") not in {change.address for change in world.rollback(3).plan.actions}
    assert set(fleet_of(session.store.read(3)).agents) == {"b", "z" if edit == "mv" else "a"}


def test_a_config_that_is_forgotten_is_there_for_who_is_made_with_it_again(world: Lab) -> None:
    body = fleet().agents["a"].model_dump(mode="json", exclude_unset=True) | {"configs": ["c"]}
    declared = fleet().model_copy(
        update={
            "configs": {"c": Config(content="x")},
            "agents": {**fleet().agents, "a": Workload.model_validate(body)},
        }
    )
    world.apply(declared)
    session = world.session()
    with session.store.lock("rm"):
        forgotten = records.forget(session, [Address.parse("config.c")])
        records.commit(session, forgotten, "rm")
    (there,) = of(world, declared, agent("a"))
    del world.engine.containers[there.id]
    back = world.rollback(2)
    assert {str(change.address) for change in back.plan.actions} >= {"agent.a"}
    assert world.carry_out(back, command="rollback").outcome == "done"
    (again,) = of(world, declared, agent("a"))
    assert again.configs == there.configs != {}


@pytest.mark.parametrize("name", ["a b", "x" * 64])
def test_what_could_not_be_read_again_is_not_recorded(world: Lab, name: str) -> None:
    world.apply(fleet())
    session = world.session()
    before = session.store.newest()
    assert before is not None
    desired = fleet().model_copy(update={"agents": {name: fleet().agents["c"]}})
    with (
        session.store.lock("mv"),
        pytest.raises(StateError, match=f"can't be recorded: desired.agents.{name}"),
    ):
        records.commit(session, before.model_copy(update={"desired": desired}), "mv")
    assert session.store.newest() == before


def test_every_deviation_has_a_name(world: Lab) -> None:
    world.apply(fleet())
    session = world.session()
    state = session.store.newest()
    assert state is not None

    def found() -> list[tuple[str, str]]:
        seen = session.provider.observe(fleet(), claims=claims_of(state))
        return [(str(one.address), one.kind) for one in deviations(state, seen)]

    assert found() == []
    by_name = {c.instance.name: i for i, c in world.engine.containers.items()}
    del world.engine.containers[by_name["shop-test-c-blue"]]
    assert found() == [("agent.c", "missing")]
    provider = SimulatedProvider(SCOPE, world.engine)
    provider.create_instance(instance_spec(fleet(), agent("c"), "shop-test-c-blue"))
    provider.create_instance(instance_spec(fleet(), agent("b"), "more", slot=Slot.GREEN))
    world.engine.volumes.clear()
    assert found() == [("volume.data", "missing"), ("agent.b", "extra"), ("agent.c", "other")]
    assert deviations(None, session.provider.observe(fleet())) != ()


def test_a_state_of_another_scope_is_not_pushed(world: Lab) -> None:
    world.apply(fleet())
    session = world.session()
    newest = session.store.newest()
    assert newest is not None
    assert Scope(newest.project, newest.environment) == SCOPE
    with pytest.raises(Refused, match="the file is of shop/other"):
        records.push(session, newest.model_copy(update={"environment": "other"}), force=True)
    elsewhere = newest.desired.model_copy(update={"environment": "other"})
    with pytest.raises(Refused, match="what the file says is desired is of shop/other"):
        records.push(session, newest.model_copy(update={"desired": elsewhere}), force=True)
    with pytest.raises(Refused, match="the state is at 1 already"):
        records.push(session, newest, force=False)
    older = newest.model_copy(update={"lineage": "x", "serial": 9})
    with pytest.raises(Refused, match="not of one history"):
        records.push(session, older, force=False)
    assert records.push(session, older, force=True).lineage == newest.lineage


@pytest.mark.parametrize("back", [False, True])
def test_an_adopted_container_that_a_failed_run_replaced_is_still_known(world: Lab, *, back: bool) -> None:
    """No label of it says whose it is, and the newest serial has the new container in its place."""
    world.apply(fleet())
    guest = guest_in(world)
    imported(world, with_guest(), guest)
    assert world.apply(with_guest()).outcome == "done"
    adopted = world.session().store.newest()
    assert adopted is not None
    wanted = with_guest(image=IMAGES[1])
    world.sick[agent("guest")] = "answered 503"
    assert world.apply(wanted).outcome == "failed"
    world.sick.clear()
    planned = world.rollback(adopted.serial) if back else world.plan(wanted)
    assert planned.plan.applyable
    assert {one.id for one in planned.observed.of(agent("guest"))} > {guest}
    result = world.carry_out(planned)
    assert (result.outcome, result.failures) == ("done", ())
    assert [one.image for one in of(world, wanted, agent("guest"))] == [IMAGES[0] if back else IMAGES[1]]
    assert guest not in world.engine.containers
    assert len(world.engine.containers) == 4


def test_the_old_container_of_a_renamed_workload_is_that_workload_s_after_a_failed_run(world: Lab) -> None:
    """Its labels have the old name, which is nobody's any more."""
    world.apply(fleet())
    agents = dict(fleet().agents)
    agents["z"] = agents.pop("c")
    session = world.session()
    with session.store.lock("mv"):
        records.commit(session, records.move(session, agent("c"), agent("z")), "mv")
    renamed = fleet().model_copy(update={"agents": agents})
    assert world.apply(renamed).outcome == "done"
    (before,) = of(world, renamed, agent("z"))
    newer = agents["z"].model_copy(update={"image": IMAGES[1]})
    wanted = fleet().model_copy(update={"agents": {**agents, "z": newer}})
    world.sick[agent("z")] = "answered 503"
    assert world.apply(wanted).outcome == "failed"
    world.sick.clear()
    newest = world.session().store.newest()
    assert newest is not None
    planned = world.rollback(newest.serial - 1)
    assert {change.address for change in planned.plan.actions} == {agent("z")}
    assert world.carry_out(planned).outcome == "done"
    assert [one.id for one in of(world, renamed, agent("z"))] == [before.id]


def test_what_was_forgotten_after_a_failed_run_does_not_come_back_with_an_older_serial(world: Lab) -> None:
    world.apply(fleet())
    guest = guest_in(world)
    imported(world, with_guest(), guest)
    assert world.apply(with_guest()).outcome == "done"
    world.sick[agent("guest")] = "answered 503"
    assert world.apply(with_guest(image=IMAGES[1])).outcome == "failed"
    world.sick.clear()
    session = world.session()
    with session.store.lock("rm"):
        records.commit(session, records.forget(session, [agent("guest")]), "rm")
    assert world.plan(fleet()).observed.of(agent("guest")) == ()
    assert world.apply(fleet()).outcome == "done"
    assert guest in world.engine.containers
