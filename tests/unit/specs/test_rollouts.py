"""Rollouts of projects, environments and workloads together. What is refused of them is in `golden/bad_input`."""

from sutazai.model.rollout import Step
from sutazai.model.workload import Workload
from sutazai.plan.strategy import choose
from unit.specs.conftest import Write, fleet_of, problems

PROJECT = """
rollout:
  strategy: canary
  steps: [{set_weight: 10}, {analysis: errors}]
  analysis: {errors: {min_requests: 80}, speed: {max_latency_ratio: 3}}
agents:
  a: {image: x, route: {port: 11001, target: 80}}
  b:
    image: x
    route: {port: 11002, target: 80}
    rollout: {steps: [{set_weight: 30}, {analysis: speed}, {analysis: mine}], analysis: {mine: {}, errors: {min_requests: 9}}}
"""


def test_a_workload_names_the_analyses_of_all_and_its_own(write: Write) -> None:
    fleet = fleet_of(write(PROJECT))
    assert fleet.rollout_of(fleet.agents["a"]).steps == (Step(set_weight=10), Step(analysis="errors"))
    found = fleet.rollout_of(fleet.agents["b"])
    assert found.steps[1:] == (Step(analysis="speed"), Step(analysis="mine"))
    assert sorted(found.analysis) == ["errors", "mine", "speed"]
    assert (found.analysis["errors"].min_requests, found.analysis["speed"].max_latency_ratio) == (9, 3.0)
    assert fleet.rollout_of(fleet.agents["a"]).analysis["errors"].min_requests == 80
    assert fleet.rollout_of(Workload(image="x")).analysis == fleet.rollout.analysis


def test_an_environment_overrules_a_strategy_whose_steps_stay_behind(write: Write) -> None:
    root = write(PROJECT, {"environments/local.yaml": "rollout: {strategy: recreate, order: stop-first}\n"})
    fleet = fleet_of(root)
    assert choose(fleet.agents["a"], fleet.rollout).strategy == "recreate"
    assert choose(fleet.agents["b"], fleet.rollout).strategy == "canary"


def test_a_canary_without_a_route_is_warned_of_where_it_asks_for_it_itself(write: Write) -> None:
    spec = "agents: {a: {image: x, rollout: {strategy: canary}}, b: {image: x, route: {port: 11001, target: 80}}}\n"
    loaded = problems(write(spec + "rollout: {strategy: canary}\n"))
    assert loaded.fleet is not None
    assert [(problem.code, str(problem.severity)) for problem in loaded.diagnostics] == [
        ("no-route", "warning")
    ]


def test_a_fleet_canary_may_be_selected(write: Write) -> None:
    spec = "agents: {a: {image: x, category: data}}\nrollout: {fleet_canary: {select: 'category:data,a', bake_time: 1m}}\n"
    fleet = fleet_of(write(spec))
    assert fleet.fleet_canary is not None
    assert (fleet.fleet_canary.select, fleet.fleet_canary.bake_time) == ("category:data,a", 60.0)
