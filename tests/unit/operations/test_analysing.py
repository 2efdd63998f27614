"""A canary that is judged, from its first share of the traffic to the verdict in the serial."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sutazai.events import CanaryStep, Figures
from sutazai.model.fleet import SWITCH, Fleet
from sutazai.state.v2 import VerdictRecord
from unit.operations.lab import CHECK, IMAGES, SCOPE, Lab, lab

MIB = 1 << 20
NO_TRAFFIC = {"inconclusive": "pass", "timeout": "60s"}


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    """Its engine tells the time of the lab."""
    made = lab(tmp_path)
    made.engine.now = lambda: datetime.fromtimestamp(made.clock.now(), UTC).isoformat()
    return made


def fleet(image: str, analysis: dict[str, Any], **rollout: Any) -> Fleet:
    """One agent with a route, through a switch."""
    body = {
        "image": image, "networks": ["net"], "checks": [CHECK], "route": {"port": 9000, "target": 80, "switched": True},
        "rollout": {"strategy": "canary", "steps": [{"set_weight": 20}, {"analysis": "well"}],
                    "analysis": {"well": analysis}, **rollout},
    }  # fmt: skip
    switch = {"image": IMAGES[0], "networks": ["net"], "ports": ["9000:9000"]}
    return Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment, "networks": {"net": {}}, "agents": {"b": body},
        "services": {SWITCH.name: switch},
    })  # fmt: skip


def releases(world: Lab, **of_the_image: Any) -> VerdictRecord:
    """A version that is so, after one that is well; the verdict."""
    world.engine.images[IMAGES[1]] = replace(world.engine.images[IMAGES[1]], **of_the_image)
    assert world.apply(fleet(IMAGES[0], NO_TRAFFIC)).outcome == "done"
    result = world.apply(fleet(IMAGES[1], NO_TRAFFIC))
    assert result.state is not None
    (verdict,) = result.state.operation.verdicts
    assert (result.outcome == "failed") == (verdict.outcome == "fail")
    return verdict


def test_a_version_that_leaks_is_found_by_its_memory_alone(world: Lab) -> None:
    verdict = releases(world, memory_growth=50 * MIB)
    said = {judgement.metric: judgement for judgement in verdict.judgements}
    assert verdict.outcome == "fail"
    assert said["memory"].text == "memory grows by 50.0 MiB a minute against 0.0"
    assert said["memory"].figures["more"] == pytest.approx(50 * MIB, rel=0.01)


def test_a_version_that_needs_more_memory_does_not_leak(world: Lab) -> None:
    verdict = releases(world, memory=300 * MIB)
    said = {judgement.metric: judgement for judgement in verdict.judgements}
    assert (verdict.outcome, said["memory"].outcome) == ("inconclusive", "pass")
    assert (said["memory"].figures["used"], said["memory"].figures["baseline"]) == (300 * MIB, 16 * MIB)


def test_each_step_and_each_judgement_is_told_with_its_figures(world: Lab) -> None:
    releases(world, memory_growth=50 * MIB)
    told = [event for event in world.events if isinstance(event, CanaryStep)]
    begin = [(event.step, event.steps, event.weight, event.doing, event.seconds) for event in told[:2]]
    assert begin == [(1, 2, 20, "set_weight", 0.0), (2, 2, 20, "analysis", 60.0)]
    assert [event.seconds for event in told[2:]] == [55.0, 50.0, 0.0]
    last = told[-1]
    assert (last.analysis, last.outcome) == ("well", "fail")
    assert last.message == "memory grows by 50.0 MiB a minute against 0.0"
    assert last.canary is not None
    assert last.canary.memory > 25 * MIB
    assert last.baseline == Figures(0, 0, None, None, 16 * MIB)
