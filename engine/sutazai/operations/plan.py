"""Planning: look at Docker once, compare, and say what would change. Changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sutazai.address import Address, Kind
from sutazai.errors import NotCarriedOut, Refused
from sutazai.model.fleet import Fleet, Network, Volume
from sutazai.model.workload import Workload
from sutazai.operations.guests import as_they_run, refuse_replaced, still_taken_over
from sutazai.operations.images import built_name
from sutazai.operations.recovery import Unfinished, aftermath_of, claims_since, edited_since, unfinished_runs
from sutazai.operations.session import Session
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Plan
from sutazai.plan.lineage import UNRECORDED
from sutazai.plan.objects import object_name
from sutazai.plan.remembered import observed_in
from sutazai.plan.situation import used_objects
from sutazai.state.edits import EDITS
from sutazai.state.observed import Observed
from sutazai.state.scope import Scope
from sutazai.state.v2 import ResourceRecord, State


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from. `first` is the serial that the first of the runs set out from, where this one goes
    on with an earlier one or takes it back; `digest` is that of the plan as it was saved, where it was."""

    plan: Plan
    observed: Observed
    prior: State | None
    options: PlanOptions
    first: int | None = None
    digest: str | None = None

    @property
    def set_out(self) -> int:
        """The serial to which a rollback takes back what is done: 0 where there was none."""
        return self.plan.serial if self.first is None else self.first

    @property
    def unrecorded(self) -> bool:
        """Something is there and no state knows of it: the state was lost or is behind, and applying records it; or a run was
        cut off from a container that it had made for a hook, which goes."""
        lost = self.prior is None and self.plan.kind == "apply" and bool(self.observed.instances)
        behind = any(finding.code == UNRECORDED for finding in self.plan.findings)
        return lost or behind or bool(self.observed.one_offs)


def with_images_named(fleet: Fleet) -> Fleet:
    """A workload that is only built gets the name its image will bear."""
    unnamed = {
        address: workload
        for address, workload in fleet.workloads()
        if workload.image is None and workload.build
    }
    if not unnamed:
        return fleet
    named = {
        address: workload.model_copy(update={"image": built_name(fleet.project, address, workload)})
        for address, workload in unnamed.items()
    }
    return fleet.model_copy(
        update={
            "agents": {
                name: named.get(Address.parse(f"agent.{name}"), workload)
                for name, workload in fleet.agents.items()
            },
            "services": {
                name: named.get(Address.parse(f"service.{name}"), workload)
                for name, workload in fleet.services.items()
            },
        }
    )


def with_past_objects(fleet: Fleet, prior: State | None) -> Fleet:
    """The fleet with the networks and volumes that it had last: what still uses one of these knows it by its name in the specs,
    which nothing in Docker tells of an external one, or one with a `name` of its own. One that has another name in the specs by
    now is not among them."""
    past = [(address, body) for address, body in _past_objects(prior) if fleet.resource(address) is None]
    if not past:
        return fleet
    scope = Scope(fleet.project, fleet.environment)
    tables: dict[Kind, dict[str, Any]] = {Kind.NETWORK: {**fleet.networks}, Kind.VOLUME: {**fleet.volumes}}
    names = {
        (kind, object_name(scope, Address(kind, key), body))
        for kind, table in tables.items()
        for key, body in table.items()
    }
    for address, body in past:
        if (address.kind, object_name(scope, address, body)) not in names:
            tables[address.kind][address.name] = body
    return fleet.model_copy(update={"networks": tables[Kind.NETWORK], "volumes": tables[Kind.VOLUME]})


def _past_objects(prior: State | None) -> Iterator[tuple[Address, Network | Volume]]:
    if prior is None:
        return
    for record in prior.resources:
        body = None if record.address.kind.is_workload else prior.applied_of(record)
        if isinstance(body, (Network, Volume)):
            yield record.address, body


def look(
    session: Session,
    fleet: Fleet,
    prior: State | None,
    *,
    also_images: Iterable[str] = (),
    runs: Sequence[Unfinished] | None = None,
) -> Observed:
    """What Docker has of this environment, each thing as the newest serial knows it. `runs` are those that did not come to their
    end, where they were read already."""
    unfinished = unfinished_runs(session.store) if runs is None else runs
    claims = claims_since(session.store, prior, unfinished)
    wanted = with_past_objects(fleet, prior)
    return session.provider.observe(wanted, also_images=also_images, claims=claims)


def make_plan(session: Session, desired: Fleet, options: PlanOptions, specs: Fleet | None = None) -> Planned:
    """Plan from what runs to `desired`; not refreshed, from what the newest serial says runs. `specs` are those of now, where
    `desired` is something else: what they protect is protected."""
    desired = with_images_named(desired)
    prior = session.store.newest(like=desired)
    if specs is not None:
        options = replace(options, protection=_protection(specs, desired, prior))
    runs = unfinished_runs(session.store)
    aftermath = aftermath_of(runs)
    if not options.refreshed:
        remembered = observed_in(prior)
        return Planned(build_plan(desired, remembered, prior, options, aftermath), remembered, prior, options)
    observed = look(session, desired, prior, also_images=sorted(set(options.pinned.values())), runs=runs)
    return Planned(build_plan(desired, observed, prior, options, aftermath), observed, prior, options)


def plan_refresh(session: Session, fleet: Fleet, options: PlanOptions) -> Planned:
    """Plan to record what was changed outside since the newest serial, whatever the specs say."""
    prior = session.store.newest()
    return make_plan(session, prior.desired if prior else fleet, replace(options, kind="refresh"))


def fleet_of(state: State) -> Fleet:
    """What a serial recorded as applied. The whole desired model of a run that was completed; of one that was not, what
    had been reached, so that bringing it back never asks for more than there was. A serial that only records says nothing of
    the run before it, which may have been either."""
    if state.operation.outcome == "done" and state.operation.command not in ("refresh", *EDITS):
        return state.desired
    tables: dict[str, dict[str, object]] = {
        kind: {} for kind in ("networks", "volumes", "configs", "secrets", "services", "agents")
    }
    bodies = {
        record.address: record.applied or state.desired.resource(record.address) for record in state.resources
    }
    for address, applied in bodies.items():
        if applied is not None:
            tables[f"{address.kind.value}s"][address.name] = applied
    workloads = (body for body in bodies.values() if isinstance(body, Workload))
    for used in {used for body in workloads for used in used_objects(body)}:
        body = state.desired.resource(used)
        if body is not None:  # the run was cut off before it came to record what was there already
            tables[f"{used.kind.value}s"].setdefault(used.name, body)
    return state.desired.model_copy(update=tables)


def pinned_images(state: State) -> dict[Address, str]:
    """The image IDs that a serial's workloads ran."""
    return {record.address: record.instances[0].image_id for record in state.resources if _pins(record)}


def _pins(record: ResourceRecord) -> bool:
    return record.address.kind.is_workload and bool(record.instances) and bool(record.instances[0].image_id)


def plan_rollback(session: Session, serial: int, options: PlanOptions, specs: Fleet | None = None) -> Planned:
    """Plan from what runs to what `serial` recorded. What the specs protect stays protected. Raises `Refused` for a serial
    that does not exist."""
    known = session.store.serials()
    if serial not in known:
        newest = f"the newest is {known[-1]}" if known else "there is none yet"
        raise Refused(
            f"there is no serial {serial} in {session.scope.environment}; {newest}",
            hint="see sutazai history",
        )
    state = session.store.read(serial)
    options = replace(
        options, kind="rollback", of_serial=serial, pinned=pinned_images(state), spec_digest=state.spec_digest
    )
    planned = make_plan(session, fleet_of(state), options, specs)
    guests = still_taken_over(state, planned.prior)
    if not guests:
        return planned
    going = options.manner.keeps_going
    desired, left = as_they_run(planned.plan, planned.observed, guests, keeps_going=going)
    if left:
        every = frozenset(change.address for change in planned.plan.changes)
        options = replace(options, only=(every if options.only is None else options.only) - left)
    return make_plan(session, desired, options, specs)


def plan_way_back(session: Session, serial: int, options: PlanOptions) -> Planned:
    """As `plan_rollback`, to what a run set out from. Raises `Refused` also where it replaced what that serial took over."""
    planned = plan_rollback(session, serial, options)
    refuse_replaced(planned.plan, session.store.read(serial), planned.prior)
    return replace(planned, first=serial)


def plan_resume(session: Session, cut_off: Unfinished) -> Planned:
    """Plan the rest of a run that did not come to its end: towards what it was to reach, whatever the specs say now. Raises
    `Refused` where the state was edited since, which the run knows nothing of."""
    _refuse_edited(session, cut_off, "going on", "sutazai apply plans anew, from the specs")
    return replace(make_plan(session, cut_off.desired, cut_off.options), first=cut_off.set_out)


def plan_take_back(session: Session, cut_off: Unfinished, options: PlanOptions) -> Planned:
    """Plan back to the serial that an unfinished run set out from; where there was none, the removal of what it made. Raises
    `Refused` where the state was edited since: what was imported would go, and what was moved be made anew."""
    hint = (
        f"sutazai rollback --state {cut_off.set_out} does so all the same"
        if cut_off.set_out
        else "see sutazai plan"
    )
    _refuse_edited(session, cut_off, "taking it back", hint)
    if cut_off.set_out:
        return plan_way_back(session, cut_off.set_out, options)
    return replace(make_plan(session, cut_off.desired, replace(options, kind="destroy")), first=0)


def _refuse_edited(session: Session, cut_off: Unfinished, doing: str, hint: str) -> None:
    edit = edited_since(session.store, cut_off)
    if edit is not None:
        raise Refused(
            f"{cut_off.words}, and the state was edited since ({edit}), which {doing} would undo", hint=hint
        )


def plan_destroy(session: Session, fleet: Fleet, options: PlanOptions) -> Planned:
    """Plan the removal of everything that the state or Docker knows of this environment."""
    prior = session.store.newest()
    desired = prior.desired if prior else fleet
    return make_plan(session, desired, replace(options, kind="destroy"), fleet)


def _protection(specs: Fleet, desired: Fleet, prior: State | None) -> dict[Address, bool]:
    """What the specs say of `prevent_destroy`, where a serial tells of a time when that was not set, or still was."""
    protection = {}
    for address, workload in specs.workloads():
        other = desired.workload(address) or (prior.desired.workload(address) if prior else None)
        protects = workload.lifecycle.prevent_destroy
        if other is not None and other.lifecycle.prevent_destroy != protects:
            protection[address] = protects
    return protection


def forbid(plan: Plan) -> None:
    """Raise `Refused` or `NotCarriedOut` when a finding of the plan forbids applying it."""
    errors = [finding for finding in plan.findings if finding.severity == "error"]
    if not errors:
        return
    lines = "\n".join(f"  - {finding.address or plan.environment}: {finding.summary}" for finding in errors)
    kind = NotCarriedOut if all(finding.code == "not-carried-out" for finding in errors) else Refused
    raise kind(f"this plan can't be applied:\n{lines}", hint=errors[0].hint or None)
