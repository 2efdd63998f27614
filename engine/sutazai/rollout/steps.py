"""The steps of a workload's change from one slot to the other, as a table: where it stands and what happened give where it stands
next, and that gives what is to be done.

`Progress` is all there is to know, and goes into the journal before what it asks for is done. Every action can be done again
when it is not known whether it was done: so a run that was killed is known again at its step, and goes on (`RESUME`) or back
(`ABORT`). A blue-green change is one without steps.

| where | what is done there |
|---|---|
| starting | the new slot comes up and must become healthy |
| shifting | a share of the traffic goes to the new slot |
| pausing, analysing | both slots have their traffic, for a time or until there is a verdict |
| promoting | all traffic goes to the new slot, the old one drains and stops |
| promoted | done |
| taking back | all traffic goes to the old slot, the new one drains and stops |
| taken back | done |
| held | it waits for a person: interrupted, or inconclusive. Traffic stays as it is |
| withdrawn | it waits for a person: it failed. It has no traffic, and is left for a look |
| stuck | it could not be taken back |
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Literal

from sutazai.model.rollout import Step
from sutazai.rollout.verdict import Outcome

if TYPE_CHECKING:
    from pydantic import TypeAdapter

EVERYTHING = 100
_BEFORE_ALL_STEPS = -1


class Phase(StrEnum):
    STARTING = "starting"
    SHIFTING = "shifting"
    PAUSING = "pausing"
    ANALYSING = "analysing"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    TAKING_BACK = "taking-back"
    TAKEN_BACK = "taken-back"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    STUCK = "stuck"


class Event(StrEnum):
    DONE = "done"
    """What the phase asks for is done: healthy, shifted, the pause over, an analysis passed, promoted, taken back."""
    FAILED = "failed"
    """A check, a hook, a container, a verdict; and the run takes back what failed."""
    LEFT = "left"
    """As FAILED, in a run that leaves what failed for a look (`--on-failure pause`, `auto_revert: false`)."""
    UNDECIDED = "undecided"
    """An analysis is inconclusive, and its policy is to wait for a person."""
    INTERRUPTED = "interrupted"
    RESUME = "resume"
    ABORT = "abort"


Do = Literal["start", "shift", "wait", "analyse", "promote", "take-back", "withdraw", "hold", "nothing"]


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done now. `weight` is the share of the new slot in percent: what it is to become when shifting, what it is
    otherwise. `seconds` is how long to wait, from `Progress.since`."""

    do: Do
    weight: int
    seconds: float = 0.0
    analysis: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a change stands. `step` is the index of the step under way, -1 before the first; `weight` the share of the traffic in
    percent that the new slot was last given; `since` the time at which this phase began, in seconds since the epoch."""

    phase: Phase
    step: int
    weight: int
    since: float

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @property
    def is_over(self) -> bool:
        return self.phase in (Phase.PROMOTED, Phase.TAKEN_BACK)


class Unexpected(ValueError):
    """An event that can't happen in a phase: a bug of who reports it."""

    def __init__(self, phase: Phase, event: Event) -> None:
        super().__init__(f"{event} is no event of a change that is {phase}")


def begun(now: float) -> Progress:
    """A change that has just begun."""
    return Progress(Phase.STARTING, _BEFORE_ALL_STEPS, 0, now)


def from_json(data: Mapping[str, object]) -> Progress:
    """What `as_json` wrote. Raises ValueError when it is something else."""
    return _progress().validate_python(dict(data))


@cache
def _progress() -> "TypeAdapter[Progress]":
    """Made once, when a journal is read: it takes milliseconds."""
    from pydantic import TypeAdapter

    return TypeAdapter(Progress)


def event_of(outcome: Outcome, inconclusive: Literal["fail", "pause", "pass"], *, left: bool) -> Event:
    """What a verdict means. `inconclusive` is the policy of its analysis; `left`: the run leaves what failed for a look."""
    settled = inconclusive if outcome == "inconclusive" else outcome
    if settled == "fail":
        return Event.LEFT if left else Event.FAILED
    return Event.UNDECIDED if settled == "pause" else Event.DONE


_Next = Phase | Literal["next step", "weight again", "the same"]
_ON: Mapping[Event, _Next] = {
    Event.DONE: "next step",
    Event.FAILED: Phase.TAKING_BACK,
    Event.LEFT: Phase.WITHDRAWN,
    Event.INTERRUPTED: Phase.HELD,
    Event.RESUME: "weight again",
    Event.ABORT: Phase.TAKING_BACK,
}
_WAITING: Mapping[Event, _Next] = {
    Event.FAILED: Phase.TAKING_BACK,
    Event.LEFT: Phase.WITHDRAWN,
    Event.INTERRUPTED: "the same",
    Event.RESUME: "weight again",
    Event.ABORT: Phase.TAKING_BACK,
}
TABLE: Mapping[Phase, Mapping[Event, _Next]] = {
    Phase.STARTING: _ON,
    Phase.SHIFTING: _ON,
    Phase.PAUSING: _ON,
    Phase.ANALYSING: {**_ON, Event.UNDECIDED: Phase.HELD},
    Phase.PROMOTING: {
        Event.DONE: Phase.PROMOTED,
        Event.FAILED: Phase.TAKING_BACK,
        Event.LEFT: Phase.WITHDRAWN,
        Event.INTERRUPTED: "the same",
        Event.RESUME: Phase.PROMOTING,
        Event.ABORT: Phase.TAKING_BACK,
    },
    Phase.PROMOTED: {
        Event.FAILED: Phase.TAKING_BACK,
        Event.LEFT: "the same",
        Event.INTERRUPTED: "the same",
        Event.RESUME: "the same",
        Event.ABORT: Phase.TAKING_BACK,
    },
    Phase.TAKING_BACK: {
        Event.DONE: Phase.TAKEN_BACK,
        Event.FAILED: Phase.STUCK,
        Event.LEFT: Phase.STUCK,
        Event.INTERRUPTED: "the same",
        Event.RESUME: Phase.TAKING_BACK,
        Event.ABORT: Phase.TAKING_BACK,
    },
    Phase.TAKEN_BACK: dict.fromkeys((Event.INTERRUPTED, Event.RESUME, Event.ABORT), "the same"),
    Phase.HELD: _WAITING,
    Phase.WITHDRAWN: _WAITING,
    Phase.STUCK: {
        Event.INTERRUPTED: "the same",
        Event.RESUME: Phase.TAKING_BACK,
        Event.ABORT: Phase.TAKING_BACK,
    },
}
"""Interrupted, a change that is being promoted or taken back ends that first: it takes no longer than a drain. One that was
promoted can be taken back as long as its run lasts, since others of the run may fail."""


def advance(progress: Progress, event: Event, steps: Sequence[Step], now: float) -> Progress:
    """Where a change stands after `event`. Raises `Unexpected`."""
    follows = TABLE[progress.phase].get(event)
    if follows is None:
        raise Unexpected(progress.phase, event)
    if follows == "the same":
        return progress
    if follows == "next step":
        return _at(progress.step + 1, progress.weight, steps, now)
    if follows == "weight again":
        return _at(_last_shift(progress.step, steps), progress.weight, steps, now)
    return replace(progress, phase=follows, weight=_weight_in(follows, progress.weight), since=now)


def _at(step: int, weight: int, steps: Sequence[Step], now: float) -> Progress:
    """At the beginning of a step; being promoted after the last one."""
    if step < 0:
        return Progress(Phase.STARTING, _BEFORE_ALL_STEPS, 0, now)
    if step >= len(steps):
        return Progress(Phase.PROMOTING, len(steps), EVERYTHING, now)
    given = steps[step].set_weight
    if given is not None:
        return Progress(Phase.SHIFTING, step, given, now)
    return Progress(Phase.ANALYSING if steps[step].analysis else Phase.PAUSING, step, weight, now)


def _last_shift(step: int, steps: Sequence[Step]) -> int:
    """The step that gave the new slot its traffic, from which a change goes on that waited or was cut off: what came after is
    done again, since nobody saw what happened meanwhile. -1 where it had none yet."""
    shifts = (at for at in range(min(step, len(steps) - 1), -1, -1) if steps[at].set_weight is not None)
    return next(shifts, _BEFORE_ALL_STEPS)


def _weight_in(phase: Phase, weight: int) -> int:
    if phase in (Phase.TAKING_BACK, Phase.TAKEN_BACK, Phase.WITHDRAWN):
        return 0
    return EVERYTHING if phase is Phase.PROMOTED else weight


_DOES: Mapping[Phase, Do] = {
    Phase.STARTING: "start",
    Phase.SHIFTING: "shift",
    Phase.PAUSING: "wait",
    Phase.ANALYSING: "analyse",
    Phase.PROMOTING: "promote",
    Phase.PROMOTED: "nothing",
    Phase.TAKING_BACK: "take-back",
    Phase.TAKEN_BACK: "nothing",
    Phase.HELD: "hold",
    Phase.WITHDRAWN: "withdraw",
    Phase.STUCK: "hold",
}


def action_of(progress: Progress, steps: Sequence[Step]) -> Action:
    """What is to be done where a change stands."""
    step = steps[progress.step] if 0 <= progress.step < len(steps) else Step(pause=0.0)
    return Action(
        _DOES[progress.phase],
        progress.weight,
        seconds=(step.pause or 0.0) if progress.phase is Phase.PAUSING else 0.0,
        analysis=(step.analysis or "") if progress.phase is Phase.ANALYSING else "",
    )
