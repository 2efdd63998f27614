"""A small fleet with routes, asked without pause while it changes, and what the traffic switch says of it."""

import contextlib
import http.client
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from e2e.project import ENVIRONMENT, Project
from free_port import free_port
from load import Client, Driven, Http, Tally, driving
from sutazai.model.fleet import ProviderOptions
from sutazai.ports import Router
from sutazai.providers.docker.provider import DockerProvider
from sutazai.state.scope import Scope
from sutazai.traffic import ROUTERS

SWITCH = "service.traffic-switch"
RATE = 48.0  # requests a second; an agent refuses what it is asked more than 48 times at once
LATEST = 30  # lines of the switch's log


def routed(rollout: Mapping[str, Any], protocol: str = "http", **environment: str) -> dict[str, Any]:
    """An agent whose route the switch carries."""
    return {
        "module": "worker",
        "environment": environment,
        "route": {"port": free_port(), "target": 8080, "protocol": protocol},
        "deploy": {"resources": {"limits": {"cpus": 2}}},
        "rollout": {"drain_timeout": "5s", **rollout},
    }


def with_agents(project: Project, agents: Mapping[str, Any]) -> Project:
    project.environment["traffic"] = {"kind": "haproxy"}
    project.spec |= {"agents": dict(agents), "networks": {"fleet": {}}, "volumes": {}}
    return project


def endpoint(project: Project, name: str) -> tuple[str, int]:
    return "127.0.0.1", project.agent(name)["route"]["port"]


def answered(project: Project, name: str) -> tuple[int, bytes]:
    """The status and the body by which an agent says on its route what it is."""
    with contextlib.closing(http.client.HTTPConnection(*endpoint(project, name), timeout=10)) as connection:
        connection.request("GET", "/info")
        answer = connection.getresponse()
        return answer.status, answer.read()


def version(project: Project, name: str) -> str:
    """Which version of an agent answers on its route."""
    status, body = answered(project, name)
    assert status == 200, body
    return str(json.loads(body)["version"])


def versions(project: Project) -> dict[str, str]:
    return {name: version(project, name) for name in project.spec["agents"]}


def served(project: Project) -> bool:
    """Whether every agent answers on its route."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return all(answered(project, name)[0] == 200 for name in project.spec["agents"])
    return False


@dataclass(slots=True)
class Load:
    """`tally` is whole when the load has ended."""

    project: Project
    driven: Driven

    @property
    def tally(self) -> Tally:
        return self.driven.tally

    @property
    def words(self) -> str:
        """What failed, and what the switch says that it went through."""
        said = switches(self.project)[0].logs(tail=LATEST, timestamps=True).decode()
        return f"{self.tally.words}\n{said}"

    def versions(self, name: str) -> set[str]:
        """The versions of an agent that answered."""
        return {json.loads(body)["version"] for body in self.tally.answers[name]}

    def names(self, name: str) -> set[str]:
        """Who answered when an agent was asked."""
        return {json.loads(body)["name"] for body in self.tally.answers[name]}


@contextlib.contextmanager
def under_load(
    project: Project, kept: Sequence[str], closing: Sequence[str], rate: float = RATE
) -> Iterator[Load]:
    """Ask these agents in turn as long as the block lasts, some over connections that are kept."""
    clients: list[tuple[str, Client]] = []
    clients += [(name, Http(endpoint(project, name), "/info", kept=True)) for name in kept]
    clients += [(name, Http(endpoint(project, name), "/info", kept=False)) for name in closing]
    with driving(clients, rate) as driven:
        yield Load(project, driven)


def switches(project: Project) -> list[Container]:
    return [c for c in project.containers() if c.labels["io.sutazai.address"] == SWITCH]


def ready_slots(project: Project) -> dict[str, list[str]]:
    """The slots that the traffic of each agent goes to."""
    with switch_of(project) as router:
        lanes = {address.name: states for address, states in router.state().items()}
    return {
        name: [slot for (slot, _), lane in lanes[name].items() if lane.mode == "ready"]
        for name in project.spec["agents"]
    }


@contextlib.contextmanager
def switch_of(project: Project) -> Iterator[Router]:
    """The switch that runs, to be asked."""
    options = ProviderOptions.model_validate(project.environment["provider"])
    provider = DockerProvider(Scope(project.name, ENVIRONMENT), options, Path(), os.environ)
    try:
        yield ROUTERS["haproxy"](provider, [str(container.id) for container in switches(project)])
    finally:
        provider.close()


def everyone_is_served_once(project: Project, expected: str) -> None:
    """One container each, that runs, of the version that is expected; all traffic goes to it, and none elsewhere."""
    containers, agents = project.containers(), project.spec["agents"]
    there = [(c.labels["io.sutazai.address"], c.labels["io.sutazai.slot"]) for c in containers]
    assert sorted(address for address, _ in there) == sorted([SWITCH, *(f"agent.{name}" for name in agents)])
    assert {c.status for c in containers} == {"running"}
    slots = dict(there)
    assert ready_slots(project) == {name: [slots[f"agent.{name}"]] for name in agents}
    assert versions(project) == dict.fromkeys(agents, expected)
