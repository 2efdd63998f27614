"""Ports that the containers of one workload share out among themselves.

A container can't publish one more port while it runs, nor one less, so most workloads are replaced when their ports change. The
traffic switch is not: that would cost requests on every route. What is missing is published by another container of it, made
beside those that are there, and what is wanted no longer stays published by whoever has it, and leads nowhere. A container that
publishes nothing that is wanted goes.

One container that publishes everything takes the place of all where a port is needed that one of them holds beside others,
where they would become too many, and wherever the workload is replaced for another reason."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.diagnostics import and_more
from sutazai.model.compose import Port
from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.workload import Workload
from sutazai.plan.change import MADE, ResourceChange
from sutazai.plan.normal import port_text
from sutazai.plan.ports import HostPort, held_port, host_ports
from sutazai.state.observed import Instance

MOST_BESIDE = 8
"""So many containers at most beside the first."""
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Shares:
    """`ports` is what the container of each replica publishes, by replica: as it is where it stays, and `missing` where it is
    to be made. `spare` are containers that publish nothing which is wanted; those `in_the_way` of others go before anything is
    made, the rest when all is done. `left` are ports that stay published and lead nowhere. `obstacle` is why sharing out does
    not do."""

    ports: Mapping[int, tuple[Port, ...]]
    missing: tuple[Port, ...] = ()
    spare: tuple[Instance, ...] = ()
    in_the_way: frozenset[str] = frozenset()
    left: tuple[str, ...] = ()
    obstacle: str = ""


def shares_ports(address: Address) -> bool:
    """Whether the containers of a workload share its ports out among themselves."""
    return address == SWITCH


def share_out(
    address: Address, workload: Workload, current: Sequence[Instance], fleet: Fleet
) -> Shares | None:
    """How the ports of `workload` are shared out when its containers are those in `current`; None where there are none, or where
    each container has all of the ports. `fleet` tells what others publish."""
    if not shares_ports(address) or not current:
        return None
    wanted = {text_of(port): port for port in workload.ports}
    held = {instance.id: {text_of(port): port for port in instance.body.ports} for instance in current}
    stay = [instance for instance in current if wanted.keys() & held[instance.id].keys()]
    spare = tuple(instance for instance in current if instance not in stay)
    there = {text for instance in stay for text in held[instance.id]}
    missing = tuple(port for text, port in wanted.items() if text not in there)
    ports = {instance.replica: instance.body.ports for instance in stay}
    if missing:
        taken = {instance.replica for instance in current}
        ports[min(set(range(1, len(taken) + 2)) - taken)] = missing

    unwanted = {
        identity: [port for text, port in own.items() if text not in wanted] for identity, own in held.items()
    }
    to_be = _to_be(missing, address, fleet) if any(unwanted.values()) else {}

    def clashing(instance: Instance) -> Iterator[str]:
        return _clashes(unwanted[instance.id], to_be)

    left = [text for instance in stay for text in held[instance.id] if text not in wanted]
    return Shares(
        dict(sorted(ports.items())),
        missing,
        spare,
        frozenset(instance.id for instance in spare if any(True for _ in clashing(instance))),
        tuple(left),
        _obstacle(stay, clashing, missing),
    )


def shares_after(
    change: ResourceChange, workload: Workload, instances: Iterable[Instance], fleet: Fleet
) -> Shares | None:
    """How the ports are shared out once `change` is carried out, for the plan and for the run. None where each container has
    all of them, as one does that is made in place of others."""
    if change.action in MADE or not shares_ports(change.address):
        return None
    return share_out(change.address, workload, [one for one in instances if one.slot is change.slot], fleet)


def numbers_of(workload: Workload, shares: Shares | None) -> tuple[int, ...]:
    """The replicas that are to be there."""
    return tuple(shares.ports if shares else range(1, workload.deploy.replicas + 1))


def takers(
    fleet: Fleet, instances: Mapping[Address, Sequence[Instance]]
) -> Iterator[tuple[Address, Address]]:
    """Workloads that publish a port themselves which a container of another one has that shares its ports out, each with that
    one: it must let go first."""
    for address in filter(shares_ports, instances):
        held: defaultdict[int, list[HostPort]] = defaultdict(list)
        for port in (port for instance in instances[address] for port in host_ports(instance.body)):
            held[port.port].append(port)
        for other, workload in fleet.workloads() if held and fleet.workload(address) else ():
            wanted = host_ports(workload) if other != address else ()
            if any(port.clashes(there) for port in wanted for there in held.get(port.port, ())):
                yield other, address


def _obstacle(
    stay: Sequence[Instance], clashing: Callable[[Instance], Iterator[str]], missing: Sequence[Port]
) -> str:
    found = next((text for instance in stay for text in clashing(instance)), "")
    if not found and missing and len(stay) > MOST_BESIDE:
        found = f"{len(stay)} containers share its ports already"
    return found


def _to_be(
    missing: Iterable[Port], address: Address, fleet: Fleet
) -> Mapping[int, list[tuple[HostPort, str]]]:
    """By number, the ports that are to be published by another container of this workload or of others, each with what that says
    of one in its way (`{}`)."""
    found: defaultdict[int, list[tuple[HostPort, str]]] = defaultdict(list)
    for port in missing:
        wanted = _host_port(port)
        found[wanted.port].append((wanted, f"{{}} is published, where {text_of(port)} is to be"))
    for owner, workload in fleet.workloads():
        for wanted in host_ports(workload) if owner != address else ():
            found[wanted.port].append((wanted, f"{owner} is to publish {{}} itself"))
    return found


def _clashes(unwanted: Iterable[Port], to_be: Mapping[int, list[tuple[HostPort, str]]]) -> Iterator[str]:
    """Why ports that a container publishes and nobody wants of it can't stay published, in words."""
    for port in unwanted:
        there = _host_port(port)
        for wanted, words in to_be.get(there.port, ()):
            if there.clashes(wanted):
                yield words.format(text_of(port))


def _host_port(port: Port) -> HostPort:
    return held_port(port.host_ip or "", port.published or 0, port.protocol)


def text_of(port: Port) -> str:
    return port_text({name: getattr(port, name) for name in ("host_ip", "published", "target", "protocol")})


def named(texts: Iterable[str]) -> str:
    """`127.0.0.1:80:80/tcp, 81:81/tcp and 7 more`"""
    return and_more(list(texts), _MOST_NAMED)


def counted_in_name(address: Address, workload: Workload, replica: int) -> int:
    """How many replicas the name of a container tells of: containers that share ports come and go, and the first bears no
    number."""
    return replica if shares_ports(address) else workload.deploy.replicas


def in_its_share(workload: Workload, instance: Instance) -> Workload:
    """The workload as one of its containers is to be seen from outside: a check of a port that another one publishes is made of
    the first port of its own."""
    if not shares_ports(instance.address):
        return workload
    published = {port.target for port in instance.body.ports}
    own = next((port.target for port in workload.ports if port.target in published), None)
    others = {port.target for port in workload.ports} - published
    if own is None or not any(check.port in others for check in workload.checks):
        return workload
    checks = tuple(
        check.model_copy(update={"port": own}) if check.port in others else check for check in workload.checks
    )
    return workload.model_copy(update={"checks": checks})
