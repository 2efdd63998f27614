"""One call for all that ask at a time, where each call costs the same however much it is about.

What is asked for while a call is under way waits for the next one. Where somebody says when it is worth it to wait for more, a
call waits for that too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batch(Generic[Item, Answer]):
    """`act` is called with what has been asked for since it was last called, and its answer, or what it raises, is that of each
    who asked. It always begins after the asking: an answer is never of before."""

    def __init__(
        self,
        act: Callable[[Sequence[Item]], Awaitable[Answer]],
        gather: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._act = act
        self._gather = gather
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._acting: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._acting is None or self._acting.done():
            self._acting = asyncio.ensure_future(self._act_for_all())
        return await answer

    @property
    def waiting(self) -> tuple[Item, ...]:
        """What has been asked for, and is in no call yet."""
        return tuple(item for item, _ in self._waiting)

    async def settled(self) -> None:
        """Wait for what is under way, also when nobody waits for its answer any more."""
        if self._acting is not None:
            await asyncio.wait({self._acting})

    async def _act_for_all(self) -> None:
        while self._waiting:
            if self._gather is not None:
                await self._gather()
            asked, self._waiting = self._waiting, []
            try:
                found = await self._act([item for item, _ in asked])
            except Exception as error:  # noqa: BLE001 - it is the failure of each that asked
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for _, answer in asked:
                    if not answer.done():
                        answer.set_result(found)
