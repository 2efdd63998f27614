"""The stages of a change: the fleet canary first, then ever more at a time.

The canary is a chosen few out of what changes, so that a bad change is stopped before it is everywhere. What always holds:

* Every changed address is in exactly one wave, and after all changed ones that it depends on, directly or through others. So
  the canary is chosen among those that nothing changed stands before, and those that follow from them.
* It is at most `percent` of the change and at least one. No tier and no category of the change is wholly in it, so that of each
  there is something left that still runs the old version; but for what all others wait for.
* Of what may be chosen it takes auxiliary before critical, what nobody depends on before what others need, and as many
  categories as it can.
* After it each stage has twice as many as the one before, and a tenth of the change at least.

The same input gives the same stages, whatever its order. A change of one has no canary: there is nothing to spare.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

from sutazai.address import Address
from sutazai.graph.selectors import reachable, reversed_edges
from sutazai.graph.waves import CycleError, find_cycle
from sutazai.model.rollout import FleetCanary
from sutazai.plan.change import TIERS, Wave

Edges = Mapping[Address, Collection[Address]]
_LEAST_STAGE = 10
"""A stage is no smaller than the change divided by this."""


@dataclass(frozen=True, slots=True)
class Member:
    """What is asked of a changed workload when stages are made."""

    address: Address
    tier: str | None = None
    category: str | None = None


def staged(
    members: Iterable[Member],
    edges: Edges,
    canary: FleetCanary,
    selected: frozenset[Address] = frozenset(),
) -> tuple[Wave, ...]:
    """The waves of a change. `edges` map every workload of the fleet to what it depends on. `selected` are the addresses that
    `canary.select` names: the canary is those of them that change, and what they need of the change. Where none of them
    changes, it is chosen as if nothing was selected. Raises `CycleError`."""
    there = {member.address: member for member in members}
    needs = among(there, edges)
    depth = _depths(needs)
    order = _preference(there, edges)
    first = reachable(selected & there.keys(), needs)
    if not first and canary.percent and len(there) > 1:
        size = max(1, len(there) * canary.percent // 100)
        first = _Choice(order, needs, there).first(size)
    if not first or len(first) == len(there):
        return _numbered([(order, False)], needs)
    groups, size = [(sorted(first), True)], len(first)
    rest = sorted(there.keys() - first, key=lambda address: (depth[address], order[address]))
    while rest:
        size = max(2 * size, -(-len(there) // _LEAST_STAGE))
        groups.append((rest[:size], False))
        rest = rest[size:]
    return _numbered(groups, needs)


def _preference(members: Mapping[Address, Member], edges: Edges) -> dict[Address, int]:
    """The members with their places in the order in which they should go."""
    needed = {to for targets in edges.values() for to in targets}

    def group(address: Address) -> tuple[int, bool]:
        return TIERS[members[address].tier], address in needed

    of_category: Counter[str | None] = Counter()
    turn: dict[Address, int] = {}
    for address in sorted(members, key=lambda address: (group(address), address)):
        turn[address] = of_category[members[address].category]
        of_category[members[address].category] += 1
    order = sorted(members, key=lambda address: (group(address), turn[address], address))
    return {address: place for place, address in enumerate(order)}


_FREE, _LAST_OF_CATEGORY, _LAST_OF_TIER = range(3)


class _Choice:
    """Who goes first: by preference, each after all that it needs, with something left of every tier and category."""

    def __init__(
        self,
        order: Mapping[Address, int],
        needs: Mapping[Address, frozenset[Address]],
        members: Mapping[Address, Member],
    ) -> None:
        self._order, self._members = order, members
        self._waiting = {address: len(targets) for address, targets in needs.items()}
        self._back = reversed_edges(needs)
        self._of_tier = Counter(member.tier for member in members.values())
        self._of_category = Counter(member.category for member in members.values())
        self._ready = [
            (_FREE, order[address], address) for address, count in self._waiting.items() if not count
        ]
        self._blocked = len(members) - len(self._ready)
        heapify(self._ready)

    def first(self, size: int) -> frozenset[Address]:
        """At most `size`, and at least one."""
        found: set[Address] = set()
        while len(found) < size and (address := self._next(begun=bool(found))) is not None:
            found.add(address)
            self._take(address)
        return frozenset(found)

    def _next(self, *, begun: bool) -> Address | None:
        """The last of a category goes where others wait for it; the last of a tier where there is nobody else to begin with."""
        while self._ready:
            rank, place, address = self._ready[0]
            now = self._rank(self._members[address])
            if now > rank:
                heapreplace(self._ready, (now, place, address))
            elif begun and (rank == _LAST_OF_TIER or (rank == _LAST_OF_CATEGORY and not self._blocked)):
                return None
            else:
                return heappop(self._ready)[2]
        return None

    def _rank(self, member: Member) -> int:
        if member.tier is not None and self._of_tier[member.tier] == 1:
            return _LAST_OF_TIER
        if member.category is not None and self._of_category[member.category] == 1:
            return _LAST_OF_CATEGORY
        return _FREE

    def _take(self, address: Address) -> None:
        self._of_tier[self._members[address].tier] -= 1
        self._of_category[self._members[address].category] -= 1
        for dependent in self._back.get(address, ()):
            self._waiting[dependent] -= 1
            if not self._waiting[dependent]:
                self._blocked -= 1
                heappush(self._ready, (_FREE, self._order[dependent], dependent))


def among(members: Collection[Address], edges: Edges) -> dict[Address, frozenset[Address]]:
    """What each member depends on out of the members, directly or through others that are none. Linear where all that
    anybody depends on are members."""
    found: dict[Address, frozenset[Address]] = {}
    for member in sorted(members):
        needed: set[Address] = set()
        seen, frontier = {member}, [member]
        while frontier:
            for to in edges.get(frontier.pop(), ()):
                if to in members:
                    needed.add(to)
                elif to not in seen:
                    seen.add(to)
                    frontier.append(to)
        found[member] = frozenset(needed)
    return found


def _depths(needs: Mapping[Address, Collection[Address]]) -> dict[Address, int]:
    """How many members stand before each, on the longest way."""
    waiting = {address: len(targets) for address, targets in needs.items()}
    back = reversed_edges(needs)
    depth = {address: 0 for address, count in waiting.items() if not count}
    ready = list(depth)
    while ready:
        done = ready.pop()
        for address in back.get(done, ()):
            depth[address] = max(depth.get(address, 0), depth[done] + 1)
            waiting[address] -= 1
            if not waiting[address]:
                ready.append(address)
    if any(waiting.values()):
        cycle = find_cycle(needs)
        if cycle is not None:
            raise CycleError(cycle)
    return depth


def _numbered(
    groups: Iterable[tuple[Iterable[Address], bool]], needs: Mapping[Address, frozenset[Address]]
) -> tuple[Wave, ...]:
    """Each group in layers, every member after those of its group that it depends on."""
    waves: list[Wave] = []
    for group, is_canary in groups:
        inside = frozenset(group)
        depth = _depths({address: needs[address] & inside for address in inside})
        for level in range(max(depth.values(), default=-1) + 1):
            layer = tuple(sorted(address for address in inside if depth[address] == level))
            waves.append(Wave(len(waves) + 1, layer, is_canary))
    return tuple(waves)
