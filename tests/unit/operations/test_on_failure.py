"""What a failure stops: everything (pause), or only what depends on what failed (continue)."""

from pathlib import Path
from typing import Any

import pytest

from sutazai.address import Address, Kind, agent, network
from sutazai.events import ChangeSkipped, WaveFinished
from sutazai.model.fleet import Fleet
from unit.operations.lab import CHECK, IMAGES, SCOPE, Lab, lab

OLD, FIRST, NEXT, LAST, ALONE = (agent(name) for name in ("old", "first", "next", "last", "alone"))


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def fleet(*, user: str = "1", last_user: str = "1", old: bool = True, **first: Any) -> Fleet:
    """old <- first <- next <- last, and alone. `user` is that of first and alone."""

    def body(**fields: Any) -> dict[str, Any]:
        return {"image": IMAGES[0], "checks": [CHECK], "rollout": {"healthy_deadline": "20s"}, **fields}

    agents = {
        "first": body(user=user, networks=["net"], depends_on=["old"] if old else [], **first),
        "next": body(depends_on=["first"]),
        "last": body(user=last_user, depends_on=["next"]),
        "alone": body(user=user, networks=["net"]),
        **({"old": body()} if old else {}),
    }
    tables = {"networks": {"net": {}}, "agents": agents}
    return Fleet.model_validate({"project": SCOPE.project, "environment": SCOPE.environment, **tables})


def users(world: Lab) -> dict[Address, str | None]:
    return {i.address: i.body.user for i in world.runs(fleet())}


def test_continue_does_everything_that_does_not_depend_on_what_failed(world: Lab) -> None:
    world.apply(fleet())
    world.sick[FIRST] = "answered 503"
    wanted = fleet(user="2", last_user="2", old=False)
    result = world.carry_out(world.plan(wanted), on_failure="continue")
    assert result.outcome == "failed"
    assert [failure.address for failure in result.failures] == [FIRST]
    assert users(world)[ALONE] == "2"
    assert users(world)[LAST] == "1", "it depends on first, through next, which does not change"
    assert OLD in users(world), "first may still be what it was, and need it"
    skipped = {event.address: event.cause for event in world.events if isinstance(event, ChangeSkipped)}
    assert skipped == {LAST: FIRST, OLD: FIRST}
    del world.sick[FIRST]
    assert {change.address for change in world.plan(wanted).plan.actions} == {FIRST, LAST, OLD}
    assert world.apply(wanted).outcome == "done"
    assert not world.plan(wanted).plan.actions


def test_pause_starts_nothing_more(world: Lab) -> None:
    world.apply(fleet())
    world.sick[FIRST] = "answered 503"
    result = world.carry_out(world.plan(fleet(user="2", last_user="2", old=False)))
    assert result.outcome == "failed"
    assert users(world)[LAST] == "1"
    assert OLD in users(world)
    assert not [event for event in world.events if isinstance(event, ChangeSkipped)]


def test_an_image_that_cannot_be_had_fails_only_its_own(world: Lab) -> None:
    wanted = fleet(old=False, image="shop/none:1")
    result = world.carry_out(world.plan(wanted), on_failure="continue")
    assert [failure.address for failure in result.failures] == [FIRST]
    assert "shop/none:1" in result.failures[0].cause
    assert set(users(world)) == {ALONE}
    paused = world.carry_out(world.plan(wanted))
    assert [failure.address for failure in paused.failures] == [FIRST]


def test_a_network_that_cannot_be_made_keeps_back_its_members_only(world: Lab) -> None:
    class NoNetworks:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.session().provider, name)

        def create_network(self, *_: Any) -> str:
            from sutazai.errors import ProviderError

            raise ProviderError("no subnet is left")

    planned = world.plan(fleet(old=False))
    planned.plan.desired.agents["next"].depends_on.clear()
    result = world.carry_out(planned, NoNetworks(), on_failure="continue")
    assert [failure.address for failure in result.failures] == [network("net")]
    assert set(users(world)) == {NEXT, LAST}
    assert [record.address.kind for record in result.state.resources] == [Kind.AGENT, Kind.AGENT]  # type: ignore[union-attr]


def test_a_wave_with_a_failure_is_not_said_to_be_healthy(world: Lab) -> None:
    world.sick[FIRST] = "answered 503"
    world.carry_out(world.plan(fleet(old=False)), on_failure="continue")
    assert not [event for event in world.events if isinstance(event, WaveFinished)]
