"""Networks that Docker is known to refuse, and addresses that no network of a workload has room for."""

from collections.abc import Mapping
from ipaddress import ip_address

from sutazai.model.fleet import Network
from sutazai.model.quoting import quoted
from sutazai.model.subnets import subnet_of, subnets
from sutazai.model.workload import Workload
from sutazai.specs import words
from sutazai.specs.refused import Flaw, Flaws, is_address

_WRITE = "write an address and its length, such as 10.20.0.0/16"


def network_flaws(network: Network) -> Flaws:
    """What is wrong with one network by itself."""
    for index, pool in enumerate(network.ipam.config if network.ipam else ()):
        at = ("ipam", "config", index)
        subnet = subnet_of(pool.subnet)
        if pool.subnet and subnet is None:
            yield Flaw((*at, "subnet"), f"{quoted(pool.subnet)} is not a subnet", _WRITE)
        if not pool.subnet and (pool.gateway or pool.ip_range or pool.aux_addresses):
            yield Flaw(
                at,
                "a gateway or a range of addresses needs a subnet",
                "write subnet: ADDRESS/LENGTH beside it",
            )
        named: dict[tuple[str, ...], str | None] = {("gateway",): pool.gateway}
        named.update({("aux_addresses", name): address for name, address in pool.aux_addresses.items()})
        for path, address in named.items():
            if address and not is_address(address):
                yield Flaw(
                    (*at, *path),
                    f"{quoted(address)} is not an IP address",
                    "write an address without a length",
                )
            elif address and subnet is not None and ip_address(address) not in subnet:
                yield Flaw(
                    (*at, *path),
                    f"{address} is not in the subnet {subnet}",
                    "write an address of that subnet",
                )
        if pool.ip_range and subnet_of(pool.ip_range) is None:
            yield Flaw((*at, "ip_range"), f"{quoted(pool.ip_range)} is not a range of addresses", _WRITE)


def attachment_flaws(workload: Workload, networks: Mapping[str, Network]) -> Flaws:
    """Addresses that a workload asks for and that its networks can't give."""
    for name, attachment in workload.networks.items():
        if attachment.mac_address and not words.MAC.fullmatch(attachment.mac_address):
            yield Flaw(("networks", name, "mac_address"), f"{quoted(attachment.mac_address)} is not a MAC address",
                       "write six pairs of hexadecimal digits, such as 02:42:ac:11:00:02")  # fmt: skip
        asked = {"ipv4_address": attachment.ipv4_address, "ipv6_address": attachment.ipv6_address}
        for key, text in ((key, text) for key, text in asked.items() if text):
            yield from _address(("networks", name, key), text, name, networks.get(name))


def _address(path: tuple[str, ...], text: str, name: str, network: Network | None) -> Flaws:
    version = 4 if path[-1] == "ipv4_address" else 6
    if not is_address(text) or ip_address(text).version != version:
        yield Flaw(
            path, f"{quoted(text)} is not an IPv{version} address", "write an address without a length"
        )
        return
    if network is None or network.external:
        return
    found = [s for _, _, s in subnets({name: network}) if s.version == version]
    if not found:
        yield Flaw(path, f"the network {name} has no IPv{version} subnet to take {text} from",
                   f"declare one: networks: {{{name}: {{ipam: {{config: [{{subnet: …}}]}}}}}}")  # fmt: skip
    elif all(ip_address(text) not in subnet for subnet in found):
        yield Flaw(
            path,
            f"{text} is not in the subnet {found[0]} of the network {name}",
            "write an address of that subnet",
        )
