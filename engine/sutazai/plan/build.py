"""Desired, observed and recorded state in; the plan out. Pure: the same input gives the same plan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sutazai.address import Address, Kind
from sutazai.model.fleet import Fleet
from sutazai.plan.anonymous import anonymous_findings
from sutazai.plan.capacity import capacity_of
from sutazai.plan.change import (
    PREVENTED,
    REPLACED,
    Action,
    Finding,
    Plan,
    Reason,
    ResourceChange,
    Step,
)
from sutazai.plan.consequences import Changes, reconnect, request, restart, trigger
from sutazai.plan.hooks import scales_down
from sutazai.plan.kept import kept
from sutazai.plan.known import current_slot, known_of
from sutazai.plan.leaving import as_warning, hindered, left_alone
from sutazai.plan.lineage import lineage_findings, unrecorded_findings
from sutazai.plan.manner import DEFAULT
from sutazai.plan.networks import network_findings
from sutazai.plan.objects import external, object_changes, object_findings, volume_finding
from sutazai.plan.order import waves_of
from sutazai.plan.preflight import preflight
from sutazai.plan.reality import found_outside, unrecordable
from sutazai.plan.shares import named, shares_after
from sutazai.plan.situation import NOTHING_LEFT, Aftermath, PlanOptions, Situation, situation_of
from sutazai.plan.targets import chosen
from sutazai.plan.workloads import change_of
from sutazai.state.observed import Observed
from sutazai.state.v2 import State


def build_plan(
    desired: Fleet,
    observed: Observed,
    prior: State | None,
    options: PlanOptions,
    aftermath: Aftermath = NOTHING_LEFT,
) -> Plan:
    """The plan from what is observed to what is desired. `aftermath` is what unfinished runs left behind. Raises
    `InvalidInput` for a selector that names nothing."""
    situation = situation_of(desired, observed, prior, options, aftermath)
    wanted = kept(situation)
    if wanted is not desired:
        desired, situation = wanted, situation_of(wanted, observed, prior, options, aftermath)
    changes = _destroy_changes(situation) if options.kind == "destroy" else _apply_changes(situation)
    picked = chosen(situation, changes)
    drift = tuple(found for found in _drift(situation, changes) if found.address in picked)
    ordered = _kept(changes, frozenset() if options.kind == "refresh" else picked)
    waves = waves_of(ordered, situation)
    capacity = capacity_of(desired, observed, ordered, waves)
    findings = (*_findings(situation, ordered), *preflight(situation, ordered, capacity))
    if options.kind == "refresh":
        findings = (*findings, *unrecordable(situation, drift))
    held_up = hindered(findings) if options.manner.keeps_going else frozenset()
    if options.manner.keeps_going:
        picked -= held_up
        ordered, findings = _kept(changes, picked), tuple(map(as_warning, findings))
        waves = waves_of(ordered, situation)
    pending = (a for a, change in changes.items() if change.changes and a not in picked)
    return Plan(
        kind=options.kind,
        project=desired.project,
        environment=desired.environment,
        lineage=prior.lineage if prior else None,
        serial=prior.serial if prior else 0,
        spec_digest=options.spec_digest,
        desired=desired,
        changes=ordered if options.of_serial is None else _against_serial(ordered, options.of_serial),
        drift=drift,
        waves=waves,
        capacity=capacity,
        findings=tuple(dict.fromkeys(findings)),
        targeted=bool(options.narrowed or held_up),
        of_serial=options.of_serial,
        destroy_volumes=options.destroy_volumes,
        pending=frozenset(pending),
        tainted=frozenset(r.address for r in prior.resources if r.tainted) if prior else frozenset(),
        strategy=options.strategy if options.kind == "rollback" or options.strategy != DEFAULT else None,
    )


_AGAINST_SERIAL = {
    Reason.NEW: "serial {} has it",
    Reason.UNDECLARED: "serial {} does not have it",
}


def _against_serial(changes: Iterable[ResourceChange], serial: int) -> tuple[ResourceChange, ...]:
    """What is compared with a serial differs from that, whatever the specs say."""
    return tuple(
        replace(change, detail=_AGAINST_SERIAL[change.reason].format(serial))
        if change.changes and change.reason in _AGAINST_SERIAL and not change.detail
        else change
        for change in changes
    )


def _kept(changes: Changes, picked: frozenset[Address]) -> tuple[ResourceChange, ...]:
    """In address order, all that is not picked as it is."""
    return tuple(changes[a] if a in picked else left_alone(changes[a]) for a in sorted(changes))


def _apply_changes(situation: Situation) -> Changes:
    desired = situation.desired
    changes = {change.address: change for change in object_changes(situation)}
    for address, workload in desired.workloads():
        changes[address] = change_of(known_of(situation, address, workload, situation.past(address)))
    if situation.options.replace:
        request(situation, changes)
    trigger(situation, changes)
    reconnect(situation, changes)
    restart(situation, changes)
    gone = {a for a in (*situation.instances, *situation.records) if a.kind.is_workload and a not in changes}
    for address in sorted(gone):
        changes[address] = _destroyed(situation, address, Reason.UNDECLARED)
    return changes


def _destroyed(situation: Situation, address: Address, reason: Reason) -> ResourceChange:
    instances, applied = situation.instances.get(address, ()), situation.applied_workload(address)
    before = applied.form if applied else {"image": instances[0].image} if instances else {}
    detail = "" if instances else "only forgotten: its container is gone"
    slot = current_slot(situation.records.get(address), instances)
    return ResourceChange(address, Action.DESTROY, reason, detail, before, None, slot=slot)


def _destroy_changes(situation: Situation) -> Changes:
    """Everything that is recorded or owned and there. Volumes only when asked for."""
    observed = situation.observed
    owned = [n.address for n in observed.networks.values() if n.owned]
    volumes = {v.address for v in observed.volumes.values() if v.owned}
    changes: Changes = {}
    for address in sorted({*situation.instances, *situation.records, *owned, *volumes}):
        if address.kind.is_workload:
            changes[address] = _destroyed(situation, address, Reason.DESTROYING)
            continue
        body = situation.applied(address) or situation.desired.resource(address)
        before = body.form if body is not None else {}
        if address.kind is Kind.VOLUME and address in volumes and not situation.options.destroy_volumes:
            detail = "kept: volumes are destroyed by destroy --volumes only"
            changes[address] = ResourceChange(
                address, Action.NOOP, detail=detail, before=before, after=before
            )
            continue
        kept = external(situation, address)
        detail = "only forgotten: it is not this environment's" if kept else ""
        steps: tuple[Step, ...] = ("record",) if kept else ()
        changes[address] = ResourceChange(
            address, Action.DESTROY, Reason.DESTROYING, detail, before, None, steps=steps
        )
    return changes


def _drift(situation: Situation, changes: Mapping[Address, ResourceChange]) -> Iterator[ResourceChange]:
    """What was changed outside since it was applied, desired or not any more."""
    if situation.options.kind == "destroy":
        return
    for address in sorted(situation.records):
        change = changes.get(address)
        if change is not None and not change.changes and not change.fields and change.before == change.after:
            continue  # it is as desired, which is as applied
        found = found_outside(situation, address)
        if found is not None:
            yield found


def _findings(situation: Situation, changes: Sequence[ResourceChange]) -> Iterator[Finding]:
    if not situation.options.refreshed:
        yield _not_refreshed(situation)
    elif situation.options.kind not in ("destroy", "refresh"):
        yield from object_findings(situation)
    yield from lineage_findings(situation)
    if situation.options.refreshed:
        yield from unrecorded_findings(situation, changes)
    yield from anonymous_findings(situation, changes)
    for one in situation.observed.one_offs if situation.options.kind != "refresh" else ():
        summary = f"{one.name}, which an earlier run made for a {one.hook} hook, will be removed"
        yield Finding("info", "hook-left", summary, one.address)
    if situation.options.refreshed and situation.options.kind != "refresh":
        yield from network_findings(situation, changes)
    for change in changes:
        if change.action is Action.UPDATE:
            yield from _left_published(situation, change)
        if change.address.kind is Kind.VOLUME and change.fields and situation.options.kind != "refresh":
            yield volume_finding(change)
        if change.action in (Action.DESTROY, *REPLACED) or scales_down(change):
            yield from _prevented(situation, change)


def _not_refreshed(situation: Situation) -> Finding:
    serial = situation.prior.serial if situation.prior else 0
    since = f"since serial {serial}" if serial else "(no serial is there yet)"
    return Finding(
        "warning", "not-refreshed",
        f"Docker was not asked: unknown are what was changed outside {since}, which images are here, which ports are free "
        "and what the host has; what is no longer declared is taken to change even if its value is the default",
        hint="plan without --no-refresh before approving",
    )  # fmt: skip


def _left_published(situation: Situation, change: ResourceChange) -> Iterator[Finding]:
    """Ports that nobody wants any longer, and that no container can let go while it runs."""
    workload = situation.desired.workload(change.address)
    there = situation.instances.get(change.address, ())
    shares = shares_after(change, workload, there, situation.desired) if workload else None
    if shares is not None and shares.left:
        several = len(shares.left) > 1
        yield Finding(
            "info", "ports-left",
            f"{named(shares.left)} {'stay' if several else 'stays'} published and {'lead' if several else 'leads'} nowhere, "
            "as no container can let go of a port while it runs",
            change.address, f"--replace {change.address} makes it anew, which costs requests on every route",
        )  # fmt: skip


def _prevented(situation: Situation, change: ResourceChange) -> Iterator[Finding]:
    workload = situation.workload(change.address)
    declared = workload is not None and workload.lifecycle.prevent_destroy
    if situation.options.protection.get(change.address, declared):
        verb = (
            "destroyed"
            if change.action is Action.DESTROY
            else "replaced"
            if change.action in REPLACED
            else "scaled down"
        )
        summary = f"it would be {verb}, but its lifecycle.prevent_destroy is set"
        hint = "unset it, or leave it out with --exclude"
        if situation.options.kind == "apply" and change.reason is Reason.UNDECLARED:
            summary = (
                f"it would be {verb}, but its lifecycle.prevent_destroy was set when it was last applied"
            )
            hint = (
                f"declare it once more, without that, and apply before it goes; or let it go with state rm {change.address}, "
                "or leave it out with --exclude"
            )
        yield Finding("error", PREVENTED, summary, change.address, hint)


__all__ = ["PlanOptions", "build_plan"]
