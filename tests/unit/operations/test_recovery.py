"""Going on with a run that did not come to its end, and taking it back. Most of these are the essence of a history that the
simulation found."""

import asyncio
import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sutazai.address import agent
from sutazai.errors import Conflict, ProviderError, StateError
from sutazai.model.fleet import Fleet, Network
from sutazai.operations.plan import Planned, look, make_plan, plan_refresh, plan_resume, plan_take_back
from sutazai.operations.recovery import Unfinished, told_of_runs, unfinished_runs
from sutazai.operations.run import carry_out_plan
from sutazai.operations.session import Session, Stop
from sutazai.plan.build import PlanOptions
from sutazai.plan.change import Action, Reason
from sutazai.ports import StateStore
from sutazai.providers.simulated import SimulatedProvider
from sutazai.state.deviations import deviations
from sutazai.state.observed import Observed, Reported
from sutazai.state.v2 import State
from sutazai.store.local import LocalStore
from unit.operations.lab import CHECK, IMAGES, SCOPE, Cut, Killed, Lab, fleet, lab, to_its_end


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def killed(world: Lab, target: Fleet, call: int, *, after: bool = True) -> Unfinished:
    """An apply that dies at its nth call; what its journal tells."""
    with pytest.raises(Killed):
        world.carry_out(world.plan(target), Cut(SimulatedProvider(SCOPE, world.engine), call, after=after))
    return last(world)


def last(world: Lab) -> Unfinished:
    return unfinished_runs(world.session().store)[-1]


def changed(target: Fleet, name: str, **fields: object) -> Fleet:
    """The fleet with other fields of one agent."""
    data = target.model_dump(mode="json", exclude_unset=True)
    data["agents"][name] |= fields
    return Fleet.model_validate(data)


def test_a_run_of_another_environment_is_not_gone_on_with(world: Lab) -> None:
    """Two that were given one place, where no serial tells yet whose it is."""
    killed(world, fleet(), 2)
    other = fleet().model_copy(update={"environment": "other"})
    store = LocalStore(Path(world.session().store.where), other.project, other.environment)
    session = replace(world.session(), store=store)
    for ask in (
        lambda: make_plan(session, other, PlanOptions()),
        lambda: told_of_runs(store, None, Observed()),
    ):
        with pytest.raises(
            StateError, match="tells of a run of 'test' of 'shop', not of 'other' of 'shop'"
        ) as caught:
            ask()
        assert caught.value.hint == "give each environment a state of its own"
    assert last(world).cut_off


def test_a_network_that_killed_runs_removed_and_made_is_recorded_as_what_it_is_now(world: Lab) -> None:
    world.apply(fleet())
    with pytest.raises(Killed):
        world.carry_out(world.destroy(fleet()), Cut(SimulatedProvider(SCOPE, world.engine), 7, after=True))
    killed(world, fleet(), 1)
    assert world.apply(fleet()).outcome == "done"
    session = world.session()
    newest = session.store.newest()
    assert not list(deviations(newest, look(session, fleet(), newest)))


def test_what_a_killed_run_changed_is_told_from_what_others_did(world: Lab) -> None:
    """Also where it had seen it healthy, and no serial says so."""
    world.apply(fleet())
    wanted = changed(fleet(image=IMAGES[1]), "c", restart="always")
    found = killed(world, wanted, 4, after=False)
    assert (found.healthy, found.touched) == ({agent("b")}, {agent("b"), agent("c")})
    (drift,) = world.plan(wanted).plan.drift
    assert drift.address == agent("b")
    assert drift.detail == "its container exited with code 0; a run that was cut off had changed it"


class Refusing:
    """A provider on which one kind of call fails."""

    def __init__(self, provider: SimulatedProvider, call: str, error: Exception) -> None:
        self._provider, self._call, self._error = provider, call, error

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._call else getattr(self._provider, name)

    def _fail(self, *_args: object) -> None:
        raise self._error


class Unrecorded:
    """A store whose process dies before it commits."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, _state: State) -> State:
        raise Killed


def dying_before_commit(world: Lab) -> Session:
    session = world.session()
    return replace(session, store=cast("StateStore", Unrecorded(session.store)))


def test_what_a_killed_run_did_not_see_healthy_is_waited_for(world: Lab) -> None:
    """A second run must not call healthy what nobody has seen so."""
    world.sick[agent("b")] = "answered 503"
    killed(world, fleet(), 7)
    (made,) = [i for i in world.runs(fleet()) if i.address == agent("b")]
    assert made.status == "running"
    planned = world.plan(fleet())
    (change,) = [change for change in planned.plan.actions if change.address == agent("b")]
    assert (change.action, change.steps) == (Action.UPDATE, ("wait",))
    assert "changed it and did not see it healthy" in change.detail
    result = world.carry_out(planned)
    assert result.outcome == "failed"
    assert [failure.address for failure in result.failures] == [agent("b")]
    assert {i.address.name for i in world.runs(fleet()) if i.status == "running"} == {"a", "b"}
    del world.sick[agent("b")]
    assert world.apply(fleet()).outcome == "done"
    assert not world.plan(fleet()).plan.actions


def test_what_a_killed_run_saw_healthy_is_not_waited_for_again(world: Lab) -> None:
    killed(world, fleet(), 7)
    actions = {change.address.name: change.steps for change in world.plan(fleet()).plan.actions}
    assert actions == {"b": ("wait",), "c": ("start", "wait")}


def test_what_a_later_run_of_a_part_saw_healthy_is_not_waited_for_again(world: Lab) -> None:
    killed(world, fleet(), 7)
    assert world.carry_out(world.plan(fleet(), targets=("agent.b",))).outcome == "done"
    left = {change.address.name: change.steps for change in world.plan(fleet()).plan.actions}
    assert left == {"c": ("start", "wait")}


def test_what_an_earlier_of_two_unfinished_runs_made_is_not_forgotten(world: Lab) -> None:
    """The first joined a network, the second was to leave it and could not: the third must."""
    killed(world, fleet(), 8)
    data = fleet().model_dump(mode="json", exclude_unset=True)
    del data["agents"]["c"]["networks"]
    without = Fleet.model_validate(data)
    refused = Refusing(SimulatedProvider(SCOPE, world.engine), "disconnect", ProviderError("no"))
    assert world.carry_out(world.plan(without), refused).outcome == "failed"
    assert world.apply(without).outcome == "done"
    (left,) = [i for i in world.runs(without) if i.address == agent("c")]
    assert not left.body.networks


def test_what_the_engine_is_removing_need_not_leave_a_network_that_is_made_anew(world: Lab) -> None:
    """It refuses that, of what it is removing and of what it could not remove, and would so at each run."""
    world.apply(fleet())
    for instance, status in zip(world.runs(fleet()), ("removing", "dead", "dead"), strict=True):
        world.engine.change(instance.id, status=status)
    other = fleet().model_copy(update={"networks": {"net": Network(internal=True)}})
    refused = Refusing(SimulatedProvider(SCOPE, world.engine), "disconnect", Conflict("no", status=409))
    assert world.carry_out(world.plan(other), refused).outcome == "done"
    assert not world.plan(other).plan.actions


def test_a_run_that_was_refused_everything_makes_no_serial(world: Lab) -> None:
    refused = Refusing(
        SimulatedProvider(SCOPE, world.engine), "create_network", Conflict("the name is taken", status=409)
    )
    result = world.carry_out(world.plan(fleet()), refused)
    assert (result.outcome, result.state) == ("failed", None)
    assert world.session().store.serials() == ()
    assert world.apply(fleet()).state is not None


def test_the_journal_tells_what_was_cut_off(world: Lab) -> None:
    world.apply(fleet())
    found = killed(world, fleet(memory="96M", image=IMAGES[1]), 2)
    assert (found.command, found.serial, found.cut_off) == ("apply", 2, True)
    assert found.words == "an earlier apply was cut off, 1 call under way (stop agent.b)"
    assert found.touched == {agent("b")}


def test_resuming_finishes_what_was_begun_though_the_specs_have_changed(world: Lab) -> None:
    world.apply(fleet())
    wanted = fleet(image=IMAGES[1])
    found = killed(world, wanted, 2)
    planned = plan_resume(world.session(), found)
    assert planned.plan.desired == wanted
    assert world.carry_out(planned).outcome == "done"
    assert not world.plan(wanted).plan.actions
    assert unfinished_runs(world.session().store) == ()


def test_a_rollback_takes_back_what_was_cut_off(world: Lab) -> None:
    world.apply(fleet())
    found = killed(world, fleet(image=IMAGES[1], memory="96M", last=False), 4)
    result = world.carry_out(plan_take_back(world.session(), found, PlanOptions()))
    assert result.outcome == "done"
    assert result.state is not None
    assert result.state.operation.of_serial == 1
    assert not world.plan(fleet()).plan.actions


def test_taking_back_the_first_run_removes_what_it_made_but_the_volume_which_is_recorded(world: Lab) -> None:
    found = killed(world, fleet(), 3)
    result = world.carry_out(plan_take_back(world.session(), found, PlanOptions()))
    assert result.outcome == "done"
    assert not world.engine.containers
    assert not world.engine.networks
    assert len(world.engine.volumes) == 1
    assert result.state is not None
    assert [str(record.address) for record in result.state.resources] == ["volume.data"]


def test_a_resumed_destroy_goes_on_destroying(world: Lab) -> None:
    world.apply(fleet())
    cut = Cut(SimulatedProvider(SCOPE, world.engine), 3, after=True)
    with pytest.raises(Killed):
        world.carry_out(world.destroy(fleet()), cut)
    planned = plan_resume(world.session(), last(world))
    assert {change.action for change in planned.plan.actions} == {Action.DESTROY}
    assert world.carry_out(planned).outcome == "done"
    assert not world.engine.containers


def test_the_lineage_is_that_of_the_first_run_though_it_committed_nothing(world: Lab) -> None:
    found = killed(world, fleet(), 4)
    result = world.apply(fleet())
    assert result.state is not None
    assert result.state.lineage == found.lineage
    assert {i.lineage for i in world.runs(fleet())} == {found.lineage}


def test_what_only_a_cut_off_run_declared_does_not_stay(world: Lab) -> None:
    """No state tells of the variable, and nobody declares it any more."""
    killed(world, changed(fleet(), "a", environment={"SECOND_THOUGHTS": "yes"}), 4)
    world.apply(fleet())
    (instance,) = [i for i in world.runs(fleet()) if i.address == agent("a")]
    assert "SECOND_THOUGHTS" not in instance.body.environment


def test_a_container_that_a_killed_run_made_is_recorded_though_nothing_else_is_to_do(world: Lab) -> None:
    world.apply(fleet())
    (old,) = [i for i in world.runs(fleet()) if i.address == agent("c")]
    SimulatedProvider(SCOPE, world.engine).remove(old.id)
    with pytest.raises(Killed):
        to_its_end(carry_out_plan(dying_before_commit(world), world.plan(fleet()), Stop(), command="apply"))
    planned = world.plan(fleet())
    assert not planned.plan.actions
    result = world.carry_out(planned)
    assert result.state is not None
    recorded = {row.id for record in result.state.resources for row in record.instances}
    assert recorded == {i.id for i in world.runs(fleet())}


def test_a_run_that_may_not_go_everywhere_keeps_the_journal_of_one_that_was_cut_off(world: Lab) -> None:
    world.apply(fleet())
    killed(world, fleet(image=IMAGES[1], memory="96M"), 1)
    planned = world.plan(fleet(image=IMAGES[1], memory="96M"), targets=("a",))
    assert world.carry_out(planned).outcome == "done"
    assert last(world).touched == {agent("b")}


def refresh(world: Lab) -> None:
    planned = plan_refresh(world.session(), fleet(), PlanOptions())
    assert world.carry_out(planned, command="refresh").outcome == "done"


def killed_refresh(world: Lab, monkeypatch: pytest.MonkeyPatch) -> Unfinished:
    """A refresh that has something to record, and dies as it does."""

    def die(*_: object) -> State:
        raise Killed

    bigger = fleet(memory="96M").agents["b"].deploy
    (there,) = (one for one in world.runs(fleet()) if one.address == agent("b"))
    world.engine.change(there.id, reported=Reported.of(there.body.model_copy(update={"deploy": bigger})))
    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "commit", die)
        with pytest.raises(Killed):
            refresh(world)
    return last(world)


def test_a_refresh_that_was_killed_is_finished_by_the_next_one(
    world: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply(fleet())
    found = killed_refresh(world, monkeypatch)
    assert world.carry_out(plan_resume(world.session(), found), command="refresh").outcome == "done"
    assert world.session().store.journal().read() == ()
    assert world.session().store.serials() == (1, 2)


def test_what_was_cut_off_before_a_refresh_that_was_killed_can_still_be_gone_on_with(
    world: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply(fleet())
    killed(world, changed(fleet(), "a", environment={"A": "1"}), 1)
    killed_refresh(world, monkeypatch)
    refresh(world)
    assert last(world).touched == {agent("a")}
    assert world.carry_out(plan_resume(world.session(), last(world))).outcome == "done"
    assert world.session().store.journal().read() == ()


def test_of_two_versions_the_leftover_goes_before_the_other_is_started(world: Lab) -> None:
    world.apply(fleet())
    killed(world, fleet(image=IMAGES[1]), 3)  # the new one runs, the old one is stopped
    running: list[set[str]] = []
    provider = Watched(SimulatedProvider(SCOPE, world.engine), lambda: running.append(runs_now(world, "b")))
    assert world.carry_out(world.plan(fleet()), provider).outcome == "done"
    assert max(len(slots) for slots in running) == 1


class Watched:
    def __init__(self, provider: SimulatedProvider, look: Callable[[], None]) -> None:
        self._provider, self._look = provider, look

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._provider, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            self._look()
            return result

        return watched


def runs_now(world: Lab, name: str) -> set[str]:
    return {i.slot.value for i in world.runs(fleet()) if i.address == agent(name) and i.status == "running"}


@pytest.mark.parametrize(
    "fields",
    [
        {"deploy": {"replicas": 2, "resources": {"limits": {"memory": "96M"}}}},
        {"deploy": {"resources": {"limits": {"memory": "96M"}}}, "checks": []},
        {"restart": "always", "networks": []},
    ],
    ids=["replicas", "checks", "networks"],
)
def test_a_limit_changes_together_with_what_the_engine_does_not_update(
    world: Lab, fields: dict[str, object]
) -> None:
    world.apply(fleet())
    wanted = changed(fleet(), "b", **fields)
    planned = world.plan(wanted)
    assert [change.action for change in planned.plan.actions] == [Action.UPDATE]
    assert world.carry_out(planned).outcome == "done"
    assert not world.plan(wanted).plan.actions


def test_after_a_destroy_nothing_is_desired_that_was_never_there(world: Lab) -> None:
    world.sick[agent("b")] = "answered 503"
    world.apply(fleet())
    result = world.carry_out(world.destroy(fleet()))
    assert result.state is not None
    assert not result.state.desired.agents
    assert not world.rollback(2).plan.actions


def test_a_failure_lets_the_others_end_before_it_is_recorded(world: Lab) -> None:
    """Two replicas are stopped at once; one can't be: the other's stop does not go on behind the run's back."""
    wanted = changed(fleet(), "b", deploy={"replicas": 2})
    world.apply(wanted)
    provider = Refusing(SimulatedProvider(SCOPE, world.engine), "stop", ProviderError("no"))
    result = world.carry_out(world.plan(changed(wanted, "b", image=IMAGES[1])), provider)
    assert result.outcome == "failed"
    entries = world.session().store.journal().read()
    assert entries[-1].phase == "end"
    assert not last(world).open_calls


def test_a_bug_in_the_middle_of_a_run_ends_it_well(world: Lab) -> None:
    provider = Refusing(SimulatedProvider(SCOPE, world.engine), "start", ZeroDivisionError("what"))
    result = world.carry_out(world.plan(fleet()), provider)
    assert result.outcome == "failed"
    assert result.failures[0].cause == "this is a bug in sutazai: ZeroDivisionError: what"
    assert result.state is not None
    assert result.state.operation.outcome == "failed"
    assert world.apply(fleet()).outcome == "done"


@pytest.mark.parametrize("moment", range(1, 6))
def test_interrupted_twice_at_the_very_beginning(world: Lab, moment: int) -> None:
    """`moment`: so many turns of the event loop after it began."""

    async def go() -> str:
        stop = Stop()
        run = carry_out_plan(world.session(), world.plan(fleet()), stop, command="apply")
        work = asyncio.ensure_future(run)
        for _ in range(moment):
            await asyncio.sleep(0)
        stop.interrupt()
        work.cancel()
        return (await work).outcome

    assert to_its_end(go()) == "interrupted"
    assert world.apply(fleet()).outcome == "done"


def test_interrupted_before_its_beginning_is_written_a_run_has_no_end_either(world: Lab) -> None:
    async def go() -> str:
        stop, session = Stop(), replace(world.session(), calls=never)
        work = asyncio.ensure_future(carry_out_plan(session, world.plan(fleet()), stop, command="apply"))
        await asyncio.sleep(0)
        stop.interrupt()
        work.cancel()
        return (await work).outcome

    assert to_its_end(go()) == "interrupted"
    assert world.session().store.journal().read() == ()
    assert world.apply(fleet()).outcome == "done"


async def never(function: Callable[..., Any], /, *args: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("writes", range(14))
def test_a_disk_that_is_full_from_some_write_on(
    world: Lab, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Whenever it happens: no call without its intent, the failure is told, and the next run finds what was done."""
    real, seen = os.write, 0

    def write(descriptor: int, data: Any) -> int:
        nonlocal seen
        seen += 1
        if seen > writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    planned = world.plan(fleet())
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        if writes == 0:  # not even the beginning of a run can be written
            with pytest.raises(StateError, match="No space left"):
                world.carry_out(planned)
        else:
            result = world.carry_out(planned)
            assert result.outcome == "failed"
            assert "No space left" in result.failures[0].cause
            assert result.failures[0].hint is not None
    known = {entry.address for entry in world.session().store.journal().read()}
    assert {str(i.address) for i in world.runs(fleet())} <= known
    assert world.apply(fleet()).outcome == "done"
    assert not world.plan(fleet()).plan.actions


@pytest.mark.parametrize("then", ["resume", "rollback"])
def test_taking_back_a_run_that_went_on_with_another_goes_back_to_before_both(world: Lab, then: str) -> None:
    """What the first run of them recorded is half a release: nobody wants that back."""
    world.apply(fleet())
    world.sick[agent("b")] = "answered 503"
    for number in (2, 3):
        found = (*unfinished_runs(world.session().store), None)[0]
        planned = world.plan(fleet(image=IMAGES[1])) if found is None else _again(world, found, then)
        assert world.carry_out(planned).outcome == "failed"
        assert world.session().store.serials()[-1] == number
    world.sick.clear()
    last = unfinished_runs(world.session().store)[-1]
    assert last.set_out == 1
    assert world.carry_out(plan_take_back(world.session(), last, PlanOptions())).outcome == "done"
    assert not world.plan(fleet()).plan.actions


def _again(world: Lab, found: Unfinished, then: str) -> Planned:
    if then == "resume":
        return plan_resume(world.session(), found)
    return plan_take_back(world.session(), found, PlanOptions())


def test_a_journal_that_does_not_say_where_its_run_set_out_from_is_of_a_run_that_went_on_with_none(
    world: Lab,
) -> None:
    killed(world, fleet(), 3)
    (path,) = world.root.glob("**/journal.jsonl")
    path.write_text(path.read_text().replace(', "set_out": 0', ""))
    assert '"set_out"' not in path.read_text()
    assert last(world).set_out == 0


def test_whoever_looks_is_told_that_the_state_is_elsewhere(world: Lab) -> None:
    world.apply(fleet())
    session = world.session()
    with session.store.lock("migrate"):
        session.store.move_to("s3://states/shop/test")
    told = told_of_runs(session.store, session.store.newest(), session.provider.observe(fleet()))
    assert told is not None
    assert "was moved to s3://states/shop/test: what is recorded here may be long past" in told


@pytest.mark.parametrize("newer", [{"image": IMAGES[1]}, {"memory": "64M"}])
def test_a_state_that_was_put_back_comes_to_record_what_runs(world: Lab, newer: dict[str, str]) -> None:
    """Of a backup, say. What runs is as desired, so that nothing else is to be done."""
    world.apply(fleet())
    (serials,) = world.root.glob("**/serials")
    kept = shutil.copytree(serials.parent, world.root / "kept")
    options = {"replace": ("agent.b",)} if "image" not in newer else {}
    world.carry_out(world.plan(fleet(**newer), **options))
    shutil.rmtree(serials.parent)
    shutil.copytree(kept, serials.parent)
    planned = world.plan(fleet(**newer))
    assert not planned.plan.actions
    assert planned.unrecorded
    assert not world.plan(fleet(**newer), targets=("agent.a",)).unrecorded
    assert world.carry_out(planned).outcome == "done"
    session = world.session()
    assert deviations(session.store.newest(), session.provider.observe(fleet(**newer))) == ()
    assert not world.plan(fleet(**newer)).unrecorded


def test_what_is_told_first_is_the_run_that_can_be_gone_on_with(world: Lab) -> None:
    """One that failed after another was cut off: what that had under way is over."""
    world.apply(fleet())
    killed(world, fleet(image=IMAGES[1]), 2)
    world.sick[agent("b")] = "answered 503"
    assert world.apply(fleet(image=IMAGES[1])).outcome == "failed"
    session = world.session()
    observed = session.provider.observe(fleet())
    told = told_of_runs(session.store, session.store.newest(), observed)
    assert told is not None
    assert told.startswith("the last apply failed")


def test_what_a_cut_off_run_had_made_of_a_renamed_workload_goes_before_the_old_one_comes_back(
    world: Lab,
) -> None:
    """Only the journal tells that it writes to the volume of the old one."""
    world.apply(fleet())
    data = fleet().model_dump(mode="json", exclude_unset=True)
    data["agents"]["z"] = data["agents"].pop("a")
    data["agents"]["b"]["depends_on"] = ["z"]
    found = killed(world, Fleet.model_validate(data), 4)
    assert {i.address for i in world.runs(fleet())} >= {agent("z")}
    assert agent("a") not in {i.address for i in world.runs(fleet())}
    plan = plan_take_back(world.session(), found, PlanOptions()).plan
    assert plan.waves[0].addresses == (agent("z"),)


def following(*, first: str = "1", second: str = IMAGES[0]) -> Fleet:
    """a <- b, c starts again with a, d is replaced with a, e with d; c and d come after b."""

    def body(**fields: object) -> dict[str, object]:
        return {"image": IMAGES[0], "checks": [CHECK], "rollout": {"healthy_deadline": "20s"}, **fields}

    again = {"a": {"condition": "service_started", "restart": True}, "b": {"condition": "service_healthy"}}
    return Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment, "agents": {
            "a": body(environment={"MODE": first}),
            "b": body(image=second, depends_on=["a"]),
            "c": body(depends_on=again),
            "d": body(depends_on=["b"], lifecycle={"replace_triggered_by": ["agent.a"]}),
            "e": body(depends_on=["d"], lifecycle={"replace_triggered_by": ["agent.d"]}),
        },
    })  # fmt: skip


def followers(planned: Planned) -> dict[str, tuple[Reason, tuple[str, ...]]]:
    return {c.address.name: (c.reason, c.steps) for c in planned.plan.actions if c.address.name in "cde"}


FOLLOWING = {
    "c": (Reason.RESTARTED, ("restart",)),
    "d": (Reason.TRIGGERED, ()),
    "e": (Reason.TRIGGERED, ()),
}


def stopped_half_way(world: Lab) -> Fleet:
    """a is made anew, b is not healthy, and what follows a is not reached."""
    world.apply(following())
    wanted = following(first="2", second=IMAGES[1])
    planned = world.plan(wanted)
    assert followers(planned) == FOLLOWING
    world.sick[agent("b")] = "answered 503"
    assert world.carry_out(planned).outcome == "failed"
    return wanted


@pytest.mark.parametrize("way", ["resume", "apply"])
def test_what_was_to_follow_a_change_follows_it_when_a_run_is_gone_on_with(world: Lab, way: str) -> None:
    wanted = stopped_half_way(world)
    assert _on(world, wanted, way) == FOLLOWING
    assert world.carry_out(world.plan(wanted)).outcome == "failed"  # it comes no further than the first
    assert _on(world, wanted, way) == FOLLOWING
    world.sick.clear()
    before = {i.address.name: i.id for i in world.runs(wanted)}
    planned = plan_resume(world.session(), last(world)) if way == "resume" else world.plan(wanted)
    assert world.carry_out(planned).outcome == "done"
    after = {i.address.name: i.id for i in world.runs(wanted)}
    assert {name for name in before if before[name] != after[name]} == {"d", "e"}
    assert not world.plan(wanted).plan.actions


def _on(world: Lab, wanted: Fleet, way: str) -> dict[str, tuple[Reason, tuple[str, ...]]]:
    return followers(plan_resume(world.session(), last(world)) if way == "resume" else world.plan(wanted))


def test_what_followed_a_change_before_the_run_ended_does_not_follow_it_again(world: Lab) -> None:
    wanted = stopped_half_way(world)
    world.sick.clear()
    world.sick[agent("e")] = "answered 503"
    assert world.carry_out(world.plan(wanted)).outcome == "failed"
    assert followers(world.plan(wanted)) == {  # only the old containers are left to remove
        "d": (Reason.DRIFTED, ("remove-deposed",)),
        "e": (Reason.TAINTED, ("wait", "remove-deposed")),
    }


def test_what_no_longer_asks_to_follow_does_not(world: Lab) -> None:
    wanted = changed(stopped_half_way(world), "d", lifecycle={})
    assert followers(world.plan(wanted)) == {
        "c": FOLLOWING["c"],
        "d": (Reason.RECORD, ("record",)),  # what was made for it and for e ahead of their turn was removed
    }


def test_nothing_follows_what_a_run_did_not_come_to(world: Lab) -> None:
    world.apply(following())
    refused = Refusing(SimulatedProvider(SCOPE, world.engine), "stop", ProviderError("no", status=409))
    world.sick[agent("b")] = "answered 503"
    assert world.carry_out(world.plan(following(second=IMAGES[1])), refused).outcome == "failed"
    assert followers(world.plan(following())) == {}


@pytest.mark.parametrize("call", range(1, 14))
def test_what_was_to_follow_follows_wherever_the_run_was_killed(world: Lab, call: int) -> None:
    world.apply(following())
    before = {i.address.name: i.id for i in world.runs(following())}
    found = killed(world, following(first="2"), call)
    assert world.carry_out(plan_resume(world.session(), found)).outcome == "done"
    after = {i.address.name: i.id for i in world.runs(following())}
    assert {name for name in before if before[name] != after[name]} == {"a", "d", "e"}
    assert not world.plan(following(first="2")).plan.actions


def test_a_replacement_that_was_asked_for_and_only_begun_ahead_of_its_turn_is_still_asked_for(
    world: Lab,
) -> None:
    world.apply(following())
    world.sick[agent("b")] = "answered 503"
    planned = world.plan(following(second=IMAGES[1]), replace=("d",))
    assert world.carry_out(planned).outcome == "failed"
    assert followers(plan_resume(world.session(), last(world)))["d"] == (Reason.REQUESTED, ())
