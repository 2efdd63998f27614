"""Changes of networks, volumes, configs and secrets.

A network can't be changed, so one that differs is made anew: its members leave it, it is removed and created, and they
join again (`build` plans that step for each of them). A volume holds data, so one that differs stops the plan. Configs and
secrets exist in containers only; as resources of their own they are recorded.
"""

from collections.abc import Iterator
from dataclasses import replace

from sutazai.address import Address, Kind
from sutazai.model.base import Effect, SpecModel
from sutazai.model.fleet import Network, Volume
from sutazai.plan.change import Action, FieldChange, Finding, Reason, ResourceChange, Step
from sutazai.plan.differ import Sides, differences, facing, with_values
from sutazai.plan.normal import Shape
from sutazai.plan.pools import pools_as_asked
from sutazai.plan.situation import Situation
from sutazai.state.observed import ObservedNetwork, ObservedVolume
from sutazai.state.scope import Scope

_MAPS = frozenset({"labels", "driver_opts"})
_NAMING = frozenset({"external", "name"})


def object_changes(situation: Situation) -> Iterator[ResourceChange]:
    """One change for every object that is desired, recorded, or owned and there."""
    desired, observed = situation.desired, situation.observed
    owned = {n.address for n in observed.networks.values() if n.owned} | {
        v.address for v in observed.volumes.values() if v.owned
    }
    recorded = {address for address in situation.records if not address.kind.is_workload}
    wanted = {address for address in desired.addresses() if not address.kind.is_workload}
    for address in sorted(owned | recorded | wanted):
        change = _change(situation, address)
        if change is not None:
            yield change


def object_drift(situation: Situation, address: Address) -> ResourceChange | None:
    """What was done outside to a network or volume: `before` is what was applied, `after` what is there now."""
    applied = situation.applied(address)
    if not isinstance(applied, (Network, Volume)):
        return None
    there = _there(situation, key_now(situation, address))
    own = situation.not_outside(address)
    if there is None:
        detail = f"it is gone; {own}" if own else "it is gone"
        return ResourceChange(address, Action.DESTROY, Reason.MISSING, detail, applied.form, None)
    fields = () if applied.external else _compared(address, applied, there, applied).fields
    if not fields:
        return None
    turned = tuple(replace(field, before=field.after, after=field.before, drift=True) for field in fields)
    after = with_values(applied.form, [(field.path, field.after) for field in turned])
    return ResourceChange(address, Action.UPDATE, Reason.DRIFTED, own, applied.form, after, turned)


def key_now(situation: Situation, address: Address) -> Address:
    """What the specs call it now: nothing in Docker tells the key of an external object, which may have got another."""
    applied, desired = situation.applied(address), situation.desired
    if not isinstance(applied, (Network, Volume)) or not applied.external or desired.resource(address):
        return address
    scope = Scope(desired.project, desired.environment)
    bodies = desired.networks if address.kind is Kind.NETWORK else desired.volumes
    others = (Address(address.kind, key) for key, body in bodies.items() if body.external)
    name = object_name(scope, address, applied)
    return next((o for o in others if object_name(scope, o, bodies[o.name]) == name), address)


def object_findings(situation: Situation) -> Iterator[Finding]:
    """What keeps networks and volumes from being as declared."""
    desired, observed = situation.desired, situation.observed
    scope = Scope(desired.project, desired.environment)
    yield from _renamed(situation)
    for kind, bodies, there in (
        (Kind.NETWORK, desired.networks, observed.networks),
        (Kind.VOLUME, desired.volumes, observed.volumes),
    ):
        for name in sorted(n for n, body in bodies.items() if body.external and n not in there):
            yield Finding("error", "external-missing", f"external {kind.value} {bodies[name].name or name} does not exist",
                          Address(kind, name), "create it, or take external away to let a run create it")  # fmt: skip
        for name in sorted(n for n, body in bodies.items() if not body.external and n not in there):
            called = bodies[name].name or scope.object_name(name)
            if (kind.value, called) in observed.taken:
                yield Finding("error", "name-taken", f"a {kind.value} that is not of this state is called {called}",
                              Address(kind, name), f"use it: external: true, name: {called}; or remove it")  # fmt: skip


def _renamed(situation: Situation) -> Iterator[Finding]:
    """Another name in Docker is another object: what uses the one can't be taken over to the other along the way."""
    scope = Scope(situation.desired.project, situation.desired.environment)
    for address in situation.desired.addresses():
        body, applied = situation.desired.resource(address), situation.applied(address)
        if not isinstance(body, (Network, Volume)) or not isinstance(applied, (Network, Volume)):
            continue
        there = _there(situation, address)
        was, wanted = object_name(scope, address, applied), object_name(scope, address, body)
        if was != wanted and (there is not None or applied.external):
            yield Finding(
                "error", "object-renamed", f"it is called {was} in Docker and would be {wanted}, which is another {address.kind}",
                address, "declare the other one under a key of its own; what is no longer used under this one goes",
            )  # fmt: skip


def object_name(scope: Scope, address: Address, body: Network | Volume) -> str:
    """What it is called in Docker."""
    return body.name or (address.name if body.external else scope.object_name(address.name))


def volume_finding(change: ResourceChange) -> Finding:
    names = ", ".join(".".join(field.path) for field in change.fields)
    return Finding(
        "error", "volume-changed", f"{names} of the volume differ; volumes are not replaced since data would be lost",
        change.address, f"leave it as it is with --exclude {change.address}; or save its data and destroy it with all that "
        f"uses it: destroy --volumes --target {change.address}",
    )  # fmt: skip


def external(situation: Situation, address: Address) -> bool:
    """Whether an object is somebody else's, as declared now or when last applied."""
    for body in (situation.desired.resource(address), situation.applied(address)):
        if isinstance(body, (Network, Volume)):
            return body.external
    return False


def _change(situation: Situation, address: Address) -> ResourceChange | None:
    body, applied = situation.desired.resource(address), situation.applied(address)
    if body is None:
        return _undeclared(situation, address, applied)
    if not isinstance(body, (Network, Volume)):
        return _recorded(address, body, applied)
    there = _there(situation, address)
    if body.external:
        return ResourceChange(address, Action.NOOP, before=body.form, after=body.form)
    if there is None:
        gone = address in situation.records
        reason = Reason.MISSING if gone else Reason.NEW
        return ResourceChange(address, Action.CREATE, reason, "it is gone" if gone else "", None, body.form)
    return _compared(address, body, there, situation.past(address))


def _there(situation: Situation, address: Address) -> ObservedNetwork | ObservedVolume | None:
    if address.kind is Kind.NETWORK:
        return situation.observed.networks.get(address.name)
    return situation.observed.volumes.get(address.name) if address.kind is Kind.VOLUME else None


def _undeclared(situation: Situation, address: Address, applied: SpecModel | None) -> ResourceChange | None:
    there = _there(situation, address)
    before = applied.form if applied is not None else {}
    if address.kind is Kind.VOLUME and there is not None and there.owned:
        detail = "no longer declared; kept, since volumes are destroyed by destroy --volumes only"
        return ResourceChange(address, Action.NOOP, detail=detail, before=before, after=before)
    if address not in situation.records and there is None:
        return None
    kept = isinstance(applied, (Network, Volume)) and applied.external
    detail = "only forgotten: it is not this environment's" if kept else ""
    if not kept and there is None and address.kind in (Kind.NETWORK, Kind.VOLUME):
        detail = "only forgotten: it is gone"
    steps: tuple[Step, ...] = ("record",) if kept else ()
    return ResourceChange(address, Action.DESTROY, Reason.UNDECLARED, detail, before, None, steps=steps)


def _compared(
    address: Address, body: SpecModel, there: ObservedNetwork | ObservedVolume, applied: SpecModel | None
) -> ResourceChange:
    """Declared fields against the observed ones; fields that are no longer declared, against the defaults."""
    want, was = body.form, applied.form if applied is not None else {}
    have, default = there.body.form, there.defaults.form
    fields = []
    for name in sorted({*want, *was} - _NAMING):
        shape = Shape.MAP if name in _MAPS else Shape.RECORD if name == "ipam" else Shape.VALUE
        sides = Sides(want.get(name), was.get(name), have.get(name), default.get(name))
        if name == "ipam":
            sides = pools_as_asked(sides)
        for rest, old, new in differences(*facing(shape, sides)):
            drift = applied is not None and want.get(name) == was.get(name)
            fields.append(FieldChange((name, *rest), old, new, Effect.REPLACE, drift=drift))
    before = was or want
    base = ResourceChange(address, Action.NOOP, before=before, after=want, fields=tuple(fields))
    if not fields or address.kind is Kind.VOLUME:
        return base
    names = ", ".join(".".join(field.path) for field in fields)
    detail = f"{names}: its members leave it, it is made anew, and they join it again"
    return ResourceChange(
        address, Action.REPLACE, Reason.CANNOT_UPDATE, detail, before, want, tuple(fields), strategy="recreate",
        strategy_reason="a network can't be changed",
    )  # fmt: skip


def _recorded(address: Address, body: SpecModel, applied: SpecModel | None) -> ResourceChange:
    after = body.form
    if applied is None:
        return ResourceChange(address, Action.CREATE, Reason.NEW, "", None, after)
    before = applied.form
    fields = tuple(
        FieldChange(path, old, new, Effect.ENGINE) for path, old, new in differences(before, after)
    )
    if not fields:
        return ResourceChange(address, Action.NOOP, before=before, after=after)
    detail = ", ".join(".".join(field.path) for field in fields)
    return ResourceChange(
        address, Action.UPDATE, Reason.CHANGED, detail, before, after, fields, steps=("record",)
    )
