"""A run that failed is taken back, under the same lock, where that is asked for and can be done."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sutazai.address import agent
from sutazai.errors import ApplyFailed, Interrupted, RolledBack
from sutazai.events import Notice, Progress, RunStarted
from sutazai.model.fleet import Fleet
from sutazai.model.workload import declared
from sutazai.operations.changing import Order, change_environment, reverts
from sutazai.operations.plan import Planned, make_plan, plan_resume
from sutazai.operations.session import Session, Stop
from sutazai.plan.build import PlanOptions
from unit.operations.lab import IMAGES, Lab, Willing, fleet, lab, to_its_end

B = agent("b")


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    found = lab(tmp_path)
    found.apply(fleet())
    return found


def change(
    world: Lab,
    wanted: Fleet,
    *,
    order: Order | None = None,
    stops: Callable[[], Stop] = Stop,
    make: Callable[[Session], Planned] | None = None,
) -> None:
    session = world.session()
    change_environment(
        session,
        order or Order("apply", on_failure="rollback"),
        lambda found: (
            plan_resume(session, found) if found and order and order.resumes
            else make(session) if make else make_plan(session, wanted, PlanOptions())
        ),
        Willing(),
        lambda work, _: to_its_end(work(stops())),
    )  # fmt: skip


def test_a_limit_that_nobody_declares_any_longer_does_not_come_back_with_an_old_container(world: Lab) -> None:
    world.sick[B] = "answered 503"
    assert world.apply(fleet(image=IMAGES[1])).outcome == "failed"
    del world.sick[B]
    wanted = declared(fleet())
    del wanted["agents"]["b"]["deploy"]
    assert world.apply(Fleet.model_validate(wanted)).outcome == "done"
    (runs,) = (one for one in world.runs(fleet()) if one.address == B)
    assert (runs.image, runs.body.deploy.resources.limits.memory) == (IMAGES[0], None)


def test_what_comes_back_is_in_a_network_that_was_made_anew_with_it(world: Lab) -> None:
    """The old container left the old network with all others, after it had been looked at."""
    world.sick[B] = "answered 503"
    assert world.apply(fleet(image=IMAGES[1])).outcome == "failed"
    del world.sick[B]
    wanted = declared(fleet())
    wanted["networks"]["net"] = {"labels": {"of": "another"}}
    assert world.apply(Fleet.model_validate(wanted)).outcome == "done"
    assert not world.plan(Fleet.model_validate(wanted)).plan.actions


def ids(world: Lab) -> dict[str, str]:
    return {
        instance.address.name: instance.id for instance in world.runs(fleet()) if instance.status == "running"
    }


def operations(world: Lab) -> list[tuple[str, str]]:
    store = world.session().store
    return [(store.read(n).operation.command, store.read(n).operation.outcome) for n in store.serials()]


def notices(world: Lab) -> list[str]:
    return [event.message for event in world.events if isinstance(event, Notice)]


def broken(*, auto_revert: bool = True) -> Fleet:
    """Both a and b are of another version; b is never healthy."""
    wanted = fleet(image=IMAGES[1])
    body = wanted.agents["b"]
    rollout = body.rollout.model_copy(update={"auto_revert": auto_revert})
    agents = {
        **wanted.agents,
        "a": wanted.agents["a"].model_copy(update={"image": IMAGES[1]}),
        "b": body.model_copy(update={"rollout": rollout}),
    }
    return wanted.model_copy(update={"agents": agents})


def test_what_failed_and_what_went_before_it_go_back(world: Lab) -> None:
    before = ids(world)
    world.sick[B] = "answered 503"
    with pytest.raises(RolledBack) as raised:
        _mended_once_taken_back(world)
    assert raised.value.exit_code == 3
    assert raised.value.message.startswith("agent.b: not healthy")
    assert "serial 1 runs again, which is serial 3" in raised.value.message
    assert ids(world) == before
    assert operations(world) == [("apply", "done"), ("apply", "failed"), ("rollback", "done")]
    newest = world.session().store.newest()
    assert newest is not None
    assert newest.operation.why.startswith("serial 2 failed: agent.b: not healthy")
    assert newest.operation.approved_by == "ada"
    assert not world.plan(fleet()).plan.actions
    assert world.session().store.journal().read() == ()


def _mended_once_taken_back(world: Lab) -> None:
    """b is as ill as its new version, and well again with the old one."""

    def heal(event: object) -> None:
        if isinstance(event, RunStarted) and event.command == "rollback":
            world.sick.clear()

    _listen(world, heal)
    change(world, broken())


def _listen(world: Lab, hear: Callable[[object], None]) -> None:
    class Listening(list):  # type: ignore[type-arg]
        def append(self, event: object) -> None:
            hear(event)
            super().append(event)

    world.events = Listening(world.events)


def test_a_volume_has_one_writer_at_a_time_on_the_way_there_and_back(world: Lab) -> None:
    """Renamed, and ill under its new name: that one is in no serial, and goes before the old one is made again."""
    wanted = declared(fleet())
    wanted["agents"]["z"] = wanted["agents"].pop("a")
    wanted["agents"]["b"]["depends_on"] = ["z"]
    most: list[set[str]] = []

    def look(_: object) -> None:
        runs = (one for one in world.runs(fleet()) if one.status == "running" and one.body.volumes)
        most.append({one.name for one in runs})

    _listen(world, look)
    world.sick[agent("z")] = "answered 503"
    with pytest.raises(RolledBack):
        change(world, Fleet.model_validate(wanted))
    assert {len(names) for names in most} == {0, 1}
    assert len(set.union(*most)) == 2


def test_an_old_version_that_is_ill_too_is_left_as_it_is(world: Lab) -> None:
    world.sick[B] = "answered 503"
    with pytest.raises(ApplyFailed) as raised:
        change(world, broken())
    assert raised.value.exit_code == 4
    failed, _, back = raised.value.message.partition("; and serial 1 could not be brought back: ")
    assert failed.startswith("agent.b: ")
    assert back.startswith("agent.b: ")
    assert back.endswith("; what was done is serial 3"), (
        "the newest, and not that of the run which is half taken back"
    )
    assert "apply --resume" in (raised.value.hint or "")
    assert operations(world)[1:] == [("apply", "failed"), ("rollback", "failed")]


def test_a_workload_that_says_so_is_not_taken_back(world: Lab) -> None:
    world.sick[B] = "answered 503"
    with pytest.raises(ApplyFailed):
        change(world, broken(auto_revert=False))
    assert operations(world) == [("apply", "done"), ("apply", "failed")]


def test_the_first_apply_has_nothing_to_go_back_to(tmp_path: Path) -> None:
    world = lab(tmp_path)
    world.sick[B] = "answered 503"
    with pytest.raises(ApplyFailed):
        change(world, fleet())
    assert "there is no serial before this one to go back to: what was made stays" in notices(world)
    assert set(ids(world)) == {"a", "b"}


def test_an_image_that_is_gone_is_named_and_nothing_more_is_done(world: Lab) -> None:
    world.sick[B] = "answered 503"

    def lose(event: object) -> None:
        if isinstance(event, Progress) and event.address == B and event.message.startswith("waiting"):
            del world.engine.images[IMAGES[0]]
            for identity in [i for i, c in world.engine.containers.items() if c.instance.image == IMAGES[0]]:
                del world.engine.containers[identity]

    _listen(world, lose)
    with pytest.raises(ApplyFailed):
        change(world, broken())
    assert any(
        "serial 1 can't be brought back, so the fleet is left as it is" in told for told in notices(world)
    )
    assert operations(world) == [("apply", "done"), ("apply", "failed")]


def test_interrupted_on_the_way_back_is_gone_on_with_by_resume(world: Lab) -> None:
    before = ids(world)
    world.sick[B] = "answered 503"
    runs: list[Stop] = []

    def stops() -> Stop:
        runs.append(Stop())
        if len(runs) == 2:
            runs[-1].interrupt()
        return runs[-1]

    with pytest.raises(Interrupted, match="while serial 1 was brought back"):
        change(world, broken(), stops=stops)
    world.sick.clear()
    change(world, fleet(), order=Order("apply", on_failure="rollback", resumes=True))
    assert ids(world) == before


def test_interrupted_before_the_way_back_is_begun_what_failed_is_told_and_how_to_go_on(world: Lab) -> None:
    """While it is planned, a signal is Python's own KeyboardInterrupt."""
    world.sick[B] = "answered 503"
    runs: list[Stop] = []

    def stops() -> Stop:
        if runs:
            raise KeyboardInterrupt
        runs.append(Stop())
        return runs[-1]

    with pytest.raises(
        (Interrupted, KeyboardInterrupt), match="serial 1 was to be brought back after a failure: agent"
    ):
        change(world, broken(), stops=stops)
    assert operations(world)[1:] == [("apply", "failed")]


def test_who_was_told_to_stop_begins_nothing_new(world: Lab) -> None:
    world.sick[B] = "answered 503"
    planned = world.plan(fleet(image=IMAGES[1]))
    result = world.carry_out(planned)
    assert reverts(planned, result)
    assert not reverts(planned, replace(result, told_to_stop=True))


def test_a_resumed_run_goes_back_to_where_it_was_begun(world: Lab) -> None:
    before = ids(world)
    world.sick[B] = "answered 503"
    with pytest.raises(ApplyFailed):
        change(world, broken(), order=Order("apply", on_failure="pause"))

    def heal(event: object) -> None:
        if isinstance(event, RunStarted) and event.command == "rollback":
            world.sick.clear()

    _listen(world, heal)
    with pytest.raises(RolledBack, match="serial 1 runs again"):
        change(world, broken(), order=Order("apply", on_failure="rollback", resumes=True))
    assert ids(world) == before


def test_a_rollback_that_fails_is_not_taken_back(world: Lab) -> None:
    world.apply(fleet(image=IMAGES[1]))
    world.sick[B] = "answered 503"
    with pytest.raises(ApplyFailed):
        change(world, fleet(), make=lambda session: _back(world, session))
    assert operations(world)[-1] == ("apply", "failed")


def _back(world: Lab, session: Session) -> Planned:
    from sutazai.operations.plan import plan_rollback

    del world
    return plan_rollback(session, 1, PlanOptions())


def test_what_a_selection_left_out_stays_out_on_the_way_back(world: Lab) -> None:
    """Nobody was asked about it: `c` was stopped by hand, and the run was about `b`."""
    identity = ids(world)["c"]
    world.session().provider.stop(identity, 1.0)
    world.sick[B] = "answered 503"
    _listen(world, lambda event: world.sick.clear() if _goes_back(event) else None)
    wanted = fleet(image=IMAGES[1])
    with pytest.raises(RolledBack):
        change(
            world, wanted, make=lambda session: make_plan(session, wanted, PlanOptions(targets=("agent.b",)))
        )
    assert world.engine.containers[identity].instance.status == "exited"
    assert "c" not in ids(world)
    assert [one.image for one in world.runs(fleet()) if one.address == B] == [IMAGES[0]]


def test_what_is_new_and_must_not_be_destroyed_stays_and_the_rest_goes_back(world: Lab) -> None:
    before = ids(world)
    world.sick[B] = "answered 503"
    _listen(world, lambda event: world.sick.clear() if _goes_back(event) else None)
    wanted = declared(broken())
    wanted["networks"]["apart"] = {}
    wanted["agents"]["db"] = {
        "image": IMAGES[0], "networks": ["apart"], "lifecycle": {"prevent_destroy": True}
    }  # fmt: skip
    wanted["agents"]["b"]["depends_on"] = {"db": {"condition": "service_started"}}
    with pytest.raises(RolledBack):
        change(world, Fleet.model_validate(wanted))
    there = ids(world)
    assert set(there) == {*before, "db"}
    assert {name: there[name] for name in before} == before
    assert "agent.db stays as it is: its lifecycle.prevent_destroy is set" in notices(world)
    assert {change.address.name for change in world.plan(fleet()).plan.actions} == {"db", "apart"}


def _goes_back(event: object) -> bool:
    return isinstance(event, RunStarted) and event.command == "rollback"
