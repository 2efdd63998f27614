"""The branches of a plan: what can't go on when something else failed.

What is made or changed needs its dependencies, but those that are not required, and the networks, volumes and configs that it
uses. What is destroyed needs everybody who used it when last applied to be rid of it. Through what does not change, too.
"""

from collections.abc import Iterable, Mapping

from sutazai.address import Address
from sutazai.graph.selectors import reversed_edges
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.situation import Situation, used_objects

Branches = Mapping[Address, Iterable[Address]]
"""Each resource → those that may change only once it is well."""


def branches_of(situation: Situation, changes: Iterable[ResourceChange]) -> Branches:
    """What hangs on each resource."""
    going = frozenset(change.address for change in changes if change.action is Action.DESTROY)
    needs: dict[Address, set[Address]] = {address: set() for address in (*situation.edges, *going)}
    for address, targets in situation.edges.items():
        workload = situation.desired.workload(address)
        if workload is not None and address not in going:
            without = situation.desired.optional(address)
            needs[address] |= {*targets, *used_objects(workload)} - going - without
        for target in situation.past_needs(address) & going:
            needs[target].add(address)
    return reversed_edges(needs)


def hold_up(held: dict[Address, Address], failed: Address, branches: Branches) -> None:
    """Add to `held` what can't go on any more as `failed` did: itself, and what hangs on it, each with what it is held up by,
    the first that failed of several. However many fail, nothing is come to twice."""
    held[failed] = failed
    reached = [failed]
    while reached:
        for address in branches.get(reached.pop(), ()):
            if address not in held:
                held[address] = failed
                reached.append(address)
