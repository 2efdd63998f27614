"""What only one workload can have at a time, beside host ports, and who has it: a name, a fixed address, a volume or host path
that it writes to. Who goes and has what another comes to must be gone before."""

from collections.abc import Iterable, Iterator

from sutazai.address import Address
from sutazai.model.base import SpecModel
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.plan.change import Action, Finding, ResourceChange
from sutazai.plan.situation import Situation
from sutazai.plan.strategy import fixed_addresses, written
from sutazai.state.scope import host_in


def is_needed(situation: Situation, changes: Iterable[ResourceChange], going: frozenset[Address]) -> bool:
    """Whether a workload that changes comes to what one that goes has alone."""
    held = _held(situation, going)
    return bool(held) and any(held.keys() & _comes_to(situation, change) for change in changes)


def still_held(situation: Situation, changes: Iterable[ResourceChange]) -> Iterator[Finding]:
    """What a change comes to while one that is no longer declared still has it, and is left out of the plan."""
    changes = [change for change in changes if change.address.kind.is_workload]
    going = {change.address for change in changes if change.action is Action.DESTROY}
    left = frozenset(
        address
        for address, instances in situation.instances.items()
        if situation.desired.workload(address) is None
        and address not in going
        and any(instance.status == "running" for instance in instances)
    )
    held = _held(situation, left)
    for change in changes if held else ():
        for what in sorted(held.keys() & _comes_to(situation, change)) if change.changes else ():
            owner = held[what]
            yield Finding(
                "error",
                "still-held",
                f"{what} can be one workload's only, and {owner}, which is no longer declared, still has it",
                change.address,
                f"let the plan destroy that first: --target {owner} as well, or no --target",
            )


def _held(situation: Situation, addresses: frozenset[Address]) -> dict[str, Address]:
    fleet = situation.prior.desired if situation.prior else situation.desired
    there = [address for address in sorted(addresses) if situation.instances.get(address)]
    return {what: address for address in there for what in _alone(situation.past(address), fleet, address)}


def _comes_to(situation: Situation, change: ResourceChange) -> set[str]:
    """What it will have alone and does not have yet."""
    address, workload = change.address, situation.desired.workload(change.address)
    if workload is None or change.action is Action.DESTROY:
        return set()
    fleet = situation.prior.desired if situation.prior else situation.desired
    has = situation.applied_workload(address) if situation.instances.get(address) else None
    return set(_alone(workload, situation.desired, address)) - set(_alone(has, fleet, address))


def _alone(workload: SpecModel | None, fleet: Fleet, address: Address) -> Iterator[str]:
    """What nobody else can have while a workload has it. Its `order: start-first` says that others may write where it does."""
    if not isinstance(workload, Workload):
        return
    yield f"name {host_in(fleet, address)}"
    yield from fixed_addresses(workload)
    if workload.rollout.order != "start-first":
        yield from written(workload)
