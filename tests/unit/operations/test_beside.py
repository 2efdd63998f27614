"""The traffic switch of a fleet that comes up from nothing is made beside its waves, and leads whatever is there by then."""

import asyncio
import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sutazai.address import Address, agent
from sutazai.errors import ProviderError
from sutazai.events import ChangeFinished, ChangeStarted, TrafficLed
from sutazai.model.fleet import SWITCH
from sutazai.operations.session import Stop, beside
from sutazai.plan.change import Plan
from sutazai.providers.simulated import SimulatedProvider
from sutazai.state.scope import Slot
from unit.operations.lab import SCOPE, Cut, Killed, Lab, lab, to_its_end
from unit.operations.test_strategies import Spy, fleet, ready

T = TypeVar("T")
A, B, C = (agent(name) for name in "abc")
STARTING = ("start", "call")  # the latter is the spy's
ALL_LED = {name: [Slot.BLUE] for name in "abc"}


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def slow_switch(world: Lab, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Its start takes the engine so long, as it has many ports to publish."""

    async def calls(function: Callable[..., T], /, *args: Any) -> T:
        containers = world.engine.containers
        if getattr(function, "__name__", "") in STARTING and containers[args[0]].instance.address == SWITCH:
            await world.clock.sleep(seconds)
        return function(*args)

    monkeypatch.setattr("unit.operations.lab.at_once", calls)


def of(world: Lab, kind: type[Any]) -> list[Address]:
    return [event.address for event in world.events if isinstance(event, kind)]


def planned(world: Lab, **of_a: Any) -> Plan:
    return world.plan(fleet(**of_a)).plan


def test_it_is_in_no_wave(world: Lab) -> None:
    plan = planned(world)
    assert [change.address for change in plan.beside] == [SWITCH]
    assert [wave.addresses for wave in plan.waves] == [(A, agent("d")), (B,), (C,)]


def test_where_something_runs_it_goes_first(world: Lab) -> None:
    world.apply(fleet())
    (switch,) = (one.id for one in world.runs(fleet()) if one.address == SWITCH)
    SimulatedProvider(SCOPE, world.engine).remove(switch)
    plan = planned(world)
    assert not plan.beside
    assert plan.waves[0].addresses == (SWITCH,)


def test_it_goes_first_where_its_traffic_is_needed(world: Lab) -> None:
    plan = planned(world, hooks={"post_deploy": {"command": ["hook"]}})
    assert not plan.beside
    assert SWITCH in plan.waves[0].addresses


def test_it_goes_first_where_checks_are_asked_from_inside_it(world: Lab) -> None:
    world.engine.host = replace(world.engine.host, local=False)
    plan = planned(world)
    assert not plan.beside
    assert SWITCH in plan.waves[0].addresses


def test_alone_it_is_a_wave(world: Lab) -> None:
    plan = world.plan(fleet(), targets=(str(SWITCH),)).plan
    assert not plan.beside
    assert [wave.addresses for wave in plan.waves] == [(SWITCH,)]


def test_the_waves_do_not_wait_for_it(world: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_switch(world, monkeypatch, 500.0)
    assert world.apply(fleet()).outcome == "done"
    assert of(world, ChangeStarted)[1] == SWITCH  # after the network
    assert of(world, ChangeFinished)[-1] == SWITCH
    (first,) = (event for event in world.events if isinstance(event, TrafficLed))
    assert set(first.addresses) == {A, B, C}
    assert ready(world) == ALL_LED
    assert not world.plan(fleet()).plan.actions


def test_what_comes_after_it_is_led_then(world: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_switch(world, monkeypatch, 45.0)  # each wave takes 30
    assert world.apply(fleet()).outcome == "done"
    assert [event.addresses for event in world.events if isinstance(event, TrafficLed)] == [(A,), (B,), (C,)]
    assert ready(world) == ALL_LED


def test_when_it_fails_no_more_begins_and_the_next_run_leads_what_is_there(
    world: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_switch(world, monkeypatch, 5.0)

    def refuses(call: str, who: str) -> bool:
        return (call, who) == ("start", SWITCH.name)

    wanted = fleet()
    failed = world.carry_out(world.plan(wanted), Spy(world, refuses))
    assert failed.outcome == "failed"
    assert [failure.address for failure in failed.failures] == [SWITCH]
    assert isinstance(failed.failures[0].error, ProviderError)
    assert {one.address for one in world.runs(wanted) if one.status == "running"} == {A, agent("d")}
    assert world.apply(wanted).outcome == "done"
    assert ready(world) == ALL_LED


def test_when_it_fails_a_run_that_goes_on_does_what_needs_no_traffic(world: Lab) -> None:
    def refuses(call: str, who: str) -> bool:
        return (call, who) == ("start", SWITCH.name)

    failed = world.carry_out(world.plan(fleet()), Spy(world, refuses), on_failure="continue")
    assert failed.outcome == "failed"
    assert agent("d") in of(world, ChangeFinished)
    assert B not in of(world, ChangeStarted)


def test_an_interrupted_run_ends_it_too(world: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_switch(world, monkeypatch, 20.0)
    stop = Stop()
    monkeypatch.setattr(world.clock, "sleep", interrupting(world, stop, after=10.0))
    assert world.carry_out(world.plan(fleet()), stop=lambda: stop).outcome == "interrupted"
    assert SWITCH in {one.address for one in world.runs(fleet()) if one.status == "running"}
    monkeypatch.undo()
    assert world.apply(fleet()).outcome == "done"
    assert ready(world) == ALL_LED


def interrupting(world: Lab, stop: Stop, after: float) -> Callable[[float], Any]:
    began, sleep = world.clock.at, world.clock.sleep

    async def sleeping(seconds: float) -> None:
        await sleep(seconds)
        if world.clock.at - began >= after:
            stop.interrupt()

    return sleeping


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 14))
def test_killed_at_any_call_the_next_run_leads_all(world: Lab, at: int, after: bool) -> None:
    provider = Cut(SimulatedProvider(SCOPE, world.engine), at, after=after)
    try:
        outcome = world.carry_out(world.plan(fleet()), provider).outcome
    except Killed:
        outcome = "killed"
    assert outcome == ("killed" if at <= 11 else "done")
    assert world.apply(fleet()).outcome == "done"
    assert ready(world) == ALL_LED
    assert not world.plan(fleet()).plan.actions


def test_what_is_cancelled_while_something_goes_on_beside_it_says_nothing() -> None:
    """As a run that is interrupted twice: asyncio would print the traceback of what nobody asks for any more."""
    said: list[dict[str, Any]] = []

    async def work() -> None:
        async with beside([asyncio.sleep(60)]):
            await asyncio.sleep(60)

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        task = asyncio.ensure_future(work())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
        del task
        gc.collect()

    to_its_end(go())
    assert said == []
