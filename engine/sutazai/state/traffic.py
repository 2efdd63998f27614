"""What the traffic switch is told and what it says, in the words of the model.

A route has two slots of as many lanes as the workload has replicas. A lane is *ready* (gets its share of what is new, by weight),
in *drain* (keeps what it has, gets nothing new) or in *maint* (out of use; it leads nowhere then). Weights are 0 to 100 and
count against those of the route's other ready lanes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Literal

from sutazai.address import Address
from sutazai.state.scope import Slot

Mode = Literal["ready", "drain", "maint"]
LaneKey = tuple[Slot, int]
"""Slot and replica, counted from 1."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One route: what comes in on `port` of the switch goes to the lanes of `address`."""

    address: Address
    port: int
    protocol: Literal["http", "tcp"] = "http"
    replicas: int = 1


def clash(entries: Iterable[Entry]) -> str:
    """Two routes on one port, in words, as a switch would share its requests between them in silence; "" when there are none."""
    by_port: dict[int, Entry] = {}
    for entry in entries:
        other = by_port.setdefault(entry.port, entry)
        if other is not entry:
            return f"{other.address} and {entry.address} have the same port {entry.port}"
    return ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a lane leads: `host` is a name that the network knows and keeps right, `ip` what it is now."""

    host: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class Move:
    """What a lane is to be. Without an `endpoint` it leads where it led."""

    address: Address
    slot: Slot
    replica: int
    mode: Mode
    weight: int = 100
    endpoint: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class LaneState:
    """`connections` are those under way, of HTTP requests and whole connections alike; 0 means that it can be stopped. `up` is
    false where a ready lane has no address, as its name is not known to the network."""

    mode: Mode
    weight: int
    endpoint: Endpoint | None
    connections: int
    up: bool


@dataclass(frozen=True, slots=True)
class Counters:
    """Of one lane since the switch began to count. `requests` of HTTP, connections of TCP. Beside answers of 5xx there are those
    that did not come or broke off, and connections that could not be made. Retries hide a dead lane from the clients."""

    requests: int = 0
    answers_5xx: int = 0
    broken_answers: int = 0
    failed_connections: int = 0
    retries: int = 0
    redispatches: int = 0

    @property
    def errors(self) -> int:
        return self.answers_5xx + self.broken_answers + self.failed_connections

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class RouteCounters:
    """`own_errors` are answers of 5xx that the switch made itself: those of a lane that failed, and of no lane at all."""

    lanes: Mapping[LaneKey, Counters]
    own_errors: int

    def of(self, lanes: Iterable[LaneKey]) -> Counters:
        """What these lanes have together."""
        return sum((self.lanes.get(lane, Counters()) for lane in lanes), Counters())


@dataclass(frozen=True, slots=True)
class Counted:
    """Two counts can be compared when their `epoch` is the same; every configuration and every restart begins another."""

    epoch: str
    routes: Mapping[Address, RouteCounters]


@dataclass(frozen=True, slots=True)
class Request:
    """One request (HTTP) or connection (TCP) that ended. `at` is its end in seconds since the epoch by the switch's clock,
    `seconds` the time to the answer's head (HTTP) or to the connection's end (TCP), None where there was none. `status` is 0 for
    TCP, and -1 where no answer was sent. `ending` is HAProxy's termination state, `--` for a good end."""

    address: Address
    slot: Slot | None
    replica: int
    at: float
    status: int
    seconds: float | None
    ending: str
    retries: int = 0
