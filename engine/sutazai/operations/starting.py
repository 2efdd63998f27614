"""Starting a container of a workload, whatever the engine has made of its ID.

An engine that was killed while it started a container may never start that one again: what it handed it to holds the ID, and the
engine does not know of it. Nothing came of that start, so another container is made in its place.
"""

from dataclasses import replace

from sutazai.errors import Unstartable
from sutazai.operations.hand import Hand, Placed, call, create, say


async def start(hand: Hand, placed: Placed) -> Placed:
    """The container that runs then: another one where this one can't be started any more."""
    try:
        await _start(hand, placed)
    except Unstartable:
        say(hand, f"making its container anew: the engine can't start {placed.id[:12]} any more")
        placed = await _anew(hand, placed)
        await _start(hand, placed)
    return placed


async def _start(hand: Hand, placed: Placed) -> None:
    begin, data = hand.run.session.provider.start, {"id": placed.id}
    await call(hand, "start", data, begin, placed.id, foreseen=placed.instance is None)


async def _anew(hand: Hand, placed: Placed) -> Placed:
    """Of the same image, and with the volumes that the first one had."""
    session = hand.run.session
    there = await session.calls(session.provider.inspect, placed.id)
    own = replace(hand, image=there.image_id, image_id=there.image_id, image_digest=None)
    if there.image_id == hand.image_id:
        own = hand
    data = {"id": placed.id, "name": there.name}
    await call(hand, "remove", data, session.provider.remove, placed.id)
    made = await create(own, placed.replica, inherits=there.anonymous)
    if placed.instance is None:
        return made
    return replace(made, instance=await session.calls(session.provider.inspect, made.id))
