"""How busy a run keeps the engine: what serves meanwhile gets what it leaves."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sutazai.model.fleet import Fleet
from sutazai.operations.plan import Planned
from unit.operations.lab import CHANGING, CHECK, IMAGES, SCOPE, Lab, lab

T = TypeVar("T")
CPUS = 2


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    world = lab(tmp_path)
    world.engine.host = replace(world.engine.host, cpus=CPUS)
    return world


def fleet(image: str = IMAGES[0]) -> Fleet:
    body = {"image": image, "checks": [CHECK]}
    agents = {f"a{number}": body for number in range(12)}
    return Fleet.model_validate(
        {"project": SCOPE.project, "environment": SCOPE.environment, "agents": agents}
    )


def busiest(world: Lab, monkeypatch: pytest.MonkeyPatch, planned: Planned) -> int:
    """The most calls at a time, where each takes a tenth of a second."""
    inside, most = 0, 0

    async def calls(function: Callable[..., T], /, *args: Any) -> T:
        nonlocal inside, most
        if not getattr(function, "__name__", "").startswith(CHANGING):
            return function(*args)
        inside += 1
        most = max(most, inside)
        await world.clock.sleep(0.1)
        inside -= 1
        return function(*args)

    with monkeypatch.context() as patched:
        patched.setattr("unit.operations.lab.at_once", calls)
        assert world.carry_out(planned).outcome == "done"
    return most


def test_from_nothing_it_is_kept_busier_than_where_something_serves(
    world: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert busiest(world, monkeypatch, world.plan(fleet())) == CPUS + 2
    assert busiest(world, monkeypatch, world.plan(fleet(IMAGES[1]))) == CPUS + 1


def test_what_only_lies_there_does_not_serve(world: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    world.apply(fleet())
    for container in world.engine.containers.values():
        container.instance = replace(container.instance, status="exited")
    assert busiest(world, monkeypatch, world.plan(fleet(IMAGES[1]))) == CPUS + 2
