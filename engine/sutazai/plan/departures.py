"""Whether a plan that was made earlier still fits what is there now. Pure.

The plan is made again from the same desired model and options. For each resource that the earlier plan touches both must
say the same, down to the field: then carrying out the earlier plan does what its reader approved. What a touched
resource needs must still be there. A resource that the earlier plan leaves alone may have changed meanwhile; it stays as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.model.workload import Workload
from sutazai.plan.change import Action, Plan, ResourceChange
from sutazai.plan.saved import as_data
from sutazai.plan.situation import used_objects

_MAKES = (Action.CREATE, Action.REPLACE, Action.REPLACE_START_FIRST)


@dataclass(frozen=True, slots=True)
class Departure:
    """One resource that is no longer as it was planned against: its change `then` and `now`, None where there is nothing of
    it. `needed_by` is the resource that the plan touches, where it is only needed by one."""

    address: Address
    then: ResourceChange | None
    now: ResourceChange | None
    needed_by: Address | None = None


def departures(earlier: Plan, now: Plan) -> tuple[Departure, ...]:
    """Every resource because of which `earlier` must not be carried out; empty when it still fits."""
    current = {change.address: change for change in now.changes}
    touched = {change.address: change for change in earlier.actions}
    found = [
        Departure(address, change, current.get(address))
        for address, change in touched.items()
        if address not in current or as_data(change) != as_data(current[address])
    ]
    found += [
        Departure(address, None, current[address], user)
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
