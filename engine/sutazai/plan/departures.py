"""Whether a plan that was made earlier still fits what is there now. Pure.

The plan is made again from the same desired model and options. For each resource that the earlier plan touches both must
say the same, down to the field: then carrying out the earlier plan does what its reader approved. What a touched
resource needs must still be there. A resource that the earlier plan leaves alone may have changed meanwhile; it stays as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.model.workload import Workload
from sutazai.plan.change import Action, FieldChange, Plan, ResourceChange
from sutazai.plan.saved import as_data
from sutazai.plan.situation import used_objects

_MAKES = (Action.CREATE, Action.REPLACE, Action.REPLACE_START_FIRST)
_MOST_FIELDS = 3


@dataclass(frozen=True, slots=True)
class Departure:
    """One resource that is no longer as it was planned against, and what changed, in words."""

    address: Address
    what: str


def departures(earlier: Plan, now: Plan) -> tuple[Departure, ...]:
    """Every resource because of which `earlier` must not be carried out; empty when it still fits."""
    current = {change.address: change for change in now.changes}
    touched = {change.address: change for change in earlier.actions}
    found = [
        Departure(address, _difference(change, current.get(address)))
        for address, change in touched.items()
        if address not in current or as_data(change) != as_data(current[address])
    ]
    found += [
        Departure(address, f"{user} needs it: it {_state(current[address])}")
        for address, user in _needed(earlier, touched)
        if address in current and current[address].action in _MAKES
    ]
    return tuple(found)


def left_aside(earlier: Plan, now: Plan) -> frozenset[Address]:
    """What would change now and did not when `earlier` was made: it is not touched, and must not be recorded as done."""
    touched = {change.address for change in earlier.actions}
    return frozenset(change.address for change in now.actions if change.address not in touched)


def _needed(plan: Plan, touched: Mapping[Address, ResourceChange]) -> Iterator[tuple[Address, Address]]:
    """Each network, volume and config that a workload to be made or changed uses, with that workload, once."""
    seen: set[Address] = set(touched)
    for address, change in touched.items():
        workload = plan.desired.resource(address)
        if change.action is Action.DESTROY or not isinstance(workload, Workload):
            continue
        for needed in sorted(used_objects(workload) - seen):
            seen.add(needed)
            yield needed, address


def _difference(planned: ResourceChange, now: ResourceChange | None) -> str:
    """What is different, said by the most telling difference."""
    if now is None:
        return f"{_intent(planned)} was planned, and there is nothing of it now"
    if not now.changes:
        return f"{_intent(planned)} was planned, and it needs no change now"
    if planned.action is not now.action or planned.steps != now.steps:
        why = now.detail or _state(now)
        return f"{_intent(planned)} was planned; now it would be {_intent(now)}: {why}"
    fields = _fields(planned, now)
    if fields:
        return fields
    if planned.image_id != now.image_id:
        return f"its image was {_short(planned.image_id)} when planned, and is {_short(now.image_id)} now"
    return f"planned because of {planned.detail or planned.reason}; now because of {now.detail or now.reason}"


def _fields(planned: ResourceChange, now: ResourceChange) -> str:
    """The fields that are not what they were, old and new."""
    old = {field.path: field for field in planned.fields}
    new = {field.path: field for field in now.fields}
    paths = [path for path in {**old, **new} if _seen(old.get(path)) != _seen(new.get(path))]
    texts = [f"{'.'.join(path)} was {_value(old.get(path))} when planned, and is {_value(new.get(path))} now"
             for path in paths[:_MOST_FIELDS]]  # fmt: skip
    more = [f"{len(paths) - _MOST_FIELDS} fields more"] if len(paths) > _MOST_FIELDS else []
    return "; ".join(texts + more)


def _seen(field: FieldChange | None) -> object:
    return None if field is None or field.sensitive else field.before


def _value(field: FieldChange | None) -> str:
    """A field that does not differ is as the plan wants it."""
    if field is None:
        return "as declared"
    return "absent" if field.before is None else repr(field.before)


def _intent(change: ResourceChange) -> str:
    words = {
        Action.CREATE: "creating",
        Action.UPDATE: "updating",
        Action.DESTROY: "destroying",
        Action.ADOPT: "adopting",
    }
    return words.get(change.action, "replacing")


def _state(change: ResourceChange) -> str:
    return change.detail or ("is gone" if change.action is Action.CREATE else "has changed")


def _short(image_id: str | None) -> str:
    return (image_id or "unknown").removeprefix("sha256:")[:12]
