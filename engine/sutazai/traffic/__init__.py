"""The switches that can lead the traffic of routes: one dict, one factory per kind.

A switch is a workload of the fleet itself, and is reached through what the provider does in containers, and by no other way. The
contract suite (tests/contract/test_router.py) runs over every kind.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sutazai.ports import Provider, Router

Factory: TypeAlias = "Callable[[Provider, Sequence[str]], Router]"


def _haproxy(provider: "Provider", containers: Sequence[str]) -> "Router":
    from sutazai.traffic.haproxy.router import HaproxyRouter

    return HaproxyRouter(provider, containers)


def _simulated(provider: "Provider", containers: Sequence[str]) -> "Router":
    from sutazai.traffic.simulated import SimulatedRouter

    return SimulatedRouter(provider, containers)


ROUTERS: "Mapping[str, Factory]" = {"haproxy": _haproxy, "simulated": _simulated}
"""Kind → factory of `(provider, the IDs of the containers that the switch runs in)`."""
