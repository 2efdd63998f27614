"""What is found before anything is touched."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.plan.change import Plan
from sutazai.state.observed import Observed, PortUse
from unit.plan.world import applied, change_to, fleet_of, images_for, plan_for


def found(plan: Plan, code: str) -> list[tuple[str, str]]:
    return [(finding.severity, str(finding.address)) for finding in plan.findings if finding.code == code]


def limits(**words: Any) -> dict[str, Any]:
    return {"deploy": {"resources": {"limits": words}}}


def reserved(**words: Any) -> dict[str, Any]:
    return {"deploy": {"resources": {"reservations": words}}}


def test_capacity_sums_instances() -> None:
    body = {
        "deploy": {
            "replicas": 3,
            "resources": {"limits": {"memory": "1G", "cpus": 0.5}, "reservations": {"cpus": 0.1}},
        }
    }
    capacity = plan_for(fleet_of({"a": body, "b": {}})).capacity
    assert capacity is not None
    assert (capacity.memory_limits, capacity.cpu_limits, capacity.cpu_reserved) == (3 << 30, 1.5, 0.3)
    assert (capacity.workloads, capacity.unlimited, capacity.unlimited_cpus, capacity.host_cpus) == (
        4,
        1,
        1,
        4,
    )


@pytest.mark.parametrize(
    ("body", "code", "severity"),
    [
        (limits(memory="17G"), "memory-limits", "warning"),
        (reserved(memory="17G"), "memory-reserved", "error"),
        (reserved(cpus=5), "cpus-reserved", "error"),
        (limits(cpus=5), "cpus-limit", "error"),
        (limits(memory="15G", cpus=4), None, None),
    ],
)
def test_more_than_the_host_has(body: dict[str, Any], code: str | None, severity: str | None) -> None:
    plan = plan_for(fleet_of({"a": body}))
    assert [(f.code, f.severity) for f in plan.findings] == ([(code, severity)] if code else [])


def test_a_running_workload_is_not_asked_again() -> None:
    fleet = fleet_of({"a": limits(cpus=5)})
    assert change_to(fleet, fleet).findings == ()


def test_a_port_that_another_holds_is_named_with_its_holder() -> None:
    fleet = fleet_of({"a": {"route": {"port": 8000, "target": 80}}, "b": {"ports": ["9000:80/udp"]}})
    holders = (
        PortUse("0.0.0.0", 8000, "tcp", "process nginx (pid 7)"),
        PortUse("", 9000, "tcp", "container x"),
    )
    plan = plan_for(fleet, Observed(images=images_for(fleet), ports=holders))
    assert found(plan, "port-in-use") == [("error", "agent.a")]
    assert "nginx (pid 7)" in plan.findings[0].summary
    elsewhere = (PortUse("10.0.0.1", 8000, "tcp", "x"),)
    assert plan_for(fleet, Observed(images=images_for(fleet), ports=elsewhere)).applyable


def test_a_running_workload_has_its_ports() -> None:
    def fleet(restart: str) -> Any:
        return fleet_of({"a": {"ports": ["8000:80"], "restart": restart}})

    observed, state = applied(fleet("no"))
    seen = replace(observed, ports=(PortUse("10.0.0.9", 8000, "tcp", "x"),))
    assert plan_for(fleet("always"), seen, state).applyable


def test_replicas_can_not_share_a_port() -> None:
    plan = plan_for(fleet_of({"a": {"ports": ["8000:80"], "deploy": {"replicas": 2}}}))
    assert found(plan, "port-shared") == [("error", "agent.a")]
    assert plan_for(fleet_of({"a": {"ports": ["80"], "deploy": {"replicas": 2}}})).applyable


def test_images_that_are_not_here() -> None:
    bodies = {
        "a": {"image": "shop/built:1", "build": "images/a"},
        "b": {"image": "shop/pulled:1"},
        "c": {"image": "shop/never:1", "pull_policy": "never"},
        "d": {"image": "shop/pulled:1"},
    }
    plan = plan_for(fleet_of(bodies), Observed())
    assert found(plan, "image-build") == [("info", "None")]
    assert found(plan, "image-pull") == [("info", "None")]
    assert found(plan, "image-missing") == [("error", "agent.c")]
    assert any("agent.b, agent.d" in finding.summary for finding in plan.findings)
    assert plan_for(fleet_of(bodies)).findings == ()


@pytest.mark.parametrize(
    "body",
    [
        {"secrets": ["password"]},
        {"hooks": {"pre_stop": "sync"}},
        {"checks": [{"kind": "deep", "port": 80}]},
        {"checks": [{"kind": "performance", "phase": "startup", "port": 80}]},
    ],
)
def test_what_is_not_carried_out_yet_stops_where_it_is_needed(body: dict[str, Any]) -> None:
    fleet = fleet_of({"a": body}, secrets={"password": {}})
    assert found(plan_for(fleet), "not-carried-out") == [("error", "agent.a")]
    assert found(change_to(fleet, fleet), "not-carried-out") == []


@pytest.mark.parametrize("rollout", [{"strategy": "blue_green"}, {"order": "start-first"}])
def test_a_strategy_that_is_not_carried_out_stops_a_replacement_only(rollout: dict[str, Any]) -> None:
    fleet = fleet_of({"a": {"rollout": rollout}})
    created = plan_for(fleet)
    assert created.applyable
    assert found(created, "strategy-later") == [("info", "None")]
    replaced = change_to(fleet, fleet_of({"a": {"rollout": rollout, "user": "1"}}))
    assert found(replaced, "not-carried-out") == [("error", "agent.a")]
    assert change_to(fleet, fleet).findings == ()


def test_liveness_checks_are_mentioned_once() -> None:
    check = {"checks": [{"kind": "deep", "phase": "liveness", "port": 80}]}
    plan = plan_for(fleet_of({"a": check, "b": check}))
    assert found(plan, "liveness") == [("info", "None")]
    assert plan.applyable


def test_the_fleets_strategy_counts_where_a_workload_has_none() -> None:
    own = {"rollout": {"strategy": "recreate"}}
    old = fleet_of({"a": {}, "b": own}, rollout={"strategy": "rolling"})
    new = fleet_of({"a": {"user": "1"}, "b": {**own, "user": "1"}}, rollout={"strategy": "rolling"})
    assert found(change_to(old, new), "not-carried-out") == [("error", "agent.a")]
