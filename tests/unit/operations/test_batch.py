"""One call for all that ask at a time."""

import asyncio
from collections.abc import Sequence

import pytest

from sutazai.operations.batch import Batch


def test_what_is_asked_for_during_a_call_is_asked_in_the_next_one() -> None:
    calls: list[list[int]] = []

    async def go() -> list[int]:
        gate = asyncio.Event()

        async def act(items: Sequence[int]) -> int:
            calls.append(list(items))
            await gate.wait()
            return len(calls)

        batch = Batch(act)
        asked = [asyncio.ensure_future(batch(1))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked += [asyncio.ensure_future(batch(n)) for n in (2, 3)]
        await asyncio.sleep(0)
        gate.set()
        return list(await asyncio.gather(*asked))

    assert asyncio.run(go()) == [1, 2, 2]
    assert calls == [[1], [2, 3]]


def test_a_failure_is_that_of_each_who_asked_and_of_nobody_later() -> None:
    async def go() -> None:
        async def act(items: Sequence[int]) -> int:
            if 0 in items:
                raise ValueError("no")
            return 7

        batch = Batch(act)
        failed = await asyncio.gather(batch(0), batch(1), return_exceptions=True)
        assert [str(error) for error in failed] == ["no", "no"]
        assert await batch(2) == 7

    asyncio.run(go())


def test_who_gives_up_leaves_the_call_to_the_others() -> None:
    async def go() -> None:
        gate = asyncio.Event()

        async def act(items: Sequence[int]) -> int:
            await gate.wait()
            return sum(items)

        batch = Batch(act)
        first, other = asyncio.ensure_future(batch(1)), asyncio.ensure_future(batch(2))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        await batch.settled()
        assert await other == 3

    asyncio.run(go())
