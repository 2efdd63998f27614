"""What the operations need of the outside world, as Protocols. Adapters live under `providers`, `health`, `store` and
`views`; `wiring` joins them. Calls block; `Calls` runs them off the event loop, so that a simulation can run them on a
virtual clock in an order of its own choosing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from sutazai.state.claims import NOTHING

if TYPE_CHECKING:  # a Protocol needs no model: what only holds a lock loads none
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from sutazai.address import Address
    from sutazai.events import Event
    from sutazai.model.checks import Check
    from sutazai.model.compose import Build, NetworkAttachment
    from sutazai.model.fleet import Fleet, Network, Volume
    from sutazai.model.workload import Workload
    from sutazai.state.claims import Claims
    from sutazai.state.observed import Host, Image, Instance, Observed
    from sutazai.state.scope import Scope, Slot
    from sutazai.state.traffic import Counted, Entry, LaneKey, LaneState, Move, Request
    from sutazai.state.v2 import State

T = TypeVar("T")
NO_VARIABLES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """One container to be made. `image` is the reference or ID to create it from; `labels` all of its labels;
    `configs` the files to put into it, as config name → content; `hosts` the names it answers to in its networks; `inherits` the
    volumes without a name of their own that it takes over where it has one too, as place → name."""

    name: str
    address: Address
    workload: Workload
    slot: Slot
    replica: int
    image: str
    labels: Mapping[str, str]
    hosts: tuple[str, ...]
    configs: Mapping[str, str] = field(default_factory=dict)
    inherits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Executed:
    """How a command in a container ended, and what it said on its two streams."""

    exit_code: int
    output: str = ""
    errors: str = ""


class Provider(Protocol):
    """An engine that runs containers, seen through one `Scope`. Every method raises `ProviderError` (`NotFound`,
    `Conflict`, `ProviderUnreachable`) and nothing of the SDK's own. Names of networks and volumes are logical ones.
    The contract suite in tests/contract runs over every implementation."""

    def observe(self, fleet: Fleet, *, also_images: Iterable[str] = (), claims: Claims = NOTHING) -> Observed:
        """Everything of the scope as labels and `claims` say, the externals and images that `fleet` names, the host,
        and the host ports that others hold out of those `fleet` wants. Changes nothing."""
        ...

    def inspect(self, instance_id: str) -> Instance:
        """A container by its ID or name, of whatever scope. Raises NotFound."""
        ...

    def host(self) -> Host:
        """Asked over a new connection: an engine that ends lets nobody new in, and yet answers whoever is connected until it has
        stopped its containers. So its answer says that it is there. Raises ProviderUnreachable."""
        ...

    def images(self, references: Iterable[str]) -> Mapping[str, Image | None]: ...
    def memory(self, instance_ids: Iterable[str]) -> Mapping[str, int]:
        """The bytes that containers have in use, without what the kernel keeps of files and gives away when it is needed; those
        that do not run, or are gone, are left out. An engine may take a second for its answer, about one or about many."""
        ...

    def create_network(self, name: str, network: Network, labels: Mapping[str, str]) -> str: ...
    def remove_network(self, network_id: str) -> None: ...
    def create_volume(self, name: str, volume: Volume, labels: Mapping[str, str]) -> str: ...
    def remove_volume(self, volume_name: str) -> None:
        """One of the scope, by its name in the engine or its logical one; one without a name of its own, too."""
        ...

    def create_instance(self, spec: InstanceSpec) -> str:
        """Make a container with its networks and files, without starting it; its ID. All or nothing: a container
        that could not be completed is removed again."""
        ...

    def start(self, instance_id: str) -> None:
        """Raises Unstartable when this container never will, and another of the same kind would."""
        ...

    def stop(self, instance_id: str, grace: float | None) -> None: ...
    def remove(self, instance_id: str) -> None:
        """Remove a container, also when it runs. Its volumes stay: data is never removed along the way."""
        ...

    def rename(self, instance_id: str, name: str) -> None: ...

    def update(self, instance_id: str, workload: Workload, fields: Sequence[tuple[str, ...]]) -> None:
        """Bring the named in-place fields (resources, restart) of a running container to what `workload` says."""
        ...

    def connect(
        self, instance_id: str, network: str, attachment: NetworkAttachment, hosts: Sequence[str]
    ) -> None: ...
    def disconnect(self, instance_id: str, network: str) -> None: ...
    def logs(self, instance_id: str, lines: int) -> tuple[str, ...]: ...
    def execute(
        self,
        instance_id: str,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float,
        user: str = "",
        environment: Mapping[str, str] = NO_VARIABLES,
        given_up: Callable[[], bool] | None = None,
    ) -> Executed:
        """Run a command in a running container to its end, with `stdin` as its whole input, as `user` (the container's own when
        empty) and with `environment` beside the container's own. A command that is not there ends with 126 or 127, as a shell
        says it. Raises Conflict when the container does not run, NotEnded when the command has not ended after `timeout` seconds,
        or soon after `given_up` says so, which is asked from another thread: it may go on then."""
        ...

    def script(
        self,
        instance_id: str,
        script: str,
        arguments: Sequence[str] = (),
        *,
        stdin: bytes = b"",
        timeout: float,
    ) -> Executed:
        """As `execute` of `sh -c` with a script that may be begun twice: a shell for it may stay in the container, so that
        the next one costs little."""
        ...

    def put_file(self, instance_id: str, path: str, content: bytes, mode: int) -> None:
        """Write a file of root's, whole or not at all for whoever reads it meanwhile. `path` is absolute, its folder is there.
        Raises NotFound when it is not. In a running container it needs that container's `mv`."""
        ...

    def pull(self, reference: str, platform: str | None, progress: Callable[[str], None]) -> Image: ...
    def build(self, reference: str, build: Build, progress: Callable[[str], None]) -> Image: ...
    def remove_image(self, reference: str) -> None: ...


class Router(Protocol):
    """The traffic switch: leads what comes to the routes' ports to the lanes of two slots. It may run in several containers, all
    of which are told the same. Raises `TrafficError`; where it does, telling it again is safe. The contract suite in
    tests/contract runs over every implementation."""

    def configure(self, entries: Iterable[Entry], moves: Sequence[Move] = ()) -> None:
        """Have exactly these routes. Breaks no connection, keeps the lanes that stay as they are, and does nothing where it has
        them already. A new lane is what `moves` say of it from the first request on, where the network knows its endpoint, else
        in maintenance. When it refuses, the old routes stay in use."""
        ...

    def state(self) -> Mapping[Address, Mapping[LaneKey, LaneState]]: ...

    def shift(self, moves: Sequence[Move]) -> None:
        """Make the lanes what `moves` say, all of them at once and idempotently. What is made is kept through `configure` and
        through a crash of the switch."""
        ...

    def sever(self, address: Address, slot: Slot) -> None:
        """Cut the connections of a slot that are under way."""
        ...

    def counters(self) -> Counted: ...
    def requests(self, since: float) -> tuple[Request, ...]:
        """The requests and connections that ended after `since` (seconds since the epoch), oldest first; of long ago only the
        newest are kept, and none from before the last `configure` that changed something."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where the checks of one instance ask: candidates of `(host, port)` per container port, best first. `via`: the container
    from which they are asked, where that is not here."""

    instance_id: str
    address: Address
    endpoints: Mapping[int, tuple[tuple[str, int], ...]]
    via: str | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`answer` says what came back, for people, whether it passed or not. `seconds` is the response time."""

    passed: bool
    answer: str
    seconds: float


@runtime_checkable
class CheckRunner(Protocol):
    """Carries out checks of every kind. Never raises for an unhealthy answer. A provider that is one as well answers for its
    containers itself, since nobody can reach them over a network."""

    def run(self, check: Check, target: Target) -> CheckResult: ...


class Clock(Protocol):
    """`now` in seconds since the epoch, `monotonic` in seconds of an unknown start."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> Awaitable[None]: ...


class Calls(Protocol):
    """Runs a blocking call off the event loop."""

    def __call__(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]: ...


class EventSink(Protocol):
    """Raises nothing: what is told of a run must not end it."""

    def __call__(self, event: Event, /) -> None: ...


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who holds the lock of a state; the JSON keys are Terraform's (`ID`, `Operation`, `Who`, `Version`, `Created`,
    `Path`)."""

    id: str
    operation: str
    who: str
    version: str
    created: str
    path: str


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of the journal. `phase` is `begin` and `end` of a run, `intent` before and `done` or `failed` after a call
    that changes Docker, `foreseen` where another call comes in between, `healthy` once a workload that was changed is. `key`
    joins an intent with its outcome. `data` is what recovery needs, plain JSON."""

    phase: str
    key: str
    at: float
    address: str = ""
    call: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Journal(Protocol):
    """Written ahead: `append` returns only when the entry and all before it are on disk. `note` is for what came out: the
    entry outlives this process, and may reach the disk with the next one that is appended."""

    def append(self, entry: JournalEntry) -> None: ...
    def note(self, entry: JournalEntry) -> None: ...
    def read(self) -> tuple[JournalEntry, ...]: ...
    def clear(self) -> None: ...


class StateStore(Protocol):
    """Where the serials of one environment are kept. Raises `StateError` and nothing of a driver's own. The contract suite
    in tests/contract runs over every kind."""

    where: str
    """The place in words, without a password."""
    scope: Scope
    """Whose state it is."""

    def newest(self, like: Fleet | None = None) -> State | None:
        """`like`: where the state says the same of a workload as this fleet, it has the fleet's own body."""
        ...

    def read(self, serial: int) -> State: ...
    def document(self, serial: int) -> bytes:
        """A serial as it is kept, byte by byte."""
        ...

    def serials(self) -> tuple[int, ...]: ...
    def commit(self, state: State) -> State:
        """Write the next serial, whole or not at all; the state as written, with its hashes. Raises `StateError` when
        its serial is not the next, or its lineage another, or the lock was taken from this process."""
        ...

    def append(self, document: bytes) -> State:
        """Take in the next serial as another store of the same history keeps it, also while the state is elsewhere.
        Raises as `commit`, and when it is damaged or does not follow the newest one here."""
        ...

    def verify(self) -> tuple[str, ...]:
        """Everything wrong with what is kept, in words: damaged serials, gaps, breaks in the chain, a damaged
        journal. Empty when all is whole."""
        ...

    def journal(self) -> Journal: ...
    def lock(self, operation: str, *, timeout: float = 0.0) -> AbstractContextManager[LockInfo]:
        """Hold the state for writing. Raises `StateLocked` naming the holder, and `StateError` when the state was moved
        away, unless `operation` is `migrate`."""
        ...

    def unlock(self, lock_id: str) -> LockInfo:
        """Take the lock from whoever holds it, if its ID is `lock_id`; who that was. Raises `StateError` when it is
        another's."""
        ...

    def holder(self) -> LockInfo | None:
        """Who holds the lock now; None when nobody does."""
        ...

    def moved_to(self) -> str | None:
        """Where the state was moved; nothing more is written here then. None: nowhere."""
        ...

    def move_to(self, destination: str | None) -> None:
        """Say where the state is from now on; None: here."""
        ...

    def close(self) -> None:
        """Let go of connections and files; the next call opens what it needs."""
        ...
