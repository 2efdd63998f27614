"""Laws of a run: what is applied plans empty, what failed or was cut off anywhere is mended by the next run, and every run
that changed something is exactly one serial."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sutazai.address import Address, agent, service
from sutazai.events import Notice, RunFinished
from sutazai.model.fleet import Fleet, Network, Volume
from sutazai.operations.plan import Planned, plan_refresh
from sutazai.operations.recovery import unfinished_runs
from sutazai.operations.run import Result, carry_out_plan
from sutazai.operations.session import Stop
from sutazai.plan.build import PlanOptions
from sutazai.plan.change import Action
from sutazai.ports import JournalEntry, StateStore
from sutazai.providers.simulated import SimulatedProvider
from sutazai.state.observed import Reported
from sutazai.state.scope import Scope
from sutazai.state.v2 import State
from unit.operations.lab import IMAGES, SCOPE, Cut, Killed, Lab, Time, fleet, lab, to_its_end


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def converged(world: Lab, wanted: Fleet) -> None:
    assert not world.plan(wanted).plan.actions
    instances = world.runs(wanted)
    assert Counter(i.address for i in instances) == Counter(address for address, _ in wanted.workloads())
    assert {i.status for i in instances} <= {"running"}
    assert world.session().store.journal().read() == ()


def essence(world: Lab) -> dict[Address, object]:
    """What runs, without the host name that each container gets from its ID."""
    return {i.address: (i.body.model_dump(exclude={"hostname"}), i.image_id) for i in world.runs(fleet())}


CHANGES = [
    pytest.param(fleet(memory="96M"), {"agent.b": Action.UPDATE}, id="limit"),
    pytest.param(fleet(image=IMAGES[1]), {"agent.b": Action.REPLACE}, id="image"),
    pytest.param(fleet(last=False), {"agent.c": Action.DESTROY}, id="removal"),
]


def test_applied_plans_empty(world: Lab) -> None:
    result = world.apply(fleet())
    assert result.outcome == "done"
    assert result.state is not None
    assert result.state.serial == 1
    converged(world, fleet())


def test_a_clock_that_is_set_back_makes_no_run_shorter(world: Lab) -> None:
    """How long it took is in its serial for good."""
    session = world.session()

    class SetBack(Time):
        def now(self) -> float:
            return self.at - 2 * (self.at - began)

    clock, began = SetBack(), world.clock.at

    async def go() -> Result:
        return await carry_out_plan(
            replace(session, clock=clock), world.plan(fleet()), Stop(), command="apply"
        )

    result = to_its_end(go())
    assert result.state is not None
    (finished,) = (event for event in world.events if isinstance(event, RunFinished))
    assert result.state.operation.seconds > 0
    assert finished.seconds > 0


@pytest.mark.parametrize(("changed", "actions"), CHANGES)
def test_a_change_does_what_it_must_and_is_one_serial(
    world: Lab, changed: Fleet, actions: dict[str, Action]
) -> None:
    world.apply(fleet())
    planned = world.plan(changed)
    assert {str(change.address): change.action for change in planned.plan.actions} == actions
    assert world.carry_out(planned).outcome == "done"
    assert world.session().store.serials() == (1, 2)
    converged(world, changed)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "target", [fleet(), *(param.values[0] for param in CHANGES)], ids=["new", "limit", "image", "removal"]
)
def test_cut_off_at_any_call_the_next_run_finishes(tmp_path: Path, target: Fleet, after: bool) -> None:
    """Every call of the run in turn is the last one of a process."""
    for call in range(1, 100):
        world = lab(tmp_path / str(call))
        if target != fleet():
            world.apply(fleet())
        cut = Cut(SimulatedProvider(SCOPE, world.engine), call, after=after)
        try:
            world.carry_out(world.plan(target), cut)
        except Killed:
            assert world.session().store.journal().read(), "what was cut off left no trace"
            assert world.apply(target).outcome == "done"
            converged(world, target)
        else:
            assert call > 1, "the run changed nothing"
            return
    pytest.fail("the run never ended")


def test_an_agent_that_never_gets_healthy_stops_the_run_and_the_next_goes_on(world: Lab) -> None:
    world.sick[agent("b")] = "answered 503"
    began = world.clock.now()
    result = world.apply(fleet())
    assert result.outcome == "failed"
    assert [failure.address for failure in result.failures] == [agent("b")]
    assert result.failures[0].cause == 'not healthy within 20s: http check "up": answered 503'
    assert 20 <= world.clock.now() - began < 22
    assert {i.address.name for i in world.runs(fleet())} == {"a", "b"}
    kept = {i.id for i in world.runs(fleet())}
    del world.sick[agent("b")]
    assert world.apply(fleet()).outcome == "done"
    assert kept <= {i.id for i in world.runs(fleet())}
    converged(world, fleet())


def test_a_dependency_that_nobody_changes_must_be_healthy_before_others_begin(world: Lab) -> None:
    world.apply(fleet(last=False))
    world.sick[agent("b")] = "answered 503"
    result = world.apply(fleet())
    assert result.outcome == "failed"
    assert [failure.address for failure in result.failures] == [agent("c")]
    expected = (
        'agent.b, which it depends on, is not healthy: not healthy within 20s: http check "up": answered 503'
    )
    assert result.failures[0].cause == expected
    assert {i.address.name for i in world.runs(fleet())} == {"a", "b"}
    finished = next(event for event in world.events[::-1] if isinstance(event, RunFinished))
    assert (finished.healthy, finished.total) == (0, 1)
    del world.sick[agent("b")]
    assert world.apply(fleet()).outcome == "done"
    converged(world, fleet())


def test_a_sick_dependency_is_no_obstacle_where_nothing_is_started(world: Lab) -> None:
    world.apply(fleet())
    world.sick[agent("a")] = "answered 503"
    assert world.apply(fleet(memory="96M")).outcome == "done"


def test_interrupted_before_the_first_wave_changes_no_agent(world: Lab) -> None:
    def interrupted() -> Stop:
        stop = Stop()
        stop.interrupt()
        return stop

    result = world.carry_out(world.plan(fleet()), stop=interrupted)
    assert result.outcome == "interrupted"
    assert world.runs(fleet()) == ()
    assert world.apply(fleet()).outcome == "done"
    converged(world, fleet())


class Unwritable:
    """A store that fails in a way that nobody thought of."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, _state: State) -> State:
        raise RuntimeError("no such luck")


def test_whatever_keeps_the_record_from_being_written_the_run_failed_and_can_be_gone_on_with(
    world: Lab,
) -> None:
    session = world.session()
    broken = replace(session, store=cast("StateStore", Unwritable(session.store)))
    with session.store.lock("apply"):
        result = to_its_end(carry_out_plan(broken, world.plan(fleet()), Stop(), command="apply"))
    assert (result.outcome, result.state) == ("failed", None)
    assert "RuntimeError: no such luck" in result.failures[0].cause
    assert [run.cut_off for run in unfinished_runs(session.store)] == [True]
    assert world.apply(fleet()).outcome == "done"
    assert not world.plan(fleet()).plan.actions


def test_rollback_is_a_new_serial_equal_to_the_old(world: Lab) -> None:
    world.apply(fleet())
    first = essence(world)
    world.apply(fleet(memory="96M"))
    world.apply(fleet(image=IMAGES[1], memory="96M", last=False))
    result = world.carry_out(world.rollback(1))
    assert result.outcome == "done"
    assert world.session().store.serials() == (1, 2, 3, 4)
    assert essence(world) == first
    assert not world.rollback(1).plan.actions
    converged(world, fleet())


def test_destroy_leaves_volumes_unless_told(world: Lab) -> None:
    world.apply(fleet())
    world.carry_out(world.destroy(fleet()))
    assert world.runs(fleet()) == ()
    assert len(world.engine.volumes) == 1
    assert not world.engine.networks
    world.carry_out(world.destroy(fleet(), volumes=True))
    assert not world.engine.volumes


def test_a_refresh_records_what_was_done_outside_and_touches_nothing(world: Lab) -> None:
    world.apply(fleet())
    (instance,) = (i for i in world.runs(fleet()) if i.address == agent("b"))
    bigger = fleet(memory="96M").agents["b"].deploy
    world.engine.change(
        instance.id, reported=Reported.of(instance.body.model_copy(update={"deploy": bigger}))
    )
    planned = plan_refresh(world.session(), fleet(), PlanOptions())
    assert [change.address for change in planned.plan.drift] == [agent("b")]
    assert not planned.plan.actions
    before = world.runs(fleet())
    result = world.carry_out(planned, Cut(SimulatedProvider(SCOPE, world.engine), 1, after=False))
    assert result.outcome == "done"
    assert result.state is not None
    assert (result.state.serial, result.state.desired) == (2, fleet())
    assert world.runs(fleet()) == before
    assert not plan_refresh(world.session(), fleet(), PlanOptions()).plan.drift
    assert not world.plan(fleet(memory="96M")).plan.drift
    assert {str(c.address): c.action for c in world.plan(fleet()).plan.actions} == {"agent.b": Action.UPDATE}


def test_what_is_recorded_only_does_not_get_in_the_way_of_an_update(world: Lab) -> None:
    world.apply(fleet())
    both = fleet(memory="96M").model_dump(exclude_unset=True)
    both["agents"]["b"]["rollout"] = {"healthy_deadline": "30s"}
    wanted = Fleet.model_validate(both)
    assert {str(c.address): c.action for c in world.plan(wanted).plan.actions} == {"agent.b": Action.UPDATE}
    assert world.apply(wanted).outcome == "done"
    converged(world, wanted)


def test_a_dependency_made_anew_restarts_who_asked_for_it(world: Lab) -> None:
    asking = fleet().model_dump(exclude_unset=True)
    asking["agents"]["c"]["depends_on"] = {"b": {"restart": True}}
    world.apply(Fleet.model_validate(asking))
    before = {i.address: i for i in world.runs(fleet())}
    asking["agents"]["b"]["image"] = IMAGES[1]
    wanted = Fleet.model_validate(asking)
    calls = Cut(SimulatedProvider(SCOPE, world.engine), 0, after=False)
    planned = world.plan(wanted)
    assert {str(c.address): (c.action, c.steps) for c in planned.plan.actions} == {
        "agent.b": (Action.REPLACE, ()), "agent.c": (Action.UPDATE, ("restart",)),
    }  # fmt: skip
    assert [wave.addresses for wave in planned.plan.waves] == [(agent("b"),), (agent("c"),)]
    seen = [(e.call, e.address) for e in _journal_of(world, planned, calls) if e.phase == "done"]
    assert [call for call, address in seen if address == "agent.c"] == ["stop", "start"]
    after = {i.address: i for i in world.runs(fleet())}
    assert after[agent("c")].id == before[agent("c")].id
    converged(world, wanted)


def _journal_of(world: Lab, planned: Planned, provider: Cut) -> list[JournalEntry]:
    """What a run wrote into its journal before it was emptied."""
    written: list[JournalEntry] = []
    session = world.session(provider)
    journal = session.store.journal()

    class Kept:
        def append(self, entry: JournalEntry) -> None:
            written.append(entry)
            journal.append(entry)

        def note(self, entry: JournalEntry) -> None:
            written.append(entry)
            journal.note(entry)

        def __getattr__(self, name: str) -> Any:
            return getattr(journal, name)

    class Store:
        def journal(self) -> Any:
            return Kept()

        def __getattr__(self, name: str) -> Any:
            return getattr(session.store, name)

    run = carry_out_plan(replace(session, store=Store()), planned, Stop(), command="apply")  # type: ignore[arg-type]
    assert to_its_end(run).outcome == "done"
    return written


def test_a_service_whose_name_an_agent_takes_answers_to_its_new_name(world: Lab) -> None:
    def both(*agents: str) -> Fleet:
        bodies = fleet().model_dump(exclude_unset=True)
        bodies["services"] = {"cache": bodies["agents"]["c"] | {"depends_on": []}}
        bodies["agents"] = dict.fromkeys(agents, bodies["agents"]["a"])
        return Fleet.model_validate(bodies)

    world.apply(both("a"))
    (cache,) = (i for i in world.runs(both("a")) if i.address == service("cache"))
    assert cache.answers == {"net": ("cache",)}
    planned = world.plan(both("a", "cache"))
    change = next(c for c in planned.plan.actions if c.address == service("cache"))
    assert (change.action, change.steps) == (Action.UPDATE, ("networks", "rename"))
    assert "networks.net." in change.detail
    assert not planned.plan.drift, "nobody did that outside"
    assert world.carry_out(planned).outcome == "done"
    (after,) = (i for i in world.runs(both("a")) if i.address == service("cache"))
    assert (after.id, after.answers) == (cache.id, {"net": ("service.cache",)})
    assert not world.plan(both("a", "cache")).plan.actions


@pytest.mark.parametrize("turns", [1, 2, 0])
def test_containers_that_have_each_other_s_names_get_their_own_again(world: Lab, turns: int) -> None:
    """The first two have changed names, each of the three has that of the next, or each has that of the one before."""
    bodies = fleet().model_dump(exclude_unset=True)
    bodies["agents"]["a"]["deploy"] = {"replicas": 3}
    wanted = Fleet.model_validate(bodies)
    world.apply(wanted)
    own = {one.id: one.name for one in world.runs(wanted) if one.address == agent("a")}
    given = list(own.values())
    given = [given[1], given[0], given[2]] if turns == 1 else [*given[turns - 1 :], *given[: turns - 1]]
    for names in (dict(zip(own, ("x", "y", "z"), strict=True)), dict(zip(own, given, strict=True))):
        for identity, name in names.items():
            world.session().provider.rename(identity, name)
    assert world.apply(wanted).outcome == "done"
    assert {one.id: one.name for one in world.runs(wanted) if one.address == agent("a")} == own
    assert not world.plan(wanted).plan.actions


@pytest.mark.parametrize("external", [True, False])
def test_what_is_no_longer_declared_is_left_under_its_own_name(world: Lab, external: bool) -> None:
    """Nothing in Docker says what the specs called a network or volume that is not of the scope, or has a `name` of its own."""
    theirs = SimulatedProvider(Scope("theirs", "test"), world.engine)
    if external:
        theirs.create_network("net", Network(), {})
        theirs.create_volume("data", Volume(), {})
    bodies = fleet().model_dump(exclude_unset=True)
    bodies["networks"]["more"] = {"name": "theirs-test-net", "external": external}
    bodies["volumes"]["more"] = {"name": "theirs-test-data", "external": external}
    bodies["agents"]["a"] |= {"networks": ["net", "more"], "volumes": ["data:/data", "more:/more"]}
    world.apply(Fleet.model_validate(bodies))
    planned = world.plan(fleet())
    assert planned.plan.drift == ()
    (change,) = (change for change in planned.plan.actions if change.address == agent("a"))
    assert {(field.path[:2], field.drift) for field in change.fields} == {
        (("networks", "more"), False), (("volumes", "/more"), False),
    }  # fmt: skip
    assert world.carry_out(planned).outcome == "done"
    converged(world, fleet())
    assert bool(theirs.observe(Fleet(project="theirs", environment="test")).networks) is external


def test_an_object_of_others_that_the_specs_call_by_another_name_stays(world: Lab) -> None:
    theirs = SimulatedProvider(Scope("theirs", "test"), world.engine)
    theirs.create_network("net", Network(), {})

    def named(key: str) -> Fleet:
        bodies = fleet().model_dump(exclude_unset=True)
        bodies["networks"][key] = {"name": "theirs-test-net", "external": True}
        bodies["agents"]["a"]["networks"] = ["net", key]
        return Fleet.model_validate(bodies)

    world.apply(named("more"))
    before = world.runs(named("more"))
    assert world.plan(named("other")).plan.drift == ()
    assert world.apply(named("other")).outcome == "done"
    converged(world, named("other"))
    assert [one.id for one in world.runs(named("other"))] == [one.id for one in before]


def test_a_refresh_with_nothing_to_record_makes_no_serial(world: Lab) -> None:
    world.apply(fleet())
    world.engine.change(world.runs(fleet())[0].id, status="exited", exit_code=1)
    result = world.carry_out(plan_refresh(world.session(), fleet(), PlanOptions()))
    assert result.state is None
    assert world.session().store.serials() == (1,)


def test_what_takes_long_to_stop_is_not_destroyed_one_after_the_other(
    world: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 at a time: of thirty that take 10 s each, the last are told to stop when the first have."""
    many = Fleet.model_validate(
        {
            "project": "shop",
            "environment": "test",
            "agents": {f"a{n}": {"image": IMAGES[0]} for n in range(30)},
        }
    )
    world.apply(many)

    async def slowly(function: Callable[..., Any], /, *args: Any) -> Any:
        if function.__name__ == "stop":
            await world.clock.sleep(10.0)
        return function(*args)

    monkeypatch.setattr("unit.operations.lab.at_once", slowly)
    began = world.clock.monotonic()
    world.carry_out(world.destroy(many))
    assert not world.runs(many)
    assert world.clock.monotonic() - began < 25.0


def test_a_job_that_still_runs_is_waited_for_by_who_comes_later(world: Lab) -> None:
    """Nobody changes it, and nobody waited for its end when it was started."""
    job = "shop/job:1"
    world.engine.images[job] = replace(world.engine.images[IMAGES[0]], id="sha256:" + "9" * 64)
    data = fleet().model_dump(mode="json", exclude_unset=True)
    data["services"] = {"migrate": {"image": job, "restart": "no", "rollout": {"healthy_deadline": "20s"}}}
    world.apply(Fleet.model_validate(data))
    data["agents"]["web"] = {
        "image": IMAGES[0], "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
    }  # fmt: skip
    wanted = Fleet.model_validate(data)
    result = world.apply(wanted)
    assert [(str(f.address), f.cause) for f in result.failures] == [
        ("agent.web", ("service.migrate, which it depends on, has not ended well: still running after 20s, "
                      "but others wait for it to end")),
    ]  # fmt: skip
    (container,) = (c for c in world.engine.containers.values() if c.instance.address == service("migrate"))
    container.instance = replace(container.instance, status="exited", exit_code=0)
    assert world.apply(wanted).outcome == "done"
    assert not world.plan(wanted).plan.actions


def test_a_dependency_that_is_only_updated_must_be_healthy_too(world: Lab) -> None:
    world.apply(fleet(last=False))
    world.sick[agent("b")] = "answered 503"
    result = world.apply(fleet(memory="96M"))
    assert [failure.address for failure in result.failures] == [agent("c")]
    assert "agent.b, which it depends on, is not healthy: not healthy within 20s" in result.failures[0].cause


def test_without_a_sick_dependency_that_is_not_required_a_run_goes_on_and_says_so(world: Lab) -> None:
    world.apply(fleet(last=False))
    world.sick[agent("b")] = "answered 503"
    data = fleet().model_dump(mode="json", exclude_unset=True)
    data["agents"]["c"]["depends_on"] = {"b": {"required": False}}
    assert world.apply(Fleet.model_validate(data)).outcome == "done"
    told = [event.message for event in world.events if isinstance(event, Notice)]
    assert told == [
        'agent.c goes on without agent.b, which is not healthy: not healthy within 20s: http check "up": answered 503'
    ]
