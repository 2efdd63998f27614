"""The strategies of a rollback, by the calls that each makes and their order, on a simulated engine."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sutazai.address import Kind, agent
from sutazai.errors import ApplyFailed, ProviderError, Refused
from sutazai.events import TrafficLed, Verified
from sutazai.model.fleet import SWITCH, Config, Fleet
from sutazai.operations.changing import Order, change_environment
from sutazai.operations.last_good import plan_emergency
from sutazai.operations.plan import fleet_of, plan_resume, plan_rollback
from sutazai.operations.recovery import unfinished_runs
from sutazai.operations.session import Stop
from sutazai.plan.build import PlanOptions
from sutazai.plan.manner import MANNERS, Strategy
from sutazai.plan.saved import digest_of_plan
from sutazai.providers.simulated import SimulatedProvider
from sutazai.providers.simulated.engine import SimulatedContainer
from sutazai.state.observed import Reported
from sutazai.state.scope import Slot
from sutazai.traffic import ROUTERS
from unit.operations.lab import CHECK, IMAGES, SCOPE, Cut, Killed, Lab, Willing, lab, to_its_end

A, B, C, D = (agent(name) for name in "abcd")
PORTS = {"a": 9001, "b": 9002, "c": 9003}
NET = {"net": {}}


def fleet(image: str = IMAGES[0], *, d: bool = True, **of_a: Any) -> Fleet:
    """a <- b <- c with routes, and d without one; a is critical. `image` is that of all."""

    def body(**fields: Any) -> dict[str, Any]:
        rollout = {"healthy_deadline": "10m", "min_healthy_time": "30s"}
        return {"image": image, "networks": ["net"], "checks": [CHECK], "rollout": rollout, **fields}

    def route(name: str) -> dict[str, Any]:
        return {"port": PORTS[name], "target": 80, "switched": True}

    agents = {
        "a": body(route=route("a"), tier="critical", **of_a),
        "b": body(route=route("b"), depends_on=["a"]),
        "c": body(route=route("c"), depends_on=["b"]),
        **({"d": body()} if d else {}),
    }
    ports = [f"{port}:{port}" for port in PORTS.values()]
    switch = {"image": IMAGES[0], "networks": ["net"], "restart": "unless-stopped", "ports": ports}
    tables = {"networks": NET, "services": {SWITCH.name: switch}, "agents": agents}
    return Fleet.model_validate({"project": SCOPE.project, "environment": SCOPE.environment, **tables})


class Spy:
    """A provider that tells what is asked of it, as `start a` or `lead a b c`, and refuses what it is told to."""

    def __init__(self, world: Lab, refuses: Callable[[str, str], bool] = lambda *_: False) -> None:
        self._world, self._provider = world, SimulatedProvider(SCOPE, world.engine)
        self._refuses = refuses
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._provider, name)
        if name == "execute":
            return self._guarded(name, real)
        return self._guarded(name, real, tell=True) if name in ("start", "stop", "put_file") else real

    def _guarded(self, name: str, real: Callable[..., Any], *, tell: bool = False) -> Callable[..., Any]:
        def call(instance_id: str, *args: Any, **kwargs: Any) -> Any:
            who = self._world.engine.containers[instance_id].instance.address.name
            if self._refuses(name, who):
                raise ProviderError(f"{name} {who}: no", status=500)
            before = ready(self._world) if name == "put_file" else {}
            result = real(instance_id, *args, **kwargs)
            if name == "put_file":
                led = [n for n, slots in ready(self._world).items() if slots and slots != before.get(n)]
                self.calls += [f"lead {' '.join(sorted(led))}"] * bool(led)
            elif tell:
                self.calls.append(f"{name} {who}")
            return result

        return call


def ready(world: Lab) -> dict[str, list[Slot]]:
    """The slots that the traffic of each goes to."""
    provider = SimulatedProvider(SCOPE, world.engine)
    (switch,) = (i.id for i in world.runs(fleet()) if i.address == SWITCH) if world.runs(fleet()) else ("",)
    return {
        address.name: [slot for (slot, _), lane in lanes.items() if lane.mode == "ready"]
        for address, lanes in ROUTERS["simulated"](provider, [switch]).state().items()
    }


def images(world: Lab) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in world.runs(fleet()):
        if one.address != SWITCH and one.status == "running":
            found.setdefault(one.address.name, []).append(one.image)
    return found


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    """Serial 1 is of the first image, serial 2 of the second."""
    found = lab(tmp_path)
    assert found.apply(fleet()).outcome == "done"
    assert found.apply(fleet(IMAGES[1])).outcome == "done"
    found.events.clear()
    return found


def roll_back(
    world: Lab, strategy: Strategy, serial: int = 1, spy: Spy | None = None, targets: Iterable[str] = ()
) -> Spy:
    """As `sutazai rollback` does."""
    spy = spy or Spy(world)
    session = world.session(spy)
    options = PlanOptions(kind="rollback", strategy=strategy, targets=tuple(targets))
    change_environment(session, Order("rollback"), lambda _: plan_rollback(session, serial, options), Willing(),
                       lambda work, _: to_its_end(work(Stop())))  # fmt: skip
    return spy


def waves(world: Lab, strategy: Strategy, targets: tuple[str, ...] = ()) -> list[str]:
    options = PlanOptions(kind="rollback", strategy=strategy, targets=targets)
    plan = plan_rollback(world.session(), 1, options).plan
    return [" ".join(address.name for address in wave.addresses) for wave in plan.waves]


@pytest.mark.parametrize(
    ("strategy", "targets", "expected"),
    [
        ("progressive", (), ["a d", "b", "c"]),
        ("graceful", (), ["d a", "b", "c"]),
        ("selective", ("b",), ["a", "b"]),
        ("immediate", (), ["a b c d"]),
        ("emergency", (), ["a b c d"]),
    ],
)
def test_waves(world: Lab, strategy: Strategy, targets: tuple[str, ...], expected: list[str]) -> None:
    assert waves(world, strategy, targets) == expected


def test_the_switch_goes_before_all_that_it_leads_to_whatever_the_haste(world: Lab) -> None:
    _stop_switch(world)
    assert waves(world, "emergency") == [f"{SWITCH.name} d", "a b c"]


def order(calls: list[str], *wanted: str) -> None:
    """These calls are there, in this order."""
    places = [calls.index(call) for call in wanted]
    assert places == sorted(places), calls


def test_progressive_waits_for_each_wave_and_drains_when_all_is_done(world: Lab) -> None:
    began = world.clock.at
    spy = roll_back(world, "progressive")
    order(spy.calls, "start a", "lead a", "start b", "lead b", "start c", "lead c", "stop a")
    assert world.clock.at - began >= 3 * 30, "each stays healthy for min_healthy_time"


def test_immediate_starts_all_before_it_waits_for_any(world: Lab) -> None:
    began = world.clock.at
    spy = roll_back(world, "immediate")
    starts = [call for call in spy.calls if call.startswith("start")]
    assert spy.calls.index(starts[-1]) < spy.calls.index(next(c for c in spy.calls if c.startswith("lead")))
    assert {call for call in spy.calls if call.startswith("start")} == {f"start {name}" for name in "abcd"}
    assert world.clock.at - began < 30, "nothing has to stay healthy for min_healthy_time"


def test_immediate_leads_nothing_to_what_is_not_healthy(world: Lab) -> None:
    world.sick[B] = "answered 503"
    with pytest.raises(ApplyFailed, match=r"agent.b: not healthy within 10m"):
        roll_back(world, "immediate")
    assert IMAGES[1] in images(world)["b"]
    (slot,) = ready(world)["b"]
    led_to = [one for one in world.runs(fleet()) if one.address == B and one.slot is slot]
    assert [one.image for one in led_to] == [IMAGES[1]]


def test_graceful_drains_each_before_the_next_begins(world: Lab) -> None:
    spy = roll_back(world, "graceful")
    order(
        spy.calls,
        "start d",
        "start a",
        "lead a",
        "stop a",
        "start b",
        "lead b",
        "stop b",
        "start c",
        "lead c",
        "stop c",
    )


def test_selective_leaves_all_else(world: Lab) -> None:
    roll_back(world, "selective", targets=["a"])
    assert images(world) == {"a": [IMAGES[0]], **{name: [IMAGES[1]] for name in "bcd"}}
    (verified,) = (event for event in world.events if isinstance(event, Verified))
    assert (verified.serial, verified.total, verified.same, verified.healthy) == (1, 2, 2, 2), (
        "it and the switch"
    )


def test_emergency_waits_for_nothing_and_drains_nothing(world: Lab) -> None:
    began = world.clock.at
    spy = roll_back(world, "emergency")
    assert images(world) == {name: [IMAGES[0]] for name in "abcd"}
    assert world.clock.at - began < 5
    assert not [call for call in spy.calls if call.startswith("sever")]
    assert {name: len(slots) for name, slots in ready(world).items()} == dict.fromkeys("abc", 1)


def test_emergency_reports_what_is_not_healthy_when_all_is_done(world: Lab) -> None:
    world.sick[A] = "answered 503"
    with pytest.raises(
        ApplyFailed, match=r"agent.a: not healthy within 10m: http check \"up\": answered 503"
    ):
        roll_back(world, "emergency")
    assert images(world) == {name: [IMAGES[0]] for name in "abcd"}
    newest = world.session().store.newest()
    assert newest is not None
    assert [record.address for record in newest.resources if record.tainted] == [A]
    assert newest.operation.outcome == "failed"
    (verified,) = (event for event in world.events if isinstance(event, Verified))
    assert (verified.total, verified.same, verified.healthy) == (5, 4, 4)
    assert any("agent.a: not healthy: http check" in difference for difference in verified.differences)


def test_in_an_emergency_one_failure_keeps_nothing_back(world: Lab) -> None:
    spy = Spy(world, lambda call, who: (call, who) == ("start", "a"))
    with pytest.raises(ApplyFailed, match="start a: no"):
        roll_back(world, "emergency", spy=spy)
    there = images(world)
    assert {name: there[name] for name in "bcd"} == {name: [IMAGES[0]] for name in "bcd"}, "b depends on a"
    world.sick.clear()
    assert world.apply(fleet()).outcome == "done"
    assert not world.plan(fleet()).plan.actions


def test_an_emergency_goes_on_without_a_switch_that_does_not_answer(world: Lab) -> None:
    spy = Spy(world, lambda call, who: call == "execute" and who == SWITCH.name)
    with pytest.raises(ApplyFailed, match=r"service.traffic-switch: .*no"):
        roll_back(world, "emergency", spy=spy)
    assert images(world) == {name: [IMAGES[0]] for name in "abcd"}
    assert world.apply(fleet()).outcome == "done"
    slots = {i.address.name: [i.slot] for i in world.runs(fleet()) if i.address.name in PORTS}
    assert ready(world) == slots, "the next run has told the switch"


def test_an_emergency_leaves_out_what_can_not_be_done(tmp_path: Path) -> None:
    world = lab(tmp_path)
    world.apply(fleet(lifecycle={"prevent_destroy": True}))
    world.apply(fleet(IMAGES[1]))
    plans = {s: plan_rollback(world.session(), 1, PlanOptions(strategy=s)).plan for s in MANNERS}
    assert [strategy for strategy, plan in plans.items() if plan.applyable] == ["emergency"]
    (finding,) = (f for f in plans["emergency"].findings if f.code == "prevent-destroy")
    assert (finding.severity, finding.address) == ("warning", A)
    assert finding.summary.startswith("left as it is: it would be replaced")
    with pytest.raises(
        ApplyFailed, match=r"4 of 5 run as serial 1 says, 5 are healthy: agent\.a: left as it was"
    ):
        roll_back(world, "emergency")
    assert images(world) == {"a": [IMAGES[1]], **{name: [IMAGES[0]] for name in "bcd"}}
    assert world.session().store.read(3).operation.outcome == "partial"


def _stop_switch(world: Lab) -> None:
    (switch,) = (i.id for i in world.runs(fleet()) if i.address == SWITCH)
    SimulatedProvider(SCOPE, world.engine).stop(switch, None)


def test_a_resumed_rollback_goes_on_in_its_manner(world: Lab) -> None:
    options = PlanOptions(kind="rollback", strategy="graceful")
    planned = plan_rollback(world.session(), 1, options)
    cut = Cut(SimulatedProvider(SCOPE, world.engine), 3, after=True)
    with pytest.raises(Killed):
        world.carry_out(planned, cut, command="rollback")
    (unfinished,) = unfinished_runs(world.session().store)
    assert unfinished.options.strategy == "graceful"
    assert plan_resume(world.session(), unfinished).plan.strategy == "graceful"


def test_the_strategy_is_part_of_what_a_plan_is_known_by(world: Lab) -> None:
    def digest(strategy: Strategy) -> str:
        planned = plan_rollback(world.session(), 1, PlanOptions(strategy=strategy))
        return digest_of_plan(planned.plan, planned.options, None)

    assert len({digest(strategy) for strategy in MANNERS}) == len(MANNERS)


# What still runs of that version


def paused(world: Lab) -> None:
    """A release to serial 3 whose last one fails, and that is left so: the old versions of a and b run beside the new ones."""
    world.sick[C] = "answered 503"
    assert world.carry_out(world.plan(fleet())).outcome == "failed"
    world.sick.clear()
    world.events.clear()
    for container in world.engine.containers.values():
        _give_address(container)
    assert {name: sorted(found) for name, found in images(world).items()} == {
        **{name: sorted(IMAGES) for name in "abc"}, "d": [IMAGES[0]]
    }  # fmt: skip


def _give_address(container: SimulatedContainer) -> None:
    """As Docker reports it of what runs, though nobody declared it."""
    body = container.instance.body
    (attachment,) = body.networks.values()
    networks = {"net": attachment.model_copy(update={"mac_address": "02:42:ac:11:00:02"})}
    container.instance = replace(
        container.instance, reported=Reported.of(body.model_copy(update={"networks": networks}))
    )


@pytest.mark.parametrize("strategy", [strategy for strategy, manner in MANNERS.items() if not manner.selects])
def test_what_still_runs_has_its_traffic_back_in_the_first_write(world: Lab, strategy: Strategy) -> None:
    paused(world)
    spy = roll_back(world, strategy, 2)
    assert spy.calls[0] == "lead a b", spy.calls
    assert "start a" not in spy.calls
    assert "start b" not in spy.calls
    assert len([call for call in spy.calls if call.startswith("lead")]) == 1, "once, and to all"
    first = next(event for event in world.events if isinstance(event, TrafficLed))
    assert {A, B} <= set(first.addresses)
    assert images(world) == {name: [IMAGES[1]] for name in "abcd"}


@pytest.mark.parametrize("strategy", [strategy for strategy, manner in MANNERS.items() if not manner.selects])
def test_no_traffic_is_said_to_be_led_back_before_there_is_what_to_lead_it_to(
    world: Lab, strategy: Strategy
) -> None:
    """The switch is told its lanes as they are when the run begins; that leads nothing anywhere."""
    roll_back(world, strategy)
    led = [address for event in world.events if isinstance(event, TrafficLed) for address in event.addresses]
    assert sorted(led) == [A, B, C]


def test_what_runs_and_is_ill_does_not_get_its_traffic_back_at_once(world: Lab) -> None:
    paused(world)
    world.sick[A] = "answered 503"
    spy = Spy(world)
    with pytest.raises(ApplyFailed, match=r"agent\.a"):
        roll_back(world, "progressive", 2, spy)
    assert spy.calls[0] == "lead b"


def test_a_failed_run_that_is_taken_back_leads_first(world: Lab) -> None:
    world.sick[C] = "answered 503"
    spy = Spy(world)
    session = world.session(spy)
    runs = 0

    def run(work: Any, _: object) -> Any:
        nonlocal runs
        runs += 1
        if runs == 2:
            world.sick.clear()
            spy.calls.clear()
        return to_its_end(work(Stop()))

    from sutazai.errors import RolledBack
    from sutazai.operations.plan import make_plan

    with pytest.raises(RolledBack):
        change_environment(session, Order("apply", on_failure="rollback"),
                           lambda _: make_plan(session, fleet(), PlanOptions()), Willing(), run)  # fmt: skip
    assert spy.calls[0] == "lead a b"
    assert images(world) == {name: [IMAGES[1]] for name in "abcd"}


# Afterwards


def test_what_is_verified_is_told(world: Lab) -> None:
    roll_back(world, "progressive")
    (verified,) = (event for event in world.events if isinstance(event, Verified))
    assert (verified.serial, verified.total, verified.same, verified.healthy) == (1, 5, 5, 5)
    assert verified.differences == ()


def test_what_is_not_as_the_serial_says_is_listed_and_nothing_is_tried_again(world: Lab) -> None:
    class Later(list):  # type: ignore[type-arg]
        def append(self, event: object) -> None:
            super().append(event)
            if type(event).__name__ == "RunFinished":
                (gone,) = (i.id for i in world.runs(fleet()) if i.address == D)
                SimulatedProvider(SCOPE, world.engine).remove(gone)
                world.sick[A] = "answered 503"

    world.events = Later()
    with pytest.raises(
        ApplyFailed, match=r"4 of 5 run as serial 1 says, 3 are healthy: agent\.d: .*; and 2 more"
    ) as raised:
        roll_back(world, "progressive")
    assert raised.value.exit_code == 4
    (verified,) = (event for event in world.events if isinstance(event, Verified))
    assert [difference.split(":")[0] for difference in verified.differences] == [
        "agent.d",
        "agent.a",
        "agent.d",
    ]
    assert world.session().store.serials() == (1, 2, 3)


# Where an emergency goes


def last_good(world: Lab) -> int:
    session = world.session()
    unfinished = unfinished_runs(session.store)
    return plan_emergency(session, unfinished[-1] if unfinished else None)[0].serial


def test_the_newest_where_what_runs_is_damaged(world: Lab) -> None:
    (one,) = (i.id for i in world.runs(fleet()) if i.address == B)
    SimulatedProvider(SCOPE, world.engine).remove(one)
    assert last_good(world) == 2


def test_the_one_before_where_what_runs_is_as_recorded(world: Lab) -> None:
    assert last_good(world) == 1


def test_never_back_to_what_an_emergency_has_left(world: Lab) -> None:
    world.apply(fleet(d=False))  # 3
    roll_back(world, "emergency", 2)  # 4
    assert last_good(world) == 1
    roll_back(world, "emergency", 4)  # nothing to do: no serial
    assert world.session().store.serials()[-1] == 4


def test_not_what_failed_or_was_of_a_selection(world: Lab) -> None:
    world.sick[C] = "answered 503"
    world.apply(fleet())
    world.sick.clear()
    assert last_good(world) == 2
    roll_back(world, "progressive", 2)
    world.carry_out(world.plan(fleet(), targets=("a",)))
    assert world.session().store.read(5).operation.outcome == "partial"
    assert last_good(world) == 4


def test_one_that_is_damaged_is_passed_over(world: Lab) -> None:
    world.apply(fleet(d=False))  # 3
    damaged = world.root / "state" / "test" / "serials" / "000002.json"
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert last_good(world) == 1


def test_a_run_that_was_cut_off_is_taken_back(world: Lab) -> None:
    cut = Cut(SimulatedProvider(SCOPE, world.engine), 3, after=True)
    with pytest.raises(Killed):
        world.carry_out(world.plan(fleet()), cut)
    assert last_good(world) == 2


def test_none(tmp_path: Path) -> None:
    empty = lab(tmp_path)
    with pytest.raises(Refused, match="no serial of test was healthy"):
        last_good(empty)
    empty.apply(fleet())
    with pytest.raises(Refused, match="no serial of test before serial 1, which is what runs, was healthy"):
        last_good(empty)
    empty.carry_out(empty.destroy(fleet()), command="destroy")
    assert last_good(empty) == 1, "what was destroyed was healthy"


def test_a_config_that_was_there_and_not_yet_recorded_comes_back_with_its_workload(world: Lab) -> None:
    """A run that is interrupted has recorded what it found as desired, and not all that this uses."""
    wanted = fleet(configs=["one"]).model_copy(update={"configs": {"one": Config(content="x")}})
    assert world.apply(wanted).outcome == "done"
    state = world.session().store.newest()
    assert state is not None
    operation = state.operation.model_copy(update={"outcome": "interrupted"})
    records = tuple(record for record in state.resources if record.address.kind is not Kind.CONFIG)
    cut_short = state.model_copy(update={"operation": operation, "resources": records})
    assert fleet_of(cut_short).configs == wanted.configs
