"""Checks that nobody could ever ask, said before anything is made for which a run would wait in vain."""

from collections.abc import Iterator

from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.workload import Workload
from sutazai.plan.change import Finding, ResourceChange
from sutazai.state.observed import Host
from sutazai.state.published import published_ports

_OVER_THE_NETWORK = ("ping", "http")


def out_of_reach(
    change: ResourceChange, workload: Workload, desired: Fleet, host: Host | None
) -> Iterator[Finding]:
    """One finding for each readiness check that has to pass and has no way to the port it asks, since the engine is not
    this machine's: neither is the traffic switch in a network of the workload, nor is the port published."""
    if host is None or host.local or not change.is_waited_for or workload.network_mode == "host":
        return
    switch = desired.workload(SWITCH)
    if switch is not None and not switch.networks.keys().isdisjoint(workload.networks):
        return
    published = {port.target for port in published_ports(workload)}
    for check in workload.readiness:
        asked = {check.port} if check.port is not None else published
        if check.kind in _OVER_THE_NETWORK and (not asked or not asked <= published):
            port = f"port {check.port}" if check.port is not None else "its port"
            yield Finding(
                "error",
                "check-out-of-reach",
                f'check "{check.name}" can\'t ask {port} from here: the engine is not on this machine',
                change.address,
                "publish the port, join it to a network that the traffic switch is in, or use a check of kind docker",
            )
