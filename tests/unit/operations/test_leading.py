"""Where a lane leads."""

from pathlib import Path

import pytest

from sutazai.address import agent
from sutazai.model.compose import NetworkAttachment
from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.workload import Route
from sutazai.operations.led import move_to
from sutazai.plan.change import Action
from sutazai.providers.simulated import SimulatedProvider
from sutazai.traffic import ROUTERS
from unit.operations.lab import SCOPE, lab
from unit.operations.test_strategies import fleet
from unit.plan.world import fleet_of, instance_of

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize("length", [1, 47, 48, 63])
def test_a_container_is_led_to_by_a_name_that_its_network_can_be_asked_for(length: int) -> None:
    """shop-local-NAME-blue: with a NAME of 48 it has 64 characters, too many for DNS."""
    name = "a" * length
    fleet = fleet_of({name: {"networks": ["default"]}})
    instance = instance_of(fleet, agent(name), id=ID, addresses={"default": "10.0.0.2"})
    workload = fleet.workload(agent(name))
    assert workload is not None
    move = move_to(instance, workload, Route(port=80, target=8080))
    assert move.endpoint is not None
    assert move.endpoint.host == (instance.name if len(instance.name) <= 63 else ID[:12])


def test_a_container_that_somebody_renamed_is_led_to_by_its_own_name_again(tmp_path: Path) -> None:
    """The switch asks its networks for the name that it was told, again and again: one that nobody has any more leads nowhere."""
    world = lab(tmp_path)
    provider = SimulatedProvider(SCOPE, world.engine)
    world.apply(fleet())
    own, switch = (next(i for i in world.runs(fleet()) if i.address == who) for who in (agent("a"), SWITCH))
    provider.rename(own.id, "by-hand")
    assert world.apply(fleet()).outcome == "done"
    lanes = ROUTERS["simulated"](provider, [switch.id]).state()[own.address].values()
    assert [lane.endpoint.host for lane in lanes if lane.mode == "ready" and lane.endpoint] == [own.name]


def test_what_somebody_moved_to_another_network_is_led_to_there_once_that_is_declared(tmp_path: Path) -> None:
    """Nothing is to be done to it then, and where it was last recorded it has no address any more."""
    world = lab(tmp_path)
    provider = SimulatedProvider(SCOPE, world.engine)
    before, after = (in_networks(names) for names in (["net"], ["other"]))
    world.apply(before)
    own = next(i for i in world.runs(before) if i.address == agent("a"))
    provider.connect(own.id, "other", NetworkAttachment(), ["a"])
    provider.disconnect(own.id, "net")
    planned = world.plan(after)
    assert [change.action for change in planned.plan.changes if change.address == own.address] == [
        Action.NOOP
    ]
    assert world.carry_out(planned).outcome == "done"
    (switch,) = (i for i in world.runs(after) if i.address == SWITCH)
    (moved,) = (i for i in world.runs(after) if i.id == own.id)
    lanes = ROUTERS["simulated"](provider, [switch.id]).state()[own.address].values()
    ready = [lane.endpoint.ip for lane in lanes if lane.mode == "ready" and lane.endpoint]
    assert ready == [moved.addresses["other"]]


def in_networks(names: list[str]) -> Fleet:
    """The fleet with `a` in these networks, and all else in both."""
    data = fleet().model_dump(mode="json", exclude_unset=True)
    data["networks"] = {"net": {}, "other": {}}
    data["services"][SWITCH.name]["networks"] = ["net", "other"]
    data["agents"]["a"]["networks"] = names
    return Fleet.model_validate(data)
