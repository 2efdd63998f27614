"""The order in which calls get their turn."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from hypothesis import given
from hypothesis import strategies as st

from sutazai.operations.gate import AHEAD, Gate

CALLS = ("create_instance", "start", "stop", "remove", "rename", "connect", AHEAD)


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


def test_fewer_may_keep_the_engine_busy_and_a_stop_that_lasts_does_not() -> None:
    async def go() -> None:
        gate = Gate(3, busy=1, waits_after=0.05)
        async with AsyncExitStack() as held:
            assert await _enter(held, gate, "stop")
            assert not await _enter(held, gate, "start")
            for call in ("stop", "start"):
                async with asyncio.timeout(10):
                    await held.enter_async_context(gate.turn(call))
            assert not await _enter(held, gate, "stop", within=0.2)
        async with AsyncExitStack() as held:
            assert [await _enter(held, gate, "start") for _ in range(2)] == [True, False]

    asyncio.run(go())


def test_what_is_done_ahead_leaves_two_places_free() -> None:
    async def go() -> None:
        gate = Gate(10, busy=4)
        async with AsyncExitStack() as held:
            calls = ("start", AHEAD, AHEAD, "start", "start")
            assert [await _enter(held, gate, call) for call in calls] == [True, True, False, True, True]
            ahead = asyncio.ensure_future(_turn(gate, AHEAD))
            await asyncio.sleep(0)
            assert not await _enter(held, gate, "start")
        async with asyncio.timeout(10):
            await ahead
        async with AsyncExitStack() as held:
            assert await _enter(held, Gate(1), AHEAD)

    asyncio.run(go())


def test_it_is_crowded_while_somebody_waits_whose_time_has_come() -> None:
    async def go() -> None:
        gate = Gate(1)
        async with gate.turn("start"):
            assert not gate.crowded
            waiting = [asyncio.ensure_future(_turn(gate, AHEAD))]
            await asyncio.sleep(0)
            assert not gate.crowded
            waiting.append(asyncio.ensure_future(_turn(gate, "start")))
            await asyncio.sleep(0)
            assert gate.crowded
        await asyncio.gather(*waiting)
        assert not gate.crowded

    asyncio.run(go())


@given(
    st.lists(st.sampled_from(CALLS), max_size=30),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sets(st.integers(0, 29)),
)
def test_never_more_than_its_widths_and_nobody_is_forgotten(
    calls: list[str], width: int, busy: int, cancelled: set[int]
) -> None:
    async def go() -> None:
        gate, inside, most, done = Gate(width, busy), 0, 0, set()

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
        assert most <= min(width, busy)
        assert done | cancelled >= set(range(len(calls)))
        async with asyncio.timeout(1), gate.turn("start"):
            pass
        async with AsyncExitStack() as held:
            found = [await _enter(held, gate, "start") for _ in range(width + 1)]
        assert found == [number < min(width, busy) for number in range(width + 1)]

    asyncio.run(go())


async def _turn(gate: Gate, call: str) -> None:
    async with gate.turn(call):
        pass


async def _enter(held: AsyncExitStack, gate: Gate, call: str, *, within: float = 0.01) -> bool:
    """Whether there is a place; it is kept until `held` is left."""
    try:
        async with asyncio.timeout(within):
            await held.enter_async_context(gate.turn(call))
    except TimeoutError:
        return False
    return True
