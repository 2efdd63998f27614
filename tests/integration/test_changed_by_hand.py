"""What somebody does with the docker command to what the engine made: seen as drift, and mended by one apply."""

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from integration.rounds import Round, apply, image_of_cases, session_of
from sutazai.address import agent
from sutazai.model.fleet import Fleet
from sutazai.operations.session import Session
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Plan
from sutazai.state.scope import Scope

pytestmark = pytest.mark.docker
MIB = 1 << 20
LIMITS = {"limits": {"memory": "64M", "cpus": 0.5, "pids": 60}, "reservations": {"memory": "32M"}}


class Hands:
    """The docker command, on the containers of one scope."""

    def __init__(self, client: docker.DockerClient, scope: Scope) -> None:
        self.client, self.scope = client, scope

    def container(self, name: str) -> Container:
        return self.client.containers.get(self.scope.object_name(name))

    def network(self) -> Any:
        return self.client.networks.get(self.scope.object_name("one"))

    def update(self) -> None:
        self.container("updated-blue").update(
            mem_limit=80 * MIB, memswap_limit=160 * MIB, mem_reservation=40 * MIB, cpu_quota=None,
            restart_policy={"Name": "always"},
        )  # fmt: skip
        command = [
            "docker",
            "update",
            "--cpus",
            "0.25",
            "--pids-limit",
            "80",
            self.scope.object_name("updated-blue"),
        ]
        subprocess.run(command, check=True, capture_output=True)

    def leave(self) -> None:
        self.network().disconnect(self.container("left-blue"))

    def join(self) -> None:
        labels = {"io.sutazai.project": self.scope.project, "io.sutazai.environment": "another"}
        self.client.networks.create(f"{self.scope.project}-foreign", labels=labels).connect(
            self.container("joined-blue")
        )

    def forget_the_name(self) -> None:
        self._again("nameless-blue", aliases=["db"])

    def forget_an_alias(self) -> None:
        self._again("unaliased-blue", aliases=["unaliased"])

    def move(self) -> None:
        self._again("moved-blue", aliases=["moved"], ipv4_address=self.free_address(20))

    def _again(self, name: str, **settings: Any) -> None:
        self.network().disconnect(self.container(name))
        self.network().connect(self.container(name), **settings)

    def free_address(self, last: int) -> str:
        subnet: str = self.network().attrs["IPAM"]["Config"][0]["Subnet"]
        return subnet.rsplit(".", 1)[0] + f".{last}"

    def recreate_the_network(self) -> None:
        labels = {**self.client.networks.get(self.scope.object_name("two")).attrs["Labels"], "team": "edge"}
        self.client.networks.get(self.scope.object_name("two")).remove()
        self.client.networks.create(self.scope.object_name("two"), labels=labels)


HANDS: dict[str, tuple[Callable[[Hands], Any], str]] = {
    "updated": (Hands.update, ("deploy.resources.limits.cpus, deploy.resources.limits.memory, deploy.resources.limits.pids, "
                              "deploy.resources.reservations.memory, restart")),
    "left": (Hands.leave, "networks.one"),
    "joined": (Hands.join, "networks.PROJECT-foreign"),
    "nameless": (Hands.forget_the_name, "it is no longer called nameless in network one"),
    "unaliased": (Hands.forget_an_alias, "networks.one.aliases"),
    "moved": (Hands.move, "networks.one.ipv4_address"),
    "renamed": (lambda h: h.container("renamed-blue").rename(f"{h.scope.project}-mine"), "its container was renamed to PROJECT-mine"),
    "stopped": (lambda h: h.container("stopped-blue").stop(), "its container exited with code 137"),
    "killed": (lambda h: h.container("killed-blue").kill(), "its container exited with code 137"),
    "paused": (lambda h: h.container("paused-blue").pause(), "its container is paused"),
    "removed": (lambda h: h.container("removed-blue").remove(force=True, v=True), "its container is gone"),
    "scaled": (lambda h: h.container("scaled-blue-2").remove(force=True, v=True), "deploy.replicas"),
}  # fmt: skip
"""Agent → what is done to it, and what the drift says."""


def fleet_of(scope: Scope, image: str) -> Fleet:
    number = 1 + int(scope.project[1:3], 16) % 250
    bodies: dict[str, dict[str, Any]] = {name: {"networks": {"one": {"aliases": ["db"]}}} for name in HANDS}
    bodies["updated"] |= {"deploy": {"resources": LIMITS}, "restart": "no"}
    bodies["moved"] = {"networks": {"one": {"ipv4_address": f"10.215.{number}.19"}}}
    bodies["scaled"] |= {"deploy": {"replicas": 2}}
    return Fleet.model_validate({
        "project": scope.project, "environment": scope.environment,
        "networks": {"one": {"ipam": {"config": [{"subnet": f"10.215.{number}.0/24"}]}}, "two": {"labels": {"team": "core"}}},
        "agents": {name: {"image": f"{image}:1", "command": ["1000"], **body} for name, body in bodies.items()},
    })  # fmt: skip


@pytest.fixture(scope="module")
def image(docker_engine: docker.DockerClient) -> Iterator[str]:
    with image_of_cases(docker_engine) as name:
        yield name


@pytest.fixture(scope="module")
def tampered(
    docker_engine: docker.DockerClient,
    image: str,
    docker_module_scope: Scope,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Session, Fleet, Round]]:
    """Applied, and then everything done to it at once: the fleet, and what is seen of it."""
    with session_of(docker_module_scope, tmp_path_factory.mktemp("state")) as session:
        fleet = fleet_of(docker_module_scope, image)
        made = apply(session, fleet)
        hands = Hands(docker_engine, docker_module_scope)
        for do, _ in HANDS.values():
            do(hands)
        hands.recreate_the_network()
        yield session, fleet, Round(session.provider.observe(fleet), made.state)


@pytest.fixture(scope="module")
def plan(tampered: tuple[Session, Fleet, Round]) -> Plan:
    _, fleet, there = tampered
    return build_plan(fleet, there.observed, there.state, PlanOptions())


@pytest.mark.parametrize("name", HANDS)
def test_it_is_drift(plan: Plan, name: str) -> None:
    (drift,) = (change for change in plan.drift if change.address == agent(name))
    fields = ", ".join(".".join(field.path) for field in drift.fields)
    assert "; ".join(filter(None, (fields, drift.detail))) == HANDS[name][1].replace("PROJECT", plan.project)
    assert agent(name) in {change.address for change in plan.actions}


def test_a_network_made_anew_with_our_labels_is_drift(plan: Plan) -> None:
    (drift,) = (change for change in plan.drift if not change.address.kind.is_workload)
    assert [(field.path, field.before, field.after) for field in drift.fields] == [
        (("labels", "team"), "core", "edge")
    ]


def test_one_apply_mends_it_all(tampered: tuple[Session, Fleet, Round]) -> None:
    session, fleet, _ = tampered
    mended = apply(session, fleet)
    plan = build_plan(fleet, mended.observed, mended.state, PlanOptions())
    assert {str(change.address): change.detail for change in (*plan.actions, *plan.drift)} == {}
