"""Ranges of addresses as they are written for networks: reading them, and whether two of them overlap.

Loads no model, since a look at the engine needs it too.
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sutazai.model.fleet import Network

Subnet = IPv4Network | IPv6Network


def subnet_of(text: str | None) -> Subnet | None:
    """The network that a subnet is written for; Docker takes one with host bits too."""
    try:
        return ip_network(text, strict=False) if text and "/" in text else None
    except ValueError:
        return None


def overlap(one: Subnet, other: Subnet) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)


def subnets(networks: "Mapping[str, Network]") -> Iterator[tuple[str, int, Subnet]]:
    """`(network, index of the pool, subnet)` for each that is declared of an own network, in the order of names."""
    for name in sorted(networks):
        ipam = networks[name].ipam
        for index, pool in enumerate(ipam.config if ipam and not networks[name].external else ()):
            subnet = subnet_of(pool.subnet)
            if subnet is not None:
                yield name, index, subnet
