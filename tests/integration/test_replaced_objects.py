"""Networks and volumes that differ, with containers in them, on a real engine: nobody loses a network or data by a plan."""

import asyncio
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from integration.rounds import Round, apply, image_of_cases
from sutazai.address import Address, Kind, agent
from sutazai.model.fleet import Fleet
from sutazai.operations.plan import make_plan, plan_destroy
from sutazai.operations.run import carry_out_plan
from sutazai.operations.session import Session, Stop
from sutazai.plan.build import PlanOptions
from sutazai.plan.change import Action, Finding, Plan
from sutazai.state.scope import Scope

pytestmark = pytest.mark.docker
ONE, DATA = Address(Kind.NETWORK, "one"), Address(Kind.VOLUME, "data")


@pytest.fixture(scope="module")
def image(docker_engine: docker.DockerClient) -> Iterator[str]:
    with image_of_cases(docker_engine) as name:
        yield f"{name}:1"


@pytest.fixture
def pool(docker_scope: Scope) -> str:
    return f"10.212.{int(docker_scope.project[1:3], 16)}"


def fleet(session: Session, **tables: Any) -> Fleet:
    return Fleet.model_validate(
        {"project": session.scope.project, "environment": session.scope.environment, **tables}
    )


def plan_of(session: Session, wanted: Fleet, **options: Any) -> Plan:
    return make_plan(session, wanted, PlanOptions(**options)).plan


def errors(plan: Plan) -> list[Finding]:
    return [finding for finding in plan.findings if finding.severity == "error"]


def members(session: Session, image: str, network: dict[str, Any], pool: str) -> Fleet:
    return fleet(session, networks={"one": {"ipam": {"config": [{"subnet": f"{pool}.0/24"}]}, **network}, "two": {}}, agents={
        "plain": {"image": image, "networks": ["one"]},
        "fixed": {"image": image, "networks": {"one": {"ipv4_address": f"{pool}.77", "aliases": ["db"]}, "two": {}}},
        "hard": {"image": image, "networks": {"one": {"mac_address": "02:42:0a:d5:07:33"}}},
        "sharer": {"image": image, "network_mode": "service:plain", "depends_on": ["plain"]},
        "many": {"image": image, "networks": ["one"], "deploy": {"replicas": 2}},
    })  # fmt: skip


def containers(there: Round) -> dict[str, str]:
    return {instance.name: f"{instance.id} {instance.started_at}" for instance in there.observed.instances}


def test_every_kind_of_member_stays_and_is_as_declared(session: Session, image: str, pool: str) -> None:
    made = apply(session, members(session, image, {}, pool))
    wanted = members(session, image, {"labels": {"team": "core"}}, pool)
    after = apply(session, wanted)
    assert containers(after) == containers(made)
    again = plan_of(session, wanted)
    assert ([(str(c.address), c.detail) for c in again.actions], again.drift) == ([], ())


def test_a_guest_keeps_a_network_from_being_made_anew(
    session: Session, docker_engine: docker.DockerClient, image: str, pool: str
) -> None:
    made = apply(session, members(session, image, {}, pool))
    guest = docker_engine.containers.run(
        image, ["1000"], detach=True, network=session.scope.object_name("one"), name=f"{session.scope.project}-guest",
        labels={"io.sutazai.project": session.scope.project, "io.sutazai.environment": "another"},
    )  # fmt: skip
    wanted = members(session, image, {"internal": True}, pool)
    (found,) = errors(plan_of(session, wanted))
    assert (found.code, found.address, guest.name in found.summary) == ("network-in-use", ONE, True)
    destroying = plan_destroy(session, wanted, PlanOptions(kind="destroy")).plan
    assert [f.severity for f in destroying.findings if f.code == "network-in-use"] == ["warning"]
    guest.stop(timeout=0)
    assert errors(plan_of(session, wanted)) == []
    assert containers(apply(session, wanted)) == containers(made)


def test_a_guest_that_comes_after_the_plan_costs_the_members_nothing(
    session: Session, docker_engine: docker.DockerClient, image: str, pool: str
) -> None:
    made = apply(session, members(session, image, {}, pool))
    planned = make_plan(session, members(session, image, {"internal": True}, pool), PlanOptions())
    docker_engine.containers.run(
        image, ["1000"], detach=True, network=session.scope.object_name("one"), name=f"{session.scope.project}-guest",
        labels={"io.sutazai.project": session.scope.project, "io.sutazai.environment": "another"},
    )  # fmt: skip
    result = asyncio.run(carry_out_plan(session, planned, Stop(), command="apply"))
    assert (result.outcome, result.failures[0].address) == ("failed", ONE)
    as_before = make_plan(session, members(session, image, {}, pool), PlanOptions())
    assert containers(Round(as_before.observed, made.state)) == containers(made)
    assert ([(str(c.address), c.detail) for c in as_before.plan.actions], as_before.plan.drift) == ([], ())


def test_addresses_that_another_network_has(
    session: Session, docker_engine: docker.DockerClient, image: str, pool: str
) -> None:
    ipam = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=f"{pool}.128/25")])
    other = docker_engine.networks.create(f"{session.scope.project}-other", ipam=ipam)
    try:
        (found,) = errors(plan_of(session, members(session, image, {}, pool)))
        assert (found.code, found.address, other.name in found.summary) == ("subnet-taken", ONE, True)
    finally:
        other.remove()
    apply(session, members(session, image, {}, pool))
    moved = {"one": {"ipam": {"config": [{"subnet": f"{pool}.0/24"}]}}}
    mesh = fleet(
        session, networks={"mesh": moved["one"]}, agents={"plain": {"image": image, "networks": ["mesh"]}}
    )
    (found,) = errors(plan_of(session, mesh))
    assert (found.code, "network.one" in found.summary) == ("subnet-taken", True)


def test_a_name_of_its_own_that_another_network_has(
    session: Session, docker_engine: docker.DockerClient, image: str
) -> None:
    other = docker_engine.networks.create(f"{session.scope.project}-other")
    try:
        wanted = fleet(
            session,
            networks={"one": {"name": other.name}},
            agents={"plain": {"image": image, "networks": ["one"]}},
        )
        (found,) = errors(plan_of(session, wanted))
        assert (found.code, found.address) == ("name-taken", ONE)
    finally:
        other.remove()


def keeper(session: Session, image: str, labels: dict[str, str], **other: Any) -> Fleet:
    return fleet(session, volumes={"data": {"labels": labels}}, agents={
        "keeper": {"image": image, "user": "0", "volumes": ["data:/keep"]}, "other": {"image": image, **other}})  # fmt: skip


def test_a_volume_that_differs_keeps_its_data_until_it_is_destroyed_with_volumes(
    session: Session, docker_engine: docker.DockerClient, image: str
) -> None:
    made = apply(session, keeper(session, image, {}))

    def kept() -> int:
        (instance,) = session.provider.observe(made.state.desired).of(agent("keeper"))
        code: int = docker_engine.containers.get(instance.id).exec_run(["test", "-e", "/keep/me"]).exit_code
        return code

    docker_engine.containers.get(session.scope.object_name("keeper-blue")).exec_run(["touch", "/keep/me"])
    wanted = keeper(session, image, {"team": "core"}, environment={"MODE": "new"})
    plan = plan_of(session, wanted)
    (found,) = errors(plan)
    assert (found.code, found.address, kept()) == ("volume-changed", DATA, 0)
    assert DATA not in {change.address for change in plan.actions}

    left_out = make_plan(session, wanted, PlanOptions(excludes=(str(DATA),)))
    assert errors(left_out.plan) == []
    assert asyncio.run(carry_out_plan(session, left_out, Stop(), command="apply")).outcome == "done"
    assert kept() == 0

    options = PlanOptions(kind="destroy", destroy_volumes=True, targets=(str(DATA),))
    destroying = plan_destroy(session, wanted, options)
    assert {str(c.address): c.action for c in destroying.plan.actions} == {
        "agent.keeper": Action.DESTROY,
        str(DATA): Action.DESTROY,
    }
    assert asyncio.run(carry_out_plan(session, destroying, Stop(), command="destroy")).outcome == "done"
    apply(session, wanted)
    assert kept() == 1


def test_what_became_external_is_only_forgotten(
    session: Session, docker_engine: docker.DockerClient, image: str
) -> None:
    """Also where its labels say that this environment made it once."""
    apply(session, keeper(session, image, {}))
    name = session.scope.object_name("data")
    theirs = fleet(session, volumes={"data": {"external": True, "name": name}}, agents={
        "keeper": {"image": image, "user": "0", "volumes": ["data:/keep"]}})  # fmt: skip
    apply(session, theirs)
    destroying = plan_destroy(session, theirs, PlanOptions(kind="destroy", destroy_volumes=True))
    assert asyncio.run(carry_out_plan(session, destroying, Stop(), command="destroy")).outcome == "done"
    assert docker_engine.volumes.get(name).name == name
