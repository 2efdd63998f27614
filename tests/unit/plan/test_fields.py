"""Setting, changing and removing each field of a workload does what its `Effect` says, and then nothing more."""

from typing import Any

import pytest

from sutazai.address import agent
from sutazai.model.base import Effect
from sutazai.model.workload import Workload, effect_of
from sutazai.plan.change import Action, ResourceChange
from unit.plan.fields import VALUES
from unit.plan.world import applied, carried_out, change_in, change_to, fleet_of, plan_for

PLANNER = agent("planner")
FIELDS = [name for name in Workload.model_fields if effect_of((name,)) is not Effect.INPUT]
EXPECTED = {Effect.REPLACE: Action.REPLACE, Effect.IN_PLACE: Action.UPDATE, Effect.ENGINE: Action.UPDATE}


def fleet_with(body: dict[str, Any]) -> Any:
    return fleet_of(
        {"planner": body}, {"redis": {}}, networks={"fleet": {}}, volumes={"data": {}, "other": {}},
        configs={"settings": {"content": "a: 1"}}, secrets={"password": {}},
    )  # fmt: skip


def planned(before: dict[str, Any], after: dict[str, Any]) -> ResourceChange:
    """The change from one body to another; after it, there is nothing left to do."""
    old, new = fleet_with(before), fleet_with(after)
    plan = change_to(old, new)
    observed, state = applied(old, also_images=[w.image for _, w in new.workloads() if w.image])
    again = plan_for(new, *carried_out(plan, observed, state))
    assert again.actions == ()
    assert again.drift == ()
    assert [change.address for change in plan.actions] == [PLANNER]
    return change_in(plan, PLANNER)


def test_the_table_has_every_field() -> None:
    assert sorted(VALUES) == sorted(FIELDS)


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "image"])
def test_set(name: str) -> None:
    change = planned({}, {name: VALUES[name][0]})
    assert change.action is EXPECTED[effect_of((name,))]
    assert {field.path[0] for field in change.fields} == {name}


@pytest.mark.parametrize("name", FIELDS)
def test_changed(name: str) -> None:
    change = planned({name: VALUES[name][0]}, {name: VALUES[name][1]})
    assert change.action is EXPECTED[effect_of((name,))]
    assert {field.path[0] for field in change.fields} - {"image_id"} == {name}
    assert not any(field.drift for field in change.fields)
    assert change.before != change.after


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "image"])
def test_removed(name: str) -> None:
    change = planned({name: VALUES[name][0]}, {})
    # Docker changes a limit on a running container, but can't take one away
    expected = Action.REPLACE if name == "deploy" else EXPECTED[effect_of((name,))]
    assert change.action is expected
    assert {field.path[0] for field in change.fields} == {name}


@pytest.mark.parametrize("name", FIELDS)
def test_same_again(name: str) -> None:
    fleet = fleet_with({name: VALUES[name][0]})
    assert change_to(fleet, fleet).actions == ()


@pytest.mark.parametrize("name", FIELDS)
def test_same_again_with_the_state_lost(name: str) -> None:
    fleet = fleet_with({name: VALUES[name][0]})
    observed, _ = applied(fleet)
    assert change_in(plan_for(fleet, observed), PLANNER).action is Action.NOOP
