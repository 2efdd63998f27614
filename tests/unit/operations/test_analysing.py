"""A canary that is judged, from its first share of the traffic to the verdict in the serial."""

import itertools
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sutazai.address import agent
from sutazai.events import CanaryStep, Figures, Notice
from sutazai.model.fleet import SWITCH, Fleet, Volume
from sutazai.model.workload import Workload
from sutazai.providers.simulated import SimulatedProvider
from sutazai.providers.simulated.engine import SimulatedContainer
from sutazai.state.scope import Slot
from sutazai.state.traffic import Counters, LaneKey, Request
from sutazai.state.v2 import VerdictRecord
from sutazai.traffic.simulated import FILE, Lane, Switch
from unit.operations.lab import CHECK, IMAGES, SCOPE, Cut, Killed, Lab, Time, lab

MIB = 1 << 20
B = agent("b")
BASELINE = (Slot.BLUE, 2)
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


@dataclass(slots=True)
class Served:
    """The switch as others ask it, whenever the lab's time passes: `rate` requests a second in all, by the weights of its lanes. Of
    those to the canary, each `bad`th is an error; all take a time that differs a little."""

    world: Lab
    rate: float = 60.0
    bad: int = 0
    crashes_after: float = math.inf
    """So many seconds after it has its first request, the container of this lane crashes: what goes there is an error."""
    crashing: LaneKey = BASELINE
    weights: list[dict[str, int]] = field(default_factory=list)
    owed: dict[str, float] = field(default_factory=dict)

    def pass_by(self, seconds: float) -> None:
        switch = self.switch()
        if switch is None:
            return
        lanes = lanes_of(switch)
        ready = {key: lane for key, lane in lanes.items() if lane.mode == "ready" and lane.endpoint}
        if self.crashing in ready:
            self.crashes_after -= seconds
            if self.crashes_after <= 0:
                crash(self.world, self.crashing)
        self.weights.append({f"{slot}-{n}": lane.weight for (slot, n), lane in sorted(ready.items())})
        total = sum(lane.weight for lane in ready.values())
        for (slot, n), lane in ready.items():
            before = switch.counters.setdefault(B, {}).setdefault(slot, {}).get(n, Counters())
            name = f"{slot}-{n}"
            self.owed[name] = self.owed.get(name, 0.0) + self.rate * seconds * lane.weight / total
            fresh, self.owed[name] = int(self.owed[name]), self.owed[name] % 1
            now = before + Counters(requests=fresh)
            if self.bad and self._runs_the_new_version(slot, n):
                now = replace(now, answers_5xx=now.requests // self.bad)
            if (slot, n) == self.crashing and self.crashes_after <= 0:
                now += Counters(answers_5xx=fresh)
            switch.counters[B][slot][n] = now
            times = (0.04 + number % 7 / 1000 for number in range(fresh))
            switch.requests += [Request(B, slot, n, self.world.clock.at, 200, time, "--") for time in times]
        self.container().files[FILE] = (switch.model_dump_json(), 0o600)

    def container(self) -> SimulatedContainer:
        return next(c for c in self.world.engine.containers.values() if c.instance.address == SWITCH)

    def switch(self) -> Switch | None:
        """None before it was told anything."""
        there = any(c.instance.address == SWITCH for c in self.world.engine.containers.values())
        files = self.container().files if there else {}
        return Switch.model_validate_json(files[FILE][0]) if FILE in files else None

    def lanes(self) -> dict[LaneKey, Lane]:
        switch = self.switch()
        assert switch is not None
        return lanes_of(switch)

    def _runs_the_new_version(self, slot: Slot, replica: int) -> bool:
        there = (c.instance for c in self.world.engine.containers.values() if c.instance.address == B)
        image = self.world.engine.images[IMAGES[1]].id
        return any((one.slot, one.replica, one.image_id) == (slot, replica, image) for one in there)


def crash(world: Lab, lane: LaneKey) -> None:
    for container in world.engine.containers.values():
        one = container.instance
        if one.address == B and (one.slot, one.replica) == lane:
            container.instance = replace(one, status="exited", exit_code=137, addresses={}, published={})


def lanes_of(switch: Switch) -> dict[LaneKey, Lane]:
    return {(slot, n): lane for slot, found in switch.lanes.get(B, {}).items() for n, lane in found.items()}


@dataclass(slots=True)
class Passing(Time):
    """Time in which requests are served."""

    served: Served | None = None
    at: float = 1_700_000_000.0

    async def sleep(self, seconds: float) -> None:
        await Time.sleep(self, seconds)
        if self.served is not None:
            self.served.pass_by(seconds)


@pytest.fixture
def served(world: Lab) -> Served:
    found = Served(world)
    world.clock = Passing(found)
    return found


def of_b(world: Lab) -> list[tuple[str, str, int, str]]:
    """Its containers: name, slot, replica, status."""
    there = [c.instance for c in world.engine.containers.values() if c.instance.address == B]
    return sorted((one.name, one.slot.value, one.replica, one.status) for one in there)


ALONE = [("shop-test-b-blue", "blue", 1, "running")]


def test_the_baseline_is_as_old_and_as_large_as_the_canary_and_gone_afterwards(
    world: Lab, served: Served
) -> None:
    assert world.apply(fleet(IMAGES[0], {})).outcome == "done"
    planned = world.plan(fleet(IMAGES[1], {}))
    (change,) = [change for change in planned.plan.actions if change.address == B]
    assert change.strategy_reason.endswith("compared with new containers of the old version")
    served.weights.clear()
    result = world.carry_out(planned)
    assert result.outcome == "done"
    assert {"blue-1": 60, "blue-2": 20, "green-1": 20} in served.weights
    (verdict,) = result.state.operation.verdicts if result.state else ()
    figures = {judgement.metric: judgement for judgement in verdict.judgements}
    assert verdict.outcome == "pass"
    requests = [event.canary.requests - event.baseline.requests for event in world.events
                if isinstance(event, CanaryStep) and event.canary and event.baseline]  # fmt: skip
    assert set(requests) <= {-1, 0, 1}
    assert figures["memory"].text == "memory grows by 0.0 MiB a minute against 0.0"
    assert [name for name, *_ in of_b(world)] == ["shop-test-b-green"]
    assert not world.plan(fleet(IMAGES[1], {})).plan.actions


def test_a_bad_canary_is_found_beside_a_fresh_baseline_and_both_go(world: Lab, served: Served) -> None:
    served.bad = 10
    assert world.apply(fleet(IMAGES[0], {})).outcome == "done"
    result = world.apply(fleet(IMAGES[1], {}))
    assert result.outcome == "failed"
    assert "errors 10.0 % of" in result.failures[0].cause
    assert [key for key, lane in served.lanes().items() if lane.mode == "ready"] == [(Slot.BLUE, 1)]
    assert of_b(world)[:1] == ALONE
    assert [slot for _, slot, *_ in of_b(world)] == ["blue", "green"]
    assert world.apply(fleet(IMAGES[0], {})).outcome == "done"
    assert of_b(world) == ALONE


LOST = "compared with the running version, as a new container of it is not well: its container exited with code 137"
STEPS = [{"set_weight": 20}, {"pause": "20s"}, {"analysis": "well"}]


@pytest.mark.parametrize("after", [3.0, 21.0, 33.0], ids=["in a pause", "at once", "in the analysis"])
@pytest.mark.parametrize(("bad", "outcome"), [(0, "pass"), (10, "fail")])
def test_a_baseline_that_crashes_loses_its_traffic_and_does_not_judge(
    world: Lab, served: Served, after: float, bad: int, outcome: str
) -> None:
    """Beside its errors, ten of a hundred would be few."""
    assert world.apply(fleet(IMAGES[0], {}, steps=STEPS)).outcome == "done"
    served.bad, served.crashes_after = bad, after
    served.weights.clear()
    world.events.clear()
    result = world.apply(fleet(IMAGES[1], {}, steps=STEPS))
    assert result.outcome == ("done" if outcome == "pass" else "failed")
    assert served.crashes_after <= 0
    with_baseline = [weights for weights in served.weights if "blue-2" in weights]
    assert len(with_baseline) < len(served.weights)
    assert {"blue-1": 80, "green-1": 20} in served.weights
    (verdict,) = result.state.operation.verdicts if result.state else ()
    assert verdict.outcome == outcome
    assert [one.text for one in verdict.judgements if one.metric == "baseline"] == [LOST]
    assert [event.message for event in world.events if isinstance(event, Notice)] == [f"agent.b: {LOST}"]
    assert all(LOST in failure.cause for failure in result.failures)
    assert {(slot, n) for _, slot, n, _ in of_b(world)} <= {("blue", 1), ("green", 1)}
    assert served.lanes()[BASELINE].mode != "ready"


def test_a_running_version_that_crashes_is_still_what_it_is_compared_with(world: Lab, served: Served) -> None:
    """Or a version that crashes could never be mended by another one."""
    running = {"baseline": "running", **NO_TRAFFIC}
    assert world.apply(fleet(IMAGES[0], running)).outcome == "done"
    served.crashing, served.crashes_after = (Slot.BLUE, 1), 10.0
    result = world.apply(fleet(IMAGES[1], running))
    assert result.outcome == "done"
    (verdict,) = result.state.operation.verdicts if result.state else ()
    assert verdict.outcome == "pass"
    (said,) = (one.text for one in verdict.judgements if one.metric == "baseline")
    assert said == "the running version is not well itself: its container exited with code 137"


def test_what_both_versions_need_while_they_are_new_is_no_leak(world: Lab, served: Served) -> None:
    """Beside the version that runs it would be one."""
    for image in IMAGES:
        world.engine.images[image] = replace(world.engine.images[image], memory_growth=50 * MIB)
    assert world.apply(fleet(IMAGES[0], {})).outcome == "done"
    assert world.apply(fleet(IMAGES[1], {})).outcome == "done"
    assert [name for name, *_ in of_b(world)] == ["shop-test-b-green"]


@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_was_killed_leaves_no_baseline_for_long(tmp_path: Path, after: bool) -> None:
    """Killed at each call that changes something; the next run has the new version, or the old one again."""
    quick = {"inconclusive": "pass", "min_duration": "1s", "interval": "1s", "timeout": "2s"}
    baselines = 0
    for calls in itertools.count(1):
        world = lab(tmp_path / str(calls))
        assert world.apply(fleet(IMAGES[0], quick)).outcome == "done"
        try:
            provider = Cut(SimulatedProvider(SCOPE, world.engine), calls, after=after)
            world.carry_out(world.plan(fleet(IMAGES[1], quick)), provider)
        except Killed:
            baselines += "shop-test-b-blue-2" in {name for name, *_ in of_b(world)}
            again = IMAGES[calls % 2]
            assert world.apply(fleet(again, quick)).outcome == "done"
            assert [(replica, status) for _, _, replica, status in of_b(world)] == [(1, "running")]
            assert not world.plan(fleet(again, quick)).plan.actions
        else:
            break
    assert baselines >= 4


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"volumes": ["data:/data"]}, "volume data may have one writer only"),
        ({"lifecycle": {"ignore_changes": ["deploy.replicas"]}}, "its number of replicas is not ours to change"),
        ({"lifecycle": {"ignore_changes": ["deploy"]}}, "its number of replicas is not ours to change"),
        ({"lifecycle": {"ignore_changes": ["all"]}}, "its number of replicas is not ours to change"),
        ({"route": None}, "its route did not go through the switch"),
        ({"networks": {"net": {"ipv4_address": "10.9.8.7"}}}, "address 10.9.8.7 can have one owner only"),
    ],
)  # fmt: skip
def test_an_old_version_that_cannot_run_beside_itself_is_compared_as_it_runs(
    world: Lab, fields: dict[str, Any], why: str
) -> None:
    old = fleet(IMAGES[0], NO_TRAFFIC)
    body = old.agents["b"].model_dump(exclude_unset=True) | fields
    before = old.model_copy(update={"agents": {"b": Workload.model_validate(body)}})
    before = before.model_copy(update={"volumes": {"data": Volume()}})
    assert world.apply(before).outcome == "done"
    (change,) = [c for c in world.plan(fleet(IMAGES[1], NO_TRAFFIC)).plan.actions if c.address == B]
    assert change.strategy_reason.endswith(f"compared with the running version, as {why}")
    assert not change.fresh_baseline


def test_an_analysis_may_ask_for_the_version_that_runs(world: Lab, served: Served) -> None:
    running = {"baseline": "running"}
    assert world.apply(fleet(IMAGES[0], running)).outcome == "done"
    (change,) = [c for c in world.plan(fleet(IMAGES[1], running)).plan.actions if c.address == B]
    assert not change.fresh_baseline
    assert "compared" not in change.strategy_reason
    served.weights.clear()
    assert world.apply(fleet(IMAGES[1], running)).outcome == "done"
    assert {"blue-1": 80, "green-1": 20} in served.weights


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
