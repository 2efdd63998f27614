"""What is found before anything is touched."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.address import agent
from sutazai.plan.change import Capacity, Plan
from sutazai.state.observed import Observed, PortUse
from unit.plan.world import applied, change_to, fleet_of, images_for, plan_for, with_instance


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


def test_what_the_host_has_may_be_used_up() -> None:
    full = {"limits": {"memory": "16G", "cpus": 4}, "reservations": {"memory": "16G", "cpus": 4}}
    fleet = fleet_of({"a": {"deploy": {"resources": full}}})
    assert plan_for(fleet).findings == ()
    more = fleet_of({"a": reserved(memory="17G", cpus=5)})
    assert plan_for(more, Observed(images=images_for(more))).findings == ()


def test_capacity_in_full() -> None:
    body = {
        "deploy": {
            "replicas": 3,
            "resources": {
                "limits": {"memory": 5, "cpus": 0.3},
                "reservations": {"memory": 3, "cpus": 0.1},
            },
        }
    }
    found = plan_for(fleet_of({"a": body, "b": body, "c": {"deploy": {"replicas": 4}}})).capacity
    assert found == Capacity(30, 18, 1.8, 0.6, 10, 4, 16 << 30, 4, 4)
    nowhere = plan_for(fleet_of(), Observed()).capacity
    assert nowhere == Capacity(0, 0, 0.0, 0.0, 0, 0, None, None, 0)


def test_a_limit_is_looked_at_where_it_is_set() -> None:
    def fleet(cpus: float, **body: Any) -> Any:
        return fleet_of({"a": {**limits(cpus=cpus), **body}, "b": {}})

    assert found(change_to(fleet(1), fleet(5)), "cpus-limit") == [("error", "agent.a")]
    scaled = {"deploy": {"replicas": 2, **limits(cpus=5)["deploy"]}}
    assert found(change_to(fleet(5), fleet(5, **scaled)), "cpus-limit") == [("error", "agent.a")]
    assert found(change_to(fleet(5), fleet(5, depends_on=["b"])), "cpus-limit") == []


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


def test_a_stopped_workload_needs_its_ports_again() -> None:
    fleet = fleet_of({"a": {"ports": ["8000:80", "9000:90"]}})
    observed, state = applied(fleet)
    stopped = with_instance(observed, agent("a"), status="exited", exit_code=0)
    uses = tuple(PortUse("", port, "tcp", "x") for port in (8000, 8000, 9000))
    plan = plan_for(fleet, replace(stopped, ports=uses), state)
    assert [f.summary for f in plan.findings] == [
        "host port *:8000 is held by x", "host port *:9000 is held by x",
    ]  # fmt: skip
    other = (PortUse("", 8001, "tcp", "x"), PortUse("", 8000, "udp", "x"))
    assert plan_for(fleet, replace(stopped, ports=other), state).applyable


def test_ports_in_a_row_with_one_holder_are_one_finding() -> None:
    fleet = fleet_of({"a": {"ports": ["8001-8003:80-82", "8005:90", "8000:79", "9000:91"]}})
    holders = {8000: "x", 8001: "x", 8002: "x", 8003: "y", 8005: "x", 9000: "x"}
    uses = tuple(PortUse("", port, "tcp", holder) for port, holder in holders.items())
    plan = plan_for(fleet, Observed(images=images_for(fleet), ports=uses))
    assert sorted(f.summary for f in plan.findings if f.code == "port-in-use") == [
        "host port *:8003 is held by y", "host port *:8005 is held by x", "host port *:9000 is held by x",
        "host ports *:8000 to 8002 are held by x",
    ]  # fmt: skip


def test_a_name_that_a_container_should_get_back_is_taken() -> None:
    fleet = fleet_of({"a": {}})
    observed, state = applied(fleet)
    renamed = with_instance(observed, agent("a"), name="mine")
    taken = replace(renamed, taken=frozenset({("container", "shop-local-a-blue")}))
    assert found(plan_for(fleet, taken, state), "name-taken") == [("error", "agent.a")]
    more = fleet_of({"a": {"deploy": {"replicas": 2}}})
    second = replace(observed, taken=frozenset({("container", "shop-local-a-blue-2")}))
    assert found(plan_for(more, second, state), "name-taken") == [("error", "agent.a")]
    recorded = fleet_of({"a": {"checks": [{"kind": "ping", "port": 80}]}})
    own = replace(observed, taken=frozenset({("container", "shop-local-a-blue")}))
    assert plan_for(recorded, own, state).applyable
    assert not any(f.code == "name-taken" for f in plan_for(fleet, own, state).findings)


@pytest.mark.parametrize(
    ("taken", "slot"),
    [((), "blue"), (("blue",), "green"), (("green",), "blue"), (("blue", "green"), "blue")],
)
def test_a_new_container_goes_where_its_name_is_free(taken: tuple[str, ...], slot: str) -> None:
    fleet = fleet_of({"a": {"deploy": {"replicas": 2}}})
    names = frozenset(("container", f"shop-local-a-{name}-2") for name in taken)
    plan = plan_for(fleet, Observed(images=images_for(fleet), taken=names))
    assert plan.actions[0].slot == slot
    assert len(found(plan, "name-taken")) == (len(taken) == 2)


def test_replicas_can_not_share_a_port() -> None:
    plan = plan_for(fleet_of({"a": {"ports": ["8000:80"], "deploy": {"replicas": 2}}}))
    assert found(plan, "port-shared") == [("error", "agent.a")]
    down = change_to(plan.desired, plan.desired, kind="destroy")
    assert down.applyable
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


def test_a_build_that_changed_is_said_not_to_be_built_by_apply() -> None:
    before, after = (
        {"a": {"image": "shop/built:1", "build": {"context": ".", "args": args}}} for args in ({}, {"V": "2"})
    )
    plan = change_to(fleet_of(before), fleet_of(after))
    assert found(plan, "build-changed") == [("warning", "agent.a")]
    always = fleet_of({"a": {**after["a"], "pull_policy": "build", "user": "1"}})
    assert found(change_to(fleet_of(before), always), "build-changed") == []
    removed = fleet_of({"a": {"image": "shop/built:1"}})
    assert found(change_to(fleet_of(before), removed), "build-changed") == []


def test_only_what_is_made_needs_its_image() -> None:
    old = fleet_of({"a": {}, "b": {}, "d": {"deploy": {"replicas": 1}}})
    wanted = {
        "a": {"restart": "always"},
        "b": {},
        "c": {"image": "shop/new:1"},
        "d": {"deploy": {"replicas": 2}},
    }
    observed, state = applied(old)
    plan = plan_for(fleet_of(wanted), replace(observed, images={}), state)
    pulled = [f.summary for f in plan.findings if f.code == "image-pull"]
    assert pulled == [
        "image shop/new:1 is not here; it will be pulled (for agent.c)",
        "image shop/thing:1 is not here; it will be pulled (for agent.d)",
    ]


def test_an_image_that_a_container_runs_is_here() -> None:
    fleet = fleet_of({"a": {}, "b": {}})
    observed, state = applied(fleet)
    pin = observed.of(agent("b"))[0].image_id
    other = with_instance(observed, agent("a"), image_id="sha256:other")
    plan = plan_for(fleet, replace(other, images={}), state, kind="rollback", pinned={agent("a"): pin})
    assert [(c.address, c.image_id) for c in plan.actions] == [(agent("a"), pin)]
    assert plan.applyable


def test_what_touches_no_container_may_ask_for_what_is_not_carried_out() -> None:
    old, new = ({"hooks": {"pre_stop": text}, "secrets": ["key"]} for text in ("x", "y"))
    recorded = change_to(fleet_of({"a": old}, secrets={"key": {}}), fleet_of({"a": new}, secrets={"key": {}}))
    assert (recorded.actions[0].steps, recorded.findings) == (("record",), ())
    scaled = fleet_of({"a": {**old, "deploy": {"replicas": 2}}}, secrets={"key": {}})
    said = [f.summary for f in change_to(fleet_of({"a": old}, secrets={"key": {}}), scaled).findings]
    assert said == ["secrets (key) are not carried out yet"]


@pytest.mark.parametrize(
    "body",
    [
        {"secrets": ["password"]},
        {"checks": [{"kind": "deep", "port": 80}]},
        {"checks": [{"kind": "performance", "phase": "startup", "port": 80}]},
    ],
)
def test_what_is_not_carried_out_yet_stops_where_it_is_needed(body: dict[str, Any]) -> None:
    fleet = fleet_of({"a": body}, secrets={"password": {}})
    assert found(plan_for(fleet), "not-carried-out") == [("error", "agent.a")]
    assert found(change_to(fleet, fleet), "not-carried-out") == []


def test_a_strategy_that_a_workload_cannot_have_is_named() -> None:
    rollout = {"strategy": "blue_green"}
    tied = fleet_of({"a": {"rollout": rollout, "ports": ["127.0.0.1:8000:80"]}})
    assert plan_for(tied).applyable
    replaced = change_to(
        tied, fleet_of({"a": {"rollout": rollout, "ports": ["127.0.0.1:8000:80"], "user": "1"}})
    )
    assert found(replaced, "strategy-overruled") == [("warning", "agent.a")]
    free = fleet_of({"a": {"rollout": rollout}})
    assert not found(
        change_to(free, fleet_of({"a": {"rollout": rollout, "user": "1"}})), "strategy-overruled"
    )


def test_ports_that_the_switch_takes_over_are_named() -> None:
    route = {"port": 8000, "target": 80}
    direct = fleet_of({"a": {"route": route}})
    led = fleet_of(
        {"a": {"route": {**route, "switched": True}}},
        services={"traffic-switch": {"ports": ["127.0.0.1:8000:8000"]}},
    )
    assert found(change_to(direct, led), "port-handed-over") == [("warning", "agent.a")]
    assert not found(change_to(led, led), "port-handed-over")


def test_liveness_checks_are_mentioned_once() -> None:
    check = {"checks": [{"kind": "deep", "phase": "liveness", "port": 80}]}
    plan = plan_for(fleet_of({"a": check, "b": check}))
    assert found(plan, "liveness") == [("info", "None")]
    assert plan.applyable
