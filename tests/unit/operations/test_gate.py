"""The order in which calls get their turn."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from sutazai.operations.gate import Gate

CALLS = ("create_instance", "start", "stop", "remove", "rename", "connect")


async def order_of(calls: Sequence[str], width: int) -> list[str]:
    """The calls in the order in which they get a turn, all of them waiting while others hold every place."""
    gate, got, opened = Gate(width), [], asyncio.Event()

    async def hold() -> None:
        async with gate.turn("stop"):
            await opened.wait()

    async def one(call: str) -> None:
        async with gate.turn(call):
            got.append(call)
            await asyncio.sleep(0)

    holders = [asyncio.ensure_future(hold()) for _ in range(width)]
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(one(call)) for call in calls]
    await asyncio.sleep(0)
    assert not got
    opened.set()
    await asyncio.gather(*holders, *waiting)
    return got


def test_what_is_down_is_started_before_anything_else_is_stopped() -> None:
    calls = ["create_instance", "stop", "remove", "start", "stop", "start"]
    expected = ["start", "start", "stop", "stop", "remove", "create_instance"]
    assert asyncio.run(order_of(calls, 1)) == expected


def test_equals_keep_their_order() -> None:
    assert asyncio.run(order_of(["rename", "connect", "create_instance"], 1)) == [
        "rename", "connect", "create_instance",
    ]  # fmt: skip


@given(st.lists(st.sampled_from(CALLS), max_size=30), st.integers(1, 4), st.sets(st.integers(0, 29)))
def test_never_more_than_its_width_and_nobody_is_forgotten(
    calls: list[str], width: int, cancelled: set[int]
) -> None:
    async def go() -> None:
        gate, inside, most, done = Gate(width), 0, 0, set()

        async def one(number: int, call: str) -> None:
            nonlocal inside, most
            async with gate.turn(call):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                done.add(number)

        tasks = [asyncio.ensure_future(one(number, call)) for number, call in enumerate(calls)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for number in cancelled & set(range(len(tasks))):
            tasks[number].cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        assert most <= width
        assert done | cancelled >= set(range(len(calls)))
        async with asyncio.timeout(1), gate.turn("start"):
            pass
        assert [await _enters(gate) for _ in range(width)] == [True] * width

    asyncio.run(go())


async def _enters(gate: Gate) -> bool:
    """Whether a place is free; it is kept."""
    try:
        async with asyncio.timeout(0.1):
            await gate.turn("start").__aenter__()
    except TimeoutError:
        return False
    return True
