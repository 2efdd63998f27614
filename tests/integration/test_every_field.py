"""Every field of a service body, on a real engine: set, changed, removed, and changed behind the engine's back.

The cases are generated from the model: a field without one fails `test_every_field_has_a_case`. What the rounds (`rounds.py`) saw
on the engine is planned against with one field different at a time, so each test says of one field that it, and nothing else,
is seen.
"""

from typing import Any

import docker
import pytest

from integration.field_cases import GROUPS, Case, Group
from integration.leaves import leaves
from integration.rounds import Rounds, body_of, everything, made_rounds, only, placed, shared
from sutazai.address import Address, agent
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload, declared, effect_of
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Action, FieldChange, Plan, ResourceChange
from sutazai.plan.compare import Wanted, compare
from sutazai.plan.reality import as_found
from sutazai.plan.remembered import observed_in
from sutazai.plan.situation import situation_of

pytestmark = pytest.mark.docker
ACTIONS = {Effect.REPLACE: Action.REPLACE, Effect.IN_PLACE: Action.UPDATE, Effect.ENGINE: Action.UPDATE}
ALL = [(group, case) for group in GROUPS for case in group.cases]


def cases(*, starts: bool = True, applies: bool | None = None, outside: bool | None = None) -> Any:
    found = [
        (group, case)
        for group, case in ALL
        if group.starts is starts and applies in (None, group.applies) and outside in (None, not case.outside)
    ]
    return pytest.mark.parametrize(("group", "case"), found, ids=[case.leaf for _, case in found])


@pytest.fixture(scope="module")
def rounds(
    docker_engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Rounds:
    return shared("rounds", tmp_path_factory.getbasetemp(), worker_id, docker_engine, made_rounds)


def planned(rounds: Rounds, name: str, fleet: Fleet, *, state_lost: bool = False) -> Plan:
    there = rounds.rounds[name]
    return build_plan(fleet, there.observed, None if state_lost else there.state, PlanOptions())


def only_change(plan: Plan, group: Group) -> ResourceChange:
    """The one change of the plan, which is of this group."""
    assert {str(c.address): [f.path for f in c.fields] for c in plan.actions}.keys() == {
        f"agent.{group.name}"
    }
    return plan.actions[0]


def fits(change: ResourceChange, case: Case) -> None:
    """Exactly the field of the case is shown, or the item around it that comes or goes."""
    for field in change.fields:
        path = ("image",) if field.path == ("image_id",) else field.path
        length = min(len(path), len(case.path))
        assert path[:length] == case.path[:length], f"{'.'.join(field.path)} is shown"
    assert change.fields


def effect(case: Case) -> Effect:
    return case.effect or effect_of(tuple(case.leaf.split(".")))


def expected(case: Case, changed: ResourceChange, what: Effect | None = None) -> None:
    fits(changed, case)
    assert {field.effect for field in changed.fields} == {what or effect(case)}
    assert changed.action is ACTIONS[what or effect(case)]
    assert not any(field.drift for field in changed.fields)


def test_what_is_reported_was_made_from_its_own_plain_form(rounds: Rounds) -> None:
    """The form is what most of a plan reads, and the body what the rest reads."""
    for there in rounds.rounds.values():
        for instance in there.observed.instances:
            assert instance.form == declared(instance.body)


def test_every_field_has_a_case() -> None:
    wanted = {".".join(leaf) for leaf in leaves(Workload) if effect_of(leaf) is not Effect.INPUT}
    assert wanted == {case.leaf for _, case in ALL}
    assert len(ALL) == len(wanted), "two cases of one field"


@pytest.mark.parametrize("name", ["bare", "first", "mended", "second", "removed"])
@pytest.mark.parametrize("state_lost", [False, True], ids=["", "state-lost"])
def test_what_was_applied_plans_empty(rounds: Rounds, name: str, state_lost: bool) -> None:
    part: Any = {"mended": "first", "removed": "bare"}.get(name, name)
    plan = planned(rounds, name, rounds.fleet(everything(part)), state_lost=state_lost)
    assert {str(c.address): [f.path for f in c.fields] for c in plan.actions if c.fields} == {}
    assert [change.address for change in plan.actions if change.address.kind.is_workload] == []
    assert plan.drift == ()


@cases()
def test_set(rounds: Rounds, group: Group, case: Case) -> None:
    change = only_change(planned(rounds, "bare", rounds.fleet(only(group, case, "first", "bare"))), group)
    expected(case, change)


@cases(applies=True)
def test_changed(rounds: Rounds, group: Group, case: Case) -> None:
    change = only_change(planned(rounds, "first", rounds.fleet(only(group, case, "second", "first"))), group)
    expected(case, change)


@cases(applies=True)
def test_removed(rounds: Rounds, group: Group, case: Case) -> None:
    plan = planned(rounds, "second", rounds.fleet(only(group, case, "bare", "second")))
    if case.default:
        assert plan.actions == ()
    else:
        expected(case, only_change(plan, group), case.lifts)


@cases(applies=True, outside=True)
def test_changed_outside(rounds: Rounds, group: Group, case: Case) -> None:
    """Of all that was done to the container by hand, this field is seen, as drift, and the plan puts it back."""
    plan = planned(rounds, "outside", rounds.fleet(everything("first")))
    (drift,) = (change for change in plan.drift if change.address == agent(group.name))
    assert any(_within(field, case) for field in drift.fields), [field.path for field in drift.fields]
    (change,) = (change for change in plan.actions if change.address == agent(group.name))
    mended = [field for field in change.fields if _within(field, case)]
    assert mended
    assert all(field.drift for field in mended)


def test_what_was_done_outside_can_be_recorded(rounds: Rounds) -> None:
    """A refresh follows all of it, what is in a config by its digest, and then none of it is drift any more."""
    there, options = rounds.rounds["outside"], PlanOptions(kind="refresh")
    fleet = there.state.desired
    drift = build_plan(fleet, there.observed, there.state, options).drift
    assert {change.address.name for change in drift} >= {
        group.name for group in GROUPS if group.name in ("process", "limits")
    }
    found = as_found(situation_of(fleet, there.observed, there.state, options), drift)
    records = tuple(found.get(record.address) or record for record in there.state.resources)
    after = there.state.model_copy(update={"resources": records})
    again = build_plan(fleet, there.observed, after, options).drift
    assert [field.path for change in again for field in change.fields] == []


def test_a_plan_without_a_look_at_docker_finds_nothing_to_do(rounds: Rounds) -> None:
    there = rounds.rounds["second"]
    plan = build_plan(
        there.state.desired, observed_in(there.state), there.state, PlanOptions(refreshed=False)
    )
    assert {str(change.address): [field.path for field in change.fields] for change in plan.actions} == {}


def _within(field: FieldChange, case: Case) -> bool:
    path = ("image",) if field.path == ("image_id",) else field.path
    length = min(len(path), len(case.path))
    return path[:length] == case.path[:length]


@cases(applies=True, outside=False)
def test_what_cannot_be_changed_outside_is_not_drift(rounds: Rounds, group: Group, case: Case) -> None:
    """It says why, and indeed nothing is seen of it where it alone was changed by hand."""
    assert case.outside
    alone = [other for other in group.cases if not other.outside and other.path[:1] == case.path[:1]]
    drift = planned(rounds, "outside", rounds.fleet(everything("first"))).drift
    paths = [field.path for change in drift if change.address == agent(group.name) for field in change.fields]
    assert alone or case.path not in paths


@cases(starts=False)
def test_made_and_not_started(rounds: Rounds, group: Group, case: Case) -> None:
    """The same four questions of a container that this machine has no hardware to start."""

    def body(part: Any, rest: Any) -> Workload:
        return Workload.model_validate(placed(body_of(group, only(group, case, part, rest)), rounds.places))

    there = {part: rounds.unstarted[group.name, part] for part in ("bare", "first", "second")}
    for part in ("bare", "first", "second"):
        assert compare(Wanted(body(part, part), body(part, part)), there[part]) == ()  # type: ignore[arg-type]
    for was, part in (("bare", "first"), ("first", "second"), ("second", "bare")):
        found = compare(Wanted(body(part, was), body(was, was)), there[was])
        assert [(field.path, field.effect, field.drift) for field in found] == [
            (case.path, Effect.REPLACE, False)
        ]
    (drift,) = compare(Wanted(body("first", "first"), body("first", "first")), there["second"])
    assert (drift.path, drift.drift) == (case.path, True)


def test_the_image_and_the_engine_fill_in_what_is_nobodys_difference(rounds: Rounds) -> None:
    """The image of all cases has a word of its own for everything that an image can say."""
    peer = next(
        i for i in rounds.rounds["bare"].observed.instances if i.address == Address.parse("agent.peer")
    )
    filled = {name for name in peer.body.model_fields_set if getattr(peer.body, name)}
    assert {"command", "entrypoint", "environment", "expose", "user", "working_dir", "labels", "healthcheck", "stop_signal",
            "hostname", "shm_size", "logging", "ipc"} <= filled  # fmt: skip
    assert compare(Wanted(rounds.fleet(everything("bare")).agents["peer"], None), peer) == ()
