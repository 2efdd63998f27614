"""Addresses: the one way to name a resource, in specs, plans, state, selectors, events and messages."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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
        return self is Kind.AGENT or self is Kind.SERVICE


_RANK = {kind: rank for rank, kind in enumerate(Kind)}
_KINDS = {kind.value: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Address:
    """`KIND.NAME`, for example `agent.planner`. Ordered by kind (as `Kind` lists them), then by name. In JSON it is its
    text, wherever a pydantic model holds one."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}.{self.name}"

    def __lt__(self, other: "Address") -> bool:
        return (_RANK[self.kind], self.name) < (_RANK[other.kind], other.name)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        from pydantic_core import core_schema

        text = core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), text]),
            serialization=core_schema.to_string_ser_schema(),
        )

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
