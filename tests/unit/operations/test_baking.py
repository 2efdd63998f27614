"""A change of many stops at its canary when that is bad, at once or while it bakes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sutazai.address import Address, agent
from sutazai.errors import RolledBack
from sutazai.events import CanaryBaking, Event, WaveStarted
from sutazai.model.fleet import Fleet
from sutazai.operations.changing import Order, change_environment
from sutazai.operations.plan import plan_resume
from sutazai.operations.recovery import unfinished_runs
from sutazai.operations.session import Stop
from unit.operations.lab import CHECK, IMAGES, SCOPE, Killed, Lab, Willing, lab, to_its_end

COUNT = 40


def agents(image: str, bake_time: str = "0s") -> Fleet:
    body = {"image": image, "checks": [CHECK], "rollout": {"healthy_deadline": "20s"}}
    return Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment, "fleet_canary": {"bake_time": bake_time},
        "agents": {f"a{number:02}": body for number in range(COUNT)},
    })  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    found = lab(tmp_path)
    found.apply(agents(IMAGES[0]))
    return found


def running(world: Lab, image: str) -> set[Address]:
    return {
        one.address for one in world.runs(agents(image)) if one.image == image and one.status == "running"
    }


def during_bake(world: Lab, act: Callable[[CanaryBaking], None]) -> None:
    """Do something the moment that the canary begins to bake."""

    class Told(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if isinstance(event, CanaryBaking):
                act(event)

    world.events = Told()


def test_a_bad_change_stops_at_the_canary(world: Lab) -> None:
    planned = world.plan(agents(IMAGES[1]))
    world.sick = dict.fromkeys(map(agent, agents(IMAGES[1]).agents), "answered 503")
    result = world.carry_out(planned)
    assert result.outcome == "failed"
    assert running(world, IMAGES[1]) == set(planned.plan.canaries)
    assert len(planned.plan.canaries) == COUNT // 10
    assert len(running(world, IMAGES[0])) == COUNT - COUNT // 10


def test_the_canary_bakes_before_the_rest_begins(world: Lab) -> None:
    began = world.clock.at
    planned = world.plan(agents(IMAGES[1], "30s"))
    assert world.carry_out(planned).outcome == "done"
    words = [event for event in world.events if isinstance(event, (CanaryBaking, WaveStarted))]
    (place,) = [number for number, event in enumerate(words) if isinstance(event, CanaryBaking)]
    event = words[place]
    assert isinstance(event, CanaryBaking)
    assert (event.addresses, event.total, event.seconds) == (planned.plan.canaries, COUNT, 30.0)
    after = words[place + 1]
    assert isinstance(after, WaveStarted)
    assert not after.canary
    assert after.at - event.at >= 30
    assert world.clock.at - began >= 30
    assert len(running(world, IMAGES[1])) == COUNT


def test_a_canary_that_falls_ill_while_it_bakes_takes_the_run_back(world: Lab) -> None:
    ill: list[Address] = []

    def act(event: CanaryBaking) -> None:
        ill.append(event.addresses[1])
        world.sick[ill[0]] = "answered 500"

    during_bake(world, act)
    session = world.session()

    def taken_back(work: Callable[[Stop], Any], _: object) -> Any:
        result = to_its_end(work(Stop()))
        if result.outcome == "failed":
            assert [failure.address for failure in result.failures] == ill
            assert "did not stay healthy as a canary: http check" in result.failures[0].cause
            assert [r.address for r in result.state.resources if r.tainted] == ill
            world.sick.clear()
        return result

    with pytest.raises(RolledBack):
        change_environment(
            session, Order("apply", on_failure="rollback"),
            lambda _: world.plan(agents(IMAGES[1], "1h")), Willing(), taken_back,
        )  # fmt: skip
    assert len(running(world, IMAGES[0])) == COUNT
    assert not running(world, IMAGES[1])


def test_a_bake_can_be_interrupted(world: Lab) -> None:
    stop = Stop()
    during_bake(world, lambda _: stop.interrupt())
    began = world.clock.at
    result = world.carry_out(world.plan(agents(IMAGES[1], "1h")), stop=lambda: stop)
    assert result.outcome == "interrupted"
    assert not result.failures
    assert world.clock.at - began < 60
    assert len(running(world, IMAGES[1])) == COUNT // 10


def test_who_asked_for_no_canary_has_none_when_resuming_either(world: Lab) -> None:
    class Dying(list[Event]):
        def append(self, event: Event) -> None:
            if isinstance(event, WaveStarted):
                raise Killed

    planned = world.plan(agents(IMAGES[1], "1h"), no_canary=True)
    assert [len(wave.addresses) for wave in planned.plan.waves] == [COUNT]
    world.events = Dying()
    with pytest.raises(Killed):
        world.carry_out(planned)
    world.events = []
    session = world.session()
    resumed = plan_resume(session, unfinished_runs(session.store)[-1])
    assert [len(wave.addresses) for wave in resumed.plan.waves] == [COUNT]
    assert world.carry_out(resumed).outcome == "done"
    assert not [event for event in world.events if isinstance(event, CanaryBaking)]
