"""What can't be left as it is when something else is made anew, selected or not."""

from collections.abc import Mapping

from sutazai.address import Address, Kind
from sutazai.plan.change import MADE, Action, ResourceChange
from sutazai.plan.situation import Situation

Changes = Mapping[Address, ResourceChange]


def along(situation: Situation, changes: Changes) -> dict[Address, list[Address]]:
    """The members of each network that is made anew, which would be left without it; and who shares a namespace of each
    container that is, which goes with it."""
    found: dict[Address, list[Address]] = {a: [] for a, c in changes.items() if is_replaced_network(c)}
    for instance in situation.observed.instances if found else ():
        for name in instance.body.networks:
            if (network := Address(Kind.NETWORK, name)) in found and instance.address in changes:
                found[network].append(instance.address)
    for address, workload in situation.desired.workloads():
        for owner in map(situation.desired.resolve, workload.shares):
            if owner is not None and owner in changes and starts_anew(changes[owner]):
                found.setdefault(owner, []).append(address)
    return found


def starts_anew(change: ResourceChange) -> bool:
    """Whether its processes are new ones afterwards, and with them its namespaces."""
    made = change.action in MADE
    return made or (change.action is Action.UPDATE and "start" in change.steps)


def is_replaced_network(change: ResourceChange) -> bool:
    return change.address.kind is Kind.NETWORK and change.action is Action.REPLACE
