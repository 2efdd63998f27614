"""A new version beside the old one, given its traffic step by step: weights, pauses, analyses.

Where a step fails, the traffic goes back to the old version at once, which was never without it. Where a run is interrupted, or
nobody can tell how a step ended, each version keeps the traffic that it has.
"""

from collections.abc import Sequence

from sutazai.errors import TrafficError
from sutazai.events import CanaryStep, Doing
from sutazai.model.rollout import Step
from sutazai.operations.analysing import Analyst
from sutazai.operations.baseline import Baseline
from sutazai.operations.hand import Hand, Placed, Unhealthy, last_lines
from sutazai.operations.leading import lead
from sutazai.operations.versions import Versions
from sutazai.operations.watching import stay_healthy
from sutazai.state.observed import Instance
from sutazai.state.traffic import Move


async def through_steps(
    hand: Hand, placed: Sequence[Placed], old: Sequence[Instance], baseline: Baseline | None
) -> None:
    """Lead the traffic from the old containers to the new ones, which are healthy. Raises `Unhealthy` when a step fails or is
    interrupted; failed, all traffic is with the old ones again. That of the baseline is with the old ones in either case."""
    running = [instance for instance in old if instance.status == "running"]
    steps = hand.choice.steps if running and hand.run.board else ()
    versions = Versions(hand, placed, running, baseline)
    await versions.settled()
    weight = 0
    try:
        for number, step in enumerate(steps, start=1):
            weight = weight if step.set_weight is None else step.set_weight
            told = CanaryStep(
                hand.run.now, hand.address, number, len(steps), weight, _doing(step), step.pause or 0.0, step.analysis or "",
            )  # fmt: skip
            await hand.run.note(hand.address, "step", {"step": number, "doing": told.doing, "weight": weight})
            await _done(versions, told)
            hand.run.pulse.beat()
        await lead(hand, placed, running)
    except (Unhealthy, TrafficError) as error:
        if not (isinstance(error, Unhealthy) and (error.interrupted or error.held)):
            await withdraw(hand, placed, running)
        elif versions.fresh and weight:
            await lead(hand, placed, running, weight=weight)
        raise


def _doing(step: Step) -> Doing:
    if step.set_weight is not None:
        return "set_weight"
    return "analysis" if step.analysis else "pause"


async def _done(versions: Versions, told: CanaryStep) -> None:
    """Do what a step asks for. Raises `Unhealthy` when it fails."""
    hand = versions.hand
    if told.doing == "set_weight":
        if hand.run.stop.interrupted.is_set():
            raise Unhealthy(f"interrupted before step {told.step}", None, (), interrupted=True)
        hand.run.emit(told)
        await versions.lead(told.weight)
    elif told.doing == "pause":
        hand.run.emit(told)
        with hand.run.pulse.declared():
            await _watched(versions, told.seconds)
    elif hand.run.board is not None:
        with hand.run.pulse.declared():
            await Analyst(hand, hand.run.board, versions, told).judged()


async def _watched(versions: Versions, seconds: float) -> None:
    hand, canary = versions.hand, [one.id for one in versions.placed]
    lost = await stay_healthy(hand.run, hand.workload, canary, seconds, beside=versions.look_at_fresh)
    if lost is not None:
        instance_id, verdict = lost
        logs = await last_lines(hand.run, instance_id)
        raise Unhealthy(verdict.waiting, None, logs, interrupted=not verdict.final)


async def withdraw(hand: Hand, placed: Sequence[Placed], old: Sequence[Instance]) -> None:
    """All traffic back to the old version, which leads where it led."""
    if old and hand.run.board is not None and hand.workload.switched is not None:
        back = [Move(hand.address, one.slot, one.replica, "ready") for one in old]
        await hand.run.board.shift(
            [*back, *(Move(hand.address, hand.slot, one.replica, "drain") for one in placed)]
        )
