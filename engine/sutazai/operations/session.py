"""What a run needs, joined once by `wiring` and handed down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sutazai.address import Address
from sutazai.errors import ProviderError
from sutazai.events import Event, Notice
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.operations.batch import Batch
from sutazai.operations.gate import Gate
from sutazai.operations.pulse import Pulse
from sutazai.operations.reach import Reach, reach_of
from sutazai.plan.manner import DEFAULT, MANNERS, Manner
from sutazai.ports import (
    Calls,
    CheckRunner,
    Clock,
    EventSink,
    Journal,
    JournalEntry,
    Provider,
    Router,
    StateStore,
)
from sutazai.state.observed import Host
from sutazai.state.scope import PREFIX, Scope

if TYPE_CHECKING:
    from sutazai.operations.ahead import Ahead
    from sutazai.operations.switchboard import Switchboard
    from sutazai.state.v2 import VerdictRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """`who` is `user@host`, `new_id` makes unique IDs, `version` is this program's."""

    scope: Scope
    provider: Provider
    store: StateStore
    checks: CheckRunner
    clock: Clock
    calls: Calls
    events: EventSink
    who: str
    version: str
    new_id: Callable[[], str]
    router: Callable[[str, Sequence[str]], Router]
    """The traffic switch of a kind that runs in these containers."""
    parallelism: int | None = None
    """So many calls to the provider at a time; None: as many as a run finds good."""
    capped: bool = False
    """`parallelism` was asked for: no manner of a run makes more calls at a time."""
    parallel_build: bool = True


def notice(session: Session, message: str, level: str = "warning") -> None:
    session.events(Notice(session.clock.now(), level, message))


class Stop:
    """Whether the run should end early, and why. `interrupt()` may be called from a signal handler. `recording`: nothing
    more is started, and what was done is being written down; that is not to be interrupted again."""

    def __init__(self) -> None:
        self.interrupted = asyncio.Event()
        self.failed = asyncio.Event()
        self.recording = False

    def interrupt(self) -> None:
        self.interrupted.set()

    @property
    def requested(self) -> bool:
        return self.interrupted.is_set() or self.failed.is_set()


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All at once. When one fails, the others still end before its error is raised: nothing goes on behind a run's back."""
    return _sound(await asyncio.gather(*work, return_exceptions=True))


def _sound(ended: Iterable[T | BaseException]) -> list[T]:
    results: list[T] = []
    for result in ended:
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results


@asynccontextmanager
async def beside(work: Iterable[Coroutine[Any, Any, object]]) -> AsyncIterator[None]:
    """What goes on while something else is done, and is waited for when that ends well. Raises its first error."""
    under_way = asyncio.gather(*work, return_exceptions=True)
    under_way.add_done_callback(noticed)
    try:
        yield
        _sound(await under_way)
    finally:
        if not under_way.done():
            under_way.cancel()
            await asyncio.wait({under_way})


def noticed(under_way: "asyncio.Future[Any]") -> None:
    """What it ended in is told to whoever takes it. Where nobody is left to, asyncio would print that with its traceback."""
    if not under_way.cancelled():
        under_way.exception()


@dataclass(frozen=True, slots=True)
class Run:
    """One run under way: the session, the serial it will commit, and the files its containers get. `acted` is set once a
    call has changed something, or may have."""

    session: Session
    journal: Journal
    stop: Stop
    lineage: str
    serial: int
    desired: Fleet
    gate: Gate
    pulse: Pulse
    ahead: "Ahead"
    """What it makes before its turn."""
    host: Host | None = None
    """As the plan saw it; None where that had no look at it."""
    relays: tuple[str, ...] = ()
    """The containers of the traffic switch that ran then."""
    configs: Mapping[str, str] = field(default_factory=dict)
    finishing: frozenset[Address] = frozenset()
    """`desired.finishing()`, worked out once."""
    acted: asyncio.Event = field(default_factory=asyncio.Event)
    applied: Mapping[Address, Workload] = field(default_factory=dict)
    """Each workload as its containers were made: as the state says, else as desired."""
    goes_back: bool = False
    """To what a serial recorded."""
    manner: Manner = MANNERS[DEFAULT]
    board: "Switchboard | None" = None
    """The traffic switch, where this run has to do with routes."""
    replaced: dict[Address, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    """What removes the old containers of workloads that this run has replaced."""
    for_hooks: set[str] = field(default_factory=set)
    """The names of containers that were made for hooks and may still be there."""
    removed: set[str] = field(default_factory=set)
    """The IDs of containers that it removed."""
    renewed: set[str] = field(default_factory=set)
    """Networks that it made anew: what was observed to be in one is so no longer."""
    verdicts: "list[VerdictRecord]" = field(default_factory=list)
    """What its analyses came to, for the serial."""
    memory: Batch[Sequence[str], Mapping[str, int]] = field(init=False)
    """The memory of containers, in bytes, as `Provider.memory`. Raises `ProviderError`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", Batch(self._memory))

    async def _memory(self, asked: Sequence[Sequence[str]]) -> Mapping[str, int]:
        wanted = {instance_id for instances in asked for instance_id in instances}
        return await self.session.calls(self.session.provider.memory, sorted(wanted))

    def emit(self, event: Event) -> None:
        self.session.events(event)

    @property
    def now(self) -> float:
        return self.session.clock.now()

    def min_healthy_time(self, workload: Workload) -> float:
        """Seconds."""
        return self.desired.rollout_of(workload).min_healthy_time if self.manner.settles else 0.0

    def labels(self, address: Address) -> dict[str, str]:
        """Of whatever this run makes for a resource: whose it is, and which run it was."""
        return {
            **self.session.scope.labels(address),
            PREFIX + "lineage": self.lineage,
            PREFIX + "serial": str(self.serial),
        }

    async def reach(self) -> Reach:
        """How its containers are reached now: the switch may come and go."""
        host = self.host
        if host is None:  # asked once, and not at each poll of each container
            host = await self.session.calls(self.session.provider.host)
            object.__setattr__(self, "host", host)
        relays = (self.board.containers if self.board is not None else ()) or self.relays
        return reach_of(host, self.desired, relays)

    async def change(
        self,
        address: Address,
        call: str,
        data: Mapping[str, Any],
        function: Callable[..., T],
        *args: Any,
        foreseen: bool = False,
    ) -> T:
        """Make one call that changes Docker, journalled. Raises what the call raises."""
        act = lambda: self.session.calls(function, *args)  # noqa: E731
        return await self.journalled(address, call, data, act, foreseen=foreseen)

    async def foresee(self, address: Address, call: str, data: Mapping[str, Any]) -> None:
        """Write down a call that follows the next one: it reaches the disk with that one's intent, which saves it a sync."""
        entry = JournalEntry("foreseen", self.session.new_id(), self.now, str(address), call, data)
        await self.session.calls(self.journal.note, entry)

    async def journalled(
        self,
        address: Address,
        call: str,
        data: Mapping[str, Any],
        act: Callable[[], Awaitable[T]],
        *,
        foreseen: bool = False,
    ) -> T:
        """Act: the intent, or that it was foreseen, is on disk before it, the outcome after it. Raises what `act` raises."""
        journal, session = self.journal, self.session
        key = session.new_id()
        intent = JournalEntry("intent", key, self.now, str(address), call, data)
        await session.calls(journal.note if foreseen else journal.append, intent)
        try:
            result = await act()
            self.acted.set()
            self.pulse.beat()
        except Exception as error:
            if not _was_refused(error):
                self.acted.set()
            failed = JournalEntry("failed", key, self.now, str(address), call, {"error": str(error)})
            await session.calls(journal.note, failed)
            raise
        outcome = {"result": result} if isinstance(result, str) else {}
        await session.calls(journal.note, JournalEntry("done", key, self.now, str(address), call, outcome))
        return result

    async def note(self, address: Address, phase: str, data: Mapping[str, Any]) -> None:
        """Write down something that is no call: for whoever goes on with this run, or looks at it."""
        entry = JournalEntry(phase, self.session.new_id(), self.now, str(address), "", data)
        await self.session.calls(self.journal.note, entry)

    async def saw_healthy(self, address: Address) -> None:
        """Write down that a workload which this run changed is healthy: no later run needs to wait for it."""
        await self.note(address, "healthy", {})


def _was_refused(error: Exception) -> bool:
    """The provider answered that it did not do it. Any other error leaves that open."""
    return isinstance(error, ProviderError) and error.status is not None and 400 <= error.status < 500
