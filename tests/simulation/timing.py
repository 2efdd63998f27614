"""Time that passes only when everybody waits: an asyncio loop whose clock jumps to the next timer."""

import asyncio
import selectors


class Stuck(Exception):
    """Nobody can go on and no timer is set: the run would hang for ever."""


class _Jump(selectors.SelectSelector):
    """Waits for nothing: what it is asked to wait has passed at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class VirtualClock:
    """`ports.Clock` on a virtual loop. `start` is its first second since the epoch."""

    def __init__(self, loop: VirtualLoop, start: float) -> None:
        self._loop, self._start = loop, start

    def now(self) -> float:
        return self._start + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
