"""The traffic switch that an environment's routes go through, as a workload of the fleet.

Nobody declares it: it is there when there are routes for it to carry, publishes their ports and nothing else, and is in the
networks of those that it leads to. From then on it is planned, applied and recorded like any other service.
"""

import hashlib
from collections.abc import Iterable

from sutazai.model.compose import Build, Port
from sutazai.model.fleet import SWITCH, Fleet, Traffic
from sutazai.model.workload import Route, Workload
from sutazai.specs.check import Checked
from sutazai.specs.report import Report
from sutazai.state.published import EVERY_ADDRESS

DOCKERFILE = r"""
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends haproxy socat \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /etc/haproxy /var/lib/haproxy \
 && install -d -m 700 -o haproxy -g haproxy /var/lib/router \
 && printf 'global\n    stats socket /var/lib/router/admin.sock mode 600 level admin expose-fd listeners\n' \
    > /var/lib/router/haproxy.cfg
USER haproxy
STOPSIGNAL SIGUSR1
ENTRYPOINT ["haproxy", "-W", "-S", "/var/lib/router/master.sock,mode,600", "-f", "/var/lib/router/haproxy.cfg"]
"""
"""HAProxy from the distribution's package, and socat to speak to its socket, which only those inside the container can reach. It
is process 1 in master-worker mode: SIGUSR1 lets it finish what it has, SIGTERM ends it at once, SIGUSR2 makes it read its
configuration again. All that it keeps is in /var/lib/router; with a read-only root that is to be a volume."""
IMAGE = f"sutazai/traffic-switch:{hashlib.sha256(DOCKERFILE.encode()).hexdigest()[:12]}"
"""Another Dockerfile is another image."""


def check_routes(members: Iterable[Checked], options: Traffic, report: Report) -> None:
    """Report what the switch can't carry."""
    if options.kind == "none":
        return
    taken: dict[int, Checked] = {}
    for member in members:
        route = member.model.route
        if member.address == SWITCH:
            report.error(
                member.draft.key,
                f"{SWITCH} is the engine's own: it carries the routes",
                "reserved-name",
                hint="give this workload another name, or let the environment say traffic: {kind: none}",
            )
        elif route is not None and route.switched is not False:
            other = taken.setdefault(route.port, member)
            there = other.model.route
            if there is not None and not _is_one_place(there.bind, route.bind):
                mark = member.mark("route", "port")
                report.error(
                    mark,
                    f"the port {route.port} is the route of {other.address} too, on another address of the host",
                    "duplicate-port",
                    hint="give one of them another port, or let it publish its own: route.switched: false",
                    related=[(f"{other.address} has it here", other.mark("route", "port"))],
                )


def _is_one_place(one: str, other: str) -> bool:
    """Where one of two can be at most, which is reported already."""
    return one == other or not EVERY_ADDRESS.isdisjoint((one, other))


def with_switch(fleet: Fleet, options: Traffic) -> Fleet:
    """The fleet with its routes led through the switch."""
    if options.kind == "none":
        return fleet
    tables = {name: _led_through(getattr(fleet, name)) for name in ("services", "agents")}
    led = fleet.model_copy(update={**tables, "traffic": options})
    routed = [(workload, route) for _, workload, route in led.switched()]
    if not routed:
        return led
    services = {**led.services, SWITCH.name: _switch(options, routed)}
    return led.model_copy(update={"services": services})


def _led_through(table: dict[str, Workload]) -> dict[str, Workload]:
    return {name: _led(workload) for name, workload in table.items()}


def _led(workload: Workload) -> Workload:
    if workload.route is None or workload.route.switched is not None:
        return workload
    return workload.model_copy(update={"route": workload.route.model_copy(update={"switched": True})})


def _switch(options: Traffic, routed: list[tuple[Workload, Route]]) -> Workload:
    ports = [Port(target=r.port, published=r.port, host_ip=r.bind, protocol="tcp") for _, r in routed]
    ports.sort(key=lambda port: (port.target, port.host_ip or ""))
    own_image = options.image is None and options.build is None
    build = Build(dockerfile_inline=DOCKERFILE) if own_image else options.build
    body: dict[str, object] = {
        "image": options.image or (IMAGE if own_image else None),
        "build": build,
        "networks": {name: {} for workload, _ in routed for name in workload.networks},
        "ports": ports,
        "restart": "unless-stopped",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tier": "critical",
        "category": "traffic",
        "checks": [{"name": "listening", "kind": "ping", "port": ports[0].target, "interval": "1s"}],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }
    if options.resources is not None:
        body["deploy"] = {"resources": options.resources.model_dump(exclude_unset=True)}
    return Workload.model_validate({name: value for name, value in body.items() if value is not None})
