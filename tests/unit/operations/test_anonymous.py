"""Volumes without a name through replacements and destruction, cut off anywhere."""

from pathlib import Path

import pytest

from sutazai.address import agent
from sutazai.model.fleet import Fleet
from sutazai.operations.plan import plan_destroy
from sutazai.plan.build import PlanOptions
from sutazai.providers.simulated import SimulatedProvider
from unit.operations.lab import IMAGES, SCOPE, Cut, Killed, Lab, lab


def fleet(image: str = IMAGES[0]) -> Fleet:
    body = {"image": image, "volumes": ["/data"], "deploy": {"replicas": 2}}
    return Fleet.model_validate(
        {"project": SCOPE.project, "environment": SCOPE.environment, "agents": {"a": body}}
    )


def kept(world: Lab) -> dict[int, str]:
    return {instance.replica: instance.anonymous["/data"] for instance in world.runs(fleet())}


@pytest.mark.parametrize("after", [False, True])
def test_a_replacement_that_is_cut_off_anywhere_loses_none(tmp_path: Path, after: bool) -> None:
    for at in range(1, 50):
        world = lab(tmp_path / str(at))
        world.apply(fleet())
        before = kept(world)
        try:
            world.carry_out(
                world.plan(fleet(IMAGES[1])), Cut(SimulatedProvider(SCOPE, world.engine), at, after=after)
            )
        except Killed:
            assert world.apply(fleet(IMAGES[1])).outcome == "done"
            assert world.plan(fleet(IMAGES[1])).plan.actions == ()
            assert (kept(world), set(world.engine.volumes)) == (before, set(before.values()))
        else:
            assert at > 8
            return
    pytest.fail("no run came to its end")


def test_only_destroy_with_volumes_takes_them_and_those_left_over(tmp_path: Path) -> None:
    world = lab(tmp_path)
    world.apply(fleet())
    world.carry_out(world.destroy(fleet()), command="destroy")
    assert len(world.engine.volumes) == 2
    world.apply(fleet())
    assert len(world.engine.volumes) == 4
    world.carry_out(world.destroy(fleet(), volumes=True), command="destroy")
    assert world.engine.volumes == {}


def test_a_target_takes_its_own_only(tmp_path: Path) -> None:
    world = lab(tmp_path)
    both = fleet().model_copy(update={"agents": {name: fleet().agents["a"] for name in "ab"}})
    world.apply(both)
    world.carry_out(world.destroy(both), command="destroy")
    world.apply(both)
    options = PlanOptions(kind="destroy", destroy_volumes=True, targets=("agent.a",))
    world.carry_out(plan_destroy(world.session(), both, options), command="destroy")
    left = SimulatedProvider(SCOPE, world.engine).observe(both).anonymous
    assert (
        sorted((volume.address, volume.used) for volume in left)
        == [(agent("b"), False)] * 2 + [(agent("b"), True)] * 2
    )
