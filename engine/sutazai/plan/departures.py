"""Whether a plan that was made earlier still fits what is there now. Pure.

The plan is made again from the same desired model and options. For each resource that the earlier plan touches both must
say the same, down to the field: then carrying out the earlier plan does what its reader approved. What a touched
resource needs must still be there. A resource that the earlier plan leaves alone may have changed meanwhile; it stays as it is.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from sutazai.address import Address
from sutazai.model.workload import Workload
from sutazai.plan.change import MADE, REPLACED, Action, Plan, Reason, ResourceChange
from sutazai.plan.saved import as_data
from sutazai.plan.situation import used_objects

_IMAGE = ("image_id",)


@dataclass(frozen=True, slots=True)
class Departure:
    """One resource that is no longer as it was planned against: its change `then` and `now`, None where there is nothing of
    it. `needed_by` is the resource that the plan touches, where it is only needed by one. `drift`: it is not to be changed,
    but what was found of it recorded. `stopped`: all that is to be done is the same, but it ran then; `now` says what became of
    it."""

    address: Address
    then: ResourceChange | None
    now: ResourceChange | None
    needed_by: Address | None = None
    drift: bool = False
    stopped: bool = False


def departures(earlier: Plan, now: Plan, restarting: Collection[Address] = ()) -> tuple[Departure, ...]:
    """Every resource because of which `earlier` must not be carried out; empty when it still fits. Of what the engine is
    `restarting`, a container that crashes again and again, nobody can say when it runs: it is not held against the plan."""
    refresh = earlier.kind == "refresh"
    touched = {change.address: change for change in (earlier.drift if refresh else earlier.actions)}
    current = {change.address: change for change in (now.drift if refresh else now.changes)}
    found = [
        Departure(address, change, current.get(address), drift=refresh)
        for address, change in touched.items()
        if address not in current or not _fits(change, current[address])
    ]
    ran, stopped = set(touched) - set(_stopped(earlier)) - set(restarting), _stopped(now)
    found += [
        Departure(address, touched[address], stopped[address], stopped=True)
        for address in sorted(ran & set(stopped) - {departure.address for departure in found})
        if touched[address].action in REPLACED
    ]
    found += [
        Departure(address, None, current[address], user)
        for address, user in _needed(earlier, touched)
        if address in current and current[address].action in MADE
    ]
    return tuple(found)


def _stopped(plan: Plan) -> dict[Address, ResourceChange]:
    return {found.address: found for found in plan.drift if found.reason is Reason.STOPPED}


def _fits(then: ResourceChange, now: ResourceChange) -> bool:
    """Whether both say the same. An image that was not known then may be: it was built or pulled meanwhile, as planned."""
    if then.image_id is None:
        now = replace(now, image_id=None)
        then, now = (replace(c, fields=tuple(f for f in c.fields if f.path != _IMAGE)) for c in (then, now))
    return as_data(then) == as_data(now)


def left_aside(earlier: Plan, now: Plan) -> frozenset[Address]:
    """What would change now and did not when `earlier` was made: it is not touched, and must not be recorded as done."""
    touched = {change.address for change in earlier.actions}
    return frozenset(change.address for change in now.actions if change.address not in touched)


def _needed(plan: Plan, touched: Mapping[Address, ResourceChange]) -> Iterator[tuple[Address, Address]]:
    """Each network, volume and config that a workload to be made or changed uses, with that workload, once."""
    if plan.kind == "refresh":
        return
    seen: set[Address] = set(touched)
    for address, change in touched.items():
        workload = plan.desired.resource(address)
        if change.action is Action.DESTROY or not isinstance(workload, Workload):
            continue
        for needed in sorted(used_objects(workload) - seen):
            seen.add(needed)
            yield needed, address
