"""Volumes without a name on a real engine: a new container takes them over, and they go only when that is asked for."""

import asyncio
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from integration.rounds import Round, apply, image_of_cases
from sutazai.address import agent
from sutazai.model.fleet import Config, Fleet
from sutazai.operations.plan import make_plan, plan_destroy
from sutazai.operations.run import carry_out_plan
from sutazai.operations.session import Session, Stop
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Action
from sutazai.state.observed import Instance

pytestmark = pytest.mark.docker
A = agent("a")
PLACES = ("/declared", "/from-image")


@pytest.fixture(scope="module")
def image(docker_engine: docker.DockerClient) -> Iterator[str]:
    with image_of_cases(docker_engine) as name:
        yield name


class Hands:
    """One agent `a`, and what is in its volumes."""

    def __init__(self, client: docker.DockerClient, session: Session, image: str) -> None:
        self.client, self.session, self.image = client, session, image

    def fleet(self, **body: Any) -> Fleet:
        scope = self.session.scope
        whole = {"image": f"{self.image}:1", "user": "0", "volumes": ["/declared"], **body}
        return Fleet.model_validate(
            {"project": scope.project, "environment": scope.environment, "agents": {"a": whole}}
        )

    def there(self) -> Instance:
        (instance,) = self.session.provider.observe(self.fleet()).of(A)
        return instance

    def write(self, text: str) -> None:
        for place in PLACES:
            self.run(["sh", "-c", f"echo {text} > {place}/note"])

    def read(self) -> list[str]:
        return [self.run(["cat", f"{place}/note"]) for place in PLACES]

    def run(self, command: list[str]) -> str:
        output: bytes = self.client.containers.get(self.there().id).exec_run(command).output
        return output.decode().strip()

    def volumes(self) -> set[str]:
        """Of the project, anonymous or not."""
        label = f"io.sutazai.project={self.session.scope.project}"
        return {volume.name for volume in self.client.volumes.list(filters={"label": label})}

    def destroy(self, *, volumes: bool) -> list[str]:
        planned = plan_destroy(
            self.session, self.fleet(), PlanOptions(kind="destroy", destroy_volumes=volumes)
        )
        assert asyncio.run(carry_out_plan(self.session, planned, Stop(), command="destroy")).outcome == "done"
        return [finding.summary for finding in planned.plan.findings if finding.code == "anonymous-volumes"]

    def as_applied(self, fleet: Fleet, there: Round) -> None:
        """They are nobody's difference, also when the state is lost, and no volumes of the declaration's."""
        for prior in (there.state, None):
            plan = build_plan(fleet, there.observed, prior, PlanOptions())
            assert [(change.detail, change.fields) for change in plan.actions] == []
            assert plan.drift == ()
        assert there.observed.volumes == {}


@pytest.fixture
def hands(docker_engine: docker.DockerClient, session: Session, image: str) -> Hands:
    return Hands(docker_engine, session, image)


def test_a_new_container_takes_them_over(hands: Hands) -> None:
    first = hands.fleet()
    hands.as_applied(first, apply(hands.session, first))
    before = hands.there()
    assert set(before.anonymous) == set(PLACES)
    hands.write("kept")
    for body in (
        {"environment": {"MODE": "two"}},
        {"image": f"{hands.image}:2"},
        {"volumes": ["/declared", "/from-image"]},
    ):
        wanted = hands.fleet(**body)
        (change,) = make_plan(hands.session, wanted, PlanOptions()).plan.actions
        assert change.action is Action.REPLACE
        made = apply(hands.session, wanted)
        assert hands.read() == ["kept", "kept"]
        hands.as_applied(wanted, made)
        assert hands.there().id != before.id
        assert hands.volumes() == set(before.anonymous.values())


def test_one_that_is_no_longer_wanted_is_left_over(hands: Hands) -> None:
    apply(hands.session, hands.fleet())
    old = hands.there().anonymous
    wanted = hands.fleet(volumes=[], tmpfs=["/from-image"])
    hands.as_applied(wanted, apply(hands.session, wanted))
    assert hands.there().anonymous == {}
    observed = hands.session.provider.observe(wanted)
    assert {(v.name, v.address, v.used) for v in observed.anonymous} == {
        (name, A, False) for name in old.values()
    }


def test_replicas_keep_their_own(hands: Hands) -> None:
    two = {"deploy": {"replicas": 2}}
    apply(hands.session, hands.fleet(**two))
    before = {i.replica: i.anonymous for i in hands.session.provider.observe(hands.fleet()).of(A)}
    apply(hands.session, hands.fleet(**two, environment={"MODE": "two"}))
    after = {i.replica: i.anonymous for i in hands.session.provider.observe(hands.fleet()).of(A)}
    assert (after, len({name for found in after.values() for name in found.values()})) == (before, 4)


def test_destroy_leaves_them_unless_told_otherwise(hands: Hands) -> None:
    apply(hands.session, hands.fleet())
    names = set(hands.there().anonymous.values())
    assert hands.destroy(volumes=False) == ["2 volumes without a name will be left over, with the data in it"]
    assert hands.volumes() == names
    apply(hands.session, hands.fleet())
    more = set(hands.there().anonymous.values())
    assert not names & more
    assert hands.destroy(volumes=True) == [
        "4 volumes without a name will be destroyed too, with the data in it"
    ]
    assert hands.volumes() == set()


def test_what_is_not_ours_or_has_a_container_stays(hands: Hands) -> None:
    """A volume of another environment, one without labels, and one of ours that somebody else's container has."""
    client, scope = hands.client, hands.session.scope
    labels = {"io.sutazai.project": scope.project, "io.sutazai.environment": "another"}
    theirs = client.volumes.create(labels={**labels, "io.sutazai.anonymous": "agent.a"})
    nobodys = client.volumes.create()
    try:
        apply(hands.session, hands.fleet())
        kept = hands.there().anonymous["/declared"]
        client.containers.create(f"{hands.image}:1", labels=labels, volumes={kept: {"bind": "/x"}})
        hands.destroy(volumes=True)
        assert hands.volumes() == {theirs.name, kept}
        assert client.volumes.get(nobodys.name).name == nobodys.name
    finally:
        nobodys.remove()


def test_a_container_that_could_not_be_made_takes_nothing_along(hands: Hands) -> None:
    """What the engine removes with an unfinished container are the volumes that it made for it."""
    apply(hands.session, hands.fleet())
    hands.write("kept")
    before, old = hands.volumes(), hands.there().anonymous
    grant = {"source": "text", "target": "/etc/passwd/no-folder"}
    wanted = hands.fleet(configs=[grant]).model_copy(update={"configs": {"text": Config(content="text")}})
    planned = make_plan(hands.session, wanted, PlanOptions())
    assert asyncio.run(carry_out_plan(hands.session, planned, Stop(), command="apply")).outcome == "failed"
    assert (hands.there().anonymous, hands.volumes()) == (old, before)
    assert hands.read() == ["kept", "kept"]


def test_of_a_container_that_others_made_they_are_carried_over_too(hands: Hands) -> None:
    """As Compose does. They bear no labels, so they are never destroyed."""
    client, scope = hands.client, hands.session.scope
    labels = {
        "io.sutazai.project": scope.project,
        "io.sutazai.environment": scope.environment,
        "io.sutazai.address": "agent.a",
    }
    client.containers.run(
        f"{hands.image}:1",
        detach=True,
        user="0",
        volumes=["/declared"],
        name=scope.object_name("a-blue"),
        labels=labels,
    )
    names = hands.there().anonymous
    try:
        hands.write("kept")
        apply(hands.session, hands.fleet(environment={"MODE": "two"}))
        assert hands.read() == ["kept", "kept"]
        assert hands.there().anonymous == names
        hands.destroy(volumes=True)
        assert {client.volumes.get(name).name for name in names.values()} == set(names.values())
    finally:
        for container in client.containers.list(
            all=True, filters={"label": f"io.sutazai.project={scope.project}"}
        ):
            container.remove(force=True)
        for name in names.values():
            client.volumes.get(name).remove()
