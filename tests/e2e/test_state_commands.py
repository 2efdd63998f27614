"""`sutazai state` on the real engine: what is recorded changes, and containers go on running."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from e2e.project import ENVIRONMENT, LABEL, RELEASES, Project, command_line


def since(container: Container) -> tuple[str, str]:
    """Which container it is, and since when it runs."""
    container.reload()
    return container.id, container.attrs["State"]["StartedAt"]


@pytest.fixture
def guest(fleet: Project) -> Container:
    """A container that somebody made by hand, in the network of a fleet that declares no such agent."""
    made: Container = fleet.engine.containers.run(
        RELEASES[0],
        name=f"{fleet.name}-by-hand",
        detach=True,
        init=True,
        mem_limit="64m",
        environment={"AGENT_NAME": "guest"},
        network=f"{fleet.name}-{ENVIRONMENT}-fleet",
        labels={f"{LABEL}test": fleet.name},
    )
    return made


@pytest.fixture(autouse=True)
def no_guest_is_left(project: Project) -> Any:
    yield
    for container in project.engine.containers.list(
        all=True, filters={"label": f"{LABEL}test={project.name}"}
    ):
        container.remove(force=True, v=True)


def declare_guest(project: Project, **fields: object) -> None:
    project.spec["agents"]["guest"] = {
        "image": RELEASES[0],
        "init": True,
        "networks": ["fleet"],
        "environment": {"AGENT_NAME": "guest"},
        "deploy": {"resources": {"limits": {"memory": "64M"}}},
        **fields,
    }


def test_a_container_made_by_hand_is_taken_over_without_a_restart(fleet: Project, guest: Container) -> None:
    before, serial = since(guest), fleet.recorded()["serial"]
    refused = fleet.run("state", "import", "agent.guest", guest.name)
    assert refused.returncode == 1
    assert "agent.guest is not declared" in refused.stderr
    declare_guest(fleet)
    assert "dry run" in fleet.must("state", "import", "agent.guest", guest.name, "--dry-run")
    assert fleet.recorded()["serial"] == serial
    said = fleet.must("state", "import", "agent.guest", guest.name)
    assert "<= agent.guest" in said
    assert fleet.recorded()["serial"] == serial + 1
    assert fleet.recorded()["operation"]["command"] == "import"
    assert "<= agent.guest" in fleet.must("plan")
    (change,) = [c for c in fleet.plan()["resource_changes"] if c["address"] == "agent.guest"]
    assert change["change"]["importing"] == {"id": guest.id}
    fleet.apply()
    assert since(guest) == before
    assert guest.name == f"{fleet.name}-{ENVIRONMENT}-guest-blue"
    fleet.nothing_to_do()
    fleet.must("state", "verify")
    known = fleet.run("state", "import", "agent.guest", guest.name)
    assert "is known as agent.guest already" in known.stderr
    # from here on it is like any other
    assert "agent.guest" in fleet.must("status")
    fleet.agent("guest")["deploy"]["resources"]["limits"]["memory"] = "96M"
    fleet.apply()
    assert since(guest) == before
    guest.stop(timeout=1)
    fleet.apply()
    assert since(guest)[0] == before[0]
    fleet.agent("guest")["environment"]["MODE"] = "new"
    fleet.apply()
    assert guest.id not in {
        container.id for container in fleet.engine.containers.list(all=True, ignore_removed=True)
    }
    assert fleet.container("guest").labels[f"{LABEL}slot"] == "green"
    fleet.nothing_to_do()


def test_what_differs_in_an_imported_container_is_said_before_it_is_replaced(
    fleet: Project, guest: Container
) -> None:
    declare_guest(fleet, environment={"AGENT_NAME": "guest", "MODE": "other"})
    said = fleet.must("state", "import", "agent.guest", guest.name)
    assert "-/+ agent.guest" in said
    assert "environment.MODE" in said
    assert since(guest)[0] == guest.id
    assert fleet.actions() == {"agent.guest": ["delete", "create"]}
    fleet.must("destroy", "--auto-approve")
    assert guest.id not in {
        container.id for container in fleet.engine.containers.list(all=True, ignore_removed=True)
    }


def test_what_was_imported_is_destroyed_by_a_rollback_that_does_not_know_it(
    fleet: Project, guest: Container
) -> None:
    declare_guest(fleet)
    fleet.must("state", "import", "agent.guest", guest.name)
    fleet.apply()
    fleet.must("rollback", "--state", "1", "--auto-approve")
    assert guest.id not in {
        container.id for container in fleet.engine.containers.list(all=True, ignore_removed=True)
    }
    fleet.must("rollback", "--state", "3", "--auto-approve")
    assert fleet.container("guest").status == "running"


def test_a_container_of_another_environment_is_not_taken_over(fleet: Project) -> None:
    theirs = fleet.container("loner")
    declare_guest(fleet)
    fleet.write()
    (fleet.root / "environments" / "other.yaml").write_text("{}")
    command = command_line(fleet.root, "other", "state", "import", "agent.guest", theirs.name)
    refused = subprocess.run(command, env=fleet.environ(), capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert f"belongs to {fleet.name}/{ENVIRONMENT}" in refused.stderr
    assert "there is no container nobody" in fleet.run("state", "import", "agent.guest", "nobody").stderr


def test_a_moved_address_keeps_its_container(fleet: Project) -> None:
    container = fleet.container("loner")
    before = since(container)
    said = fleet.must("state", "mv", "agent.loner", "agent.hermit")
    assert "agent.loner is agent.hermit" in said
    body = fleet.spec["agents"].pop("loner")
    fleet.spec["agents"]["hermit"] = body
    fleet.apply()
    assert since(container) == before
    assert container.name == f"{fleet.name}-{ENVIRONMENT}-hermit-blue"
    network = container.attrs["NetworkSettings"]["Networks"][f"{fleet.name}-{ENVIRONMENT}-fleet"]
    assert "hermit" in network["Aliases"]
    fleet.nothing_to_do()
    fleet.must("state", "verify")
    assert "does not know agent.loner" in fleet.run("state", "mv", "agent.loner", "agent.x").stderr
    assert "knows agent.base already" in fleet.run("state", "mv", "agent.hermit", "agent.base").stderr


def test_a_network_and_a_volume_get_another_key_as_the_refusal_says(fleet: Project) -> None:
    """Nothing is made anew, and no data is lost, also not by a destroy with volumes."""
    before = {container.name: since(container) for container in fleet.containers()}
    for old, new in (("network.fleet", "network.mesh"), ("volume.data", "volume.store")):
        refused = fleet.run("state", "mv", old, new)
        assert refused.returncode == 1
        assert "only agents and services can be renamed" in refused.stderr
        name = f"{fleet.name}-{ENVIRONMENT}-{old.partition('.')[2]}"
        assert (
            f"state rm {old}, and declare {new.partition('.')[2]}: {{external: true, name: {name}}}"
            in " ".join(refused.stderr.split())
        )
        fleet.must("state", "rm", old)
    prefix = f"{fleet.name}-{ENVIRONMENT}"
    fleet.spec["networks"] = {"mesh": {"external": True, "name": f"{prefix}-fleet"}, "side": {}}
    fleet.spec["volumes"] = {"store": {"external": True, "name": f"{prefix}-data"}}
    fleet.module["template"]["networks"] = ["mesh"]
    fleet.agent("loner").update({"networks": ["mesh"], "volumes": ["store:/data"]})
    fleet.apply()
    assert {container.name: since(container) for container in fleet.containers()} == before
    fleet.nothing_to_do()
    fleet.must("destroy", "--auto-approve", "--volumes")
    assert fleet.containers() == []
    assert fleet.engine.volumes.get(f"{prefix}-data")
    assert fleet.engine.networks.get(f"{prefix}-fleet")


def test_what_is_forgotten_goes_on_running_and_can_come_back(fleet: Project) -> None:
    container = fleet.container("loner")
    before = since(container)
    fleet.must("state", "rm", "agent.loner")
    body = fleet.spec["agents"].pop("loner")
    assert fleet.actions() == {}
    fleet.apply()
    assert since(container) == before
    fleet.spec["agents"]["loner"] = body
    said = fleet.must("state", "import", "agent.loner", container.name)
    assert "agent.loner" in said
    fleet.apply()
    assert since(container) == before
    fleet.nothing_to_do()
    fleet.must("destroy", "--auto-approve")
    assert fleet.containers() == []


def test_destroy_leaves_alone_what_was_forgotten(fleet: Project) -> None:
    container = fleet.container("loner")
    fleet.must("state", "rm", "agent.loner", "volume.data", "network.fleet")
    fleet.must("destroy", "--auto-approve", "--volumes")
    assert [left.id for left in fleet.containers()] == [container.id]
    container.reload()
    assert container.status == "running"
    assert fleet.engine.volumes.get(f"{fleet.name}-{ENVIRONMENT}-data")


def test_a_forgotten_one_that_is_still_declared_is_made_anew_beside_it(fleet: Project) -> None:
    base = fleet.container("base")
    fleet.must("state", "rm", "agent.base")
    fleet.apply()
    found = [c for c in fleet.containers() if c.labels[f"{LABEL}address"] == "agent.base"]
    assert {c.name.rpartition("-")[2] for c in found} == {"blue", "green"}
    assert since(base)[0] in {c.id for c in found}
    fleet.nothing_to_do()


def test_verify_tells_what_docker_has_and_what_was_edited(fleet: Project) -> None:
    assert "Docker has what the newest serial records" in fleet.must("state", "verify")
    gone = fleet.container("loner")
    gone.remove(force=True)
    ended = fleet.run("state", "verify")
    assert ended.returncode == 2
    assert "agent.loner is gone" in ended.stdout
    data = json.loads(fleet.run("state", "verify", "--json").stdout)
    assert [(one["address"], one["kind"]) for one in data["docker"]] == [("agent.loner", "missing")]
    assert fleet.must("state", "verify", "--no-docker").startswith("1 serial in")
    path = fleet.state / "serials" / "000001.json"
    path.write_text(path.read_text().replace("calm", "wild"))
    broken = fleet.run("state", "verify")
    assert broken.returncode == 1
    assert "its sha256 does not match" in broken.stderr


def test_pull_and_push_by_the_rules_of_terraform(fleet: Project, tmp_path: Path) -> None:
    pulled = fleet.must("state", "pull")
    assert pulled == (fleet.state / "state.json").read_text()
    assert fleet.must("state", "pull", "1") == pulled
    file = tmp_path / "state.json"
    file.write_text(pulled)
    assert "is the newest already" in fleet.must("state", "push", str(file))
    assert json.loads(fleet.must("state", "push", str(file), "--json"))["serial"] is None
    assert fleet.must("state", "pull") == pulled
    document = json.loads(pulled)
    edited = {**document, "operation": {**document["operation"], "why": "edited"}}
    file.write_text(json.dumps(edited))
    assert "the state is at 1 already" in fleet.run("state", "push", str(file)).stderr
    file.write_text(json.dumps({**edited, "serial": 9, "lineage": "another"}))
    assert "not of one history" in fleet.run("state", "push", str(file)).stderr
    file.write_text(json.dumps({**edited, "serial": 9}))
    fleet.must("state", "push", str(file), "-m", "by hand")
    newest = fleet.recorded()
    assert (newest["serial"], newest["operation"]["command"], newest["operation"]["of_serial"]) == (
        2,
        "push",
        9,
    )
    assert newest["operation"]["why"] == "by hand"
    file.write_text(json.dumps({**edited, "lineage": "another"}))
    fleet.must("state", "push", str(file), "--force")
    assert fleet.recorded()["lineage"] == document["lineage"]
    fleet.must("state", "verify")
    fleet.nothing_to_do()
    file.write_text(json.dumps({**edited, "environment": "production"}))
    assert "the file is of" in fleet.run("state", "push", str(file), "--force").stderr
    file.write_text("{")
    assert "is not a state" in fleet.run("state", "push", str(file)).stderr
