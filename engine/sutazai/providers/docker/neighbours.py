"""What is on an engine beside a scope and stands in its way: names, addresses, and who else has its networks and volumes.

All of it is told from the lists that a look asks for anyway; the entries are those of `/containers/json` and `/networks`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sutazai.state.observed import Taken

Json = Mapping[str, Any]
_IN_IT = frozenset({"running", "paused", "restarting"})


def taken_names(
    begin: str,
    called: Iterable[str],
    containers: Iterable[Json],
    networks: Iterable[Json],
    volumes: Iterable[Json],
) -> Iterator[Taken]:
    """Names of others that begin as those of the scope do, or are given to networks and volumes of it (`called`)."""
    wanted = frozenset(called)
    for entry in containers:
        for name in (name.removeprefix("/") for name in entry.get("Names") or ()):
            if name.startswith(begin):
                yield "container", name
    for body in networks:
        if body["Name"].startswith(begin) or body["Name"] in wanted:
            yield "network", body["Name"]
    for body in volumes:
        if body["Name"].startswith(begin) or body["Name"] in wanted:
            yield "volume", body["Name"]


def mounted_volumes(volumes: Iterable[Json], containers: Iterable[Json]) -> tuple[str, ...]:
    """The names of those volumes that some container has, be it stopped or another's."""
    names = {body["Name"] for body in volumes}
    found = (
        mount.get("Name") for entry in containers for mount in (entry.get("Mounts") or () if names else ())
    )
    return tuple(sorted(names.intersection(found)))


def guests_of(networks: Iterable[Json], containers: Iterable[Json]) -> dict[str, tuple[str, ...]]:
    """The containers of others that are in each network, by its ID. Those that don't run are in none."""
    found: dict[str, list[str]] = {body["Id"]: [] for body in networks}
    for entry in containers:
        if entry.get("State") not in _IN_IT:
            continue
        for endpoint in ((entry.get("NetworkSettings") or {}).get("Networks") or {}).values():
            if (endpoint or {}).get("NetworkID") in found:
                found[endpoint["NetworkID"]].append(
                    (entry.get("Names") or [entry["Id"][:12]])[0].removeprefix("/")
                )
    return {identity: tuple(sorted(names)) for identity, names in found.items() if names}


def held_subnets(wanted: Iterable[str], networks: Iterable[Json]) -> tuple[tuple[str, str], ...]:
    """`(network, subnet)` of others, of those that overlap with a wanted subnet."""
    texts = list(wanted)
    if not texts:
        return ()
    from sutazai.model.subnets import overlap, subnet_of

    asked = [subnet for subnet in map(subnet_of, texts) if subnet is not None]
    found = []
    for body in networks:
        for pool in (body.get("IPAM") or {}).get("Config") or ():
            subnet = subnet_of(pool.get("Subnet"))
            if subnet is not None and any(overlap(subnet, other) for other in asked):
                found.append((str(body["Name"]), str(pool["Subnet"])))
    return tuple(sorted(found))
