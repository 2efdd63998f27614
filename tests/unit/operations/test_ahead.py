"""Containers that are made before their turn: while an earlier wave is waited for, and never beyond a canary."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sutazai.address import agent
from sutazai.errors import Conflict
from sutazai.model.fleet import Fleet
from sutazai.operations.run import carry_out_plan
from sutazai.operations.session import Stop
from sutazai.ports import InstanceSpec
from sutazai.providers.simulated import SimulatedProvider
from unit.operations.lab import CHECK, IMAGES, SCOPE, Lab, fleet, lab, to_its_end


class Noted:
    """A provider that notes what it makes, starts and removes, and is interrupted or refuses where it is told to."""

    def __init__(self, world: Lab, refuse: str = "", on_start: Callable[[], None] = lambda: None) -> None:
        self._provider, self._refuse, self._on_start = (
            SimulatedProvider(SCOPE, world.engine),
            refuse,
            on_start,
        )
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def create_instance(self, spec: InstanceSpec) -> str:
        self.calls.append(("create", spec.address.name))
        if spec.address.name == self._refuse:
            raise Conflict(f"the name {spec.name} is taken", status=409)
        return self._provider.create_instance(spec)

    def start(self, identity: str) -> None:
        self.calls.append(("start", self._provider.inspect(identity).address.name))
        self._provider.start(identity)
        self._on_start()

    def remove(self, identity: str) -> None:
        self.calls.append(("remove", self._provider.inspect(identity).address.name))
        self._provider.remove(identity)


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def names(world: Lab) -> set[str]:
    return {instance.address.name for instance in world.runs(fleet())}


def test_what_comes_later_is_made_while_the_first_is_waited_for(world: Lab) -> None:
    provider = Noted(world)
    assert world.carry_out(world.plan(fleet()), provider).outcome == "done"
    made = [name for call, name in provider.calls if call == "create"]
    assert sorted(made) == ["a", "b", "c"]
    assert provider.calls.index(("create", "c")) < provider.calls.index(("start", "b"))
    assert [name for call, name in provider.calls if call == "start"] == ["a", "b", "c"]
    assert not world.plan(fleet()).plan.actions


def test_what_was_made_for_nothing_is_removed(world: Lab) -> None:
    world.sick[agent("a")] = "answered 503"
    provider = Noted(world)
    assert world.carry_out(world.plan(fleet()), provider).outcome == "failed"
    assert ("create", "c") in provider.calls
    assert names(world) == {"a"}
    del world.sick[agent("a")]
    assert world.apply(fleet()).outcome == "done"
    assert names(world) == {"a", "b", "c"}


def test_interrupted_it_removes_them_too(world: Lab) -> None:
    stop = Stop()
    provider = Noted(world, on_start=stop.interrupt)
    assert world.carry_out(world.plan(fleet()), provider, lambda: stop).outcome == "interrupted"
    assert names(world) == {"a"}


def test_whose_turn_did_not_come_is_as_it_was(world: Lab) -> None:
    def release(image: str) -> Fleet:
        body = {"image": image, "checks": [CHECK], "rollout": {"healthy_deadline": "20s"}}
        return Fleet.model_validate({
            "project": SCOPE.project, "environment": SCOPE.environment,
            "agents": {"a": body, "b": body | {"depends_on": ["a"]}},
        })  # fmt: skip

    assert world.apply(release(IMAGES[0])).outcome == "done"
    world.sick[agent("a")] = "answered 503"
    provider = Noted(world)
    planned = world.plan(release(IMAGES[1]))
    assert [wave.addresses for wave in planned.plan.waves] == [(agent("a"),), (agent("b"),)]
    assert world.carry_out(planned, provider).outcome == "failed"
    assert {("create", "b"), ("remove", "b")} <= set(provider.calls)
    del world.sick[agent("a")]
    assert [change.address for change in world.plan(release(IMAGES[0])).plan.actions] == [agent("a")]


def test_interrupted_twice_nobody_waits_for_what_is_being_made(world: Lab) -> None:
    """By an engine that hangs, it may never be."""

    async def ends() -> bool:
        asked, answers, stop = asyncio.Event(), asyncio.Event(), Stop()

        async def calls(function: Callable[..., Any], /, *args: Any) -> Any:
            if function.__name__ == "create_instance" and args[0].address == agent("c"):
                asked.set()
                await answers.wait()
            return function(*args)

        session = replace(world.session(), calls=calls)
        with closing(session.store):
            run = asyncio.ensure_future(
                carry_out_plan(session, world.plan(fleet()), stop, command="apply", on_failure="pause")
            )
            await asked.wait()
            stop.interrupt()
            run.cancel()
            ended, _ = await asyncio.wait({run}, timeout=60)
            answers.set()
            assert (await run).outcome == "interrupted"
            return bool(ended)

    assert to_its_end(ends())
    assert world.apply(fleet()).outcome == "done"
    assert names(world) == {"a", "b", "c"}


def test_what_a_name_was_still_taken_from_is_made_when_its_turn_comes(world: Lab) -> None:
    """An agent that becomes a service has the name of a container that goes in the wave before."""
    assert world.apply(fleet()).outcome == "done"
    wanted = fleet().model_dump(mode="json", exclude_unset=True)
    wanted["services"] = {"c": wanted["agents"].pop("c")}
    became = Fleet.model_validate(wanted)
    assert world.apply(became).outcome == "done"
    assert not world.plan(became).plan.actions


def test_what_cannot_be_made_fails_when_its_turn_comes(world: Lab) -> None:
    provider = Noted(world, refuse="c")
    result = world.carry_out(world.plan(fleet()), provider)
    assert [failure.address for failure in result.failures] == [agent("c")]
    assert "is taken" in result.failures[0].cause
    assert provider.calls.count(("create", "c")) == 2
    assert names(world) == {"a", "b"}


def test_nothing_is_made_beyond_a_canary(world: Lab) -> None:
    def many(image: str) -> Fleet:
        body = {"image": image, "checks": [CHECK], "rollout": {"healthy_deadline": "20s"}}
        return Fleet.model_validate({
            "project": SCOPE.project, "environment": SCOPE.environment, "agents": {f"a{n:02}": body for n in range(40)},
        })  # fmt: skip

    world.apply(many(IMAGES[0]))
    planned = world.plan(many(IMAGES[1]))
    world.sick = dict.fromkeys(map(agent, many(IMAGES[1]).agents), "answered 503")
    provider = Noted(world)
    assert world.carry_out(planned, provider).outcome == "failed"
    made = {agent(name) for call, name in provider.calls if call == "create"}
    assert made == set(planned.plan.canaries)


def test_nothing_is_made_before_its_hook(world: Lab) -> None:
    body = {"image": IMAGES[0], "checks": [CHECK]}
    hooked = Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment,
        "services": {"a": body, "b": body | {"hooks": {"pre_deploy": {"command": ["true"]}}, "depends_on": ["a"]}},
    })  # fmt: skip
    provider = Noted(world)
    assert world.carry_out(world.plan(hooked), provider).outcome == "done"
    assert provider.calls.index(("start", "a")) < provider.calls.index(("create", "b"))


def test_what_joins_the_namespaces_of_another_waits_for_it(world: Lab) -> None:
    body = {"image": IMAGES[0], "checks": [CHECK]}
    joined = Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment,
        "services": {"a": body, "b": {"image": IMAGES[0], "network_mode": "service:a", "depends_on": ["a"]}},
    })  # fmt: skip
    provider = Noted(world)
    assert world.carry_out(world.plan(joined), provider).outcome == "done"
    assert provider.calls == [("create", "a"), ("start", "a"), ("create", "b"), ("start", "b")]
