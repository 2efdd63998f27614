"""Which host ports a container of a workload takes; every kind of provider publishes the same ones."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sutazai.model.compose import Port
    from sutazai.model.fleet import Fleet
    from sutazai.model.workload import Route, Workload

Wanted = tuple[str, int, str]
"""`(ip, port, protocol)`; an empty IP means every address."""
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def published_ports(workload: "Workload") -> "tuple[Port, ...]":
    """The declared ports, and the route's where no traffic switch carries it."""
    from sutazai.model.compose import Port

    route = _own_route(workload)
    if route is None:
        return workload.ports
    port = Port(target=route.target, published=route.port, host_ip=route.bind, protocol="tcp")
    return (*workload.ports, port)


def _own_route(workload: "Workload") -> "Route | None":
    """The route that a container publishes by itself, where none of its ports does."""
    route = workload.route
    if route is None or route.switched:
        return None
    same = (
        p for p in workload.ports if (p.target, p.published, p.protocol) == (route.target, route.port, "tcp")
    )
    return None if any((p.host_ip or "") in {*EVERY_ADDRESS, route.bind} for p in same) else route


def wanted_ports(fleet: "Fleet") -> list[Wanted]:
    """The host ports that a fleet asks for by number, sorted."""
    wanted: set[Wanted] = set()
    for _, workload in fleet.workloads():
        wanted.update((p.host_ip or "", p.published, p.protocol) for p in workload.ports if p.published)
        if (route := _own_route(workload)) is not None:
            wanted.add((route.bind, route.port, "tcp"))
    return sorted(wanted)


def overlap(one: Wanted, other: Wanted) -> bool:
    """Whether two can't be held at once."""
    return one[1:] == other[1:] and (one[0] == other[0] or bool({one[0], other[0]} & EVERY_ADDRESS))
