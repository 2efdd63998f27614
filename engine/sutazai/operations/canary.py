"""A new version beside the old one, given its traffic step by step: weights, pauses, analyses.

Which step follows is a table of its own (`rollout/steps.py`); here is what each asks for. Where a step fails, or nobody wants to
wait any longer, the traffic goes back to the old version at once, which was never without it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from sutazai.errors import TrafficError
from sutazai.events import CanaryStep
from sutazai.operations.analysing import Analyst
from sutazai.operations.baseline import Baseline
from sutazai.operations.hand import Hand, Placed, Unhealthy, last_lines
from sutazai.operations.leading import lead
from sutazai.operations.versions import Versions
from sutazai.operations.watching import stay_healthy
from sutazai.rollout import steps as table
from sutazai.rollout.steps import Event
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
    progress = table.advance(table.begun(hand.run.now), Event.DONE, steps, hand.run.now)
    try:
        while (action := table.action_of(progress, steps)).do != "promote":
            await hand.run.note(hand.address, "step", progress.as_json())
            event = await _done(versions, action, _told(hand, progress, action, len(steps)))
            hand.run.pulse.beat()
            progress = table.advance(progress, event, steps, hand.run.now)
        await lead(hand, placed, running)
    except (Unhealthy, TrafficError) as error:
        if not (isinstance(error, Unhealthy) and (error.interrupted or error.held)):
            await withdraw(hand, placed, running)
        elif versions.fresh and progress.weight:
            await lead(hand, placed, running, weight=progress.weight)
        raise


def _told(hand: Hand, progress: table.Progress, action: table.Action, steps: int) -> CanaryStep:
    """What is said of a step when it begins."""
    doing: Mapping[table.Do, Literal["set_weight", "pause"]] = {"shift": "set_weight", "wait": "pause"}
    return CanaryStep(
        hand.run.now,
        hand.address,
        progress.step + 1,
        steps,
        action.weight,
        doing.get(action.do, "analysis"),
        action.seconds,
        action.analysis,
    )


async def _done(versions: Versions, action: table.Action, told: CanaryStep) -> Event:
    """Do what a step asks for. Raises `Unhealthy` when it fails."""
    hand = versions.hand
    if action.do == "shift":
        if hand.run.stop.interrupted.is_set():
            raise Unhealthy(f"interrupted before step {told.step}", None, (), interrupted=True)
        hand.run.emit(told)
        await versions.lead(action.weight)
        return Event.DONE
    if action.do == "wait":
        hand.run.emit(told)
        with hand.run.pulse.declared():
            await _watched(versions, action.seconds)
        return Event.DONE
    if hand.run.board is not None:
        with hand.run.pulse.declared():
            await Analyst(hand, hand.run.board, versions, told).judged()
    return Event.DONE


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
