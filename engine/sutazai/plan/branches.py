"""The branches of a plan: what can't go on when something else failed.

What is made or changed needs its dependencies, but those that are not required, and the networks, volumes and configs that it
uses. What is destroyed needs everybody who used it when last applied to be rid of it. Through what does not change, too.
"""

from collections.abc import Iterable, Mapping

from sutazai.address import Address
from sutazai.graph.selectors import reachable, reversed_edges
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.situation import Situation, used_objects

Needs = Mapping[Address, Iterable[Address]]


def needs_of(situation: Situation, changes: Iterable[ResourceChange]) -> Needs:
    """What must be well before each resource may change."""
    going = frozenset(change.address for change in changes if change.action is Action.DESTROY)
    needs: dict[Address, set[Address]] = {address: set() for address in (*situation.edges, *going)}
    for address, targets in situation.edges.items():
        workload = situation.desired.workload(address)
        if workload is not None and address not in going:
            without = situation.desired.optional(address)
            needs[address] |= {*targets, *used_objects(workload)} - going - without
        for target in situation.past_needs(address) & going:
            needs[target].add(address)
    return {address: tuple(sorted(found)) for address, found in needs.items()}


def held_up(needs: Needs, failed: Iterable[Address]) -> frozenset[Address]:
    """Everything that can't go on when these failed, without them."""
    causes = frozenset(failed)
    return reachable(causes, reversed_edges(needs)) - causes
