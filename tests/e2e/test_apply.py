"""Applying converges: what is declared runs, a second plan is empty, and a change does what it must and no more."""

import json

import pytest

from e2e.project import RELEASES, Project, limits, variables

pytestmark = pytest.mark.docker
MIB = 1024 * 1024


def test_applying_and_planning_again_changes_nothing(project: Project) -> None:
    assert project.run("plan", "--detailed-exitcode").returncode == 2
    assert not project.containers()
    assert not project.state.exists()
    printed = project.apply()
    assert "Plan: 6 to add, 0 to change, 0 to replace, 0 to destroy." in printed
    before = {c.id: c.attrs for c in project.containers()}
    assert len(before) == 4
    assert all(attrs["State"]["Running"] for attrs in before.values())
    state = project.state.joinpath("state.json").read_bytes()

    project.nothing_to_do()
    project.apply()

    assert {c.id: c.attrs for c in project.containers()} == before
    assert project.state.joinpath("state.json").read_bytes() == state
    assert project.serials() == [1]


def test_names_labels_and_order_are_those_of_the_contract(fleet: Project) -> None:
    started = {
        name: fleet.container(name).attrs["State"]["StartedAt"] for name in ("base", "planner", "writer")
    }
    assert started["base"] < started["planner"] < started["writer"]
    planner = fleet.container("planner")
    assert planner.name == f"{fleet.name}-lab-planner-blue"
    labels = {
        key.removeprefix("io.sutazai."): value
        for key, value in planner.labels.items()
        if key.startswith("io.sutazai.")
    }
    wanted = {"project": fleet.name, "environment": "lab", "address": "agent.planner", "serial": "1", "slot": "blue",
              "lineage": fleet.recorded()["lineage"]}  # fmt: skip
    assert wanted.items() <= labels.items()
    assert labels["spec-hash"]
    names = {network.name for network in fleet.engine.networks.list(filters=fleet.mine)}
    assert names == {f"{fleet.name}-lab-fleet"}, "the network that nobody uses is not made"
    assert [volume.name for volume in fleet.engine.volumes.list(filters=fleet.mine)] == [
        f"{fleet.name}-lab-data"
    ]


def test_what_docker_can_change_is_updated_in_place(fleet: Project) -> None:
    before = fleet.ids()
    fleet.agent("planner")["deploy"] = {"resources": {"limits": {"memory": "96M"}}}
    assert fleet.actions() == {"agent.planner": ["update"]}
    assert "Plan: 0 to add, 1 to change, 0 to replace, 0 to destroy." in fleet.apply()
    assert fleet.ids() == before
    assert limits(fleet.container("planner")) == 96 * MIB
    assert limits(fleet.container("writer")) == 64 * MIB
    fleet.nothing_to_do()

    fleet.agent("planner")["restart"] = "on-failure:4"
    assert fleet.actions() == {"agent.planner": ["update"]}
    fleet.apply()
    assert fleet.ids() == before
    assert fleet.container("planner").attrs["HostConfig"]["RestartPolicy"] == {
        "Name": "on-failure",
        "MaximumRetryCount": 4,
    }
    fleet.nothing_to_do()


def test_networks_are_joined_and_left_in_place(fleet: Project) -> None:
    before = fleet.ids()
    home, side = f"{fleet.name}-lab-fleet", f"{fleet.name}-lab-side"
    fleet.agent("planner")["networks"] = ["fleet", "side"]
    assert fleet.actions() == {"agent.planner": ["update"], "network.side": ["create"]}
    fleet.apply()
    joined = fleet.container("planner").attrs["NetworkSettings"]["Networks"]
    assert set(joined) == {home, side}
    assert "planner" in joined[side]["Aliases"]
    fleet.nothing_to_do()

    del fleet.agent("planner")["networks"]
    assert fleet.actions() == {"agent.planner": ["update"], "network.side": ["delete"]}
    fleet.apply()
    assert set(fleet.container("planner").attrs["NetworkSettings"]["Networks"]) == {home}
    assert fleet.ids() == before
    fleet.nothing_to_do()


def test_an_image_replaces_one_agent_and_none_of_its_dependents(fleet: Project) -> None:
    before = fleet.ids()
    fleet.agent("planner")["image"] = RELEASES[1]
    assert fleet.actions() == {"agent.planner": ["delete", "create"]}
    fleet.apply()
    after = fleet.ids()
    assert {name for name in before if before[name] != after[name]} == {"planner"}
    planner = fleet.container("planner")
    assert planner.attrs["Image"] == fleet.engine.images.get(RELEASES[1]).id
    assert planner.name == f"{fleet.name}-lab-planner-green"
    fleet.nothing_to_do()


def test_a_module_changes_all_its_users(fleet: Project) -> None:
    before = fleet.ids()
    fleet.module["template"]["environment"]["EXTRA"] = "yes"
    assert set(fleet.actions()) == {"agent.base", "agent.planner", "agent.writer"}
    fleet.apply()
    after = fleet.ids()
    assert {name for name in before if before[name] == after[name]} == {"loner"}
    for name in ("base", "planner", "writer"):
        assert variables(fleet.container(name))["EXTRA"] == "yes"
    fleet.nothing_to_do()


def test_replicas_come_and_go(fleet: Project) -> None:
    def names() -> list[str]:
        found = [c for c in fleet.containers() if c.labels["io.sutazai.address"] == "agent.writer"]
        assert all(c.status == "running" for c in found)
        return sorted(c.name.removeprefix(f"{fleet.name}-lab-") for c in found)

    first = fleet.container("writer").id
    fleet.agent("writer")["deploy"] = {"replicas": 3}
    assert fleet.actions() == {"agent.writer": ["update"]}
    fleet.apply()
    assert names() == ["writer-blue-1", "writer-blue-2", "writer-blue-3"]
    fleet.nothing_to_do()
    del fleet.agent("writer")["deploy"]
    fleet.apply()
    assert names() == ["writer-blue"]
    assert fleet.container("writer").id == first
    fleet.nothing_to_do()


def test_the_plan_as_json_has_the_fields_of_the_contract(fleet: Project) -> None:
    fleet.agent("planner")["image"] = RELEASES[1]
    plan = fleet.plan()
    top = {"format_version", "resource_changes", "resource_drift", "output_changes", "prior_state", "planned_values",
           "configuration", "checks", "timestamp", "errored", "applyable", "complete", "sutazai"}  # fmt: skip
    assert top <= set(plan)
    assert plan["format_version"] == "1.2"
    (change,) = [c for c in plan["resource_changes"] if c["address"] == "agent.planner"]
    assert {"address", "mode", "type", "name", "provider_name", "action_reason", "change"} <= set(change)
    assert {
        "actions",
        "before",
        "after",
        "after_unknown",
        "before_sensitive",
        "after_sensitive",
        "replace_paths",
    } <= set(change["change"])
    assert change["mode"] == "managed"
    assert ["image"] in change["change"]["replace_paths"]
    own = plan["sutazai"]
    assert own["environment"] == "lab"
    assert own["lineage"] == fleet.recorded()["lineage"]
    assert own["serial"] == 1
    assert own["waves"] == [{"index": 1, "canary": False, "addresses": ["agent.planner"]}]
    again = fleet.plan()
    del plan["timestamp"], again["timestamp"]
    assert json.dumps(plan) == json.dumps(again)


def test_foreign_containers_are_never_touched(fleet: Project) -> None:
    """Not even one whose name looks like this project's."""
    foreign = fleet.engine.containers.create(
        RELEASES[0], name=f"{fleet.name}-lab-stranger-blue", network=f"{fleet.name}-lab-fleet"
    )
    try:
        foreign.start()
        fleet.nothing_to_do()
        fleet.agent("planner")["image"] = RELEASES[1]
        fleet.apply()
        fleet.run("destroy", "--auto-approve")
        foreign.reload()
        assert foreign.status == "running"
        assert not fleet.containers()
    finally:
        foreign.remove(force=True)
