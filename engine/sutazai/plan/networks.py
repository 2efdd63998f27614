"""What stands in the way of a network that is to be made, made anew or removed: containers of others that are in it, and
other networks that have its addresses."""

from collections.abc import Iterable, Iterator

from sutazai.address import Address, Kind
from sutazai.model.fleet import Network
from sutazai.model.subnets import overlap, subnet_of, subnets
from sutazai.plan.change import MADE, Action, Finding, ResourceChange
from sutazai.plan.situation import Situation


def network_findings(situation: Situation, changes: Iterable[ResourceChange]) -> Iterator[Finding]:
    """An error where a run would leave the members of a network without it."""
    for change in (change for change in changes if change.address.kind is Kind.NETWORK):
        there = situation.observed.networks.get(change.address.name)
        going = change.action is Action.DESTROY and "record" not in change.steps
        if there is not None and there.guests and (going or change.action is Action.REPLACE):
            yield _in_use(change, there.name, there.guests)
        if change.action in MADE:
            yield from _overlaps(situation, change.address)


def _in_use(change: ResourceChange, name: str, guests: tuple[str, ...]) -> Finding:
    others = f" and {len(guests) - 1} more" if len(guests) > 1 else ""
    return Finding(
        "error" if change.action is Action.REPLACE else "warning", "network-in-use",
        f"container {guests[0]}{others} of others {'are' if others else 'is'} in it, so that Docker will not remove it",
        change.address, f"docker network disconnect {name} {guests[0]}, or --exclude {change.address}",
    )  # fmt: skip


def _overlaps(situation: Situation, address: Address) -> Iterator[Finding]:
    declared = situation.desired.networks
    wanted = subnets({address.name: declared[address.name]}) if address.name in declared else ()
    others = [(f"network {name}", subnet) for name, subnet in situation.observed.subnets]
    for name, network in sorted(situation.observed.networks.items()):
        if network.owned and name != address.name:
            others += [(f"network.{name}, which is still there then", text) for text in _texts(network.body)]
    for _, _, subnet in wanted:
        for holder, text in others:
            other = subnet_of(text)
            if other is not None and overlap(subnet, other):
                hint = "choose other addresses, or remove that network first"
                summary = f"its subnet {subnet} overlaps with {text} of {holder}"
                yield Finding("error", "subnet-taken", summary, address, hint)


def _texts(network: Network) -> list[str]:
    return [pool.subnet for pool in (network.ipam.config if network.ipam else ()) if pool.subnet]
