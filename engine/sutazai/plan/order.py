"""The waves of a plan.

What is made or changed goes in dependency order, across unchanged workloads too: layer by longest path, counting only what
changes. Where many are replaced, a fleet canary goes first, and the rest in stages (`fleet_canary.py`). What is destroyed goes
in reverse order, after everything else is healthy; only where something needs what a destroyed workload holds, and only one can
have, does it go first: a host port, a fixed address, a name, a volume or host path that both write to.

Where nothing of the fleet is there yet, its traffic switch is in no wave: it is made beside them, and leads a workload when both
are there. To publish the ports of a hundred routes takes an engine seconds.

A rollback may go in another manner (`manner.py`): one after the other, or all at once. Only the traffic switch and those whose
namespace others share go before these even so.
"""

from collections.abc import Iterable, Mapping

from sutazai.address import Address
from sutazai.graph.selectors import reachable
from sutazai.model.fleet import SWITCH
from sutazai.plan.alone import is_needed
from sutazai.plan.change import REPLACED, TIERS, Action, Reason, ResourceChange, Wave
from sutazai.plan.consequences import triggered
from sutazai.plan.ports import HostPort, held_port, host_ports
from sutazai.plan.situation import Edges, Situation

Layers = list[tuple[Address, ...]]


def waves_of(changes: Iterable[ResourceChange], situation: Situation) -> tuple[Wave, ...]:
    changing = {change.address: change for change in changes if change.changes}
    active = {address: change for address, change in changing.items() if address.kind.is_workload}
    if not active:
        return ()
    going = frozenset(address for address, change in active.items() if change.action is Action.DESTROY)
    ordered = situation.options.manner.ordered
    edges = _with_triggers(situation, active) if ordered else _before_all_else(situation)
    onward = _onward(changing, frozenset(active) - going - _beside(active, situation), situation, edges)
    removal = [(layer, False) for layer in _layers(going, edges)[::-1]]
    groups = (
        [*removal, *onward]
        if _port_is_needed(situation, active.values(), going) or is_needed(situation, active.values(), going)
        else [*onward, *removal]
    )
    return tuple(Wave(index, group, canary) for index, (group, canary) in enumerate(groups, start=1))


def _beside(active: Mapping[Address, ResourceChange], situation: Situation) -> frozenset[Address]:
    """The switch, where nobody is served before the run, none of those it leads does anything that needs its traffic, and their
    checks are not asked from inside it."""
    observed = situation.observed
    fresh = situation.options.kind == "apply" and not observed.instances and SWITCH in active
    if not fresh or len(active) == 1 or observed.host is None or not observed.host.local:
        return frozenset()
    led = (situation.desired.workload(address) for address, *_ in situation.desired.switched())
    needed = any(workload is not None and workload.hooks.post_deploy for workload in led)
    return frozenset() if needed else frozenset({SWITCH})


def _onward(
    changing: Mapping[Address, ResourceChange],
    members: frozenset[Address],
    situation: Situation,
    edges: Edges,
) -> list[tuple[tuple[Address, ...], bool]]:
    """What is made or changed, each group with whether it is the canary."""
    replaced = sum(changing[address].action in REPLACED for address in members)
    if situation.options.kind == "apply" and replaced > 1:
        from sutazai.plan.fleet_canary import with_canary

        if staged := with_canary(changing, members, situation, edges):
            return staged
    layers = _layers(members, edges)
    if situation.options.manner.width == "one":
        layers = [tuple(sorted(layer, key=lambda address: _turn(address, situation))) for layer in layers]
    return [(layer, False) for layer in layers]


def _with_triggers(situation: Situation, active: Mapping[Address, ResourceChange]) -> Edges:
    """What is replaced with another comes after it, unless that is already to come after what is replaced."""
    edges = situation.edges
    pairs = [pair for pair in triggered(situation.desired, active) if pair[1] not in edges[pair[0]]]
    if not pairs:
        return edges
    from sutazai.graph.waves import find_cycle

    found = _and_after(edges, pairs)
    if find_cycle(found) is None:
        return found
    # of two that are each other's triggers, the one that would not change by itself comes later
    for pair in sorted(pairs, key=lambda pair: (active[pair[0]].reason is not Reason.TRIGGERED, pair)):
        if pair[0] not in reachable([pair[1]], edges):
            edges = _and_after(edges, [pair])
    return edges


def _and_after(edges: Edges, pairs: Iterable[tuple[Address, Address]]) -> Edges:
    found = dict(edges)
    for address, earlier in pairs:
        found[address] = (*found[address], earlier)
    return found


def _before_all_else(situation: Situation) -> Edges:
    """What can't be made or led to before another is there, whatever the haste."""
    found: dict[Address, tuple[Address, ...]] = {}
    for address in situation.edges:
        workload = situation.workload(address)
        shared = [situation.desired.resolve(name) for name in workload.shares] if workload else []
        needed = {to for to in shared if to is not None}
        switched = workload is not None and workload.switched is not None
        if switched or SWITCH in situation.edges[address]:
            needed.add(SWITCH)
        found[address] = tuple(sorted(needed & situation.edges.keys()))
    return found


def _turn(address: Address, situation: Situation) -> tuple[int, Address]:
    """The critical ones last."""
    workload = situation.workload(address)
    return (TIERS[workload.tier] if workload else 0, address)


def _layers(members: frozenset[Address], edges: Edges) -> Layers:
    """The members in layers, each after all members that it depends on, directly or through others."""
    if not members:
        return []
    from sutazai.graph.waves import order_waves

    before: dict[Address, int] = {}
    layers: dict[int, list[Address]] = {}
    for address in (address for layer in order_waves(edges) for address in layer):
        targets = (to for to in edges[address] if to in before)
        before[address] = max((before[to] + (to in members) for to in targets), default=0)
        if address in members:
            layers.setdefault(before[address], []).append(address)
    return [tuple(sorted(layers[depth])) for depth in sorted(layers)]


def _port_is_needed(
    situation: Situation, changes: Iterable[ResourceChange], going: frozenset[Address]
) -> bool:
    held = [port for address in sorted(going) for port in _held(situation, address)]
    if not held:
        return False
    wanted: list[HostPort] = []
    for change in changes:
        workload = situation.desired.workload(change.address)
        takes = change.action in (Action.CREATE, Action.REPLACE) or "scale" in change.steps
        if workload is not None and takes:
            wanted.extend(host_ports(workload))
    numbers = {port.port for port in wanted}
    return any(a.clashes(b) for a in held if a.port in numbers for b in wanted)


def _held(situation: Situation, address: Address) -> Iterable[HostPort]:
    for instance in situation.instances.get(address, ()):
        yield from host_ports(instance.body)
        for key, (ip, port) in instance.published.items():
            yield held_port(ip, port, key.partition("/")[2])
