"""The way back to a serial that took a container over (`state import`), and says of it no more than what was declared.

Nothing was applied to it then. So to go by that serial would make it as declared, which is the way forward. As long as it is
there and only what can be read of a container differs, the way back leads to it as it runs; where not, nobody can tell how it
was made.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sutazai.address import Address, Kind
from sutazai.errors import Refused
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet
from sutazai.model.workload import NAMESPACES
from sutazai.plan.change import MADE, FieldChange, Plan, Reason, ResourceChange
from sutazai.plan.reality import as_it_runs
from sutazai.state.observed import Observed
from sutazai.state.v2 import ResourceRecord, State

_NOT_READ = frozenset({"configs", "networks", "secrets", "volumes", *NAMESPACES})
"""Fields that name other resources, of which a container by hand may have any."""


def still_taken_over(state: State, newest: State | None) -> tuple[ResourceRecord, ...]:
    """What `state` took over, and to which nothing was applied since."""
    imported = {record.address for record in newest.resources if record.imported} if newest else frozenset()
    return tuple(record for record in state.resources if record.imported and record.address in imported)


def as_they_run(
    plan: Plan, observed: Observed, guests: Iterable[ResourceRecord], *, keeps_going: bool
) -> tuple[Fleet, frozenset[Address]]:
    """What `plan` leads to, with each guest that it would make anew as its container is; and those that are left alone, since
    that can't be told and they run, or whatever fails is gone on from (`keeps_going`). Raises `Refused` for any other."""
    changes, there = {c.address: c for c in plan.actions}, {one.id: one for one in observed.instances}
    tables = {f"{kind}s": dict(getattr(plan.desired, f"{kind}s")) for kind in (Kind.AGENT, Kind.SERVICE)}
    left: set[Address] = set()
    for record in guests:
        address, found = record.address, [there.get(row.id) for row in record.instances]
        change, declared = changes.get(address), plan.desired.workload(address)
        if change is None or declared is None or (all(found) and change.action not in MADE):
            continue
        fields = tuple(_turned(change))
        told = change.reason is Reason.CANNOT_UPDATE and not any(map(_is_hidden, fields))
        if all(found) and told:
            body = as_it_runs(declared, replace(change, fields=fields), there[change.imported_id])
            tables[f"{address.kind}s"][address.name] = body
        elif keeps_going or all(one is not None and one.status == "running" for one in found):
            left.add(address)
        else:
            raise only_taken_over(plan, record)
    return plan.desired.model_copy(update=tables), frozenset(left)


def refuse_replaced(plan: Plan, state: State, newest: State | None) -> None:
    """Raise `Refused` where a run has made other containers of what `state` took over, and `plan` is about that."""
    there = {record.address: record for record in newest.resources} if newest else {}
    for record in _acted_on(plan, state.resources) if plan.targeted else state.resources:
        now = there.get(record.address)
        kept = {row.id for row in now.instances} if now is not None else set()
        taken = {row.id for row in record.instances}
        if record.imported and now is not None and not now.imported and not taken <= kept:
            raise only_taken_over(plan, record)


def only_taken_over(plan: Plan, record: ResourceRecord) -> Refused:
    names = ", ".join(row.name for row in record.instances)
    return Refused(
        f"serial {plan.of_serial} only took {names} over as {record.address}, and does not say how it was made; "
        f"where it was stopped, it is still there",
        hint="sutazai apply --resume goes on with the run; rollback --target NAME takes back others",
    )


def _acted_on(plan: Plan, records: Iterable[ResourceRecord]) -> Iterator[ResourceRecord]:
    acted = {change.address for change in plan.actions}
    return (record for record in records if record.address in acted)


def _turned(change: ResourceChange) -> Iterator[FieldChange]:
    return (
        replace(field, before=field.after, after=field.before)
        for field in change.fields
        if field.effect is Effect.REPLACE and field.path != ("image_id",)
    )


def _is_hidden(field: FieldChange) -> bool:
    """No state may hold what is secret."""
    return field.sensitive or not field.known or field.path[0] in _NOT_READ
