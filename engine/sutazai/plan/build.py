"""Desired, observed and recorded state in; the plan out. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sutazai.address import Address, Kind
from sutazai.graph.selectors import Selectable, SelectorError, reachable, reversed_edges, select
from sutazai.diagnostics import Diagnostic
from sutazai.errors import InvalidInput
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.plan.change import Action, Finding, Plan, PlanKind, Reason, ResourceChange, Wave
from sutazai.plan.objects import object_changes
from sutazai.plan.preflight import capacity_of, preflight
from sutazai.plan.workloads import Known, change_of, current_slot, replacing, view
from sutazai.state.observed import Observed
from sutazai.state.scope import Scope, Slot, digest_of, host_name
from sutazai.state.v1 import State


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What narrows or turns a plan. `targets`, `excludes` and `replace` are selectors; `pinned` maps workloads to the
    image IDs that they must run (rollback)."""

    kind: PlanKind = "apply"
    spec_digest: str = ""
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    destroy_volumes: bool = False
    of_serial: int | None = None
    pinned: Mapping[Address, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Inputs:
    desired: Fleet
    observed: Observed
    prior: State | None
    options: PlanOptions


def build_plan(desired: Fleet, observed: Observed, prior: State | None, options: PlanOptions) -> Plan:
    """The plan from what is observed to what is desired. Raises `InvalidInput` for a selector that names nothing."""
    inputs = _Inputs(desired, observed, prior, options)
    changes = _destroy_changes(inputs) if options.kind == "destroy" else _apply_changes(inputs)
    edges = _edges(inputs)
    chosen = _chosen(inputs, changes, edges)
    pending = frozenset(address for address, change in changes.items() if change.changes and address not in chosen)
    kept = {a: c if a in chosen else replace(c, action=Action.NOOP, reason=Reason.NONE, steps=()) for a, c in changes.items()}
    drift = tuple(change for change in _drift(changes.values()) if change.address in chosen)
    if options.kind == "refresh":
        kept = {a: replace(c, action=Action.NOOP, steps=()) for a, c in kept.items()}
    ordered = tuple(kept[address] for address in sorted(kept))
    findings = (*preflight(desired, observed, ordered, options.kind, options.pinned), *_volume_findings(kept), *_lifecycle(inputs, ordered))
    return Plan(
        kind=options.kind, project=desired.project, environment=desired.environment, lineage=prior.lineage if prior else None,
        serial=prior.serial if prior else 0, spec_digest=options.spec_digest, desired=desired, changes=ordered, drift=drift,
        waves=_waves(ordered, edges, inputs), capacity=capacity_of(desired, observed), findings=tuple(dict.fromkeys(findings)),
        targeted=bool(options.targets or options.excludes), of_serial=options.of_serial, destroy_volumes=options.destroy_volumes,
        pending=pending,
    )  # fmt: skip


def _apply_changes(inputs: _Inputs) -> dict[Address, ResourceChange]:
    desired, observed, prior, options = inputs.desired, inputs.observed, inputs.prior, inputs.options
    changes = {change.address: change for change in object_changes(desired, observed, prior)}
    replaced = {a for a, change in changes.items() if change.action is Action.REPLACE}
    requested = _selected(options.replace, inputs, "--replace") if options.replace else frozenset()
    for address, workload in desired.workloads():
        known = _known(inputs, address, workload)
        change = change_of(known)
        if address in requested and change.action in (Action.NOOP, Action.UPDATE):
            change = replacing(change, workload, Reason.REQUESTED, "as --replace asks")
        lost = sorted(name for name in workload.networks if Address(Kind.NETWORK, name) in replaced)
        if lost and change.action in (Action.NOOP, Action.UPDATE):
            change = replacing(change, workload, Reason.CANNOT_UPDATE, f"its network {lost[0]} is replaced")
        changes[address] = change
    _trigger(desired, changes)
    known_addresses = {instance.address for instance in observed.instances}
    recorded = {r.address for r in prior.resources if r.address.kind.is_workload} if prior else set()
    for address in sorted((known_addresses | recorded) - set(changes)):
        changes[address] = _destroyed(inputs, address, Reason.UNDECLARED)
    return changes


def _known(inputs: _Inputs, address: Address, workload: Workload) -> Known:
    desired, observed, prior = inputs.desired, inputs.observed, inputs.prior
    applied = prior.applied(address) if prior else None
    scope = Scope(desired.project, desired.environment)
    host = host_name(address, shared=address.name in desired.agents and address.name in desired.services)
    replicas = workload.deploy.replicas
    return Known(
        address=address, desired=workload, prior=applied if isinstance(applied, Workload) else None,
        record=prior.record(address) if prior else None, instances=observed.of(address),
        image=observed.images.get(workload.image or ""), pinned=inputs.options.pinned.get(address),
        configs={g.source: digest_of(desired.configs[g.source].content or "") for g in workload.configs if g.source in desired.configs},
        finishes=_finishes(desired, address),
        names={(slot, n): scope.instance_name(host, slot, n, replicas) for slot in Slot for n in range(1, replicas + 1)},
    )  # fmt: skip


def _finishes(desired: Fleet, address: Address) -> bool:
    return any(
        dependency.condition == "service_completed_successfully" and desired.resolve(name) == address
        for _, workload in desired.workloads()
        for name, dependency in workload.depends_on.items()
    )


def _trigger(desired: Fleet, changes: dict[Address, ResourceChange]) -> None:
    """`lifecycle.replace_triggered_by`: replaced or updated triggers replace those who name them."""
    for address, workload in desired.workloads():
        change = changes[address]
        for reference in workload.lifecycle.replace_triggered_by:
            trigger = Address.parse(reference) if "." in reference else desired.resolve(reference)
            fired = changes.get(trigger) if trigger else None
            if fired and fired.changes and fired.reason is not Reason.RECORD and change.action in (Action.NOOP, Action.UPDATE):
                changes[address] = replacing(change, workload, Reason.TRIGGERED, f"{trigger} changes")


def _destroyed(inputs: _Inputs, address: Address, reason: Reason) -> ResourceChange:
    prior = inputs.prior
    applied = prior.applied(address) if prior else None
    instances = inputs.observed.of(address)
    body = applied if isinstance(applied, Workload) else (instances[0].body if instances else Workload())
    slot = current_slot(prior.record(address) if prior else None, instances)
    return ResourceChange(address, Action.DESTROY, reason, "", view(body), None, (), slot)


def _destroy_changes(inputs: _Inputs) -> dict[Address, ResourceChange]:
    observed, prior = inputs.observed, inputs.prior
    addresses = {instance.address for instance in observed.instances}
    if prior:
        addresses |= {record.address for record in prior.resources}
    addresses |= {n.address for n in observed.networks.values() if n.owned} | {v.address for v in observed.volumes.values() if v.owned}
    changes: dict[Address, ResourceChange] = {}
    for address in sorted(addresses):
        if address.kind is Kind.VOLUME and not inputs.options.destroy_volumes:
            changes[address] = ResourceChange(address, Action.NOOP, Reason.NONE, "volumes stay unless --volumes is given")
        elif address.kind.is_workload:
            changes[address] = _destroyed(inputs, address, Reason.DESTROYING)
        else:
            changes[address] = ResourceChange(address, Action.DESTROY, Reason.DESTROYING, "", {}, None)
    return changes


def _edges(inputs: _Inputs) -> dict[Address, tuple[Address, ...]]:
    """What each workload depends on; for one that is no longer desired, what it depended on when it was applied."""
    edges = {address: inputs.desired.dependencies(address) for address, _ in inputs.desired.workloads()}
    prior = inputs.prior
    for record in prior.resources if prior else ():
        if record.address.kind.is_workload and record.address not in edges and prior:
            applied = prior.applied(record.address)
            names = applied.depends_on if isinstance(applied, Workload) else {}
            edges[record.address] = tuple(sorted(t for t in (prior.desired.resolve(n) or inputs.desired.resolve(n) for n in names) if t))
    for instance in inputs.observed.instances:
        edges.setdefault(instance.address, ())
    return edges


def _selectables(inputs: _Inputs, changes: Mapping[Address, ResourceChange]) -> dict[Address, Selectable]:
    edges = _edges(inputs)
    items: dict[Address, Selectable] = {}
    for address in {*edges, *changes, *inputs.desired.addresses()}:
        workload = inputs.desired.workload(address)
        changed = changes.get(address)
        items[address] = Selectable(
            address, workload.tier if workload else None, workload.category if workload else None,
            dict(workload.labels) if workload else {}, edges.get(address, ()), changed.changes if changed else False,
        )  # fmt: skip
    return items


def _selected(
    expressions: Iterable[str], inputs: _Inputs, option: str, changes: Mapping[Address, ResourceChange] | None = None
) -> frozenset[Address]:
    found: frozenset[Address] = frozenset()
    problems: list[Diagnostic] = []
    items = _selectables(inputs, changes or {})
    for expression in expressions:
        try:
            found |= select(expression, items)
        except SelectorError as error:
            problems.append(Diagnostic(f"{option} {expression}: {error}", "unknown-selector", hint=error.hint))
    if problems:
        raise InvalidInput(problems)
    return found


def _chosen(
    inputs: _Inputs, changes: Mapping[Address, ResourceChange], edges: Mapping[Address, tuple[Address, ...]]
) -> frozenset[Address]:
    """What `--target` and `--exclude` leave. A target brings what it depends on (when destroying: what depends on it),
    as Terraform's does; an exclusion takes what depends on it along."""
    options, everything = inputs.options, frozenset(changes)
    chosen = everything
    backwards = reversed_edges(edges)
    if options.targets:
        picked = _selected(options.targets, inputs, "--target", changes)
        chosen = reachable(picked, backwards if options.kind == "destroy" else edges) | _objects_of(inputs, picked, edges)
    if options.excludes:
        left_out = _selected(options.excludes, inputs, "--exclude", changes)
        chosen -= reachable(left_out, edges if options.kind == "destroy" else backwards)
        if options.kind == "destroy":
            chosen -= _objects_of(inputs, left_out, edges)
    return chosen


def _objects_of(inputs: _Inputs, picked: Iterable[Address], edges: Mapping[Address, tuple[Address, ...]]) -> frozenset[Address]:
    """The networks, volumes, configs and secrets that workloads use, unless a destroy keeps other users of them."""
    if inputs.options.kind == "destroy" and inputs.options.targets:
        return frozenset(address for address in picked if not address.kind.is_workload)
    found = {address for address in picked if not address.kind.is_workload}
    for address in reachable(picked, edges):
        workload = inputs.desired.workload(address)
        if workload:
            found |= {Address(Kind.NETWORK, name) for name in workload.networks}
            found |= {Address(Kind.VOLUME, m.source) for m in workload.volumes if m.type == "volume" and m.source}
            found |= {Address(Kind.CONFIG, grant.source) for grant in workload.configs}
            found |= {Address(Kind.SECRET, grant.source) for grant in workload.secrets}
    return frozenset(found)


def _drift(changes: Iterable[ResourceChange]) -> Iterable[ResourceChange]:
    """What somebody else changed since it was applied."""
    for change in changes:
        fields = tuple(field for field in change.fields if field.drift)
        if fields or change.reason in (Reason.MISSING, Reason.STOPPED):
            action = Action.DESTROY if change.reason is Reason.MISSING else Action.UPDATE
            yield replace(change, action=action, fields=fields)


def _volume_findings(changes: Mapping[Address, ResourceChange]) -> Iterable[Finding]:
    for address, change in changes.items():
        if address.kind is Kind.VOLUME and change.fields:
            names = ", ".join(".".join(field.path) for field in change.fields)
            yield Finding("error", "volume-changed", f"{names} differ, but a volume is never replaced: its data would be lost", address,
                          "put the declaration back, or save the data and destroy the volume with destroy --volumes")  # fmt: skip


def _lifecycle(inputs: _Inputs, changes: Iterable[ResourceChange]) -> Iterable[Finding]:
    for change in changes:
        if change.action not in (Action.DESTROY, Action.REPLACE, Action.REPLACE_START_FIRST):
            continue
        applied = inputs.prior.applied(change.address) if inputs.prior else None
        for body in (inputs.desired.workload(change.address), applied):
            if isinstance(body, Workload) and body.lifecycle.prevent_destroy:
                verb = "destroyed" if change.action is Action.DESTROY else "replaced"
                yield Finding("error", "prevent-destroy", f"would be {verb}, but lifecycle.prevent_destroy is set", change.address,
                              "take prevent_destroy away, or leave it out with --exclude")  # fmt: skip
                break


def _waves(changes: Iterable[ResourceChange], edges: Mapping[Address, tuple[Address, ...]], inputs: _Inputs) -> tuple[Wave, ...]:
    """Workloads that change, in dependency order (also across unchanged ones); removals last and in reverse, unless one
    of them holds a host port that is needed."""
    from sutazai.graph.waves import order_waves

    active = {change.address: change for change in changes if change.changes and change.address.kind.is_workload}
    if not active:
        return ()
    forward = [a for a, change in active.items() if change.action is not Action.DESTROY]
    backward = [a for a, change in active.items() if change.action is Action.DESTROY]
    layers = order_waves(edges)
    onward = [tuple(sorted(set(layer) & set(forward))) for layer in layers]
    removal = [tuple(sorted(set(layer) & set(backward))) for layer in reversed(layers)]
    first = removal if _port_needed(inputs, forward, backward) else []
    last = [] if first else removal
    groups = [group for group in (*first, *onward, *last) if group]
    return tuple(Wave(index, group) for index, group in enumerate(groups, start=1))


def _port_needed(inputs: _Inputs, forward: Iterable[Address], backward: Iterable[Address]) -> bool:
    held = {place[1] for address in backward for instance in inputs.observed.of(address) for place in instance.published.values()}
    wanted: set[int] = set()
    for address in forward:
        workload = inputs.desired.workload(address)
        if workload:
            wanted |= {port.published for port in workload.ports if port.published} | ({workload.route.port} if workload.route else set())
    return bool(held & wanted)
