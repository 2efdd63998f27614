"""The waves of a plan.

What is made or changed goes in dependency order, across unchanged workloads too: layer by longest path, counting only what
changes. Where many are replaced, a fleet canary goes first, and the rest in stages (`fleet_canary.py`). What is destroyed goes
in reverse order, after everything else is healthy; only where something needs a host port that a destroyed workload holds does
it go first.
"""

from collections.abc import Iterable, Mapping

from sutazai.address import Address
from sutazai.plan.change import REPLACED, Action, ResourceChange, Wave
from sutazai.plan.ports import HostPort, held_port, host_ports
from sutazai.plan.situation import Situation

Layers = list[tuple[Address, ...]]


def waves_of(changes: Iterable[ResourceChange], situation: Situation) -> tuple[Wave, ...]:
    changing = {change.address: change for change in changes if change.changes}
    active = {address: change for address, change in changing.items() if address.kind.is_workload}
    if not active:
        return ()
    going = frozenset(address for address, change in active.items() if change.action is Action.DESTROY)
    onward = _onward(changing, frozenset(active) - going, situation)
    removal = [(layer, False) for layer in _layers(going, situation)[::-1]]
    groups = (
        [*removal, *onward] if _port_is_needed(situation, active.values(), going) else [*onward, *removal]
    )
    return tuple(Wave(index, group, canary) for index, (group, canary) in enumerate(groups, start=1))


def _onward(
    changing: Mapping[Address, ResourceChange], members: frozenset[Address], situation: Situation
) -> list[tuple[tuple[Address, ...], bool]]:
    """What is made or changed, each group with whether it is the canary."""
    replaced = sum(changing[address].action in REPLACED for address in members)
    if situation.options.kind == "apply" and replaced > 1:
        from sutazai.plan.fleet_canary import with_canary

        if staged := with_canary(changing, members, situation):
            return staged
    return [(layer, False) for layer in _layers(members, situation)]


def _layers(members: frozenset[Address], situation: Situation) -> Layers:
    """The members in layers, each after all members that it depends on, directly or through others."""
    if not members:
        return []
    from sutazai.graph.waves import order_waves

    before: dict[Address, int] = {}
    layers: dict[int, list[Address]] = {}
    for address in (address for layer in order_waves(situation.edges) for address in layer):
        targets = (to for to in situation.edges[address] if to in before)
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
        if workload is not None and change.action in (Action.CREATE, Action.REPLACE):
            wanted.extend(host_ports(workload))
    numbers = {port.port for port in wanted}
    return any(a.clashes(b) for a in held if a.port in numbers for b in wanted)


def _held(situation: Situation, address: Address) -> Iterable[HostPort]:
    for instance in situation.instances.get(address, ()):
        yield from host_ports(instance.body)
        for key, (ip, port) in instance.published.items():
            yield held_port(ip, port, key.partition("/")[2])
