"""How many calls to the provider a run makes at a time, and whose turn it is.

With a plain queue a wave of a hundred would stop all of its old versions before it starts the first new one, and each would
be down for as long as the whole wave takes. So what is further along goes first: a workload that is down is up again
before the next one is stopped, and one that was made is started, and can get ready, while others are still made.

A call keeps the engine's processors busy, and what serves meanwhile on the same machine gets what they leave: 131 agents that are
replaced ten at a time on two cores are done no sooner than three at a time, but their answers take ten seconds longer. So fewer
calls at a time may keep it busy than there may be in all: a stop that lasts only waits for what it stops.

What is done before its time is for when the engine has little to do, at the end of a wave. Beside a full gate it would only take
from the others, and there would be none of it left for then.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_FURTHEST_FIRST = ("start", "stop", "remove")
"""Any other call comes after these."""
AHEAD = "ahead"
"""And after all of them what is done before its time."""
_KEPT_FROM_AHEAD = 2
"""So many places are left free by that: whose turn comes finds the engine with time for it."""
_WAITS_AFTER = 2.0
"""A stop that lasts so many seconds keeps the engine busy no longer."""


class Gate:
    """At most `width` holders of a turn at a time, and of those at most `busy` that keep the engine busy. Of those that wait, the
    one whose call is further along goes first; among equals, the one that came first. `AHEAD` leaves two places free, where
    there are more."""

    def __init__(self, width: int, busy: int | None = None, *, waits_after: float = _WAITS_AFTER) -> None:
        self._free, self._idle = width, width if busy is None else busy
        self._kept_from_ahead = min(_KEPT_FROM_AHEAD, self._free - 1, self._idle - 1)
        self._waits_after = waits_after if self._idle < width else None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @property
    def crowded(self) -> bool:
        """Whether calls wait whose time has come."""
        return bool(self._waiting) and self._waiting[0][0] < _rank(AHEAD)

    @asynccontextmanager
    async def turn(self, call: str) -> AsyncIterator[None]:
        await self._enter(call)
        busy = True

        def waits() -> None:
            nonlocal busy
            busy = False
            self._leave(0, 1)

        lasts = None
        if call == "stop" and self._waits_after is not None:
            lasts = asyncio.get_running_loop().call_later(self._waits_after, waits)
        try:
            yield
        finally:
            if lasts is not None:
                lasts.cancel()
            self._leave(1, int(busy))

    async def _enter(self, call: str) -> None:
        if self._is_open_to(_rank(call)):
            self._take()
            return
        mine = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (_rank(call), next(self._order), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # the turn came in the same moment
                self._leave(1, 1)
            raise

    def _is_open_to(self, rank: int) -> bool:
        kept = self._kept_from_ahead if rank == _rank(AHEAD) else 0
        return self._free > kept and self._idle > kept

    def _take(self) -> None:
        self._free -= 1
        self._idle -= 1

    def _leave(self, places: int, busy: int) -> None:
        self._free += places
        self._idle += busy
        while self._waiting and self._is_open_to(self._waiting[0][0]):
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                self._take()
                waiter.set_result(None)


def _rank(call: str) -> int:
    if call in _FURTHEST_FIRST:
        return _FURTHEST_FIRST.index(call)
    return len(_FURTHEST_FIRST) + (call == AHEAD)
