"""The workloads whose traffic the switch leads: where it goes when a run begins, and how a container is led to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.errors import TrafficError
from sutazai.model.fleet import SWITCH
from sutazai.model.workload import Route, Workload
from sutazai.operations.plan import Planned
from sutazai.plan.known import current_slot
from sutazai.plan.ports import publishers
from sutazai.state.observed import Instance
from sutazai.state.scope import Slot
from sutazai.state.traffic import Endpoint, Move

LONGEST_PART = 63
ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Led:
    """A workload with a route, as it should be, and those of its instances that its traffic goes to when a run begins. `told` is
    what they follow: what was last applied, then what is declared; the other way round where nothing is to be done to them."""

    address: Address
    route: Route
    replicas: int
    instances: tuple[Instance, ...]
    told: tuple[Workload, ...]
    past: Workload | None = None
    """What was last applied, where that is known."""

    @property
    def moves(self) -> list[Move]:
        """Its lanes as they are to be when the run begins."""
        own = self.told[0].switched or self.route
        found = ((one, self._reached_as(one)) for one in self.instances)
        ready = [move_to(one, workload, own) for one, workload in found if workload is not None]
        used = {(move.slot, move.replica) for move in ready}
        keys = ((slot, number) for slot in Slot for number in range(1, self.replicas + 1))
        return [*ready, *(Move(self.address, *key, "maint") for key in keys if key not in used)]

    def _reached_as(self, instance: Instance) -> Workload | None:
        """By whose networks it has an address: it may have come into others since it was last recorded."""
        return next((workload for workload in self.told if address_of(instance, workload)), None)


def address_of(instance: Instance, workload: Workload) -> str | None:
    """Where an instance is reached in the networks that its workload is in."""
    return next(
        (instance.addresses[name] for name in sorted(workload.networks) if instance.addresses.get(name)), None
    )


def move_to(instance: Instance, workload: Workload, route: Route, *, weight: int = 100) -> Move:
    """The lane of an instance as ready. Raises `TrafficError` when it has no address to be led to."""
    ip = address_of(instance, workload)
    if ip is None:
        raise TrafficError(
            f"{instance.name} has no address in a network of its own: its container {instance.condition}"
        )
    endpoint = Endpoint(_resolvable(instance), ip, route.target)
    return Move(instance.address, instance.slot, instance.replica, "ready", weight, endpoint)


def _resolvable(instance: Instance) -> str:
    """A name of the container that its networks can be asked for: the names of DNS have no part of more than 63 characters, those
    of containers do. Networks know every container by the first digits of its ID too."""
    too_long = any(len(part) > LONGEST_PART for part in instance.name.split("."))
    return instance.id[:ID_DIGITS] if too_long else instance.name


def led_by(planned: Planned) -> Mapping[Address, Led]:
    """Every route that the switch is to carry, or carries until this run."""
    desired, prior = planned.plan.desired, planned.prior
    records = {record.address: record for record in prior.resources} if prior else {}
    instances: defaultdict[Address, list[Instance]] = defaultdict(list)
    for instance in planned.observed.instances:
        instances[instance.address].append(instance)
    changing = {change.address: change for change in planned.plan.actions}
    found: dict[Address, Led] = {}
    for address in {address for address, *_ in desired.switched()} | records.keys():
        applied = prior.applied_of(records[address]) if prior and address in records else None
        was = applied if isinstance(applied, Workload) else None
        workload, there = desired.workload(address) or was, instances[address]
        route = (workload.switched if workload else None) or (was.switched if was else None)
        if workload is None or route is None:
            continue
        had_none = was is not None and was.switched is None and address in changing
        running = () if had_none else _in_use(there, current_slot(records.get(address), there))
        replicas = max([workload.deploy.replicas, *(one.replica for one in there)])
        if address in changing and changing[address].fresh_baseline:
            replicas += workload.deploy.replicas
        told = (was, workload) if was and was.switched else (workload,)
        if not (address in changing or address in planned.plan.pending):
            told = told[::-1]
        found[address] = Led(address, route, max(replicas, 1), running, told, was)
    return dict(sorted(found.items()))


def _in_use(instances: Iterable[Instance], slot: Slot) -> tuple[Instance, ...]:
    """Those that traffic goes to: what runs in the slot that is in use, else whatever runs."""
    running = [instance for instance in instances if instance.status == "running"]
    return tuple([instance for instance in running if instance.slot is slot] or running)


def in_the_way_of_switch(planned: Planned) -> tuple[Instance, ...]:
    """Running containers of this environment that publish a port which the switch is to have."""
    switch = planned.plan.desired.workload(SWITCH)
    if switch is None:
        return ()
    running = (one for one in planned.observed.instances if one.status == "running" and one.address != SWITCH)
    return publishers(running, switch)
