"""The containers of the traffic switch, kept running while a run has to do with routes.

The engine starts a process again that ended on its own, and nothing that was killed or stopped by hand: until somebody does,
nobody is served. So a run looks after them every second, and at once when the switch does not answer. One that has stopped is
started at once the first time, and then after pauses that double: an engine that shuts down stops it as often as it is started.
What a container led, it leads again when it runs.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sutazai.address import Address
from sutazai.errors import NotFound, ProviderError, StateError
from sutazai.events import Notice
from sutazai.model.fleet import SWITCH
from sutazai.operations.session import Session

Journalled = Callable[[Address, str, Mapping[str, object], Callable[[], Awaitable[None]]], Awaitable[None]]
EVERY = 1.0
"""Seconds."""
MOST_STARTS = 10
"""So often one container is started in one run."""
LONGEST_PAUSE = 4.0
"""Seconds between two of them: less than a switch that does not answer is insisted on (`switchboard.TRIES`)."""


def pause_after(starts: int) -> float:
    """Seconds between the start that was the container's `starts`-th in this run and the next one."""
    return min(EVERY * 2.0 ** (starts - 1), LONGEST_PAUSE) if starts else 0.0


@dataclass(slots=True)
class Upkeep:
    """Of one run. What can't be started now is tried again later; whoever needs the switch meanwhile says what is wrong."""

    session: Session
    journalled: Journalled
    _containers: tuple[str, ...] = ()
    _starts: Counter[str] = field(default_factory=Counter)
    _last: dict[str, float] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _watch: asyncio.Task[None] | None = None

    def keep(self, containers: Iterable[str]) -> None:
        """These from now on, and no others."""
        self._containers = tuple(containers)
        if self._containers and self._watch is None:
            self._watch = asyncio.ensure_future(self._every_second())

    async def settled(self) -> None:
        """Wait for what is being started."""
        async with self._looking:
            pass

    async def look(self, *, last: bool = False) -> None:
        """Start those that have stopped. `last`: there is no later look to wait for."""
        async with self._looking:
            for container in self._containers:
                try:
                    await self._started(container, last=last)
                except NotFound:
                    self._is_gone(container)
                except (ProviderError, StateError):
                    continue  # it is looked at again in a second

    async def end(self) -> None:
        """Look once more, so that nothing is left as it was killed last, and after nothing any more. Raises what the looking
        died of."""
        watch = self._watch
        if watch is None:
            return
        try:
            await self.look(last=True)
        finally:
            watch.cancel()
            self._containers = ()
        await asyncio.wait({watch})
        self._watch = None
        if not watch.cancelled():
            watch.result()

    async def _every_second(self) -> None:
        while True:
            await self.session.clock.sleep(EVERY)
            await self.look()

    def _is_due(self, container: str) -> bool:
        since = self.session.clock.monotonic() - self._last.get(container, 0.0)
        return since >= pause_after(self._starts[container])

    def _is_gone(self, container: str) -> None:
        """What somebody removed is made anew by the next run: this one does not know how."""
        if container not in self._gone:
            self._gone.add(container)
            message = f"a container of the traffic switch was removed from outside ({container[:12]}): apply makes it anew"
            self.session.events(Notice(self.session.clock.now(), "warning", message))

    async def _started(self, container: str, *, last: bool) -> None:
        session = self.session
        instance = await session.calls(session.provider.inspect, container)
        kept = container in self._containers and self._starts[container] < MOST_STARTS
        if instance.status != "exited" or not kept or not (last or self._is_due(container)):
            return
        await session.calls(session.provider.host)  # what an engine that ends starts it may never start again
        self._starts[container] += 1
        self._last[container] = session.clock.monotonic()
        message = f"{instance.name} carries the traffic and {instance.condition}: it is started again"
        session.events(Notice(session.clock.now(), "warning", message))
        start = lambda: session.calls(session.provider.start, container)  # noqa: E731
        await self.journalled(SWITCH, "start", {"id": container}, start)
