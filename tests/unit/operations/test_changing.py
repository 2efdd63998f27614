"""What apply, rollback, destroy and their resumption have in common, on a simulated engine."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from sutazai.address import agent
from sutazai.errors import ApplyFailed, Conflict, ExitCode, Interrupted
from sutazai.events import ChangeFinished, Event, Notice, Progress, Verified
from sutazai.model.fleet import Fleet
from sutazai.operations.changing import Order, change_environment
from sutazai.operations.plan import Planned, make_plan, plan_refresh, plan_resume, plan_take_back
from sutazai.operations.recovery import Unfinished, unfinished_runs
from sutazai.operations.run import Result
from sutazai.operations.session import Stop
from sutazai.plan.build import PlanOptions
from sutazai.providers.simulated import SimulatedProvider
from unit.operations.lab import CHECK, IMAGES, SCOPE, Cut, Killed, Lab, fleet, lab, to_its_end


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


class Agrees:
    """Shown everything, agrees to everything."""

    def show(self, planned: Planned) -> None: ...

    def approve(self, planned: Planned) -> str:  # noqa: ARG002 - the port's own words
        return "ada"


def run(work: Callable[[Stop], Coroutine[Any, Any, Result]], _say: Callable[[str], None]) -> Result:
    async def go() -> Result:
        return await work(Stop())

    return to_its_end(go())


def resume(world: Lab, provider: Any = None) -> None:
    session = world.session(provider)

    def make(unfinished: Unfinished | None) -> Planned:
        assert unfinished is not None
        return plan_resume(session, unfinished)

    change_environment(session, Order("apply", resumes=True), make, Agrees(), run)


@pytest.mark.parametrize("command", ["destroy", "rollback"])
def test_a_resumed_run_stands_in_the_history_as_what_it_was(world: Lab, command: str) -> None:
    world.apply(fleet())
    world.apply(fleet(image=IMAGES[1]))
    planned = world.destroy(fleet()) if command == "destroy" else world.rollback(1)
    for again in (False, True):  # cut off twice: the second one is the resumption
        cut = Cut(SimulatedProvider(SCOPE, world.engine), 2, after=True)
        with pytest.raises(Killed):
            resume(world, cut) if again else world.carry_out(planned, cut, command=command)
        assert unfinished_runs(world.session().store)[-1].command == command
    resume(world)
    newest = world.session().store.newest()
    assert newest is not None
    assert (newest.operation.command, newest.operation.outcome) == (command, "done")
    assert newest.operation.of_serial == (1 if command == "rollback" else None)


@pytest.mark.parametrize(("on_failure", "volume_stays"), [("rollback", False), ("pause", True)])
def test_what_can_not_be_destroyed_keeps_back_nothing_else_from_a_plan_file_either(
    world: Lab, on_failure: Literal["rollback", "pause"], volume_stays: bool
) -> None:
    class Refuses(SimulatedProvider):
        def remove_network(self, network_id: str) -> None:
            raise Conflict(f"{network_id} has active endpoints")

    world.apply(fleet())
    planned = world.destroy(fleet(), volumes=True)
    session = world.session(Refuses(SCOPE, world.engine))
    with pytest.raises(ApplyFailed, match="has active endpoints"):
        change_environment(
            session, Order("destroy", on_failure=on_failure), lambda _unfinished: planned, Agrees(), run
        )
    assert not world.runs(fleet())
    assert bool(world.engine.volumes) is volume_stays


@pytest.mark.parametrize("ended", ["failed", "killed"])
def test_a_first_run_is_taken_back_to_nothing_and_that_is_verified(world: Lab, ended: str) -> None:
    planned = world.plan(fleet())
    if ended == "failed":
        world.sick[agent("b")] = "answered 503"
        assert world.carry_out(planned).outcome == "failed"
    else:
        with pytest.raises(Killed):
            world.carry_out(planned, Cut(SimulatedProvider(SCOPE, world.engine), 4, after=True))
    session = world.session()

    def back(unfinished: Unfinished | None) -> Planned:
        assert unfinished is not None
        return plan_take_back(session, unfinished, PlanOptions(kind="rollback"))

    change_environment(session, Order("rollback"), back, Agrees(), run)
    assert not world.engine.containers
    (verified,) = (event for event in world.events if isinstance(event, Verified))
    assert (verified.total, verified.differences) == (0, ())


# Told to stop

STEADY = "30s"


def steady(image: str) -> Fleet:
    body = {"image": image, "checks": [CHECK], "rollout": {"min_healthy_time": STEADY}}
    return Fleet.model_validate(
        {"project": SCOPE.project, "environment": SCOPE.environment, "agents": {"a": body}}
    )


def told_to_stop(world: Lab, when: Callable[[Event], bool]) -> Interrupted:
    """How an apply of the second version ends that is told to stop at an event."""
    stop = Stop()

    def told(event: Event) -> None:
        world.events.append(event)
        if when(event):
            stop.interrupt()

    session = replace(world.session(), events=told)

    def go(work: Callable[[Stop], Coroutine[Any, Any, Result]], _say: Callable[[str], None]) -> Result:
        return to_its_end(work(stop))

    wanted = steady(IMAGES[1])
    with pytest.raises(Interrupted) as raised:
        change_environment(
            session, Order("apply"), lambda _: make_plan(session, wanted, PlanOptions()), Agrees(), go
        )
    return raised.value


def test_who_is_healthy_and_has_not_been_for_long_enough_is_not_called_done(world: Lab) -> None:
    world.apply(steady(IMAGES[0]))
    error = told_to_stop(
        world, lambda event: isinstance(event, Progress) and event.message.startswith("healthy, must stay so")
    )
    assert error.exit_code == ExitCode.INTERRUPTED
    newest = world.session().store.newest()
    assert newest is not None
    assert newest.operation.outcome == "interrupted"
    assert len(world.engine.containers) == 2, "the old one stands by"
    began = world.clock.monotonic()
    assert world.apply(steady(IMAGES[1])).outcome == "done"
    assert world.clock.monotonic() - began >= 30
    assert [c.instance.image for c in world.engine.containers.values()] == [IMAGES[1]]


def test_told_to_stop_at_the_end_it_has_done_everything_and_says_that_it_was_told(world: Lab) -> None:
    world.apply(steady(IMAGES[0]))
    error = told_to_stop(world, lambda event: isinstance(event, ChangeFinished))
    assert (error.exit_code, error.message) == (
        ExitCode.INTERRUPTED,
        "interrupted when all of it was under way, and done; what was done is serial 2",
    )
    newest = world.session().store.newest()
    assert newest is not None
    assert newest.operation.outcome == "done"
    assert world.plan(steady(IMAGES[1])).plan.actions == ()


def test_runs_that_were_cut_off_alike_are_told_of_once(world: Lab) -> None:
    for _ in range(3):
        with pytest.raises(Killed):
            world.carry_out(world.plan(fleet()), Cut(SimulatedProvider(SCOPE, world.engine), 1, after=False))
    assert len(unfinished_runs(world.session().store)) == 3
    resume(world)
    told = [event.message for event in world.events if isinstance(event, Notice)]
    assert len([message for message in told if "this run goes on from what it left" in message]) == 1


def test_nobody_is_asked_to_record_what_no_state_can(world: Lab) -> None:
    world.apply(fleet())
    stopped = next(one for one in world.runs(fleet()) if one.address == agent("b"))
    world.engine.change(stopped.id, status="exited", exit_code=1)
    session, asked = world.session(), []

    class Listens(Agrees):
        def approve(self, planned: Planned) -> str:
            asked.append(planned)
            return super().approve(planned)

    order, options = Order("refresh"), PlanOptions()
    assert not change_environment(
        session, order, lambda _: plan_refresh(session, fleet(), options), Listens(), run
    )
    assert asked == []
