"""A container that the engine can't start any more: another is made in its place, once, and the run goes on with that."""

from pathlib import Path
from typing import Any

import pytest

from sutazai.errors import Unstartable
from sutazai.model.fleet import Fleet
from sutazai.operations.run import Result
from sutazai.providers.simulated import SimulatedProvider
from sutazai.state.observed import Instance
from unit.operations.lab import IMAGES, SCOPE, Lab, lab


def fleet(image: str = IMAGES[0], **fields: Any) -> Fleet:
    agents = {"a": {"image": image, "volumes": ["/data"], **fields}}
    return Fleet.model_validate(
        {"project": SCOPE.project, "environment": SCOPE.environment, "agents": agents}
    )


class Holding(SimulatedProvider):
    """Something beneath the engine holds the IDs of containers whose start was cut off: those that are started first."""

    def __init__(self, world: Lab, cut_off: int = 1) -> None:
        super().__init__(SCOPE, world.engine)
        self.held: list[str] = []
        self._cut_off = cut_off

    def start(self, instance_id: str) -> None:
        if len(self.held) < self._cut_off:
            self.held.append(instance_id)
        if instance_id in self.held:
            raise Unstartable(f"task {instance_id}: already exists", status=500)
        super().start(instance_id)


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def only(world: Lab) -> Instance:
    (found,) = world.runs(fleet())
    return found


def recorded(result: Result) -> str:
    assert result.state is not None
    (row,) = result.state.resources[0].instances
    return row.id


def done(world: Lab) -> list[str]:
    told = world.session().store.journal().read()
    return [entry.call for entry in told if entry.phase == "done"]


def test_one_that_was_made_just_now_is_made_again(world: Lab) -> None:
    provider = Holding(world)
    result = world.carry_out(world.plan(fleet()), provider)
    assert result.outcome == "done"
    assert (only(world).status, only(world).id) == ("running", recorded(result))
    assert only(world).id not in provider.held
    assert set(world.engine.volumes) == set(only(world).anonymous.values()), "it left its volume behind"
    assert world.plan(fleet()).plan.actions == ()


@pytest.mark.parametrize("replicas", [1, 2])
def test_one_that_was_stopped_is_made_again_with_its_volumes(world: Lab, replicas: int) -> None:
    wanted = fleet(deploy={"replicas": replicas})
    world.apply(wanted)
    before = {one.replica: one for one in world.runs(wanted)}
    for one in before.values():
        SimulatedProvider(SCOPE, world.engine).stop(one.id, None)
    planned = world.plan(wanted)
    assert [change.steps for change in planned.plan.actions] == [("start", "wait")]
    assert world.carry_out(planned, Holding(world)).outcome == "done"
    after = {one.replica: one for one in world.runs(wanted)}
    assert {one.status for one in after.values()} == {"running"}
    assert [number for number in after if after[number].id != before[number].id] == [1]
    for number, one in after.items():
        was = before[number]
        assert (one.name, one.anonymous, one.spec_hash) == (was.name, was.anonymous, was.spec_hash)
    assert world.plan(wanted).plan.actions == ()


def test_one_whose_tag_has_moved_is_made_of_the_image_that_it_had(world: Lab) -> None:
    wanted = fleet(lifecycle={"ignore_changes": ["image"]})
    world.apply(wanted)
    before = only(world)
    SimulatedProvider(SCOPE, world.engine).stop(before.id, None)
    world.engine.images[IMAGES[0]], world.engine.images["old"] = (
        world.engine.images[IMAGES[1]],
        world.engine.images[IMAGES[0]],
    )
    planned = world.plan(wanted)
    assert [change.steps for change in planned.plan.actions] == [("start", "wait")]
    assert world.carry_out(planned, Holding(world)).outcome == "done"
    assert (only(world).image_id, only(world).id != before.id) == (before.image_id, True)
    assert world.plan(wanted).plan.actions == ()


def test_each_step_of_it_is_journalled_and_it_is_done_once(world: Lab) -> None:
    world.apply(fleet())
    SimulatedProvider(SCOPE, world.engine).stop(only(world).id, None)
    assert world.carry_out(world.plan(fleet()), Holding(world, 2)).outcome == "failed"
    assert done(world) == ["remove", "create_instance"]
    newest = world.session().store.newest()
    assert newest is not None
    assert "already exists" in (newest.operation.error or "")
    assert world.apply(fleet()).outcome == "done"
    assert only(world).status == "running"
