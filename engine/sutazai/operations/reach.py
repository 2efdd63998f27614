"""From where the checks of a fleet are asked, and where.

An engine of this machine gives its containers addresses that are reached from here. On any other, be it another host's, a
virtual machine's, or the one around us where we run in a container ourselves, only the traffic switch has a way to them, as it is
in their networks: so they are asked from inside it. Where it is not, they are asked at the ports that they publish.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.workload import Workload
from sutazai.ports import Target
from sutazai.state.observed import Host, Instance, Observed
from sutazai.state.published import EVERY_ADDRESS


@dataclass(frozen=True, slots=True)
class Reach:
    """`relays` are the containers of the switch that run, `networks` those that they are in."""

    local: bool
    published_at: str = "127.0.0.1"
    relays: tuple[str, ...] = ()
    networks: frozenset[str] = frozenset()

    def target(self, workload: Workload, instance: Instance) -> Target:
        """Where the checks of this instance ask: its own addresses where they can be reached, then its published ports."""
        via, ips = None, [ip for ip in instance.addresses.values() if ip] if self.local else []
        if instance.body.network_mode == "host":
            ips = [self.published_at]
        elif not self.local and self.relays:
            ips = [ip for name, ip in sorted(instance.addresses.items()) if ip and name in self.networks]
            via = self.relays[0] if ips else None
        places: dict[int, list[tuple[str, int]]] = {
            check.port: [(ip, check.port) for ip in ips]
            for check in workload.checks
            if check.port is not None
        }
        for port, endpoint in self._published(instance):
            if via is None:
                places.setdefault(port, []).append(endpoint)
            else:
                places.setdefault(port, [(ip, port) for ip in ips])
        endpoints = {port: tuple(found) for port, found in places.items()}
        return Target(instance.id, instance.address, endpoints, via)

    def _published(self, instance: Instance) -> Iterator[tuple[int, tuple[str, int]]]:
        """What it publishes and can be reached from here: not what another machine has to itself."""
        for published, (ip, host_port) in instance.published.items():
            if ip in EVERY_ADDRESS or _is_loopback(self.published_at) or not _is_loopback(ip):
                port = int(published.split("/")[0])
                yield port, (self.published_at if ip in EVERY_ADDRESS else ip, host_port)


def reach_of(host: Host | None, fleet: Fleet, relays: tuple[str, ...]) -> Reach:
    if host is None:
        return Reach(local=False)
    switch = fleet.workload(SWITCH)
    networks = frozenset(switch.networks if switch is not None else ())
    return Reach(host.local, host.published_at, relays, networks)


def relays_in(observed: Observed) -> tuple[str, ...]:
    return tuple(one.id for one in observed.of(SWITCH) if one.status == "running")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
