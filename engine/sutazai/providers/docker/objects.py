"""Networks, volumes, images and the host as the engine reports them, in the words of the model."""

from collections.abc import Mapping
from typing import Any

from sutazai.address import Address, Kind
from sutazai.model.fleet import Ipam, IpamPool, Network, Volume
from sutazai.providers.marks import user_labels
from sutazai.state.observed import Host, Image, ObservedNetwork, ObservedVolume

Json = Mapping[str, Any]


def network_from(body: Json, name: str, *, owned: bool) -> ObservedNetwork:
    """`name` is the logical one. The engine chooses a subnet where none is declared, so its pools count as
    default."""
    ipam = body.get("IPAM") or {}
    pools = tuple(
        IpamPool(
            subnet=pool.get("Subnet") or None,
            gateway=pool.get("Gateway") or None,
            ip_range=pool.get("IPRange") or None,
            aux_addresses=pool.get("AuxiliaryAddresses") or pool.get("AuxAddress") or {},
        )
        for pool in ipam.get("Config") or ()
    )  # fmt: skip
    found = Ipam(driver=ipam.get("Driver") or "default", config=pools, options=ipam.get("Options") or {})
    address = Address(Kind.NETWORK, name)
    return ObservedNetwork(
        id=body["Id"],
        name=body["Name"],
        address=address,
        body=Network(
            driver=body.get("Driver"),
            driver_opts=body.get("Options") or {},
            internal=bool(body.get("Internal")),
            attachable=bool(body.get("Attachable")),
            enable_ipv6=bool(body.get("EnableIPv6")),
            ipam=found,
            labels=user_labels(body.get("Labels") or {}),
            external=not owned,
            name=body["Name"],
        ),
        defaults=Network(
            driver="bridge",
            driver_opts={},
            internal=False,
            attachable=False,
            enable_ipv6=False,
            ipam=Ipam(driver="default", config=pools, options={}),
            labels={},
        ),
        owned=owned,
    )


def volume_from(body: Json, name: str, *, owned: bool) -> ObservedVolume:
    return ObservedVolume(
        name=body["Name"],
        address=Address(Kind.VOLUME, name),
        body=Volume(
            driver=body.get("Driver"),
            driver_opts=body.get("Options") or {},
            labels=user_labels(body.get("Labels") or {}),
            external=not owned,
            name=body["Name"],
        ),
        defaults=Volume(driver="local", driver_opts={}, labels={}),
        owned=owned,
    )


def image_from(body: Json, reference: str) -> Image:
    """The digest is that of the repository asked for, where the image has several."""
    digests = [text.rpartition("@") for text in body.get("RepoDigests") or ()]
    repository = reference.partition("@")[0]
    repository = repository.rpartition(":")[0] if ":" in repository.rpartition("/")[2] else repository
    same = [digest for name, _, digest in digests if name == repository]
    anyone = [digest for _, _, digest in digests]
    return Image(
        id=body["Id"], digest=next(iter(same or anyone), None), tags=tuple(body.get("RepoTags") or ())
    )


def host_from(
    info: Json, api: tuple[int, int], *, local: bool, available: int | None, published_at: str
) -> Host:
    return Host(
        name=info.get("Name") or "",
        cpus=info.get("NCPU") or 0,
        memory=info.get("MemTotal") or 0,
        memory_available=available,
        version=info.get("ServerVersion") or "",
        api_version=f"{api[0]}.{api[1]}",
        local=local,
        published_at=published_at,
        engine=info.get("ID") or "",
    )


def memory_in(stats: Json) -> int | None:
    """Of `GET /containers/ID/stats`, as `docker stats` counts it: without the files that nobody has read for a while. The
    keys are those of cgroups v1 and v2. None where the container does not run, or the engine can't tell."""
    memory = stats.get("memory_stats") or {}
    used, details = memory.get("usage"), memory.get("stats") or {}
    if not used:
        return None
    files = details.get("total_inactive_file", details.get("inactive_file", 0))
    return int(used - files if files < used else used)
