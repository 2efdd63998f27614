"""What the traffic switch is told of many workloads waits for company, where nobody is without an answer meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from sutazai.address import Address, agent
from sutazai.operations.switchboard import Switchboard
from sutazai.ports import Router
from sutazai.state.scope import Slot
from sutazai.state.traffic import Move
from unit.operations.lab import Lab, lab, to_its_end
from unit.plan.world import fleet_of

T = TypeVar("T")


class Told:
    """A switch that only notes when it was told of whom."""

    def __init__(self, world: Lab) -> None:
        self._world, self._began = world, world.clock.monotonic()
        self.writes: list[tuple[float, list[str]]] = []

    def shift(self, moves: Sequence[Move]) -> None:
        at = round(self._world.clock.monotonic() - self._began, 2)
        self.writes.append((at, [move.address.name for move in moves]))


async def as_it_is(_: Address, __: str, ___: Mapping[str, Any], act: Callable[[], Awaitable[T]]) -> T:
    return await act()


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def told(
    world: Lab, at_work: int, shifts: Sequence[tuple[float, str, bool]]
) -> list[tuple[float, list[str]]]:
    """What a switch is told, and when, by workloads that come after so many seconds, of `at_work` in all."""
    switch = Told(world)

    async def go() -> None:
        board = Switchboard(world.session(), fleet_of({}), as_it_is, {}, company=lambda: at_work)
        board.router = cast("Router", switch)

        async def one(after: float, name: str, patient: bool) -> None:
            await world.clock.sleep(after)
            await board.shift([Move(agent(name), Slot.BLUE, 1, "ready")], patient=patient)

        await asyncio.gather(*(one(*shift) for shift in shifts))

    to_its_end(go())
    return switch.writes


def test_the_only_one_at_work_is_told_at_once(world: Lab) -> None:
    assert told(world, 1, [(0.0, "a", True)]) == [(0.0, ["a"])]


def test_one_of_many_waits_for_company(world: Lab) -> None:
    shifts = [(0.0, "a", True), (0.5, "b", True), (1.0, "c", True), (1.0, "d", True)]
    ((at, names),) = told(world, 4, shifts)
    assert (at, sorted(names)) == (1.0, ["a", "b", "c", "d"])


def test_nobody_waits_for_long(world: Lab) -> None:
    (at, names), (later, rest) = told(world, 100, [(0.0, "a", True), (1.5, "b", True), (3.0, "c", True)])
    assert (at, names) == (pytest.approx(2.0, abs=0.06), ["a", "b"])
    assert (later, rest) == (pytest.approx(5.0, abs=0.06), ["c"])


def test_who_is_in_a_hurry_takes_the_others_along(world: Lab) -> None:
    ((at, names),) = told(world, 100, [(0.0, "a", True), (0.3, "b", False)])
    assert (at, names) == (pytest.approx(0.3, abs=0.06), ["a", "b"])
