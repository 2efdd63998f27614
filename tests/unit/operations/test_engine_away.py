"""An engine that goes away under a run: the run fails of that, and is taken back as soon as the engine is there again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sutazai.errors import ApplyFailed, Interrupted, ProviderError, ProviderUnreachable, RolledBack
from sutazai.events import Notice
from sutazai.operations.changing import Order, change_environment
from sutazai.operations.plan import make_plan
from sutazai.operations.session import Stop
from sutazai.operations.taking_back import ATTEMPTS, PATIENCE
from sutazai.plan.build import PlanOptions
from sutazai.providers.simulated import SimulatedProvider
from unit.operations.lab import CHANGING, IMAGES, SCOPE, Lab, Willing, fleet, lab, to_its_end

GONE = "no answer from Docker at unix:///docker.sock"


class Restarted:
    """An engine that goes away at each of these calls that change something, for so long each time."""

    def __init__(self, world: Lab, away: float, *calls: int) -> None:
        self._provider, self._clock, self._away = SimulatedProvider(SCOPE, world.engine), world.clock, away
        self._calls, self._made, self._back = calls, 0, 0.0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._provider, name)
        return self._answered(call, changes=name.startswith(CHANGING)) if callable(call) else call

    def _answered(self, call: Callable[..., Any], *, changes: bool) -> Callable[..., Any]:
        def answered(*args: Any, **options: Any) -> Any:
            if changes and self._clock.monotonic() >= self._back:
                self._made += 1
                if self._made in self._calls:
                    self._back = self._clock.monotonic() + self._away
            if self._clock.monotonic() < self._back:
                error = self._while_away(call.__name__)
                if error is not None:
                    raise error
            return call(*args, **options)

        return answered

    def _while_away(self, _call: str) -> Exception | None:
        return ProviderUnreachable(GONE)


class Ending(Restarted):
    """An engine that was told to end: nobody new is let in, and who is connected gets an answer while its containers are stopped."""

    def _while_away(self, _call: str) -> Exception | None:
        if _call == "host":
            return ProviderUnreachable(GONE)
        return ProviderError("failed to update store", status=500) if _call.startswith(CHANGING) else None


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    found = lab(tmp_path)
    assert found.apply(fleet()).outcome == "done"
    return found


def released(world: Lab, provider: Restarted, stop: Callable[[], Stop] = Stop) -> None:
    """Another version of b, through that engine."""
    session = world.session(provider)
    change_environment(
        session,
        Order("apply", on_failure="rollback"),
        lambda _: make_plan(session, fleet(image=IMAGES[1]), PlanOptions()),
        Willing(),
        lambda work, _: to_its_end(work(stop())),
    )


def images(world: Lab) -> list[str]:
    return [one.image for one in world.runs(fleet()) if one.address.name == "b" and one.status == "running"]


def outcomes(world: Lab) -> list[tuple[str, str]]:
    store = world.session().store
    return [(store.read(n).operation.command, store.read(n).operation.outcome) for n in store.serials()]


def notices(world: Lab) -> list[str]:
    return [event.message for event in world.events if isinstance(event, Notice)]


@pytest.mark.parametrize("call", [1, 2, 3])
def test_it_is_waited_for_and_the_run_is_taken_back(world: Lab, call: int) -> None:
    began = world.clock.monotonic()
    with pytest.raises(RolledBack, match=f"agent.b: {GONE}"):
        released(world, Restarted(world, PATIENCE / 2, call))
    assert PATIENCE / 2 <= world.clock.monotonic() - began < PATIENCE
    assert notices(world).count(f"{GONE}; it is waited for, up to 1m") == 1
    assert outcomes(world)[1:] == [("apply", "failed"), ("rollback", "done")]
    assert images(world) == [IMAGES[0]]
    assert not world.plan(fleet()).plan.actions


@pytest.mark.parametrize("calls", [(1,), (3,), (3, 4)])
def test_one_that_ends_is_waited_for_though_it_answers_still(world: Lab, calls: tuple[int, ...]) -> None:
    with pytest.raises(RolledBack, match=r"agent\.b: failed to update store"):
        released(world, Ending(world, PATIENCE / 2, *calls))
    assert notices(world).count(f"{GONE}; it is waited for, up to 1m") == len(calls)
    assert outcomes(world)[-1] == ("rollback", "done")
    assert images(world) == [IMAGES[0]]


def test_when_it_goes_away_on_the_way_back_that_begins_anew(world: Lab) -> None:
    with pytest.raises(RolledBack):
        released(world, Restarted(world, 5.0, 3, 4))
    assert outcomes(world)[-3:] == [("apply", "failed"), ("rollback", "failed"), ("rollback", "done")]
    assert images(world) == [IMAGES[0]]


def test_one_that_goes_away_each_time_is_given_up(world: Lab) -> None:
    with pytest.raises(
        ApplyFailed, match=rf"{GONE}; and serial 1 could not be brought back: agent\.b: no answer from Docker"
    ):
        released(world, Restarted(world, 5.0, *range(3, 99)))
    assert outcomes(world).count(("rollback", "failed")) == ATTEMPTS


def test_one_that_stays_away_is_waited_for_so_long(world: Lab) -> None:
    began = world.clock.monotonic()
    with pytest.raises(ApplyFailed, match=GONE):
        released(world, Restarted(world, 1e9, 3))
    assert PATIENCE <= world.clock.monotonic() - began < PATIENCE + 5
    assert notices(world)[-1] == f"serial 1 can't be brought back, so the fleet is left as it is: {GONE}"


def test_it_is_waited_for_no_longer_than_the_user_wants(world: Lab) -> None:
    stops = [Stop(), Stop()]
    stops[1].interrupt()
    with pytest.raises(Interrupted, match="interrupted while the engine was waited for"):
        released(world, Restarted(world, 1e9, 3), iter(stops).__next__)
