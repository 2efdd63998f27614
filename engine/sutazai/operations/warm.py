"""Going back to containers that still run: their traffic is theirs again before anything is stopped or started.

A run that failed, was paused or was killed leaves the old version running beside the new one, so that going back is no more than
leading the traffic back. All are asked once, at the same time, and those that are healthy get their traffic in one write; the
others go the way of any replacement. A run that does not wait for health does not ask.
"""

from collections.abc import Mapping, Sequence

from sutazai.address import Address
from sutazai.operations.hand import hand_of
from sutazai.operations.healthy import examine
from sutazai.operations.led import Led, address_of, move_to
from sutazai.operations.plan import Planned
from sutazai.operations.replacing import is_as_wanted
from sutazai.operations.session import Run, together
from sutazai.plan.change import Action, ResourceChange
from sutazai.state.observed import Instance
from sutazai.state.traffic import Move


async def warm(run: Run, planned: Planned, led: Mapping[Address, Led]) -> Mapping[Address, Sequence[Move]]:
    """What the lanes of those are to be that can go back at once."""
    changes = [c for c in planned.plan.actions if c.action is Action.REPLACE_START_FIRST and c.address in led]
    found = await together(_of(run, planned, change, led[change.address]) for change in changes)
    return {change.address: moves for change, moves in zip(changes, found, strict=True) if moves}


async def _of(run: Run, planned: Planned, change: ResourceChange, led: Led) -> list[Move]:
    hand = hand_of(run, change, planned.observed, planned.observed.images)
    route, wanted = hand.workload.switched, hand.workload.deploy.replicas
    there = [one for one in hand.in_slot(hand.slot) if one.status == "running" and is_as_wanted(hand, one)]
    reached = all(address_of(one, hand.workload) for one in there)
    if (
        route is None
        or not there
        or len(there) != wanted
        or not reached
        or not await _healthy(run, led, there)
    ):
        return []
    ready = [move_to(one, hand.workload, route) for one in there]
    lanes = {(one.slot, one.replica) for one in (*there, *led.instances)}
    old = [Move(one.address, one.slot, one.replica, "drain") for one in led.instances if one not in there]
    rest = [move for move in led.moves if (move.slot, move.replica) not in lanes]
    return [*ready, *old, *rest]


async def _healthy(run: Run, led: Led, instances: Sequence[Instance]) -> bool:
    workload = run.desired.workload(led.address)
    if workload is None or not run.manner.gated:
        return workload is not None
    reach = await run.reach()
    verdicts = await together(examine(run.session, workload, one, reach) for one in instances)
    return all(verdict.healthy for verdict in verdicts)
