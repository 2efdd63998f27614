"""Containers made before their turn.

A wave waits for the one before it to be healthy, and meanwhile the engine would have little to do. To make a container needs
nobody's health. So what later waves are to start is made while an earlier one is waited for, one at a time, whenever nothing else
wants the engine: more would hold up whose turn it is. Nothing is made beyond a canary that is still to be seen: a bad change is
stopped before it touches the rest.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from sutazai.address import Address
from sutazai.errors import Conflict, ProviderError, StateError
from sutazai.operations.anonymous import left_behind, made_for, remove_anonymous
from sutazai.operations.gate import AHEAD
from sutazai.operations.hand import Hand, Placed, call, create, replicas_of
from sutazai.operations.session import noticed, together
from sutazai.plan.change import MADE, ResourceChange, Wave

Key = tuple[Address, int]


def later(waves: Iterable[Wave], wave: Wave) -> tuple[Address, ...]:
    """What may be made while `wave` is waited for."""
    if wave.canary:
        return ()
    found: list[Address] = []
    for one in waves:
        if one.index > wave.index:
            if one.canary:
                break
            found += one.addresses
    return tuple(found)


@dataclass(slots=True)
class Ahead:
    """What one run makes ahead, by workload and replica."""

    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _making: dict[Key, asyncio.Task[Placed | None]] = field(default_factory=dict)
    _hands: dict[Address, Hand] = field(default_factory=dict)
    _begun: set[Key] = field(default_factory=set)

    def begin(self, changes: Iterable[ResourceChange], hand_of: Callable[[ResourceChange], Hand]) -> None:
        """Make the containers of these workloads as soon as there is nothing else to do."""
        for change in changes:
            if change.action not in MADE or change.address in self._hands:
                continue
            hand = self._hands[change.address] = hand_of(change)
            first = hand.workload.shares or hand.workload.hooks.pre_deploy
            for replica in () if hand.in_slot(hand.slot) or first else replicas_of(hand):
                making = asyncio.ensure_future(self._make(hand, replica))
                making.add_done_callback(noticed)
                self._making[hand.address, replica] = making

    async def take(self, hand: Hand, replica: int) -> Placed | None:
        """The container of a replica whose turn has come, if it was made or is being made. Raises what making it raised, but for
        what stood in the way then: that may be gone by now."""
        key = hand.address, replica
        making = self._making.pop(key, None)
        if making is None:
            return None
        if key in self._begun:
            with suppress(Conflict):
                return await making
            return None
        making.cancel()
        return None

    async def leave(self, *, remove: bool) -> None:
        """Make no more, and `remove` what nobody took, with the volumes that came with it; else what is being made is not even
        waited for. What can't be removed now is found by the next run."""
        left = self._making
        for key, making in left.items():
            if key not in self._begun or not remove:
                making.cancel()
        made = dict(zip(left, await asyncio.gather(*left.values(), return_exceptions=True), strict=True))
        self._making = {}
        for error in made.values():
            if isinstance(error, BaseException) and not isinstance(
                error, (Exception, asyncio.CancelledError)
            ):
                raise error
        if remove:
            unused = [
                (address, placed) for (address, _), placed in made.items() if isinstance(placed, Placed)
            ]
            await together(_remove(self._hands[address], placed) for address, placed in unused)

    async def _make(self, hand: Hand, replica: int) -> Placed | None:
        async with self._one, hand.run.gate.turn(AHEAD):
            if hand.run.stop.requested:
                return None
            self._begun.add((hand.address, replica))
            return await create(hand, replica, has_turn=True)


async def _remove(hand: Hand, placed: Placed) -> None:
    session = hand.run.session
    with suppress(ProviderError, StateError):
        unused = await session.calls(session.provider.inspect, placed.id)
        await call(hand, "remove", {"id": placed.id}, session.provider.remove, placed.id)
        inherited = left_behind(hand.instances, hand.slot, placed.replica)
        await remove_anonymous(hand.run, made_for(unused, inherited))
