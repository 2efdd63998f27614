"""The old version once more, of the same age and size as the canary: what runs for days is warm, and has its caches and its
memory.

Its containers are replicas of the old slot beyond the declared number, with the image and the body that are in use. They have
as much traffic as the canary as long as they are well (`versions.py`), and are gone when it was promoted or failed. Those of a
run that was killed are replicas too many for the next one, which removes them as such.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sutazai.errors import NotFound
from sutazai.operations.hand import Hand, Placed, Unhealthy, all_healthy, create, remove_all
from sutazai.operations.led import move_to
from sutazai.operations.starting import start
from sutazai.state.observed import Instance
from sutazai.state.traffic import Mode, Move


@dataclass(frozen=True, slots=True)
class Baseline:
    """`hand` is that of the old version."""

    hand: Hand
    placed: Sequence[Placed]

    async def settled(self) -> str:
        """Wait until its containers are healthy. Empty, or why the old version does not become so any more, of which the new one
        is innocent. Raises `Unhealthy` when the run is interrupted."""
        try:
            await all_healthy(self.hand, self.placed)
        except Unhealthy as error:
            if error.interrupted:
                raise
            return error.cause
        return ""

    def lanes(self, instances: Sequence[Instance]) -> list[Move]:
        """Where their traffic goes. Raises `TrafficError`."""
        route = self.hand.workload.switched
        return [move_to(one, self.hand.workload, route) for one in instances] if route is not None else []

    async def aside(self) -> list[Move]:
        """Its lanes when nothing new is to come to it; what does not run has nothing to end."""
        running = {one.replica for one in await self.there() if one.status == "running"}
        address, slot = self.hand.address, self.hand.slot
        modes: list[tuple[int, Mode]] = [
            (one.replica, "drain" if one.replica in running else "maint") for one in self.placed
        ]
        return [Move(address, slot, replica, mode) for replica, mode in modes]

    async def there(self) -> list[Instance]:
        session, found = self.hand.run.session, list[Instance]()
        for one in self.placed:
            with suppress(NotFound):
                found.append(await session.calls(session.provider.inspect, one.id))
        return found


async def begun(hand: Hand, old: Sequence[Instance]) -> Baseline | None:
    """A baseline that starts now, where the plan has one."""
    running, board = [one for one in old if one.status == "running"], hand.run.board
    past = board.led[hand.address].past if board is not None and hand.address in board.led else None
    if not hand.change.fresh_baseline or not running or past is None:
        return None
    image = running[0].image_id
    change = replace(hand.change, slot=hand.slot.other)
    own = replace(hand, change=change, workload=past, image=image, image_id=image, image_digest=None)
    first = max(one.replica for one in old) + 1
    placed = [await create(own, replica) for replica in range(first, first + hand.workload.deploy.replicas)]
    return Baseline(own, [await start(own, one) for one in placed])


async def removed(baseline: Baseline | None) -> None:
    """Whatever became of the canary."""
    if baseline is not None:
        await remove_all(baseline.hand, await baseline.there())
