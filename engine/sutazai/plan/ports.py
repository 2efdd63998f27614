"""Published ports in one form. A route that no traffic switch carries is a published port of the container, so both are
compared together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sutazai.model.workload import Workload, declared
from sutazai.plan.normal import port_text
from sutazai.state.observed import Instance
from sutazai.state.published import EVERY_ADDRESS, overlap

Form = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PortSides:
    """`before` and `after` as `{"ports": [...], "route": {...}}`; equal when nothing differs. `past` is what `after` was
    when last applied."""

    before: dict[str, Any]
    after: dict[str, Any]
    past: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the host that a workload publishes; an empty `ip` means all addresses."""

    ip: str
    port: int
    protocol: str

    def clashes(self, other: "HostPort") -> bool:
        """Both can't be held at once."""
        return overlap((self.ip, self.port, self.protocol), (other.ip, other.port, other.protocol))

    def __str__(self) -> str:
        return f"{self.ip or '*'}:{self.port}" + ("" if self.protocol == "tcp" else f"/{self.protocol}")


def runs_of(ports: Iterable[HostPort]) -> list[tuple[HostPort, HostPort]]:
    """The first and the last of each run of neighbours, sorted."""
    found: list[tuple[HostPort, HostPort]] = []
    for port in sorted(set(ports), key=lambda port: (port.ip, port.protocol, port.port)):
        if found and port == replace(found[-1][1], port=found[-1][1].port + 1):
            found[-1] = (found[-1][0], port)
        else:
            found.append((port, port))
    return found


def held_port(ip: str, port: int, protocol: str) -> HostPort:
    """A port as the engine reports it."""
    return HostPort(_ip(ip), port, protocol)


def published_ports(workload: Workload) -> tuple[HostPort, ...]:
    """The host ports that a workload's own containers publish by number."""
    return tuple(HostPort(_ip(p.host_ip), p.published, p.protocol) for p in workload.ports if p.published)


def host_ports(workload: Workload) -> tuple[HostPort, ...]:
    """The host ports that a workload asks for by number: its published ports and its route's."""
    route = workload.route if workload.route and not workload.route.switched else None
    return (*published_ports(workload), *([HostPort(_ip(route.bind), route.port, "tcp")] if route else ()))


def publishers(instances: Iterable[Instance], workload: Workload) -> tuple[Instance, ...]:
    """The containers that publish a host port which `workload` asks for by number."""
    wanted: defaultdict[int, list[HostPort]] = defaultdict(list)
    for port in host_ports(workload):
        wanted[port.port].append(port)
    return tuple(
        instance
        for instance in (instances if wanted else ())
        if any(want.clashes(port) for port in host_ports(instance.body) for want in wanted.get(port.port, ()))
    )


def chosen_by_docker(workload: Workload) -> tuple[str, ...]:
    """The container ports whose host port only Docker will know."""
    return tuple(port_text(declared(port)) for port in workload.ports if port.published is None)


def port_sides(want: Form, past: Form, have: Form) -> PortSides:
    """The published ports of a container against the declared ones."""
    asked, was = _declared(want), _declared(past)
    if not asked and not was:
        return PortSides({}, {}, {})
    there = {port_text(port) for port in have.get("ports") or ()}
    route = _route_there(asked.get("route"), was.get("route"), there)
    if route is not None:
        there.remove(_route_text(route))
    before: dict[str, Any] = {"ports": sorted(there)}
    after: dict[str, Any] = {"ports": asked.get("ports", [])}
    if route is not None:
        before["route"] = route
    if "route" in asked:
        after["route"] = asked["route"]
    return PortSides(before, after, {"ports": [], **was})


def _declared(form: Form) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if form.get("ports") is not None:
        found["ports"] = sorted({port_text(port) for port in form["ports"]})
    if (route := form.get("route")) and not route.get("switched"):
        found["route"] = {
            "port": route["port"],
            "target": route["target"],
            "bind": route.get("bind", "127.0.0.1"),
        }
    return found


def _route_there(asked: Form | None, was: Form | None, there: Iterable[str]) -> dict[str, Any] | None:
    """The published port that carries the route: as it should be, else as it was."""
    texts = set(there)
    return next(
        (dict(route) for route in (asked, was) if route is not None and _route_text(route) in texts), None
    )


def _route_text(route: Form) -> str:
    return port_text({"host_ip": route["bind"], "published": route["port"], "target": route["target"]})


def _ip(text: str | None) -> str:
    return "" if text is None or text in EVERY_ADDRESS else text
