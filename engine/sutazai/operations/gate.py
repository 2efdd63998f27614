"""How many calls to the provider a run makes at a time, and whose turn it is.

With a plain queue a wave of a hundred would stop all of its old versions before it starts the first new one, and each would
be down for as long as the whole wave takes. So what is further along goes first: a workload that is down is up again
before the next one is stopped, and one that was made is started, and can get ready, while others are still made.
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


class Gate:
    """At most `width` holders of a turn at a time. Of those that wait, the one whose call is further along goes first; among
    equals, the one that came first."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def turn(self, call: str) -> AsyncIterator[None]:
        await self._enter(call)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, call: str) -> None:
        if self._free:
            self._free -= 1
            return
        mine = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (_rank(call), next(self._order), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # the turn came in the same moment
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1


def _rank(call: str) -> int:
    if call in _FURTHEST_FIRST:
        return _FURTHEST_FIRST.index(call)
    return len(_FURTHEST_FIRST) + (call == AHEAD)
