"""What did not come to its end, and what is gone on with, on an engine in a file: what each command says of it and makes of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from e2e.project import RELEASES, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Four agents where no Docker is, applied. What goes back to them waits no longer than they did."""
    made = Project(tmp_path / "project", cast("docker.DockerClient", None))
    made.environment["provider"] = {"kind": "simulated"}
    made.spec["rollout"] = {"healthy_deadline": "2s"}
    made.apply()
    return made


def edit(project: Project, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the engine's file says."""
    path = project.root / "state" / "engine.json"
    engine = json.loads(path.read_text())
    change(engine)
    path.write_text(json.dumps(engine))


def sicken(engine: dict[str, Any]) -> None:
    """What is made from now on answers no check."""
    for image in engine["images"].values():
        image["answers"] = {"*": "HTTP 503"}


def cure(engine: dict[str, Any]) -> None:
    for thing in (*engine["images"].values(), *engine["containers"].values()):
        thing["answers"] = {}


def history(project: Project) -> list[tuple[str, str]]:
    """Command and outcome of each serial, the oldest first."""
    rows = json.loads(project.must("history", "--json"))
    return [(row["command"], row["outcome"]) for row in reversed(rows)]


def test_a_rollback_that_is_gone_on_with_stays_one(project: Project) -> None:
    project.agent("planner")["image"] = RELEASES[1]
    project.apply()
    edit(project, sicken)
    failed = project.run("rollback", "--state", "1", "--auto-approve")
    assert failed.returncode == 4, failed.stdout + failed.stderr
    assert "run sutazai apply --resume: it goes on from here" in failed.stderr
    edit(project, cure)
    project.must("apply", "--resume", "--auto-approve")
    assert history(project)[2:] == [("rollback", "failed"), ("rollback", "done")]


@pytest.mark.parametrize(
    "environment",
    [
        "{{{ bad",
        "provider: {kind: simulated, hst: x}\n",
        "providr: {kind: simulated}\n",
        "provider: {kind: '{{ var.nothing }}'}\n",
        "extends: none\nprovider: {kind: simulated}\n",
        "provider: {kind: simulated}\nstate: {kind: postgres, ur: x}\n",
        None,
    ],
)
def test_nothing_is_done_where_nobody_can_tell_whose_engine_it_is(
    project: Project, environment: str | None
) -> None:
    """`DOCKER_HOST` names an engine of somebody else's, to which a wrong environment must not lead."""
    path, before = project.root / "environments" / "lab.yaml", project.serials()
    path.unlink() if environment is None else path.write_text(environment)
    elsewhere = {"DOCKER_HOST": "tcp://127.0.0.1:9"}
    for command in ("destroy", "rollback --state 1", "emergency"):
        done = project.run_as_it_is(*command.split(), "--auto-approve", **elsewhere)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "which engine and which state are those of lab can't be told" in done.stderr
    for command in ("drift", "status", "plan --destroy"):
        assert project.run_as_it_is(*command.split(), **elsewhere).returncode == 1
    assert project.serials() == before


def test_another_mistake_in_the_environment_does_not_keep_anybody_from_going_back(project: Project) -> None:
    project.agent("planner")["deploy"] = {"resources": {"limits": {"memory": "96M"}}}
    project.apply()
    mistaken = "provider: {kind: simulated}\noverrides: [{select: 'agent:x', set: {imagee: y}}]\nvariables: {a: '{{ var.b }}'}\n"
    (project.root / "environments" / "lab.yaml").write_text(mistaken)
    done = project.run_as_it_is("rollback", "--state", "1", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_goes_by_the_state_is_planned_though_the_specs_are_broken(project: Project) -> None:
    project.agent("planner")["deploy"] = {"resources": {"limits": {"memory": "96M"}}}
    project.apply()
    project.agent("planner")["imagee"] = "x"
    assert project.run("plan").returncode == 1
    back = project.run("plan", "--to-serial", "1", "-o", "back")
    assert back.returncode == 0, back.stdout + back.stderr
    assert "going by the newest serial" in back.stderr
    assert "Plan: 0 to add, 1 to change, 0 to replace, 0 to destroy." in back.stdout
    project.must("apply", "back")
    gone = project.must("plan", "--destroy", "-o", "gone")
    assert "Plan: 0 to add, 0 to change, 0 to replace, 5 to destroy." in gone
    project.must("apply", "gone")
    engine = json.loads((project.root / "state" / "engine.json").read_text())
    assert not engine.get("containers")
    assert [command for command, _ in history(project)] == ["apply", "apply", "rollback", "destroy"]
