"""Volumes without a name through replacements and destruction, cut off anywhere."""

from pathlib import Path

import pytest

from sutazai.address import agent
from sutazai.model.fleet import Fleet
from sutazai.operations.plan import plan_destroy
from sutazai.plan.build import PlanOptions
from sutazai.providers.simulated import SimulatedProvider
from unit.operations.lab import CHECK, IMAGES, SCOPE, Cut, Killed, Lab, lab

NO_FLEET_CANARY = {"rollout": {"fleet_canary": {"percent": 0}}}


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


def test_what_is_made_ahead_and_not_needed_leaves_none_and_takes_none_along(tmp_path: Path) -> None:
    """It would have had the old one's data, and has a volume of its own that nothing ever wrote into."""

    def chain(image: str, *places: str) -> Fleet:
        agents = {
            "a": {"image": image, "checks": [CHECK], "rollout": {"healthy_deadline": "5s"}},
            "b": {"image": image, "volumes": list(places), "depends_on": ["a"]},
        }
        return Fleet.model_validate(
            {"project": SCOPE.project, "environment": SCOPE.environment, "agents": agents, **NO_FLEET_CANARY}
        )

    world = lab(tmp_path)
    assert world.apply(chain(IMAGES[0], "/data")).outcome == "done"
    (data,) = world.engine.volumes
    world.sick[agent("a")] = "503"
    assert world.apply(chain(IMAGES[1], "/data", "/more")).outcome == "failed"
    told = world.session().store.journal().read()
    made = [entry for entry in told if (entry.call, entry.phase) == ("create_instance", "intent")]
    removed = [entry.call for entry in told if entry.phase == "done" and entry.call.startswith("remove")]
    assert {entry.address for entry in made} == {"agent.a", "agent.b"}
    assert removed == ["remove", "remove_volume"]
    assert set(world.engine.volumes) == {data}
    world.sick.clear()
    assert world.apply(chain(IMAGES[1], "/data", "/more")).outcome == "done"
    (b,) = (one for one in world.runs(fleet()) if one.address == agent("b"))
    assert (b.anonymous["/data"], len(world.engine.volumes)) == (data, 2)
