"""The table of a change's steps: every phase with every event, and what holds on every way through it."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sutazai.model.rollout import Step
from sutazai.rollout.steps import (
    TABLE,
    Action,
    Event,
    Phase,
    Progress,
    Unexpected,
    action_of,
    advance,
    begun,
    event_of,
    from_json,
)

STEPS = (Step(set_weight=10), Step(pause=30.0), Step(analysis="errors"), Step(set_weight=50), Step(pause=5.0))
ARRIVED = {
    Phase.STARTING: Progress(Phase.STARTING, -1, 0, 100.0),
    Phase.SHIFTING: Progress(Phase.SHIFTING, 0, 10, 100.0),
    Phase.PAUSING: Progress(Phase.PAUSING, 1, 10, 100.0),
    Phase.ANALYSING: Progress(Phase.ANALYSING, 2, 10, 100.0),
    Phase.PROMOTING: Progress(Phase.PROMOTING, 5, 100, 100.0),
    Phase.PROMOTED: Progress(Phase.PROMOTED, 5, 100, 100.0),
    Phase.TAKING_BACK: Progress(Phase.TAKING_BACK, 2, 0, 100.0),
    Phase.TAKEN_BACK: Progress(Phase.TAKEN_BACK, 2, 0, 100.0),
    Phase.HELD: Progress(Phase.HELD, 2, 10, 100.0),
    Phase.WITHDRAWN: Progress(Phase.WITHDRAWN, 4, 0, 100.0),
    Phase.STUCK: Progress(Phase.STUCK, 2, 0, 100.0),
}
MATRIX = """
             done           failed        left        undecided  interrupted   resume         abort
starting     shifting:10    taking-back   withdrawn   -          held:0        starting       taking-back
shifting     pausing:10     taking-back   withdrawn   -          held:10       shifting:10    taking-back
pausing      analysing:10   taking-back   withdrawn   -          held:10       shifting:10    taking-back
analysing    shifting:50    taking-back   withdrawn   held:10    held:10       shifting:10    taking-back
promoting    promoted:100   taking-back   withdrawn   -          promoting:100 promoting:100  taking-back
promoted     -              taking-back   promoted:100 -         promoted:100  promoted:100   taking-back
taking-back  taken-back     stuck         stuck       -          taking-back   taking-back    taking-back
taken-back   -              -             -           -          taken-back    taken-back     taken-back
held         -              taking-back   withdrawn   -          held:10       shifting:10    taking-back
withdrawn    -              taking-back   withdrawn   -          withdrawn     shifting:50    taking-back
stuck        -              -             -           -          stuck         taking-back    taking-back
"""
_EVENTS, *_ROWS = (line.split() for line in MATRIX.strip().splitlines())
CASES = [(row[0], event, word) for row in _ROWS for event, word in zip(_EVENTS, row[1:], strict=True)]


def test_the_matrix_is_whole() -> None:
    assert len(CASES) == len(Phase) * len(Event)
    assert set(TABLE) == set(Phase)


@pytest.mark.parametrize(("phase", "event", "expected"), CASES)
def test_every_phase_with_every_event(phase: str, event: str, expected: str) -> None:
    before = ARRIVED[Phase(phase)]
    if expected == "-":
        with pytest.raises(Unexpected, match=f"{event} is no event of a change that is {phase}"):
            advance(before, Event(event), STEPS, 200.0)
        return
    after = advance(before, Event(event), STEPS, 200.0)
    name, _, weight = expected.partition(":")
    assert (after.phase, after.weight) == (Phase(name), int(weight or 0))
    assert after == before or after.since == 200.0


def test_the_way_through_with_its_actions() -> None:
    progress, found = begun(0.0), []
    for now in range(1, 8):
        found.append(action_of(progress, STEPS))
        progress = advance(progress, Event.DONE, STEPS, float(now))
    assert found == [
        Action("start", 0),
        Action("shift", 10),
        Action("wait", 10, seconds=30.0),
        Action("analyse", 10, analysis="errors"),
        Action("shift", 50),
        Action("wait", 50, seconds=5.0),
        Action("promote", 100),
    ]
    assert progress.is_over
    assert action_of(progress, STEPS) == Action("nothing", 100)


@pytest.mark.parametrize(
    ("phase", "do"),
    [
        (Phase.TAKING_BACK, "take-back"),
        (Phase.HELD, "hold"),
        (Phase.WITHDRAWN, "withdraw"),
        (Phase.STUCK, "hold"),
    ],
)
def test_actions_off_the_way(phase: Phase, do: str) -> None:
    assert action_of(ARRIVED[phase], STEPS) == Action(do, ARRIVED[phase].weight)  # type: ignore[arg-type]


def test_without_steps_it_is_promoted_once_it_is_healthy() -> None:
    assert advance(begun(0.0), Event.DONE, (), 1.0) == Progress(Phase.PROMOTING, 0, 100, 1.0)
    withdrawn = advance(advance(begun(0.0), Event.DONE, (), 1.0), Event.LEFT, (), 2.0)
    assert advance(withdrawn, Event.RESUME, (), 3.0) == begun(3.0)


@pytest.mark.parametrize(
    ("outcome", "policy", "left", "event"),
    [
        ("pass", "fail", False, Event.DONE),
        ("fail", "pass", False, Event.FAILED),
        ("fail", "pause", True, Event.LEFT),
        ("inconclusive", "fail", False, Event.FAILED),
        ("inconclusive", "fail", True, Event.LEFT),
        ("inconclusive", "pause", False, Event.UNDECIDED),
        ("inconclusive", "pass", False, Event.DONE),
    ],
)
def test_what_a_verdict_means(outcome: str, policy: str, left: bool, event: Event) -> None:
    assert event_of(outcome, policy, left=left) is event  # type: ignore[arg-type]


@st.composite
def ways(draw: st.DrawFn) -> tuple[tuple[Step, ...], list[Progress]]:
    """Steps, and where a change stands after each of some events that can happen there."""
    weights = sorted(draw(st.sets(st.integers(1, 100), max_size=4)))
    steps: list[Step] = []
    for weight in weights:
        steps.append(Step(set_weight=weight))
        steps += draw(st.lists(st.sampled_from([Step(pause=1.0), Step(analysis="x")]), max_size=2))
    trail = [begun(0.0)]
    for now in range(draw(st.integers(0, 25))):
        event = draw(st.sampled_from(sorted(TABLE[trail[-1].phase])))
        trail.append(advance(trail[-1], event, tuple(steps), float(now)))
    return tuple(steps), trail


@given(ways())
def test_it_is_known_again_from_json(way: tuple[tuple[Step, ...], list[Progress]]) -> None:
    for progress in way[1]:
        assert from_json(json.loads(json.dumps(progress.as_json()))) == progress


@given(ways())
def test_it_can_be_gone_on_with_to_the_end_and_taken_back_from_anywhere(
    way: tuple[tuple[Step, ...], list[Progress]],
) -> None:
    steps, trail = way
    last = trail[-1]
    back = advance(last, Event.ABORT, steps, 99.0)
    back = back if back.is_over else advance(back, Event.DONE, steps, 99.0)
    assert (back.phase, back.weight) == (Phase.TAKEN_BACK, 0)
    on = advance(last, Event.RESUME, steps, 99.0)
    for _ in range(len(steps) + 3):
        on = on if on.is_over else advance(on, Event.DONE, steps, 99.0)
    ends_back = last.phase in (Phase.TAKING_BACK, Phase.TAKEN_BACK, Phase.STUCK)
    assert on.phase is (Phase.TAKEN_BACK if ends_back else Phase.PROMOTED)
    assert on.weight == (0 if ends_back else 100)


@given(ways())
def test_traffic_rises_by_a_step_only(way: tuple[tuple[Step, ...], list[Progress]]) -> None:
    steps, trail = way
    for before, after in pairwise(trail):
        if after.weight > before.weight:
            assert action_of(after, steps).do in ("shift", "promote")
        if after.phase in (Phase.WITHDRAWN, Phase.TAKING_BACK, Phase.TAKEN_BACK, Phase.STUCK):
            assert after.weight == 0


def test_something_else_is_no_progress() -> None:
    with pytest.raises(ValidationError):
        from_json({"phase": "dancing", "step": 0, "weight": 0, "since": 0.0})
