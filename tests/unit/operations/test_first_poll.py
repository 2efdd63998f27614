"""When a workload that was started is asked for the first time: at once where somebody waits for it, later where the engine has
enough to do with others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sutazai.address import Address
from sutazai.model.checks import Check
from sutazai.model.fleet import Fleet
from sutazai.ports import CheckResult, Target
from unit.operations.lab import CHECK, IMAGES, SCOPE, Lab, lab

T = TypeVar("T")
AGENTS, AT_A_TIME = 12, 3
SOON, LATER = pytest.approx(0.05), pytest.approx(0.3)


def fleet(image: str = IMAGES[0]) -> Fleet:
    rollout = {"strategy": "recreate", "min_healthy_time": "0s", "fleet_canary": {"percent": 0}}
    agents = {f"a{n:02}": {"image": image, "checks": [CHECK], "rollout": rollout} for n in range(AGENTS)}
    return Fleet.model_validate(
        {"project": SCOPE.project, "environment": SCOPE.environment, "agents": agents}
    )


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def waited(world: Lab, image: str, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds from the start of each to the first time that it is asked, in the order of the starts. A start takes one second,
    and the agents answer at once."""
    started: dict[Address, float] = {}
    asked: dict[Address, float] = {}
    as_told = Lab.run

    async def calls(function: Callable[..., T], /, *args: Any) -> T:
        if getattr(function, "__name__", "") != "start":
            return function(*args)
        await world.clock.sleep(1.0)
        result = function(*args)
        started[world.engine.containers[args[0]].instance.address] = world.clock.monotonic()
        return result

    def run(self: Lab, check: Check, target: Target) -> CheckResult:
        asked.setdefault(target.address, self.clock.monotonic())
        return as_told(self, check, target)

    monkeypatch.setattr("unit.operations.lab.at_once", calls)
    monkeypatch.setattr(Lab, "run", run)
    monkeypatch.setattr("sutazai.operations.run._CALLS", AT_A_TIME)
    assert world.apply(fleet(image)).outcome == "done"
    return [asked[address] - at for address, at in started.items()]


def test_what_is_new_is_asked_later_while_others_wait_for_their_turn(
    world: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = waited(world, IMAGES[0], monkeypatch)
    assert found == [LATER] * (AGENTS - 2 * AT_A_TIME) + [SOON] * 2 * AT_A_TIME


def test_what_was_stopped_for_it_is_asked_at_once(world: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        waited(world, IMAGES[0], before)
    assert waited(world, IMAGES[1], monkeypatch) == [SOON] * AGENTS
