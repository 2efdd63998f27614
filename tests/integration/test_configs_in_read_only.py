"""Configs of containers with a read-only root, on a real engine: there when it starts, as declared, and gone with it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from integration.rounds import Round, apply, image_of_cases
from sutazai.address import agent
from sutazai.model.fleet import Fleet
from sutazai.operations.plan import make_plan, plan_destroy
from sutazai.operations.run import carry_out_plan
from sutazai.operations.session import Session, Stop
from sutazai.plan.build import PlanOptions, build_plan

pytestmark = pytest.mark.docker
A = agent("a")


@pytest.fixture(scope="module")
def image(docker_engine: docker.DockerClient) -> Iterator[str]:
    with image_of_cases(docker_engine) as name:
        yield f"{name}:1"


class Hands:
    def __init__(self, client: docker.DockerClient, session: Session, image: str) -> None:
        self.client, self.session, self.image = client, session, image

    def fleet(self, content: str, **body: Any) -> Fleet:
        scope = self.session.scope
        grants = [{"source": "text", "target": "/etc/app/c.conf", "uid": "10001", "mode": 0o400},
                  {"source": "text", "target": "/etc/apt/more.conf"}]  # fmt: skip
        whole = {
            "image": self.image,
            "read_only": True,
            "configs": grants,
            "networks": {"one": {}, "two": {}},
            **body,
        }
        return Fleet.model_validate({
            "project": scope.project, "environment": scope.environment, "configs": {"text": {"content": content}},
            "networks": {"one": {}, "two": {}}, "volumes": {"data": {}}, "agents": {"a": whole},
        })  # fmt: skip

    def run(self, fleet: Fleet, command: str) -> str:
        (instance,) = self.session.provider.observe(fleet).of(A)
        output: bytes = self.client.containers.get(instance.id).exec_run(["sh", "-c", command]).output
        return output.decode().strip()

    def volumes(self) -> set[str]:
        """Without a name."""
        label = f"io.sutazai.project={self.session.scope.project}"
        found = {volume.name for volume in self.client.volumes.list(filters={"label": label})}
        return found - {self.session.scope.object_name("data")}


@pytest.fixture
def hands(docker_engine: docker.DockerClient, session: Session, image: str) -> Hands:
    return Hands(docker_engine, session, image)


def nothing_to_do(fleet: Fleet, there: Round) -> None:
    for prior in (there.state, None):
        plan = build_plan(fleet, there.observed, prior, PlanOptions())
        changes = [change for change in plan.actions if change.address.kind.is_workload]
        assert ([(change.detail, change.fields) for change in changes], plan.drift) == ([], ())


def test_they_are_there_and_nothing_can_be_written(hands: Hands) -> None:
    fleet = hands.fleet("one", volumes=["data:/data", "/scratch"], tmpfs=["/run:mode=1777"])
    made = apply(hands.session, fleet)
    nothing_to_do(fleet, made)
    assert hands.run(fleet, "cat /etc/app/c.conf /etc/apt/more.conf") == "oneone"
    modes = hands.run(fleet, "stat -c '%u %a' /etc/app/c.conf /etc/apt/more.conf")
    assert modes.split() == ["10001", "400", "0", "444"]
    assert hands.run(fleet, "test -e /etc/apt/sources.list.d && echo kept") == "kept"
    for place in ("/x", "/etc/app/x", "/etc/apt/x"):
        assert "Read-only file system" in hands.run(fleet, f"touch {place}")
    (instance,) = made.observed.of(A)
    assert set(instance.body.networks) == {"one", "two"}
    assert set(instance.anonymous) == {"/scratch", "/from-image"}
    mine = hands.client.containers.list(all=True, filters={"name": hands.session.scope.object_name("")})
    assert [container.name for container in mine] == [instance.name]


def test_another_content_is_another_container_and_the_old_file_goes(hands: Hands) -> None:
    first = hands.fleet("one", volumes=["/scratch"], user="0")
    apply(hands.session, first)
    hands.run(first, "echo kept > /scratch/note")
    before = hands.volumes()
    second = hands.fleet("two", volumes=["/scratch"], user="0")
    made = apply(hands.session, second)
    nothing_to_do(second, made)
    assert hands.run(second, "cat /etc/app/c.conf /scratch/note") == "twokept"
    assert (len(hands.volumes()), len(hands.volumes() & before)) == (4, 2)
    planned = plan_destroy(hands.session, second, PlanOptions(kind="destroy"))
    assert asyncio.run(carry_out_plan(hands.session, planned, Stop(), command="destroy")).outcome == "done"
    assert len(hands.volumes()) == 2


def test_below_a_tmpfs_too(hands: Hands) -> None:
    grants = [{"source": "text", "target": "/run/app/c.conf"}]
    fleet = hands.fleet("one", configs=grants, tmpfs=["/run:mode=1777"], read_only=False)
    nothing_to_do(fleet, apply(hands.session, fleet))
    assert hands.run(fleet, "cat /run/app/c.conf") == "one"


def test_what_could_not_be_made_leaves_nothing(hands: Hands) -> None:
    apply(hands.session, hands.fleet("one"))
    before = hands.volumes()
    nowhere = {
        "type": "bind",
        "source": "/no/such/place",
        "target": "/x",
        "bind": {"create_host_path": False},
    }
    planned = make_plan(hands.session, hands.fleet("two", volumes=[nowhere]), PlanOptions())
    result = asyncio.run(carry_out_plan(hands.session, planned, Stop(), command="apply"))
    assert (result.outcome, hands.volumes()) == ("failed", before)
    refused = {
        "networks": {"one": {}, "two": {"ipv4_address": "300.1.1.1"}}
    }  # the second container only is in networks
    planned = make_plan(hands.session, hands.fleet("two", **refused), PlanOptions())
    result = asyncio.run(carry_out_plan(hands.session, planned, Stop(), command="apply"))
    assert (result.outcome, hands.volumes()) == ("failed", before)
