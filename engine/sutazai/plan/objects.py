"""Changes of networks, volumes, configs and secrets."""

from collections.abc import Iterator
from typing import Any

from sutazai.address import Address, Kind
from sutazai.model.base import Effect, SpecModel
from sutazai.model.fleet import Fleet, Network
from sutazai.model.workload import declared
from sutazai.plan.change import Action, FieldChange, Reason, ResourceChange
from sutazai.plan.differ import differences
from sutazai.state.observed import Observed
from sutazai.state.v1 import State


def object_changes(desired: Fleet, observed: Observed, prior: State | None) -> Iterator[ResourceChange]:
    """One change for every object that is desired, recorded, or owned and there."""
    for name in sorted({*desired.networks, *(n for n, o in observed.networks.items() if o.owned)}):
        yield _network(Address(Kind.NETWORK, name), desired, observed, prior)
    for name in sorted({*desired.volumes, *(n for n, o in observed.volumes.items() if o.owned)}):
        yield _volume(Address(Kind.VOLUME, name), desired, observed, prior)
    for kind in (Kind.CONFIG, Kind.SECRET):
        table: dict[str, Any] = dict(desired.configs) if kind is Kind.CONFIG else dict(desired.secrets)
        recorded = {r.address.name for r in prior.resources if r.address.kind is kind} if prior else set()
        for name in sorted({*table, *recorded}):
            yield _recorded(Address(kind, name), table.get(name), prior)


def _view(body: SpecModel) -> dict[str, Any]:
    return {name: value for name, value in declared(body).items() if name not in ("external", "name")}


def _compared(address: Address, body: SpecModel, observed: SpecModel, defaults: SpecModel, prior: State | None) -> tuple[FieldChange, ...]:
    """Declared fields of a network or volume against the observed ones; removed ones against the defaults."""
    want, have, default = _view(body), _view(observed), _view(defaults)
    applied = prior.applied(address) if prior else None
    was = _view(applied) if applied is not None else {}
    keys = {*want, *was}
    before = {key: _part(have[key], want.get(key)) for key in keys if key in have and (key in want or have[key] != default.get(key))}
    after = {key: want[key] for key in keys if key in want}
    return tuple(
        FieldChange(path, old, new, Effect.REPLACE, drift=applied is not None and was == want)
        for path, old, new in differences(before, after)
    )


def _part(have: Any, want: Any) -> Any:
    """Of a structure, what is declared of it."""
    if isinstance(have, dict) and isinstance(want, dict):
        return {key: _part(have[key], want[key]) for key in want if key in have}
    if isinstance(have, list) and isinstance(want, list) and len(have) == len(want):
        return [_part(old, new) for old, new in zip(have, want, strict=True)]
    return have


def _network(address: Address, desired: Fleet, observed: Observed, prior: State | None) -> ResourceChange:
    body, there = desired.networks.get(address.name), observed.networks.get(address.name)
    if body is None:
        return ResourceChange(address, Action.DESTROY, Reason.UNDECLARED, "", _view(there.body) if there else {}, None)
    if body.external:
        return ResourceChange(address, Action.NOOP, before=declared(body), after=declared(body))
    if there is None:
        return _created(address, body, prior)
    fields = _compared(address, body, there.body, there.defaults, prior)
    action = Action.REPLACE if fields else Action.NOOP
    reason = Reason.CANNOT_UPDATE if fields else Reason.NONE
    detail = ", ".join(".".join(field.path) for field in fields)
    return ResourceChange(address, action, reason, detail, _view(body) if not fields else _view(there.body), _view(body), fields)


def _volume(address: Address, desired: Fleet, observed: Observed, prior: State | None) -> ResourceChange:
    body, there = desired.volumes.get(address.name), observed.volumes.get(address.name)
    if body is None or body.external:  # an undeclared volume is kept: its data may be all there is
        shown = declared(body) if body else {}
        return ResourceChange(address, Action.NOOP, detail="" if body else "no longer declared; volumes are kept", before=shown, after=shown)
    if there is None:
        return _created(address, body, prior)
    fields = _compared(address, body, there.body, there.defaults, prior)
    return ResourceChange(address, Action.NOOP, before=_view(body), after=_view(body), fields=fields)


def _created(address: Address, body: Network | SpecModel, prior: State | None) -> ResourceChange:
    gone = prior is not None and prior.record(address) is not None
    return ResourceChange(address, Action.CREATE, Reason.MISSING if gone else Reason.NEW, "it is gone" if gone else "", None, _view(body))


def _recorded(address: Address, body: SpecModel | None, prior: State | None) -> ResourceChange:
    """Configs and secrets exist in containers only; as resources of their own they are recorded."""
    record = prior.record(address) if prior else None
    applied = prior.applied(address) if prior and record else None
    if body is None:
        return ResourceChange(address, Action.DESTROY, Reason.UNDECLARED, "", declared(applied) if applied else {}, None)
    if record is None:
        return ResourceChange(address, Action.CREATE, Reason.NEW, "", None, declared(body))
    before, after = declared(applied) if applied else {}, declared(body)
    fields = tuple(FieldChange(path, old, new, Effect.ENGINE) for path, old, new in differences(before, after))
    action = Action.UPDATE if fields else Action.NOOP
    detail = ", ".join(".".join(field.path) for field in fields)
    return ResourceChange(address, action, Reason.CHANGED if fields else Reason.NONE, detail, before, after, fields)
