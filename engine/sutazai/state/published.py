"""Which host ports a container of a workload takes; every kind of provider publishes the same ones."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sutazai.model.compose import Port
    from sutazai.model.fleet import Fleet
    from sutazai.model.workload import Workload

Wanted = tuple[str, int, str]
"""`(ip, port, protocol)`; an empty IP means every address."""
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def published_ports(workload: "Workload") -> "tuple[Port, ...]":
    """The declared ports, and the route's where no traffic switch carries it."""
    from sutazai.model.compose import Port

    ports = list(workload.ports)
    if (route := workload.route) and not route.switched:
        port = Port(target=route.target, published=route.port, host_ip=route.bind, protocol="tcp")
        same = (p for p in ports if (p.target, p.published, p.protocol) == (route.target, route.port, "tcp"))
        if not any((p.host_ip or "") in {*EVERY_ADDRESS, route.bind} for p in same):
            ports.append(port)
    return tuple(ports)


def wanted_ports(fleet: "Fleet") -> list[Wanted]:
    """The host ports that a fleet asks for by number, sorted."""
    wanted = {
        (port.host_ip or "", port.published, port.protocol)
        for _, workload in fleet.workloads()
        for port in published_ports(workload)
        if port.published
    }
    return sorted(wanted)


def overlap(one: Wanted, other: Wanted) -> bool:
    """Whether two can't be held at once."""
    return one[1:] == other[1:] and (one[0] == other[0] or bool({one[0], other[0]} & EVERY_ADDRESS))
