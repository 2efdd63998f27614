"""What stands in the way of a plan, found before anything is touched."""

from collections.abc import Iterable, Iterator, Mapping

from sutazai.address import Address
from sutazai.model.fleet import Fleet
from sutazai.model.units import format_bytes_short
from sutazai.model.workload import Workload
from sutazai.plan.change import Action, Capacity, Finding, ResourceChange
from sutazai.state.observed import Observed

CARRIED_OUT_CHECKS = ("ping", "http", "docker")


def capacity_of(desired: Fleet, observed: Observed) -> Capacity:
    """The sums over all instances of the desired fleet, beside the host's. Memory in bytes."""
    memory = reserved = count = unlimited = 0
    cpus = cpus_reserved = 0.0
    for _, workload in desired.workloads():
        replicas, resources = workload.deploy.replicas, workload.deploy.resources
        count += replicas
        memory += replicas * (resources.limits.memory or 0)
        unlimited += replicas if not resources.limits.memory else 0
        reserved += replicas * (resources.reservations.memory or 0)
        cpus += replicas * (resources.limits.cpus or 0.0)
        cpus_reserved += replicas * (resources.reservations.cpus or 0.0)
    host = observed.host
    return Capacity(memory, reserved, round(cpus, 3), round(cpus_reserved, 3), count, unlimited,
                    host.memory if host else None, host.cpus if host else None)  # fmt: skip


def preflight(
    desired: Fleet, observed: Observed, changes: Iterable[ResourceChange], kind: str, pinned: Mapping[Address, str]
) -> tuple[Finding, ...]:
    """Every finding about capacity, ports, images and what is not carried out yet."""
    if kind in ("destroy", "refresh"):
        return ()
    making = [c for c in changes if c.address.kind.is_workload and c.action in (Action.CREATE, Action.REPLACE, Action.UPDATE)]
    found = [*_capacity(desired, observed), *_ports(desired, observed, making)]
    for change in making:
        workload = desired.workload(change.address)
        if workload is not None:
            found += [*_cpus(change, workload, observed), *_images(change, workload, observed, pinned), *_not_carried_out(change, workload)]
    return tuple(found)


def _capacity(desired: Fleet, observed: Observed) -> Iterator[Finding]:
    need = capacity_of(desired, observed)
    if need.host_memory is None or need.host_cpus is None:
        return
    memory = format_bytes_short(need.host_memory)
    if need.memory_reserved > need.host_memory:
        yield Finding("error", "memory-reserved", f"{format_bytes_short(need.memory_reserved)} of memory are reserved, but the host has {memory}",
                      hint="lower deploy.resources.reservations, or leave workloads out with the environment's exclude")  # fmt: skip
    elif need.memory_limits > need.host_memory:
        yield Finding("warning", "memory-limits", f"the memory limits add up to {format_bytes_short(need.memory_limits)}, but the host has {memory}",
                      hint="workloads are killed when the host runs out of memory")  # fmt: skip
    if need.cpu_reserved > need.host_cpus:
        yield Finding("error", "cpus-reserved", f"{need.cpu_reserved:g} CPUs are reserved, but the host has {need.host_cpus}")


def _cpus(change: ResourceChange, workload: Workload, observed: Observed) -> Iterator[Finding]:
    limit, host = workload.deploy.resources.limits.cpus, observed.host
    if host and limit and limit > host.cpus:
        yield Finding("error", "cpus-limit", f"its limit of {limit:g} CPUs is above the host's {host.cpus}, which Docker refuses",
                      change.address, "lower deploy.resources.limits.cpus for this environment")  # fmt: skip


def _ports(desired: Fleet, observed: Observed, making: Iterable[ResourceChange]) -> Iterator[Finding]:
    held = {(use.port, use.protocol): use for use in observed.ports}
    if not held:
        return
    for change in making:
        workload = desired.workload(change.address)
        wanted = {(port.published, port.protocol) for port in workload.ports if port.published} if workload else set()
        if workload and workload.route:
            wanted.add((workload.route.port, "tcp"))
        for port, protocol in sorted((p, q) for p, q in wanted if p is not None):
            use = held.get((port, protocol))
            if use:
                yield Finding("error", "port-in-use", f"port {port}/{protocol} is held by {use.holder}", change.address,
                              "stop the holder, or choose another port")  # fmt: skip


def _images(change: ResourceChange, workload: Workload, observed: Observed, pinned: Mapping[Address, str]) -> Iterator[Finding]:
    if change.action is Action.UPDATE and "scale" not in change.steps:
        return
    pin = pinned.get(change.address)
    if pin is not None:
        if observed.images.get(pin) is None:
            yield Finding("error", "image-gone", f"the image it ran ({pin[7:19]}) is no longer here", change.address,
                          f"build or pull the {workload.image} of that time again, or apply the specs instead")  # fmt: skip
        return
    if observed.images.get(workload.image or "") is not None:
        return
    if workload.build is not None:
        yield Finding("info", "image-build", f"image {workload.image} will be built")
    elif workload.pull_policy == "never":
        yield Finding("error", "image-missing", f"image {workload.image} is not here, and pull_policy is never", change.address)
    else:
        yield Finding("info", "image-pull", f"image {workload.image} will be pulled")


def _not_carried_out(change: ResourceChange, workload: Workload) -> Iterator[Finding]:
    def refuse(what: str, hint: str = "") -> Finding:
        return Finding("error", "not-carried-out", f"{what} not carried out yet", change.address, hint)

    if change.action in (Action.CREATE, Action.REPLACE) and workload.secrets:
        yield refuse(f"secrets ({', '.join(grant.source for grant in workload.secrets)}) are")
    hooks = [name for name in ("pre_deploy", "post_deploy", "pre_stop") if getattr(workload.hooks, name) is not None]
    if hooks:
        yield refuse(f"hooks ({', '.join(hooks)}) are")
    for check in workload.readiness:
        if check.kind not in CARRIED_OUT_CHECKS:
            yield refuse(f"checks of kind {check.kind} are")
    if any(check.phase == "liveness" for check in workload.checks):
        yield Finding("info", "liveness", "liveness checks are declared; they are for the monitor, which is not there yet", change.address)
    rollout = workload.rollout
    if change.action is Action.REPLACE and (rollout.strategy not in (None, "recreate") or rollout.order == "start-first"):
        asked = rollout.strategy or "order start-first"
        yield refuse(f"rollout {asked} is", "set rollout.strategy to recreate to replace it stop-first")
