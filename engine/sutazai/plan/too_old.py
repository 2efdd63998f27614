"""What the engine is too old for, said by name before anything is touched. Source: Docker Engine API, version history."""

from collections.abc import Iterator

from sutazai.model.workload import Workload
from sutazai.plan.change import MADE, Finding, ResourceChange
from sutazai.state.observed import Host

Version = tuple[int, int]
_SINCE: dict[Version, str] = {(1, 44): "Docker 25", (1, 45): "Docker 26"}


def too_old(change: ResourceChange, workload: Workload, host: Host | None) -> Iterator[Finding]:
    """One finding for each field that a new container needs and this engine does not know."""
    makes = change.action in MADE
    if host is None or not (makes or "scale" in change.steps):
        return
    major, _, minor = host.api_version.partition(".")
    for field, least, instead in _needs(workload):
        if (int(major), int(minor)) < least:
            needed = f"API {least[0]}.{least[1]} ({_SINCE[least]})"
            summary = f"{field} needs {needed}; this engine speaks {host.api_version}"
            yield Finding("error", "engine-too-old", summary, change.address, f"{instead}, or upgrade Docker")


def _needs(workload: Workload) -> Iterator[tuple[str, Version, str]]:
    if workload.healthcheck is not None and workload.healthcheck.start_interval is not None:
        yield "healthcheck.start_interval", (1, 44), "leave it out"
    for mount in workload.volumes:
        if mount.volume is not None and mount.volume.subpath:
            yield f"volumes.{mount.target}.volume.subpath", (1, 45), "mount the whole volume"
    later = sorted(workload.networks.items(), key=lambda item: (-(item[1].priority or 0), item[0]))[1:]
    for name, attachment in later:
        if attachment.mac_address:
            yield f"networks.{name}.mac_address", (1, 44), "give that network the highest priority"
