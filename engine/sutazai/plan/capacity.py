"""What the containers of a fleet may use, beside what the host has: when all is as desired, and while it comes to be.

A version that starts before the old one stops has that beside it until the run has done well. And a canary that is compared with
new containers of the old version has those beside it too, as long as its wave lasts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sutazai.address import Address
from sutazai.model.compose import Resources
from sutazai.model.fleet import Fleet
from sutazai.model.units import format_bytes_short
from sutazai.model.workload import Workload
from sutazai.plan.change import Action, Beside, Capacity, Finding, ResourceChange, Wave
from sutazai.plan.known import current_slot
from sutazai.plan.shares import share_out, shares_ports
from sutazai.state.observed import Instance, Observed


def capacity_of(
    desired: Fleet, observed: Observed, changes: Iterable[ResourceChange] = (), waves: Iterable[Wave] = ()
) -> Capacity:
    """The sums over all instances of the desired fleet, and of what runs beside them, beside the host's. Memory in bytes."""
    memory = reserved = count = unlimited = unlimited_cpus = 0
    cpus = cpus_reserved = 0.0
    for address, workload in desired.workloads():
        replicas, resources = _containers(desired, observed, address, workload), workload.deploy.resources
        count += replicas
        memory += replicas * (resources.limits.memory or 0)
        unlimited += replicas if not resources.limits.memory else 0
        unlimited_cpus += replicas if not resources.limits.cpus else 0
        reserved += replicas * (resources.reservations.memory or 0)
        cpus += replicas * (resources.limits.cpus or 0.0)
        cpus_reserved += replicas * (resources.reservations.cpus or 0.0)
    host = observed.host
    return Capacity(
        memory, reserved, round(cpus, 3), round(cpus_reserved, 3), count, unlimited,
        host.memory if host else None, host.cpus if host else None, unlimited_cpus,
        _beside(desired, observed, changes, waves),
    )  # fmt: skip


def _containers(desired: Fleet, observed: Observed, address: Address, workload: Workload) -> int:
    """How many containers a workload is to have."""
    there = observed.of(address) if shares_ports(address) else ()
    slot = current_slot(None, there)
    shares = share_out(address, workload, [one for one in there if one.slot is slot], desired)
    return len(shares.ports) if shares and not shares.obstacle else workload.deploy.replicas


def _beside(
    desired: Fleet, observed: Observed, changes: Iterable[ResourceChange], waves: Iterable[Wave]
) -> Beside:
    """Every old container that runs on when the new one does, and the most baselines that one wave has."""
    going = [change for change in changes if change.action is Action.REPLACE_START_FIRST]
    old = {change.address: _old(change, observed.of(change.address)) for change in going}
    fresh = {change.address for change in going if change.fresh_baseline and old[change.address]}
    baselines = max((_baselines(desired, wave, fresh, old) for wave in waves), key=_size, default=[])
    found = [*(one.body.deploy.resources for there in old.values() for one in there), *baselines]
    return Beside(
        len(found),
        sum(resources.limits.memory or 0 for resources in found),
        round(sum((resources.limits.cpus or 0.0 for resources in found), 0.0), 3),
        sum(not resources.limits.memory for resources in found),
        sum(not resources.limits.cpus for resources in found),
    )


def _old(change: ResourceChange, there: Iterable[Instance]) -> list[Instance]:
    return [one for one in there if one.status == "running" and one.slot is not change.slot]


def _baselines(
    desired: Fleet, wave: Wave, fresh: set[Address], old: Mapping[Address, Sequence[Instance]]
) -> list[Resources]:
    """As many as the new version has, each as large as an old one."""
    return [
        old[address][0].body.deploy.resources
        for address in wave.addresses
        if address in fresh and (workload := desired.workload(address)) is not None
        for _ in range(workload.deploy.replicas)
    ]


def _size(found: Sequence[Resources]) -> tuple[int, int]:
    return sum(one.limits.memory or 0 for one in found), len(found)


def too_small(need: Capacity) -> Iterator[Finding]:
    """Where the host has less than that."""
    if need.host_memory is None or need.host_cpus is None:
        return
    memory, short, beside = format_bytes_short(need.host_memory), format_bytes_short, need.beside
    if need.memory_reserved > need.host_memory:
        summary = f"{short(need.memory_reserved)} of memory are reserved, but the host has {memory}"
        hint = "lower deploy.resources.reservations, or leave workloads out with the environment's exclude"
        yield Finding("error", "memory-reserved", summary, hint=hint)
    elif need.memory_limits > need.host_memory:
        summary = f"the memory limits add up to {short(need.memory_limits)}, but the host has {memory}"
        yield Finding("warning", "memory-limits", summary, hint="the kernel kills when memory runs out")
    elif need.memory_limits + beside.memory_limits > need.host_memory:
        both = short(need.memory_limits + beside.memory_limits)
        summary = f"while old versions run beside new ones, the memory limits add up to {both}, but the host has {memory}"
        hint = "the kernel kills when memory runs out; order: stop-first has one version at a time"
        yield Finding("warning", "memory-beside", summary, hint=hint)
    if need.cpu_reserved > need.host_cpus:
        summary = f"{need.cpu_reserved:g} CPUs are reserved, but the host has {need.host_cpus}"
        yield Finding("error", "cpus-reserved", summary, hint="lower deploy.resources.reservations.cpus")
