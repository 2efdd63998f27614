"""Containers that Docker Compose made are taken over while they run: nothing that Compose writes on them by itself is a difference.

Compose is installed from its lock file into a folder of its own, as the bench has it.
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from ruamel.yaml import YAML

from e2e.project import ENVIRONMENT, LABEL, RELEASES, command_line
from free_port import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # with what the first test installs
ROOT = Path(__file__).parents[2]
COMPOSES = "com.docker.compose."


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program."""
    home = tmp_path_factory.mktemp("compose")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    lock = ROOT / "requirements" / "bench.lock"
    command = [home / "bin" / "pip", "install", "-q", "--require-hashes", "-r", lock]
    subprocess.run(command, check=True, timeout=300)
    return home / "bin" / "docker-compose"


def compose_file(name: str) -> dict[str, Any]:
    """One of everything that Compose puts into a container in a way of its own."""
    return {
        "name": name,
        "services": {
            "db": {
                "image": RELEASES[0], "init": True, "environment": {"AGENT_NAME": "db"}, "volumes": ["data:/data", "/scratch"],
                "healthcheck": {"test": ["CMD", "true"], "interval": "1s"}, "stop_grace_period": "1s", "restart": "unless-stopped",
                "labels": {"team": "core"}, "user": "0",
            },
            "web": {
                "image": RELEASES[0], "depends_on": {"db": {"condition": "service_healthy"}}, "environment": ["AGENT_NAME=web"],
                "networks": {"front": {"aliases": ["site"]}, "default": {}}, "ports": [f"127.0.0.1:{free_port()}:8080"],
                "expose": ["9000"], "deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "64M"}}}, "cap_drop": ["NET_RAW"],
                "ulimits": {"nofile": 2048}, "extra_hosts": ["gate:10.0.0.1"], "tmpfs": ["/run:size=8m"], "labels": ["team=edge"],
                "volumes": ["./docker-compose.yml:/etc/compose.yml:ro"], "stop_grace_period": "1s",
                "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
            },
            "many": {"image": RELEASES[0], "deploy": {"replicas": 2}, "stop_grace_period": "1s", "environment": {"AGENT_NAME": "many"}},
        },
        "networks": {"front": {}},
        "volumes": {"data": {}},
    }  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path.read_text())
    return found


class Made:
    """A Compose project that is up, and the same folder as a project of ours."""

    def __init__(self, root: Path, compose: Path, engine: docker.DockerClient) -> None:
        self.root, self._compose, self.engine = root, compose, engine
        self.name = f"e2e-{secrets.token_hex(4)}"
        (root / "docker-compose.yml").write_text(json.dumps(compose_file(self.name)))

    def compose(self, *arguments: str) -> None:
        ended = subprocess.run(
            [self._compose, *arguments], cwd=self.root, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, ended.stderr

    def must(self, *arguments: str, code: int = 0) -> str:
        command = command_line(self.root, ENVIRONMENT, *arguments)
        environ = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
        ended = subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout

    def take_over(self) -> None:
        """The specs as `init` writes them, with Compose's networks and volumes under their names."""
        self.must("init", "--from-compose", "docker-compose.yml")
        project = read(self.root / "specs" / "project.yaml")
        project["networks"] = {
            name: {"external": True, "name": f"{self.name}_{name}"} for name in ("front", "default")
        }
        project["volumes"] = {"data": {"external": True, "name": f"{self.name}_data"}}
        (self.root / "specs" / "project.yaml").write_text(json.dumps(project))
        (self.root / "environments" / f"{ENVIRONMENT}.yaml").write_text("provider: {kind: docker}\n")

    def change(self, service: str, **fields: Any) -> None:
        path = self.root / "specs" / "services.yaml"
        specs = read(path)
        specs["services"][service].update(fields)
        path.write_text(json.dumps(specs))

    def containers(self) -> dict[str, Container]:
        """By Compose's name of the service and the number."""
        labels = {"label": f"{COMPOSES}project={self.name}"}
        return {
            f"{c.labels[COMPOSES + 'service']}-{c.labels[COMPOSES + 'container-number']}": c
            for c in self.engine.containers.list(all=True, filters=labels)
        }

    def since(self) -> dict[str, tuple[str, str]]:
        return {name: (c.id, c.attrs["State"]["StartedAt"]) for name, c in self.containers().items()}

    def remove(self) -> None:
        """Of the volumes without a name, Docker takes along only those that no second container was given."""
        volumes: set[str] = set()
        for label in (f"{COMPOSES}project={self.name}", f"{LABEL}project={self.name}"):
            for container in self.engine.containers.list(all=True, filters={"label": label}):
                volumes |= {m["Name"] for m in container.attrs["Mounts"] if m["Type"] == "volume"}
                container.remove(force=True)
        self.compose("down", "-v")
        for name in volumes:
            with contextlib.suppress(docker.errors.NotFound):
                self.engine.volumes.get(name).remove()


@pytest.fixture
def made(compose: Path, tmp_path: Path, docker_engine: docker.DockerClient) -> Iterator[Made]:
    project = Made(tmp_path, compose, docker_engine)
    try:
        project.compose("up", "-d", "--wait")
        yield project
    finally:
        project.remove()


def test_what_compose_made_goes_on_running_as_ours(made: Made) -> None:
    # Compose itself carries /scratch over to the second container, and then it is a volume with a name.
    made.compose("up", "-d", "--wait", "--force-recreate", "db")
    made.take_over()
    before, containers = made.since(), {name: c.name for name, c in made.containers().items()}
    said = made.must("state", "import", "service.db", containers["db-1"])
    said += made.must("state", "import", "service.web", containers["web-1"])
    said += made.must("state", "import", "service.many", containers["many-1"], containers["many-2"])
    assert said.count("<= service.") == 3
    assert "~ " not in said
    assert "Plan: 3 to adopt, 0 to add, 0 to change, 0 to replace, 0 to destroy." in made.must("plan")
    made.must("apply", "--auto-approve")
    assert made.since() == before
    assert made.must("plan", "--detailed-exitcode").startswith("No changes")
    assert "No drift" in made.must("drift", "--detailed-exitcode")
    made.must("state", "verify")
    names = {
        name.removeprefix(f"{made.name}-{ENVIRONMENT}-")
        for name in (c.name for c in made.containers().values())
    }
    assert names == {"db-blue", "web-blue", "many-blue-1", "many-blue-2"}


def test_what_is_changed_later_is_replaced_with_its_data(made: Made) -> None:
    made.take_over()
    db = made.containers()["db-1"]
    for place in ("data", "scratch"):
        db.exec_run(["touch", f"/{place}/kept"])
    made.must("state", "import", "service.db", db.name)
    made.change("db", environment={"AGENT_NAME": "db", "MODE": "new"})
    made.must("apply", "--auto-approve", "--target", "service.db")
    (ours,) = made.engine.containers.list(
        filters={"label": [f"{LABEL}project={made.name}", f"{LABEL}address=service.db"]}
    )
    found = [ours.exec_run(["test", "-e", f"/{place}/kept"]).exit_code for place in ("data", "scratch")]
    assert found == [0, 0]
    assert not [name for name in ours.labels if name.startswith(COMPOSES)]
