"""A switch that is stopped by hand under a run is started again, and only while the run needs it."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sutazai.events import ChangeFinished, ChangeSkipped, Notice
from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.workload import Workload
from sutazai.operations.run import carry_out_plan
from sutazai.operations.session import Stop
from sutazai.operations.upkeep import EVERY, LONGEST_PAUSE, MOST_STARTS, Upkeep, pause_after
from sutazai.providers.simulated import SimulatedProvider
from unit.operations.lab import IMAGES, SCOPE, Lab, lab, to_its_end
from unit.operations.test_strategies import Spy, fleet, ready


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    found = lab(tmp_path)
    assert found.apply(fleet()).outcome == "done"
    found.events.clear()
    return found


def switch_of(world: Lab) -> str:
    (found,) = (one.id for one in world.runs(fleet()) if one.address == SWITCH)
    return found


def stop(world: Lab, instance_id: str) -> None:
    SimulatedProvider(SCOPE, world.engine).stop(instance_id, None)


def test_a_run_starts_it_again_and_ends_well(world: Lab) -> None:
    switch = switch_of(world)

    def killed_when_b_starts(name: str, who: str) -> bool:
        if (name, who) == ("start", "b"):
            stop(world, switch)
        return False

    spy = Spy(world, killed_when_b_starts)
    assert world.carry_out(world.plan(fleet(IMAGES[1])), spy).outcome == "done"
    assert spy.calls.count("start traffic-switch") == 1
    assert ready(world).keys() == {"a", "b", "c"}
    assert [event.message for event in world.events if isinstance(event, Notice)] == [
        "shop-test-traffic-switch-blue carries the traffic and exited with code 0: it is started again"
    ]
    assert world.plan(fleet(IMAGES[1])).plan.actions == ()


class Journalled:
    """What is asked for, done at once."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    async def __call__(self, address: Any, call: str, data: Any, act: Any) -> None:
        self.calls.append((address, call, data))
        await act()


def test_it_is_looked_after_every_second_until_the_end_and_no_others_are(world: Lab) -> None:
    switch, journalled = switch_of(world), Journalled()
    others = [one.id for one in world.runs(fleet()) if one.address != SWITCH]

    async def go() -> None:
        upkeep = Upkeep(world.session(), journalled)
        upkeep.keep([switch, others[0]])
        upkeep.keep([switch])
        stop(world, switch)
        stop(world, others[0])
        assert not journalled.calls
        await world.clock.sleep(1.5 * EVERY)
        assert journalled.calls == [(SWITCH, "start", {"id": switch})]
        await upkeep.end()
        stop(world, switch)
        await world.clock.sleep(2 * EVERY)
        await upkeep.look()

    to_its_end(go())
    assert len(journalled.calls) == 1
    assert world.engine.containers[switch].instance.status == "exited"


def test_one_that_is_killed_last_of_all_is_started_at_the_end(world: Lab) -> None:
    switch, journalled = switch_of(world), Journalled()

    async def go() -> None:
        upkeep = Upkeep(world.session(), journalled)
        upkeep.keep([switch])
        stop(world, switch)
        await upkeep.end()

    to_its_end(go())
    assert journalled.calls == [(SWITCH, "start", {"id": switch})]
    assert world.engine.containers[switch].instance.status == "running"


def test_one_that_is_removed_is_told_of_once_and_made_anew_by_the_next_run(world: Lab) -> None:
    switch = switch_of(world)

    def removed_when_b_starts(name: str, who: str) -> bool:
        if (name, who) == ("start", "b"):
            SimulatedProvider(SCOPE, world.engine).remove(switch)
        return False

    planned = world.plan(fleet(IMAGES[1]))
    assert world.carry_out(planned, Spy(world, removed_when_b_starts)).outcome == "failed"
    told = [event.message for event in world.events if isinstance(event, Notice)]
    assert told == [
        f"a container of the traffic switch was removed from outside ({switch[:12]}): apply makes it anew"
    ]
    assert world.apply(fleet(IMAGES[1])).outcome == "done"
    assert ready(world).keys() == {"a", "b", "c"}


def test_a_run_that_continues_does_what_has_no_need_of_a_switch_that_does_not_answer(world: Lab) -> None:
    def deaf(name: str, who: str) -> bool:
        return (name, who) == ("execute", SWITCH.name)

    result = world.carry_out(world.plan(fleet(IMAGES[1])), Spy(world, deaf), on_failure="continue")
    assert [failure.address for failure in result.failures] == [SWITCH]
    skipped = [event.address.name for event in world.events if isinstance(event, ChangeSkipped)]
    finished = [event.address.name for event in world.events if isinstance(event, ChangeFinished)]
    assert (sorted(skipped), finished) == (["a", "b", "c"], ["d"])


def test_interrupted_twice_a_switch_that_does_not_answer_is_not_told_again(world: Lab) -> None:
    told: list[str] = []

    async def ends() -> str:
        stopping = Stop()

        def deaf(name: str, who: str) -> bool:
            if (name, who) != ("execute", SWITCH.name):
                return False
            told.append(name)
            if len(told) == 2:  # it has its configuration
                stopping.interrupt()
                run.cancel()
            return len(told) > 1

        session = world.session(Spy(world, deaf))
        with closing(session.store):
            planned = world.plan(fleet(IMAGES[1]))
            run = asyncio.ensure_future(carry_out_plan(session, planned, stopping, command="apply"))
            return (await run).outcome

    assert to_its_end(ends()) == "interrupted"
    assert len(told) == 2


def test_a_switch_that_does_not_forget_a_route_keeps_back_nothing_else(world: Lab) -> None:
    wanted = fleet()
    without = {
        "agents": {name: body for name, body in wanted.agents.items() if name != "c"},
        "services": {SWITCH.name: switch_without(wanted, "9003")},
    }
    rest = wanted.model_copy(update=without)
    spy = Spy(world, lambda name, _: name == "execute" and "stop c" in spy.calls)
    result = world.carry_out(world.plan(rest), spy, on_failure="continue")
    assert {failure.address for failure in result.failures} == {SWITCH}
    assert {one.address.name for one in world.runs(rest)} == {"a", "b", "d", SWITCH.name}
    assert "c" in ready(world)
    assert world.apply(rest).outcome == "done"
    assert ready(world).keys() == {"a", "b"}


def test_a_route_of_what_was_never_made_is_forgotten_with_it(tmp_path: Path) -> None:
    """No state and no container tells of it: only the switch does."""
    world, wanted = lab(tmp_path), fleet()
    alone = {
        "agents": {"a": wanted.agents["a"]},
        "services": {SWITCH.name: switch_without(wanted, "9002", "9003")},
    }
    assert world.carry_out(world.plan(wanted, targets=("a",))).outcome == "done"
    assert ready(world).keys() == {"a", "b", "c"}
    assert world.apply(wanted.model_copy(update=alone)).outcome == "done"
    assert ready(world).keys() == {"a"}


def switch_without(wanted: Fleet, *ports: str) -> Workload:
    switch = wanted.services[SWITCH.name]
    return switch.model_copy(
        update={"ports": tuple(one for one in switch.ports if str(one.published) not in ports)}
    )


def test_one_that_can_not_be_started_is_tried_so_often_and_is_nobody_elses_failure(world: Lab) -> None:
    switch, journalled = switch_of(world), Journalled()
    stop(world, switch)

    def refused(name: str, who: str) -> bool:
        return (name, who) == ("start", SWITCH.name)

    async def go() -> None:
        upkeep = Upkeep(world.session(Spy(world, refused)), journalled)
        upkeep.keep([switch, "gone"])
        for _ in range(MOST_STARTS + 5):
            await world.clock.sleep(LONGEST_PAUSE)
            await upkeep.look()
        await upkeep.end()

    to_its_end(go())
    assert len(journalled.calls) == MOST_STARTS


def test_one_that_does_not_stay_is_started_after_pauses_that_grow_and_once_more_at_the_end(
    world: Lab,
) -> None:
    """An engine that shuts down stops it as often as it is started."""
    switch, at = switch_of(world), list[float]()
    stop(world, switch)

    async def stopped_at_once(_address: Any, _call: str, _data: Any, act: Any) -> None:
        at.append(world.clock.now())
        await act()
        stop(world, switch)

    async def go() -> None:
        upkeep = Upkeep(world.session(), stopped_at_once)
        upkeep.keep([switch])
        for _ in range(100):
            await upkeep.look()
            await world.clock.sleep(EVERY / 8)
        await upkeep.end()
        assert at[-1] == world.clock.now(), "it is left as it was stopped last"

    began = world.clock.now()
    to_its_end(go())
    assert [when - began for when in at[:-1]] == [0, 1, 3, 7, 11]
    assert [pause_after(starts) for starts in range(6)] == [0, 1, 2, 4, 4, 4]


def test_what_the_looking_dies_of_is_said_at_the_end(world: Lab) -> None:
    switch = switch_of(world)

    class Broken(SimulatedProvider):
        def inspect(self, instance_id: str) -> Any:
            raise ValueError(instance_id)

    async def go() -> None:
        upkeep = Upkeep(world.session(Broken(SCOPE, world.engine)), Journalled())
        upkeep.keep([switch])
        await world.clock.sleep(2 * EVERY)
        await upkeep.end()

    with pytest.raises(ValueError, match=switch):
        to_its_end(go())
