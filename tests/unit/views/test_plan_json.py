import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.model.base import Effect
from sutazai.plan.change import Action, FieldChange
from sutazai.views.plan_json import to_json
from unit.plan.test_laws import RELAXED, fleets
from unit.plan.world import change_to
from unit.views.sample import every_action, large
from unit.views.terraform_format import TerraformPlan

WHEN = "2026-01-31T12:00:00Z"


def parsed(plan):
    return json.loads(to_json(plan, timestamp=WHEN))


def change_of(document, address):
    return next(item for item in document["resource_changes"] if item["address"] == address)


def test_golden(golden):
    golden("plan.json", json.dumps(parsed(every_action()), indent=1, sort_keys=True) + "\n")


def test_same_plan_same_bytes_timestamp_aside():
    assert to_json(every_action(), timestamp="a").replace('"a"', '"b"') == to_json(
        every_action(), timestamp="b"
    )


def test_terraform_keys_and_every_resource_with_its_actions():
    document = parsed(every_action())
    assert document["format_version"] == "1.2"
    assert {"resource_changes", "resource_drift", "output_changes", "prior_state", "planned_values", "configuration",
            "checks", "timestamp", "errored", "applyable", "complete", "sutazai"} <= set(document)  # fmt: skip
    found = {item["address"]: item["change"]["actions"] for item in document["resource_changes"]}
    assert found == {str(c.address): list(c.action.terraform) for c in every_action().changes}
    assert all(item["mode"] == "managed" and item["provider_name"] == "sutazai/docker"
               for item in document["resource_changes"])  # fmt: skip


def test_shapes_of_sensitive_unknown_and_replace_paths():
    change = change_of(parsed(every_action()), "agent.reader")["change"]
    assert change["before_sensitive"] == {"environment": {"TOKEN": True}}
    assert change["after_sensitive"] == {"environment": {"TOKEN": True}}
    assert change["after_unknown"] == {"hostname": True}
    assert ["image"] in change["replace_paths"]
    assert ["restart"] not in change["replace_paths"]


def test_replace_paths_lead_into_the_values():
    before = {
        "volumes": [{"source": "v", "target": "/a"}],
        "labels": {"7": "x"},
        "configs": [{"source": "c"}],
    }
    paths = [("volumes", "/a"), ("volumes", "/b"), ("labels", "new"), ("configs", "c", "target"), ("image",)]
    fields = tuple(FieldChange(path, None, "x", Effect.REPLACE) for path in paths)
    replaced = next(change for change in every_action().changes if change.action is Action.REPLACE)
    change = replace(replaced, before=before, after={**before, "image": "i"}, fields=fields)
    document = parsed(replace(every_action(), changes=(change,)))
    found = change_of(document, str(change.address))["change"]["replace_paths"]
    assert found == [["volumes"], ["labels", "new"], ["configs"], ["image"]]


def test_absent_sides_are_null_and_not_sensitive():
    document = parsed(every_action())
    created, destroyed = (
        change_of(document, "agent.scribe")["change"],
        change_of(document, "agent.old")["change"],
    )
    assert created["before"] is None
    assert created["before_sensitive"] is False
    assert destroyed["after"] is None
    assert destroyed["after_sensitive"] is False


def test_sensitive_values_are_hidden_in_bodies_too():
    plan = every_action()
    changes = tuple(
        replace(c, before={**c.before, "environment": {"TOKEN": "old-token"}}, after={"environment": {"TOKEN": "new-token"}})
        if c.address.name == "reader" else c
        for c in plan.changes
    )  # fmt: skip
    text = to_json(replace(plan, changes=changes), timestamp=WHEN)
    assert "new-token" not in text
    assert "old-token" not in text


def test_applyable_and_complete():
    plan = replace(every_action(), findings=())
    assert parsed(plan)["applyable"] is True
    assert parsed(every_action())["applyable"] is False
    assert (
        parsed(replace(plan, changes=tuple(c for c in plan.changes if c.action is Action.NOOP)))["applyable"]
        is False
    )
    assert parsed(replace(plan, targeted=True))["complete"] is False
    refresh = replace(plan, kind="refresh", changes=())
    assert refresh.drift
    assert parsed(refresh)["applyable"] is True
    assert parsed(replace(refresh, drift=()))["applyable"] is False


def test_planned_values_hold_what_will_be_there():
    found = {item["address"] for item in parsed(every_action())["planned_values"]["root_module"]["resources"]}
    assert "agent.scribe" in found
    assert "agent.old" not in found
    assert len(parsed(large())["planned_values"]["root_module"]["resources"]) == len(large().changes)


def as_terraform(plan) -> TerraformPlan:
    return TerraformPlan.model_validate_json(to_json(plan, timestamp=WHEN), strict=False)


@pytest.mark.parametrize(
    "plan", [every_action(), large(), replace(every_action(), kind="refresh", changes=())]
)
def test_it_is_terraforms_format_strictly(plan):
    as_terraform(plan)


@RELAXED
@given(fleets(), fleets(), st.sampled_from(["apply", "destroy", "refresh"]))
def test_any_plan_is_terraforms_format(before, after, kind):
    as_terraform(change_to(before, after, kind=kind))
