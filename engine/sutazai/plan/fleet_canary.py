"""Which changes have a fleet canary, and the order of what goes with it.

The replacements of a plan are staged (`stages.py`). What is made or updated in place goes before the canary where the canary
needs it, else after it, as early as it can: a bad change that stops there has touched the canary and little else. What always
holds: everything that changes is in one wave, after all that it needs and that changes too.

There is none in a rollback, which has to be quick; nor where a network is made anew, since all that use it are without it until
they have changed. What shares a namespace with another that changes is in no stage: between the two it would be down.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sutazai.address import Address, Kind
from sutazai.graph.waves import order_waves
from sutazai.model.rollout import FleetCanary
from sutazai.plan.change import REPLACED, ResourceChange, Wave
from sutazai.plan.situation import Edges, Situation
from sutazai.plan.stages import Member, among, staged
from sutazai.plan.targets import selected

Changes = Mapping[Address, ResourceChange]
Group = tuple[tuple[Address, ...], bool]
"""Who changes together, and whether as the canary."""
MANY = 10
"""So many replacements have a canary though none is declared."""


def with_canary(
    changing: Changes, members: frozenset[Address], situation: Situation, edges: Edges
) -> list[Group]:
    """The waves of `members`, which are all that is made or changed; none where they have no canary. `edges` map every workload
    to what it comes after. Raises `InvalidInput` where `select` names nothing."""
    stages = _stages(changing, members, situation, edges)
    if not any(wave.canary for wave in stages):
        return []
    canaries = {address for wave in stages if wave.canary for address in wave.addresses}
    groups: defaultdict[tuple[int, bool], list[Address]] = defaultdict(list)
    for address, level in sorted(_levels(stages, members, edges).items()):
        groups[level, address in canaries].append(address)
    return [(tuple(groups[key]), key[1]) for key in sorted(groups)]


def _stages(
    changing: Changes, members: frozenset[Address], situation: Situation, edges: Edges
) -> Sequence[Wave]:
    declared = situation.desired.fleet_canary
    replaced = {address for address in members if changing[address].action in REPLACED}
    if situation.options.no_canary or len(replaced) < (2 if declared else MANY) or _without_network(changing):
        return ()
    canary = declared or FleetCanary()
    wanted = (canary.select,) if canary.select is not None else ()
    named = selected(wanted, situation, "rollout.fleet_canary.select", changing)
    alone = sorted(replaced - set(_sharing(members, situation)))
    return staged((_member(address, situation) for address in alone), edges, canary, named)


def _without_network(changing: Changes) -> bool:
    return any(
        address.kind is Kind.NETWORK and change.action in REPLACED for address, change in changing.items()
    )


def _sharing(members: frozenset[Address], situation: Situation) -> Iterator[Address]:
    """Those that share a namespace with another that changes, on either side."""
    for address in members:
        workload = situation.desired.workload(address)
        for owner in map(situation.desired.resolve, workload.shares if workload else ()):
            if owner in members:
                yield from (address, owner)


def _member(address: Address, situation: Situation) -> Member:
    workload = situation.desired.workload(address)
    return Member(address, workload.tier, workload.category) if workload else Member(address)


def _levels(stages: Sequence[Wave], members: frozenset[Address], edges: Edges) -> dict[Address, int]:
    """Where each goes: those in stages one stage after the other, the others as early as they can."""
    needs = among(members, edges)
    order = [address for layer in order_waves(edges) for address in layer if address in members]
    turn = {address: place for place, address in enumerate(order)}
    level: dict[Address, int] = {}
    reached, earliest = 0, 1

    def put(others: Iterable[Address], earliest: int) -> None:
        for address in sorted(others, key=turn.__getitem__):
            level[address] = max([earliest, *(level[to] + 1 for to in needs[address])])

    for wave in stages:
        put(_missing(wave.addresses, needs, level), 1 if wave.canary else earliest)
        needed = (level[to] for address in wave.addresses for to in needs[address])
        reached = max([reached, *needed]) + 1
        level.update(dict.fromkeys(wave.addresses, reached))
        earliest = reached + 1 if wave.canary else earliest
    put(members - level.keys(), earliest)
    return level


def _missing(
    wave: Iterable[Address], needs: Mapping[Address, frozenset[Address]], level: Mapping[Address, int]
) -> frozenset[Address]:
    """What a wave needs, directly or through others, that is nowhere yet. Whatever is in stages is, by then."""
    found: set[Address] = set()
    left = list(wave)
    while left:
        new = {to for to in needs[left.pop()] if to not in level} - found
        found |= new
        left.extend(new)
    return frozenset(found)
