"""Four times as many agents are four times the work: of reading the specs, of planning, of an apply of all of them and of one.

Counted in calls of our own functions, which are the same every time and everywhere, those that dataclasses write for us among
them: who looks through all agents for each of them compares addresses.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import sutazai
from sutazai.address import agent
from sutazai.cache import Cache
from sutazai.events import ChangeSkipped
from sutazai.model.fleet import Fleet
from sutazai.operations.session import Stop
from sutazai.operations.status import examine_fleet
from sutazai.operations.verification import verify
from sutazai.specs import remembered
from sutazai.specs.load import load
from sutazai.state.deviations import deviations
from unit.operations.lab import CHECK, IMAGES, Lab, lab, to_its_end

SMALL, LARGE = 30, 120
MOST = 1.1 * LARGE / SMALL
"""Sorting costs a little more than in proportion."""
OURS = str(Path(sutazai.__file__).parent)
FAKE = f"{OURS}/providers/simulated"


def work(function: Callable[[], object]) -> int:
    """How often a function of ours was called, but by the fake engine, which need not be quick."""
    count = 0

    def seen(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        if event == "call" and frame.f_code.co_filename.startswith((OURS, "<string>")):
            count += not any(_is_fake(one) for one in (frame, frame.f_back))

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def _is_fake(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_filename.startswith(FAKE)


def write(folder: Path, count: int, user: str) -> None:
    """A chain of ten that all others depend on."""

    def body(number: int) -> dict[str, Any]:
        needs = {"depends_on": [f"n{min(number - 1, 9):04}"]} if number else {}
        changed = {"user": user} if number == count - 1 else {}
        return {"module": "agent", "inputs": {"port": 20_000 + number}, **needs, **changed}

    template = {
        "image": IMAGES[0], "checks": [CHECK], "networks": ["net"], "environment": {"NAME": "{{ name }}"},
        "route": {"port": "{{ inputs.port }}", "target": 80},
    }  # fmt: skip
    module = {"inputs": {"port": {"type": "integer", "required": True}}, "template": template}
    agents = {f"n{number:04}": body(number) for number in range(count)}
    for path, content in (
        ("modules/agent/module.yaml", module), ("environments/test.yaml", {"traffic": {"image": IMAGES[0]}}),
        ("specs/all.yaml", {"project": "shop", "networks": {"net": {}}, "agents": agents}),
    ):  # fmt: skip
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(content))


def loaded(folder: Path) -> Fleet:
    fleet = load(folder, "test", variables={}, environ={}).fleet
    assert fleet is not None
    return fleet


def everything(folder: Path, count: int) -> dict[str, int]:
    """The work of each step of a fleet's life."""
    world = lab(folder / "state")
    cache, specs = Cache(folder / "cache"), folder / "specs"
    found: dict[str, int] = {}

    def step(name: str, function: Callable[[], Any]) -> Any:
        results: list[Any] = []
        found[name] = work(lambda: results.append(function()))
        return results[0]

    write(specs, count, "1")
    fleet = step("read the specs", lambda: loaded(specs))
    remembered.load(specs, "test", variables={}, environ={}, cache=cache)
    again = step(
        "know the specs", lambda: remembered.load(specs, "test", variables={}, environ={}, cache=cache)
    )
    assert again.fleet == fleet
    planned = step("plan all", lambda: world.plan(fleet))
    assert len(planned.plan.actions) == count + 2  # and the network and the switch
    assert step("apply all", lambda: world.carry_out(planned)).outcome == "done"
    assert not step("plan nothing", lambda: world.plan(fleet)).plan.actions
    write(specs, count, "2")
    changed = loaded(specs)
    planned = step("plan one", lambda: world.plan(changed))
    assert len(planned.plan.actions) == 1
    assert step("apply one", lambda: world.carry_out(planned)).outcome == "done"
    assert (
        step("verify it", lambda: to_its_end(verify(world.session(), planned, Stop()))).healthy == count + 1
    )
    look_back(world, changed, step)
    go_on(world, changed, step)
    write(specs, count // 2, "2")
    half = loaded(specs)
    assert len(step("plan half", lambda: world.plan(half)).plan.actions) > count // 2
    return found


def look_back(world: Lab, fleet: Fleet, step: Callable[[str, Callable[[], Any]], Any]) -> None:
    session, planned = world.session(), world.plan(fleet)
    step("look at all", lambda: to_its_end(examine_fleet(session, fleet, planned.observed, planned.prior)))
    assert not step("verify", lambda: deviations(planned.prior, planned.observed))
    step("plan the end", lambda: world.plan(fleet, kind="destroy"))


def go_on(world: Lab, fleet: Fleet, step: Callable[[str, Callable[[], Any]], Any]) -> None:
    """When the first of the chain fails, and so nothing can be done of any other."""
    world.sick[agent("n0000")] = "HTTP 500"
    bodies = {name: body.model_copy(update={"user": "3"}) for name, body in fleet.agents.items()}
    planned = world.plan(fleet.model_copy(update={"agents": bodies}), no_canary=True)
    result = step("go on without", lambda: world.carry_out(planned, on_failure="continue"))
    assert [failure.address for failure in result.failures] == [agent("n0000")]
    assert [event.cause for event in world.events if isinstance(event, ChangeSkipped)] == [agent("n0000")] * (
        len(bodies) - 1
    )


def test_the_work_grows_with_the_number_of_agents_and_no_faster(tmp_path: Path) -> None:
    small, large = (everything(tmp_path / str(count), count) for count in (SMALL, LARGE))
    grown = {name: round(large[name] / small[name], 2) for name in small}
    assert {name: times for name, times in grown.items() if times > MOST} == {}, grown
