"""Addresses: the one way to name a resource, in specs, plans, state, selectors, events and messages."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an address can name. The order is the order in which kinds are shown."""

    NETWORK = "network"
    VOLUME = "volume"
    CONFIG = "config"
    SECRET = "secret"
    SERVICE = "service"
    AGENT = "agent"

    @property
    def is_workload(self) -> bool:
        return self in (Kind.SERVICE, Kind.AGENT)


_RANK = {kind: rank for rank, kind in enumerate(Kind)}
_KINDS = {kind.value: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Address:
    """`KIND.NAME`, for example `agent.planner`. Ordered by kind (as `Kind` lists them), then by name."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}.{self.name}"

    def __lt__(self, other: "Address") -> bool:
        return (_RANK[self.kind], self.name) < (_RANK[other.kind], other.name)

    @staticmethod
    def parse(text: str) -> "Address":
        """Read `KIND.NAME`. Raises ValueError when the kind is none of `Kind` or the name is empty."""
        kind, dot, name = text.partition(".")
        if not dot or not name or kind not in _KINDS:
            kinds = ", ".join(_KINDS)
            raise ValueError(f"{text!r} is not an address: expected KIND.NAME with KIND one of {kinds}")
        return Address(_KINDS[kind], name)


def agent(name: str) -> Address:
    return Address(Kind.AGENT, name)


def service(name: str) -> Address:
    return Address(Kind.SERVICE, name)


def network(name: str) -> Address:
    return Address(Kind.NETWORK, name)


def volume(name: str) -> Address:
    return Address(Kind.VOLUME, name)
