"""A container that the engine was told to stop by a run that is no more, and still stops when the next one begins."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sutazai.address import agent
from sutazai.errors import Interrupted
from sutazai.events import Notice
from sutazai.model.fleet import Fleet
from sutazai.operations.changing import Order, change_environment
from sutazai.operations.plan import Planned, plan_take_back
from sutazai.operations.recovery import Unfinished
from sutazai.operations.session import Stop
from sutazai.plan.build import PlanOptions
from sutazai.providers.simulated import SimulatedProvider
from unit.operations.lab import CHECK, IMAGES, SCOPE, Cut, Killed, Lab, Willing, lab, to_its_end

T = TypeVar("T")
GRACE = 8.0


def one(image: str) -> Fleet:
    body = {
        "image": image,
        "checks": [CHECK],
        "stop_grace_period": f"{GRACE:g}s",
        "rollout": {"strategy": "recreate"},
    }
    return Fleet.model_validate(
        {"project": SCOPE.project, "environment": SCOPE.environment, "agents": {"a": body}}
    )


class Stopping:
    """An engine that stops a container at a moment, whatever it is asked before."""

    def __init__(self, world: Lab, identity: str, at: float) -> None:
        self._provider, self._clock, self._identity, self._at = (
            SimulatedProvider(SCOPE, world.engine), world.clock, identity, at,
        )  # fmt: skip
        self._stopped = False

    def __getattr__(self, name: str) -> Any:
        if not self._stopped and self._clock.now() >= self._at:
            self._stopped = True
            self._provider.stop(self._identity, None)
        return getattr(self._provider, name)


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def cut_off_while_it_stops(world: Lab) -> str:
    """The ID of the container."""
    assert world.apply(one(IMAGES[0])).outcome == "done"
    (there,) = world.runs(one(IMAGES[0]))
    with pytest.raises(Killed):
        world.carry_out(
            world.plan(one(IMAGES[1])), Cut(SimulatedProvider(SCOPE, world.engine), 2, after=False)
        )
    assert [entry.call for entry in world.session().store.journal().read() if entry.phase == "intent"][
        -1
    ] == "stop"
    return there.id


def taken_back(world: Lab, provider: Any = None, stop: Callable[[], Stop] = Stop) -> None:
    session = world.session(provider)

    def make(unfinished: Unfinished | None) -> Planned:
        assert unfinished is not None
        return plan_take_back(session, unfinished, PlanOptions(kind="rollback"))

    def run(work: Callable[[Stop], Coroutine[Any, Any, T]], _say: Callable[[str], None]) -> T:
        async def go() -> T:
            return await work(stop())

        return to_its_end(go())

    change_environment(session, Order("rollback"), make, Willing(), run)


def waited_for(world: Lab) -> list[str]:
    return [
        event.message
        for event in world.events
        if isinstance(event, Notice) and "still stopping" in event.message
    ]


def test_it_is_waited_for_and_started_again(world: Lab) -> None:
    identity = cut_off_while_it_stops(world)
    taken_back(world, Stopping(world, identity, world.clock.now() + GRACE))
    (there,) = world.runs(one(IMAGES[0]))
    assert (there.id, there.status) == (identity, "running")
    assert len(waited_for(world)) == 1
    assert not world.plan(one(IMAGES[0])).plan.actions


def test_one_that_was_never_told_is_not_waited_for_longer_than_a_stop_lasts(world: Lab) -> None:
    identity = cut_off_while_it_stops(world)
    began = world.clock.now()
    taken_back(world)
    assert GRACE < world.clock.now() - began < 3 * GRACE
    (there,) = world.runs(one(IMAGES[0]))
    assert (there.id, there.status) == (identity, "running")


@pytest.mark.parametrize("since", [3600.0, -3600.0], ids=["long ago", "the clock was set back"])
def test_when_the_run_was_cut_off(world: Lab, since: float) -> None:
    cut_off_while_it_stops(world)
    world.clock.at += since
    began = world.clock.at
    taken_back(world)
    assert world.clock.at - began < 3 * GRACE
    assert bool(waited_for(world)) == (since < 0)


def test_interrupted_meanwhile_it_changes_nothing(world: Lab) -> None:
    cut_off_while_it_stops(world)
    before = world.session().store.journal().read()

    def stopped() -> Stop:
        stop = Stop()
        stop.interrupt()
        return stop

    with pytest.raises(Interrupted, match="nothing was changed"):
        taken_back(world, stop=stopped)
    assert world.session().store.journal().read() == before
    assert agent("a") in {there.address for there in world.runs(one(IMAGES[0]))}
