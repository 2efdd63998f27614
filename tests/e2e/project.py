"""A small project of its own in a directory, the real command in a process of its own, and Docker's word for what runs.

Every project bears a random name, so that tests run beside each other and beside whatever else the machine runs; what it
made is found by its labels and removed, also when a test fails.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import docker
from docker.models.containers import Container

from conftest import remove_project
from free_port import free_port

RELEASES = ("sutazai/agent-runtime:1.0", "sutazai/agent-runtime:1.1")
ENVIRONMENT = "lab"
LABEL = "io.sutazai."
TIMEOUT = 120
_LET_GO = "/tmp/go"
T = TypeVar("T")


def until(condition: Callable[[], T], what: str, *, within: float = 90.0) -> T:
    """The first true value of the condition; fails when there is none in time."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {within:g}s"
        time.sleep(0.02)
    return value


def small_fleet() -> dict[str, Any]:
    """base <- planner <- writer, all of one module; loner has a body of its own, a volume and a route."""
    return {
        "project": f"e2e-{secrets.token_hex(4)}",
        "variables": {"release": "1.0"},
        "networks": {"fleet": {}, "side": {}},
        "volumes": {"data": {}},
        "agents": {
            "base": {"module": "worker", "inputs": {"mood": "calm"}},
            "planner": {"module": "worker", "depends_on": ["base"]},
            "writer": {"module": "worker", "depends_on": ["planner"]},
            "loner": {
                "image": RELEASES[0],
                "networks": ["fleet"],
                "volumes": ["data:/data"],
                "route": {"port": free_port(), "target": 8080, "protocol": "http"},
                "environment": {"AGENT_NAME": "loner"},
                "checks": [check()],
                "deploy": {"resources": {"limits": {"memory": "64M"}}},
                "stop_grace_period": "3s",
            },
        },
        "rollout": {"healthy_deadline": "30s"},
    }


def check() -> dict[str, Any]:
    return {"name": "up", "kind": "http", "phase": "readiness", "port": 8080, "path": "/health", "status": 200,
            "interval": "500ms", "timeout": "2s", "retries": 3}  # fmt: skip


def worker_module() -> dict[str, Any]:
    return {
        "inputs": {"mood": {"type": "string", "default": "brisk"}},
        "template": {
            "image": "sutazai/agent-runtime:{{ var.release }}",
            "networks": ["fleet"],
            "environment": {"AGENT_NAME": "{{ name }}", "MOOD": "{{ inputs.mood }}"},
            "checks": [check()],
            "restart": "unless-stopped",
            "stop_grace_period": "3s",
            "deploy": {"resources": {"limits": {"cpus": 0.5, "memory": "64M"}}},
        },
    }


def command_line(root: Path, environment: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "sutazai", *arguments, "-e", environment, "--chdir", str(root)]


class Project:
    """`spec`, `module` and `environment` are what `write` writes; a test changes them as a user edits files. `state` is where
    the environment keeps its state."""

    def __init__(self, root: Path, engine: docker.DockerClient) -> None:
        self.root = root
        self.engine = engine
        self.spec = small_fleet()
        self.module = worker_module()
        self.environment: dict[str, Any] = {"provider": {"kind": "docker"}, "traffic": {"kind": "none"}}
        self.state = root / "state" / ENVIRONMENT
        self.write()

    @property
    def name(self) -> str:
        return str(self.spec["project"])

    def agent(self, name: str) -> dict[str, Any]:
        body: dict[str, Any] = self.spec["agents"][name]
        return body

    def hold(self, name: str) -> None:
        """The agent answers nobody before it is let go, however long that takes: the run that makes it is under way meanwhile."""
        waiting = f"until [ -e {_LET_GO} ]; do sleep 0.1; done; exec python3 -S -u agent.py"
        self.agent(name).update(
            entrypoint=["sh", "-c", waiting], init=True, rollout={"healthy_deadline": "2m"}
        )

    def let_go(self, name: str) -> None:
        until(lambda: self.container(name).status == "running", f"{name} did not start")
        code, printed = self.container(name).exec_run(["touch", _LET_GO])
        assert code == 0, printed

    def write(self) -> None:
        """JSON is YAML too."""
        files = {
            "specs/project.yaml": self.spec,
            "modules/worker/module.yaml": self.module,
            f"environments/{ENVIRONMENT}.yaml": self.environment,
        }
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=2))

    def command(self, *arguments: str) -> list[str]:
        return command_line(self.root, ENVIRONMENT, *arguments)

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, "COLUMNS": "120", **(extra or {})}

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command with no terminal."""
        self.write()
        return self.run_as_it_is(*arguments, **environ)

    def run_as_it_is(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """The same, with the files as they are."""
        return subprocess.run(self.command(*arguments), env=self.environ(environ), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=TIMEOUT)  # fmt: skip

    def must(self, *arguments: str) -> str:
        """A command that succeeds; what it printed."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, (
            f"{arguments} ended with {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        )
        return ended.stdout

    def apply(self) -> str:
        return self.must("apply", "--auto-approve")

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command under way, in a process group of its own; killed when the test leaves it running."""
        self.write()
        process = subprocess.Popen(self.command(*arguments), env=self.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def plan(self, *arguments: str) -> dict[str, Any]:
        """The plan as JSON."""
        plan: dict[str, Any] = json.loads(self.must("plan", "--json", *arguments))
        return plan

    def actions(self, *arguments: str) -> dict[str, list[str]]:
        """Terraform's actions of everything that would change, by address."""
        return {
            change["address"]: change["change"]["actions"]
            for change in self.plan(*arguments)["resource_changes"]
            if change["change"]["actions"] != ["no-op"]
        }

    def reasons(self) -> dict[str, str]:
        return {
            change["address"]: change["action_reason"]
            for change in self.plan()["resource_changes"]
            if "action_reason" in change
        }

    def nothing_to_do(self) -> None:
        ended = self.run("plan", "--detailed-exitcode")
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def containers(self, *, all_states: bool = True) -> list[Container]:
        # Docker lists a container a moment before it can be inspected
        found: list[Container] = self.engine.containers.list(
            all=all_states, filters=self.mine, ignore_removed=True
        )
        return found

    @property
    def mine(self) -> dict[str, str]:
        return {"label": f"{LABEL}project={self.name}"}

    def container(self, name: str) -> Container:
        """The one container of an agent."""
        (found,) = [c for c in self.containers() if c.labels[f"{LABEL}address"] == f"agent.{name}"]
        return found

    def ids(self) -> dict[str, str]:
        """Container IDs by address; fails when an address has two."""
        pairs = [(c.labels[f"{LABEL}address"].removeprefix("agent."), c.id) for c in self.containers()]
        assert len(dict(pairs)) == len(pairs), f"containers twice: {pairs}"
        return dict(pairs)

    def serials(self) -> list[int]:
        return sorted(int(path.stem) for path in (self.state / "serials").glob("*.json"))

    def recorded(self) -> dict[str, Any]:
        """The newest serial."""
        state: dict[str, Any] = json.loads((self.state / "state.json").read_text())
        return state

    def remove(self) -> None:
        """Everything that bears this project's name."""
        remove_project(self.engine, self.name)


def limits(container: Container) -> int:
    """The memory limit in bytes."""
    container.reload()
    memory: int = container.attrs["HostConfig"]["Memory"]
    return memory


def variables(container: Container) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in container.attrs["Config"]["Env"])


def essence(container: Container) -> dict[str, Any]:
    """What was declared of a container, without what each new one has of its own (ID, times, slot, serial)."""
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    own = {f"{LABEL}slot", f"{LABEL}serial"}
    return {
        "image": container.attrs["Image"],
        "environment": sorted(config["Env"]),
        "command": [config["Entrypoint"], config["Cmd"]],
        "labels": {key: value for key, value in container.labels.items() if key not in own},
        "host": {
            key: host.get(key)
            for key in (
                "Memory",
                "NanoCpus",
                "RestartPolicy",
                "PortBindings",
                "Binds",
                "Mounts",
                "PidsLimit",
                "CapDrop",
            )
        },
        "networks": sorted(container.attrs["NetworkSettings"]["Networks"]),
        "running": container.attrs["State"]["Running"],
    }
