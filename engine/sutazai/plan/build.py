"""Desired, observed and recorded state in; the plan out. Pure: the same input gives the same plan."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sutazai.address import Address, Kind
from sutazai.graph.selectors import reachable
from sutazai.model.base import Effect, SpecModel
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload, declared
from sutazai.plan.anonymous import anonymous_findings
from sutazai.plan.change import (
    MADE,
    REPLACED,
    Action,
    FieldChange,
    Finding,
    Plan,
    Reason,
    ResourceChange,
    Step,
)
from sutazai.plan.leaving import as_warning, hindered, left_alone
from sutazai.plan.manner import DEFAULT
from sutazai.plan.networks import network_findings
from sutazai.plan.objects import external, object_changes, object_drift, object_findings, volume_finding
from sutazai.plan.order import waves_of
from sutazai.plan.preflight import capacity_of, preflight
from sutazai.plan.shares import named, share_out, shares_after
from sutazai.plan.situation import NOTHING_LEFT, Aftermath, PlanOptions, Situation, situation_of
from sutazai.plan.strategy import Choice, choice_for
from sutazai.plan.targets import chosen, selected
from sutazai.plan.workloads import Known, change_of, current_slot, drift_of, replacing, view
from sutazai.state.observed import Observed
from sutazai.state.scope import Scope, digest_of, host_in
from sutazai.state.v2 import State

Changes = dict[Address, ResourceChange]
_UNTOUCHED = (Action.NOOP, Action.UPDATE, Action.ADOPT)


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
    changes = _destroy_changes(situation) if options.kind == "destroy" else _apply_changes(situation)
    picked = chosen(situation, changes) | _members_of_replaced(situation, changes)
    drift = tuple(found for found in _drift(situation, changes) if found.address in picked)
    ordered = _kept(changes, frozenset() if options.kind == "refresh" else picked)
    findings = (*_findings(situation, ordered), *preflight(situation, ordered))
    held_up = hindered(findings) if options.manner.keeps_going else frozenset()
    if options.manner.keeps_going:
        picked -= held_up
        ordered, findings = _kept(changes, picked), tuple(map(as_warning, findings))
    pending = (a for a, change in changes.items() if change.changes and a not in picked)
    return Plan(
        kind=options.kind,
        project=desired.project,
        environment=desired.environment,
        lineage=prior.lineage if prior else None,
        serial=prior.serial if prior else 0,
        spec_digest=options.spec_digest,
        desired=desired,
        changes=ordered,
        drift=drift,
        waves=waves_of(ordered, situation),
        capacity=capacity_of(desired, observed),
        findings=tuple(dict.fromkeys(findings)),
        targeted=bool(options.targets or options.excludes or held_up),
        of_serial=options.of_serial,
        destroy_volumes=options.destroy_volumes,
        pending=frozenset(pending),
        tainted=frozenset(r.address for r in prior.resources if r.tainted) if prior else frozenset(),
        strategy=options.strategy if options.kind == "rollback" or options.strategy != DEFAULT else None,
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
        _request(situation, changes)
    _trigger(situation, changes)
    _reconnect(situation, changes)
    _restart(desired, changes)
    gone = {a for a in (*situation.instances, *situation.records) if a.kind.is_workload and a not in changes}
    for address in sorted(gone):
        changes[address] = _destroyed(situation, address, Reason.UNDECLARED)
    return changes


def known_of(situation: Situation, address: Address, workload: Workload, past: SpecModel | None) -> Known:
    """`past` is what may have been declared of it before."""
    desired, observed, prior = situation.desired, situation.observed, situation.prior
    past = past if isinstance(past, Workload) else None
    known = Known(
        address=address,
        desired=workload,
        prior=past,
        record=situation.records.get(address),
        instances=situation.instances.get(address, ()),
        image=observed.images.get(workload.image or ""),
        pinned=situation.options.pinned.get(address),
        configs=_digests(workload, desired),
        past_configs=_digests(past, prior.desired) if past and prior else {},
        finishes=address in situation.finishing,
        choice=_choice(situation, address, workload),
        serial=prior.serial if prior else 0,
        unseen=address in situation.aftermath.unseen,
        scope=Scope(desired.project, desired.environment),
        host=host_in(desired, address),
        past_host=host_in(prior.desired if prior else desired, address),
        taken=situation.taken,
        goes_back=situation.options.kind == "rollback",
    )
    return replace(known, shares=share_out(address, workload, known.current, desired))


def _choice(situation: Situation, address: Address, workload: Workload) -> Choice:
    prior, past = situation.prior, situation.applied_workload(address)
    return choice_for(
        workload,
        situation.desired.rollout,
        situation.instances.get(address, ()),
        finishes=address in situation.finishing,
        goes_back=situation.options.kind == "rollback",
        past=past,
        same_configs=past is None
        or prior is None
        or _digests(past, prior.desired) == _digests(past, situation.desired),
    )


def _digests(workload: Workload, fleet: Fleet) -> dict[str, str]:
    names = [grant.source for grant in workload.configs if grant.source in fleet.configs]
    return {name: digest_of(fleet.configs[name].content or "") for name in names}


def _request(situation: Situation, changes: Changes) -> None:
    """`--replace`: a new container, whether or not anything differs."""
    for address in selected(situation.options.replace, situation, "--replace", changes):
        wanted = situation.desired.workload(address)
        if wanted is None or address not in situation.instances:
            continue
        change = changes[address]
        if change.action in _UNTOUCHED:
            changes[address] = replacing(
                change, _choice(situation, address, wanted), Reason.REQUESTED, "asked for by --replace"
            )


def _trigger(situation: Situation, changes: Changes) -> None:
    """`lifecycle.replace_triggered_by`: a trigger that is updated or replaced replaces those who name it. Likewise a new
    container replaces those that share a namespace of the old one, which is gone with it. And these may be triggers
    themselves."""
    listeners = _listeners(situation.desired)
    pending = sorted(address for address in listeners if address in changes)
    while pending:
        trigger = pending.pop()
        for address, sharing in listeners.get(trigger, ()):
            listener, change = situation.desired.workload(address), changes[address]
            fires = _starts_anew(changes[trigger]) if sharing else _fires(changes[trigger])
            if listener is None or not fires or change.action not in _UNTOUCHED:
                continue
            if address in situation.instances:
                why = f"it shares a namespace of {trigger}, which is started anew"
                detail = why if sharing else f"{trigger} changes"
                changes[address] = replacing(
                    change, _choice(situation, address, listener), Reason.TRIGGERED, detail
                )
                pending.append(address)


def _listeners(desired: Fleet) -> dict[Address, list[tuple[Address, bool]]]:
    """Trigger → those that it replaces, each with whether that is because they share a namespace."""
    found: dict[Address, list[tuple[Address, bool]]] = {}
    for address, workload in desired.workloads():
        named = [(_referred(desired, name), False) for name in workload.lifecycle.replace_triggered_by]
        shared = [(desired.resolve(name), True) for name in workload.shares]
        for trigger, sharing in (*named, *shared):
            if trigger is not None:
                found.setdefault(trigger, []).append((address, sharing))
    return found


def _restart(desired: Fleet, changes: Changes) -> None:
    """`depends_on.NAME.restart`: who asked for it starts again when the dependency gets a new container, or starts again
    itself. As in Compose, what the engine restarts by itself does not count."""
    listeners: dict[Address, list[Address]] = {}
    for address, workload in desired.workloads():
        for name, dependency in workload.depends_on.items():
            target = desired.resolve(name) if dependency.restart else None
            if target is not None:
                listeners.setdefault(target, []).append(address)
    new = [address for address in sorted(listeners) if _gets_a_new_container(changes[address])]
    while new:
        dependency_address = new.pop()
        for address in listeners.get(dependency_address, ()):
            change = changes[address]
            if change.action not in _UNTOUCHED or {"start", "restart"} & set(change.steps):
                continue
            detail = f"{dependency_address} is made anew, and depends_on asks for a restart"
            changes[address] = replace(
                change, action=Action.UPDATE, steps=(*change.steps, "restart"),
                reason=change.reason if change.reason is not Reason.NONE else Reason.RESTARTED,
                detail=f"{change.detail}; {detail}" if change.detail else detail,
            )  # fmt: skip
            new.append(address)


def _gets_a_new_container(change: ResourceChange) -> bool:
    again = change.action is Action.CREATE and change.reason is Reason.MISSING
    return again or change.action in REPLACED


def _referred(desired: Fleet, reference: str) -> Address | None:
    kind, _, name = reference.partition(".")
    if name and kind in (Kind.NETWORK, Kind.VOLUME, Kind.CONFIG, Kind.SECRET):
        return Address(Kind(kind), name)
    return desired.resolve(reference)


def _fires(change: ResourceChange) -> bool:
    if change.action in (Action.UPDATE, Action.ADOPT):
        return change.address.kind is Kind.CONFIG or bool(
            set(change.steps) - {"record", "remove-deposed", "wait", "post-deploy"}
        )
    return change.action in REPLACED


def _starts_anew(change: ResourceChange) -> bool:
    """Whether its processes are new ones afterwards, and with them its namespaces."""
    made = change.action in MADE
    return made or (change.action is Action.UPDATE and "start" in change.steps)


def _reconnect(situation: Situation, changes: Changes) -> None:
    """The members of a network that is made anew join it again: an in-place update of each that stays."""
    made_anew = {address.name for address, c in changes.items() if _is_replaced_network(c)}
    for address, workload in situation.desired.workloads() if made_anew else ():
        change = changes[address]
        names = sorted(made_anew & {n for i in situation.instances.get(address, ()) for n in i.body.networks})
        if not names or change.action not in _UNTOUCHED:
            continue
        attachments = declared(workload).get("networks", {})
        known = {field.path[:2] for field in change.fields}
        joins = tuple(
            FieldChange(("networks", name), None, attachments[name], Effect.IN_PLACE)
            for name in names
            if name in attachments and ("networks", name) not in known
        )
        detail = f"network.{names[0]} is made anew"
        changes[address] = replace(
            change, action=Action.UPDATE if change.action is Action.NOOP else change.action, fields=(*change.fields, *joins),
            reason=change.reason if change.reason is not Reason.NONE else Reason.CHANGED,
            detail=f"{change.detail}; {detail}" if change.detail else detail,
            steps=change.steps if "networks" in change.steps else ("networks", *change.steps),
        )  # fmt: skip


def _is_replaced_network(change: ResourceChange) -> bool:
    return change.address.kind is Kind.NETWORK and change.action is Action.REPLACE


def _members_of_replaced(situation: Situation, changes: Changes) -> frozenset[Address]:
    """With a network that is made anew go its members, targeted or not: they would be left without it. So would those
    that share a namespace of a container that is."""
    going = chosen(situation, changes)
    names = {address.name for address in going if _is_replaced_network(changes[address])}
    members = frozenset(
        instance.address
        for instance in (situation.observed.instances if names else ())
        if names & set(instance.body.networks) and instance.address in changes
    )
    return members | _sharers(situation, changes, going | members)


def _sharers(situation: Situation, changes: Changes, going: frozenset[Address]) -> frozenset[Address]:
    """Those whose namespaces are renewed by what is going to change, and those that share theirs in turn."""
    sharers: dict[Address, list[Address]] = {}
    for address, workload in situation.desired.workloads():
        for owner in map(situation.desired.resolve, workload.shares):
            if owner is not None:
                sharers.setdefault(owner, []).append(address)
    return reachable([address for address in going if _starts_anew(changes[address])], sharers)


def _destroyed(situation: Situation, address: Address, reason: Reason) -> ResourceChange:
    instances, applied = situation.instances.get(address, ()), situation.applied_workload(address)
    before = view(applied) if applied else {"image": instances[0].image} if instances else {}
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
        before = declared(body) if body is not None else {}
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
        past = situation.applied_workload(address)
        found = (
            drift_of(known_of(situation, address, past, past)) if past else object_drift(situation, address)
        )
        if found is not None:
            yield found


def _findings(situation: Situation, changes: Sequence[ResourceChange]) -> Iterator[Finding]:
    if not situation.options.refreshed:
        yield _not_refreshed(situation)
    elif situation.options.kind not in ("destroy", "refresh"):
        yield from object_findings(situation)
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
        if change.action in (Action.DESTROY, *REPLACED):
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
    if workload is not None and workload.lifecycle.prevent_destroy:
        verb = "destroyed" if change.action is Action.DESTROY else "replaced"
        summary = f"it would be {verb}, but its lifecycle.prevent_destroy is set"
        yield Finding(
            "error", "prevent-destroy", summary, change.address, "unset it, or leave it out with --exclude"
        )


__all__ = ["PlanOptions", "build_plan"]
