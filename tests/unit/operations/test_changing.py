"""What apply, rollback, destroy and their resumption have in common, on a simulated engine."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from sutazai.operations.changing import Order, change_environment
from sutazai.operations.plan import Planned, plan_resume
from sutazai.operations.recovery import Unfinished, unfinished_runs
from sutazai.operations.run import Result
from sutazai.operations.session import Stop
from sutazai.providers.simulated import SimulatedProvider
from unit.operations.lab import IMAGES, SCOPE, Cut, Killed, Lab, fleet, lab, to_its_end


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
