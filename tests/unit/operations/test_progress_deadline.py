"""`progress_deadline`: how long a wave may go without any progress."""

from pathlib import Path
from typing import Any

import pytest

from sutazai.address import agent
from sutazai.model.fleet import Fleet
from unit.operations.lab import CHECK, IMAGES, SCOPE, Lab, lab
from unit.operations.test_hooks import says


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    found = lab(tmp_path)
    says(found, ok=(0, ""))
    return found


def fleet(deadline: str, **agents: dict[str, Any]) -> Fleet:
    rollout = {"healthy_deadline": "1000s", "progress_deadline": deadline}
    bodies = {name: {"image": IMAGES[0], "checks": [CHECK], **body} for name, body in agents.items()}
    return Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment, "rollout": rollout, "agents": bodies,
    })  # fmt: skip


SLOW_HOOK = {"hooks": {"pre_deploy": {"command": "sleep 999", "timeout": "900s"}}}


def test_a_wave_that_stands_still_fails_and_says_what_each_was_waiting_for(world: Lab) -> None:
    world.sick[agent("b")] = "answered 503"
    began = world.clock.at
    result = world.apply(fleet("30s", a={}, b={}, c=SLOW_HOOK))
    cause = 'no progress in its wave for 30s: agent.b was waiting: http check "up": answered 503; agent.c was running its pre_deploy hook'
    assert {failure.cause for failure in result.failures} == {cause}
    assert {failure.address for failure in result.failures} == {agent("b"), agent("c")}
    assert 30 <= world.clock.at - began < 60


def test_what_gets_on_keeps_the_others_waiting(world: Lab) -> None:
    """One after the other takes longer than the deadline; each of them does not."""
    slow = {"hooks": {"pre_deploy": {"command": "ok"}}}
    agents: dict[str, dict[str, Any]] = {
        f"a{n}": {**slow, "rollout": {"min_healthy_time": "20s"}} for n in range(4)
    }
    wanted = fleet("30s", **agents)
    one_by_one = wanted.model_copy(update={"rollout": wanted.rollout.model_copy(update={"max_parallel": 1})})
    began = world.clock.at
    assert world.apply(one_by_one).outcome == "done"
    assert world.clock.at - began > 80


def test_a_declared_pause_is_progress_for_as_long_as_it_lasts(world: Lab) -> None:
    from contextlib import nullcontext

    from sutazai.operations.pulse import Pulse

    for around, stalled in ((Pulse.declared, False), (lambda _: nullcontext(), True)):
        pulse = Pulse(world.clock)
        pulse.begin()
        with around(pulse):
            world.clock.at += 100
            assert bool(pulse.stalled(30)) is stalled
        assert bool(pulse.stalled(30)) is stalled, "the time begins anew after it"
