"""Every field of a network and of a volume, on a real engine: set, changed, removed, and changed behind the engine's back.

As for the service body (`test_every_field`), the cases are generated from the model, and each test says of one field that it, and
nothing else, is seen. A network that differs is made anew under its member, which stays; a volume that differs is left alone.
"""

from typing import Any

import docker
import pytest

from integration.leaves import leaves
from integration.object_cases import NETWORKS, VOLUMES, ObjectCase
from integration.object_rounds import (
    MEMBER,
    PARTS,
    ObjectRounds,
    address_of,
    always,
    made_object_rounds,
    only,
)
from integration.rounds import shared
from sutazai.address import Kind
from sutazai.model.base import Effect
from sutazai.model.fleet import Network, Volume
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Action, Plan, Reason, ResourceChange
from sutazai.plan.reality import as_found
from sutazai.plan.situation import situation_of

pytestmark = pytest.mark.docker
ALL = (*NETWORKS, *VOLUMES)
KINDS = ("network", "volume")
APPLIED = [("network", name) for name in PARTS if name != "outside"] + [
    ("volume", name) for name in ("bare", "first", "second")
]


def cases(*, outside: bool | None = None) -> Any:
    found = [case for case in ALL if outside in (None, not case.outside)]
    return pytest.mark.parametrize("case", found, ids=[f"{case.kind}.{case.leaf}" for case in found])


@pytest.fixture(scope="module")
def rounds(
    docker_engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> ObjectRounds:
    return shared("objects", tmp_path_factory.getbasetemp(), worker_id, docker_engine, made_object_rounds)


def planned(rounds: ObjectRounds, case: ObjectCase, was: str, part: str) -> Plan:
    """From a round to the same with one case as it is in another part."""
    there, fleet = rounds.of(case.kind, was), rounds.fleet(case.kind, was, only(case, part, PARTS[was]))
    return build_plan(fleet, there.observed, there.state, PlanOptions())


def nothing(plan: Plan) -> None:
    assert {
        str(c.address): (c.detail, [f.path for f in c.fields]) for c in plan.changes if c.changes or c.fields
    } == {}
    assert plan.drift == ()
    assert [finding for finding in plan.findings if finding.severity == "error"] == []


def seen(plan: Plan, case: ObjectCase, part: str) -> None:
    """Exactly the field of the case is shown, in the object of the case: a network is made anew and its member joins it again, a
    volume is left alone, and what is called otherwise is another object."""
    address = address_of(case, part)
    errors = [(finding.code, finding.address) for finding in plan.findings if finding.severity == "error"]
    if case.named:
        assert errors == [("object-renamed", address)]
        return
    changes = {change.address: change for change in plan.changes if change.changes or change.fields}
    shown(changes.pop(address), case)
    if case.kind == "volume":
        assert (errors, changes) == ([("volume-changed", address)], {})
        return
    assert errors == []
    member = changes.pop(MEMBER)
    assert (member.action, member.steps, changes) == (Action.UPDATE, ("networks",), {})


def shown(change: ResourceChange, case: ObjectCase) -> None:
    assert change.action is (Action.REPLACE if case.kind == "network" else Action.NOOP)
    assert {field.path[: len(case.path)] for field in change.fields} == {case.path}
    assert {field.effect for field in change.fields} == {Effect.REPLACE}
    assert not any(field.drift for field in change.fields)


def test_every_field_has_a_case() -> None:
    for model, of_kind in ((Network, NETWORKS), (Volume, VOLUMES)):
        assert sorted(".".join(leaf) for leaf in leaves(model)) == sorted(case.leaf for case in of_kind)


@pytest.mark.parametrize(("kind", "name"), APPLIED)
@pytest.mark.parametrize("state_lost", [False, True], ids=["", "state-lost"])
def test_what_was_applied_plans_empty(rounds: ObjectRounds, kind: str, name: str, state_lost: bool) -> None:
    there, fleet = rounds.of(kind, name), rounds.fleet(kind, name, always(PARTS[name]))
    nothing(build_plan(fleet, there.observed, None if state_lost else there.state, PlanOptions()))


@cases()
def test_set(rounds: ObjectRounds, case: ObjectCase) -> None:
    plan = planned(rounds, case, "bare", "first")
    nothing(plan) if case.from_default else seen(plan, case, "first")


@cases()
def test_changed(rounds: ObjectRounds, case: ObjectCase) -> None:
    seen(planned(rounds, case, "first", "second"), case, "second")


@cases()
def test_removed(rounds: ObjectRounds, case: ObjectCase) -> None:
    """What was there by default anyway, and what the engine would choose, makes no difference."""
    plan = planned(rounds, case, "second", "bare")
    stays = case.default or case.kept or not case.applies
    nothing(plan) if stays else seen(plan, case, "bare")


@cases(outside=True)
def test_changed_outside(rounds: ObjectRounds, case: ObjectCase) -> None:
    """Of all that was done by hand, this field is seen, as drift; a network is put back, a volume is not touched."""
    plan, address = planned(rounds, case, "outside", "first"), address_of(case, "outside")
    (drift,) = (change for change in plan.drift if change.address == address)
    (change,) = (change for change in plan.changes if change.address == address)
    for fields in (drift.fields, change.fields):
        assert {field.path[: len(case.path)] for field in fields} == {case.path}
        assert all(field.drift for field in fields)
    assert change.action is (Action.REPLACE if case.kind == "network" else Action.NOOP)
    refused = [f.address for f in plan.findings if f.code == "volume-changed"]
    assert (address in refused) is (case.kind == "volume")


@cases(outside=False)
def test_what_cannot_be_changed_outside_is_not_drift(rounds: ObjectRounds, case: ObjectCase) -> None:
    plan = planned(rounds, case, "outside", "" if case.named else "first")
    assert case.outside
    assert not [
        change
        for change in plan.drift
        if change.address in (address_of(case, "first"), address_of(case, "bare"))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_done_outside_can_be_recorded(rounds: ObjectRounds, kind: str) -> None:
    there, options = rounds.of(kind, "outside"), PlanOptions(kind="refresh")
    fleet = there.state.desired
    drift = build_plan(fleet, there.observed, there.state, options).drift
    expected = {address_of(case, "outside") for case in ALL if case.kind == kind and not case.outside}
    assert {change.address for change in drift if not change.address.kind.is_workload} == expected
    found = as_found(situation_of(fleet, there.observed, there.state, options), drift)
    records = tuple(found.get(record.address) or record for record in there.state.resources)
    after = there.state.model_copy(update={"resources": records})
    again = build_plan(fleet, there.observed, after, options).drift
    assert [change.address for change in again if not change.address.kind.is_workload] == []


def test_the_member_stays_and_is_in_all_its_networks(rounds: ObjectRounds) -> None:
    """Through five times in which almost every network of it was made anew, it runs on and is reached by its name."""
    names = set(rounds.fleet("network", "bare", always("bare")).networks)
    for name in PARTS:
        (member,) = rounds.networks[name].observed.of(MEMBER)
        (first,) = rounds.networks["bare"].observed.of(MEMBER)
        assert (member.id, member.started_at, member.status) == (first.id, first.started_at, "running")
        assert set(member.body.networks) == set(member.addresses) == names
        assert all(MEMBER.name in member.answers[network] for network in names)


def test_the_engine_chooses_what_is_nobodys_difference(rounds: ObjectRounds) -> None:
    there = rounds.networks["bare"].observed.networks["ipam-config-subnet"]
    assert there.body.ipam is not None
    assert there.body.ipam.config[0].subnet
    assert {change.reason for change in planned(rounds, NETWORKS[6], "bare", "bare").changes} == {Reason.NONE}
    assert address_of(NETWORKS[6], "bare").kind is Kind.NETWORK
