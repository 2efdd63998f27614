"""The traffic of one workload in the hand of a run. Where no switch carries its route, there is nothing to lead."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from sutazai.errors import NotFound
from sutazai.model.fleet import SWITCH
from sutazai.model.workload import Workload
from sutazai.operations.hand import Hand, Placed
from sutazai.operations.hooks import before_stop
from sutazai.operations.led import address_of, move_to
from sutazai.state.observed import Instance
from sutazai.state.traffic import Mode, Move


async def lead(
    hand: Hand,
    placed: Sequence[Placed],
    old: Sequence[Instance] = (),
    *,
    weight: int = 100,
    baseline: Sequence[Move] = (),
    aside: Sequence[Move] = (),
    seen: Mapping[str, Instance] | None = None,
    patient: bool = False,
) -> None:
    """Give these containers `weight` percent of the traffic, those of the baseline as much, as far as there is, and the old ones
    the rest: at 100 they only end what they have. `aside` are lanes that are to have none. `seen` are those containers that were
    looked at just now, by ID. `patient`: nobody is without an answer until it is done. Raises `TrafficError`."""
    board, route = hand.run.board, hand.workload.switched
    if board is None or route is None:
        return
    session = hand.run.session
    known = seen or {}
    instances = [
        known[one.id] if one.id in known else await session.calls(session.provider.inspect, one.id)
        for one in placed
    ]
    if board.goes_on:  # what has no address will be found not to be healthy
        instances = [instance for instance in instances if address_of(instance, hand.workload)]
    moves = [move_to(instance, hand.workload, route, weight=weight) for instance in instances]
    rest: Mode = "drain" if weight == 100 else "ready"
    share = 100 if weight == 100 else 100 - weight
    if baseline and weight < 100:
        own = min(weight, share)
        moves += [replace(move, weight=own) for move in baseline]
        share -= own
    running = (one for one in old if one.status == "running")
    moves += [Move(hand.address, one.slot, one.replica, rest, share) for one in running]
    await board.shift([*moves, *aside], patient=patient)


async def open_switch(hand: Hand, placed: Sequence[Placed], spare: Sequence[Instance] = ()) -> None:
    """Where the workload is the switch itself: from now on it runs in these containers, and for now in those that are spare."""
    if hand.address == SWITCH and hand.run.board is not None:
        running = [one.id for one in spare if one.status == "running"]
        await hand.run.board.open([*(one.id for one in placed), *running])


async def make_way(hand: Hand) -> None:
    """Where the workload is the switch itself: stop what publishes its ports. Those who replace that wait for the switch."""
    if hand.address == SWITCH and hand.run.board is not None:
        provider, desired = hand.run.session.provider, hand.run.desired
        for instance in hand.run.board.in_the_way:
            workload = desired.workload(instance.address) or Workload()
            waits = hand.run.manner.drains != "never"
            timeout = desired.rollout_of(workload).drain_timeout if waits else None
            await hand.run.board.drain([instance], timeout)
            data = {"id": instance.id, "name": instance.name}
            grace = instance.body.stop_grace_period
            with suppress(NotFound):  # it was destroyed before, as its port is needed
                await before_stop(hand.run, instance)
                await hand.run.change(instance.address, "stop", data, provider.stop, instance.id, grace)
