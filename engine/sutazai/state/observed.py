"""What a provider reports, in the words of the model.

An `Instance` has two bodies: `form` (as a model: `body`) is everything the provider reports of the container, `defaults` the
part of it that the image or the engine would have filled in had nobody declared anything. Comparing needs both: a field that
is no longer declared differs exactly when it is not at its default. Both use logical names (`data`, not
`shop-local-data`) for networks and volumes of the scope.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from sutazai.address import Address
from sutazai.state.scope import Slot

if TYPE_CHECKING:
    from sutazai.model.fleet import Network, Volume
    from sutazai.model.workload import Workload

Status = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
Taken = tuple[Literal["container", "network", "volume"], str]
"""A kind of object and a Docker name."""
HealthStatus = Literal["none", "starting", "healthy", "unhealthy"]
_HEALTH_WORDS: Mapping[HealthStatus, str] = {
    "none": "it has no HEALTHCHECK: declare `healthcheck`, or use another kind of check",
    "starting": "its HEALTHCHECK has not passed yet",
    "healthy": "its HEALTHCHECK says healthy",
    "unhealthy": "its HEALTHCHECK says unhealthy",
}


class Reported:
    """All that a provider reports of a container: `form` as plain data, each value spelt as a `Workload` made of it has it, and
    `model` as that workload, less what no spec may say. It is made once somebody asks for it, which costs more than all else
    that is read of a container, and comparing asks for the plain data only."""

    __slots__ = ("_make", "_model", "form")

    def __init__(self, form: dict[str, Any], make: "Callable[[], Workload]") -> None:
        self.form, self._make = form, make
        self._model: Workload | None = None

    @classmethod
    def of(cls, workload: "Workload") -> "Reported":
        return cls(workload.form, lambda: workload)

    @property
    def model(self) -> "Workload":
        if self._model is None:
            self._model = self._make()
        return self._model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reported) and self.form == other.form

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Instance:
    """One container. `configs` maps the names of configs in it to digests of the content it was made with;
    `addresses` maps logical network names to IP addresses; `published` maps `PORT/PROTOCOL` in the container to
    `(ip, port)` on the host. `answers` maps logical network names to the names it answers to there. `anonymous` maps places
    in it to the names that the engine made up for the volumes there. `lenders` maps the IDs of containers of others whose
    namespaces it shares to their names. `adopted`: it bears no labels of ours. `owner` is the `PROJECT/ENVIRONMENT` that its
    labels name."""

    id: str
    name: str
    address: Address
    slot: Slot
    replica: int
    status: Status
    health: HealthStatus
    image: str
    image_id: str
    reported: Reported
    filled_in: Callable[[], dict[str, Any]]
    """Makes `defaults`, which not every comparison needs."""
    lineage: str = ""
    serial: int = 0
    spec_hash: str = ""
    configs: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None
    oom_killed: bool = False
    error: str = ""
    health_output: str = field(default="", compare=False)
    """What the HEALTHCHECK said last and how it ended, in one line; empty before it was first made. For people only:
    nothing is decided by it."""
    restart_count: int = 0
    started_at: str = ""
    created_at: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    anonymous: Mapping[str, str] = field(default_factory=dict)
    lenders: Mapping[str, str] = field(default_factory=dict)
    adopted: bool = False
    owner: str = ""
    hook: str = ""
    """The hook that it was made to run; such a container is none of the workload's own."""

    @property
    def health_words(self) -> str:
        """What its HEALTHCHECK says, and what that said last where it does not pass."""
        said = f": {self.health_output}" if self.health_output and self.health != "healthy" else ""
        return f"{_HEALTH_WORDS[self.health]}{said}"

    @property
    def condition(self) -> str:
        """What became of it, in words that follow "its container": `exited with code 137 (out of memory)`."""
        code = f" with code {self.exit_code}" if self.exit_code is not None else ""
        ended = (
            f"{code}{' (out of memory)' if self.oom_killed else ''}{f': {self.error}' if self.error else ''}"
        )
        match self.status:
            case "created":
                return f"was never started{f': {self.error}' if self.error else ''}"
            case "exited":
                return f"exited{ended}"
            case "restarting":
                return f"keeps restarting, last ended{ended}" if ended else "is restarting"
            case "removing":
                return "is being removed"
            case status:
                return f"is {status}{ended}"

    @property
    def doomed(self) -> bool:
        """Whether it can never be started again: the engine is removing it, or began to and could not end it."""
        return self.status in ("removing", "dead")

    @property
    def form(self) -> dict[str, Any]:
        return self.reported.form

    @property
    def body(self) -> "Workload":
        return self.reported.model

    @property
    def defaults(self) -> dict[str, Any]:
        """Plain data, as `form` is."""
        return self.filled_in()


@dataclass(frozen=True, slots=True)
class ObservedNetwork:
    """A network of the scope, or an external one that the fleet uses. `guests` are the containers of others that run in one
    of the scope."""

    id: str
    name: str
    address: Address
    body: "Network"
    defaults: "Network"
    owned: bool
    guests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedVolume:
    name: str
    address: Address
    body: "Volume"
    defaults: "Volume"
    owned: bool


@dataclass(frozen=True, slots=True)
class AnonymousVolume:
    """A volume of the scope whose name the engine made up, for a mount without a source or a `VOLUME` of an image. `address` is
    the workload that it was made for; `used`: a container has it, be it stopped."""

    name: str
    address: Address
    used: bool


@dataclass(frozen=True, slots=True)
class Image:
    """A local image. `digest` is the registry's (`sha256:…`), None for one that was built here."""

    id: str
    digest: str | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortUse:
    """A host port that somebody else holds: `holder` says who, in words."""

    ip: str
    port: int
    protocol: str
    holder: str


@dataclass(frozen=True, slots=True)
class Host:
    """The machine the provider runs on. Memory in bytes. `local`: container addresses are reachable from here.
    `published_at` is where the ports that containers publish on every address of it are reached. `engine` is what the engine
    calls itself, and no other one does; empty where it has no such name."""

    name: str
    cpus: int
    memory: int
    memory_available: int | None
    version: str
    api_version: str
    local: bool
    published_at: str = "127.0.0.1"
    engine: str = ""


@dataclass(frozen=True)
class Observed:
    """One look at everything of one scope. `images` answers for each image reference asked about, None where the
    provider does not have it. `fingerprint` is a digest of all that was answered: two looks with the same one are equal.
    It is empty where a provider gives none. `taken` are names that a container, network or volume can't get, since one
    that is not ours has them; `subnets` the ranges of addresses that other networks have of those the fleet wants, as
    `(network, subnet)`."""

    instances: tuple[Instance, ...] = ()
    networks: Mapping[str, ObservedNetwork] = field(default_factory=dict)
    volumes: Mapping[str, ObservedVolume] = field(default_factory=dict)
    anonymous: tuple[AnonymousVolume, ...] = ()
    images: Mapping[str, Image | None] = field(default_factory=dict)
    host: Host | None = None
    ports: tuple[PortUse, ...] = ()
    fingerprint: str = ""
    taken: frozenset[Taken] = frozenset()
    subnets: tuple[tuple[str, str], ...] = ()
    one_offs: tuple[Instance, ...] = ()
    """Containers that a run made for a hook, and was cut off before it removed them."""

    def of(self, address: Address) -> tuple[Instance, ...]:
        """The instances of one workload, by slot and replica."""
        return tuple(sorted(self._by_address.get(address, ()), key=lambda one: (one.slot, one.replica)))

    @cached_property
    def _by_address(self) -> Mapping[Address, Sequence[Instance]]:
        found: defaultdict[Address, list[Instance]] = defaultdict(list)
        for instance in self.instances:
            found[instance.address].append(instance)
        return found
