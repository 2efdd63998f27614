"""What a plan finds in its way, in a golden file: every finding once, in the words that its reader decides by."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sutazai.address import agent, network
from sutazai.model.fleet import Fleet
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Finding, Plan
from sutazai.plan.remembered import observed_in
from sutazai.plan.situation import NOTHING_LEFT, Aftermath
from sutazai.state.observed import Observed, PortUse
from sutazai.state.v2 import State
from unit.plan.test_words import SHOP
from unit.plan.world import (
    HOST,
    applied,
    change_to,
    fleet_of,
    image_of,
    images_for,
    plan_for,
    with_instance,
)

A = agent("a")


def finding_lines(finding: Finding) -> str:
    hint = f"\n    {finding.hint}" if finding.hint else ""
    return f"{finding.severity} {finding.code} {finding.address or '-'}: {finding.summary}{hint}"


def found() -> Iterator[Plan]:
    yield from about_objects()
    yield from about_the_host()
    yield from about_images()
    yield from about_what_is_not_carried_out()
    yield from about_hooks()
    kept = {"lifecycle": {"prevent_destroy": True}}
    yield change_to(fleet_of({"a": kept, "b": kept}), fleet_of({"a": {**kept, "user": "1"}}))
    yield plan_for(fleet_of({"a": {}}), observed_in(None), None, refreshed=False)
    yield plan_for(SHOP, observed_in(applied(SHOP)[1]), applied(SHOP)[1], refreshed=False)


def about_objects() -> Iterator[Plan]:
    body = {"networks": ["fleet"], "volumes": ["data:/data"]}
    tables: dict[str, Any] = {"networks": {"fleet": {}}, "volumes": {"data": {}}}
    named: dict[str, Any] = {"networks": {"fleet": {"name": "n"}}, "volumes": {"data": {"name": "v"}}}
    own = fleet_of({"a": body}, **tables)
    for options in ({"external": True}, {"external": True, "name": "theirs"}):
        yield plan_for(fleet_of({"a": body}, networks={"fleet": options}, volumes={"data": options}))
    taken = {
        ("network", "shop-local-fleet"),
        ("volume", "shop-local-data"),
        ("network", "n"),
        ("volume", "v"),
    }
    for fleet in (own, fleet_of({"a": body}, **named)):
        yield plan_for(fleet, Observed(images=images_for(fleet), taken=frozenset(taken)))
    yield change_to(own, fleet_of({"a": body}, **named))
    yield from about_networks(own)
    changed = {"driver": "nfs", "labels": {"a": "b"}}
    yield change_to(own, fleet_of({"a": body}, networks={"fleet": {}}, volumes={"data": changed}))
    two = fleet_of({"a": {"deploy": {"replicas": 2}}}, {"a": {}})
    names = frozenset({("container", f"shop-local-a-{slot}-2") for slot in ("blue", "green")})
    names |= {("container", f"shop-local-service.a-{slot}") for slot in ("blue", "green")}
    yield plan_for(two, Observed(images=images_for(two), taken=names))


def about_networks(own: Fleet) -> Iterator[Plan]:
    """Guests of others in them, and their addresses."""
    observed, state = applied(own)
    other = fleet_of({"a": {"networks": ["fleet"]}}, networks={"fleet": {"internal": True}})
    for guests in (("x",), ("x", "y", "z")):
        seen = replace(observed, networks={"fleet": replace(observed.networks["fleet"], guests=guests)})
        yield plan_for(own, seen, state)
        yield plan_for(other, seen, state)
        yield plan_for(own, seen, state, kind="destroy")
    pools = {"ipam": {"config": [{"subnet": "172.18.0.0/24"}, {"subnet": "10.8.0.0/16"}]}}
    ranged = fleet_of({"a": {"networks": ["fleet", "new"]}}, networks={"fleet": {}, "new": pools})
    foreign = (("theirs", "10.8.1.0/24"), ("far", "10.9.0.0/24"), ("odd", "no subnet"))
    yield plan_for(ranged, replace(observed, subnets=foreign), state)


def about_the_host() -> Iterator[Plan]:
    def asking(**resources: Any) -> Fleet:
        return fleet_of({"a": {"deploy": {"resources": resources}}})

    yield plan_for(asking(limits={"memory": "17G", "cpus": 4.5}))
    yield plan_for(asking(reservations={"memory": "17G", "cpus": 4.5}))
    mac = {"one": {"mac_address": "02:42:0a:d5:07:11"}, "two": {"mac_address": "02:42:0a:d5:07:12"}}
    subpath = {"type": "volume", "source": "data", "target": "/data", "volume": {"subpath": "a"}}
    check = {"test": "true", "start_interval": "1s"}
    late = fleet_of(
        {"a": {"healthcheck": check, "volumes": [subpath], "networks": mac}},
        networks={"one": {}, "two": {}},
        volumes={"data": {}},
    )
    yield plan_for(late, Observed(images=images_for(late), host=replace(HOST, api_version="1.41")))
    ports = fleet_of({"a": {"ports": ["127.0.0.1:8000:80", "53:53/udp"], "deploy": {"replicas": 2}}})
    uses = (PortUse("0.0.0.0", 8000, "tcp", "process nginx"), PortUse("", 53, "udp", "container x"))
    yield plan_for(ports, Observed(images=images_for(ports), ports=uses))


def about_images() -> Iterator[Plan]:
    bodies: dict[str, Any] = {f"p{n}": {"image": "shop/pulled:1"} for n in range(5)}
    bodies |= {"b": {"image": "shop/built:1", "build": "images/b"}}
    bodies |= {"n": {"image": "shop/never:1", "pull_policy": "never"}}
    yield plan_for(fleet_of(bodies), Observed())
    fleet = fleet_of({"a": {}})
    yield plan_for(fleet, *applied(fleet), kind="rollback", pinned={A: image_of("of that time").id})


def about_what_is_not_carried_out() -> Iterator[Plan]:
    rollout = {
        "auto_revert": True, "progress_deadline": "60s", "drain_timeout": "5s", "steps": [{"set_weight": 10}],
        "analysis": {"x": {}},
    }  # fmt: skip
    later = fleet_of(
        {
            "a": {"secrets": ["key", "other"], "read_only": True, "configs": ["settings"]},
            "b": {"rollout": rollout},
            "c": {"checks": [{"kind": "functional", "port": 80}, {"kind": "deep", "port": 80}]},
            "d": {
                "checks": [{"kind": "ping", "port": 80, "phase": "liveness"}],
                "backup": {"kind": "volume", "volume": "x"},
            },
            "e": {"rollout": {"strategy": "canary"}},
            "f": {"rollout": {"order": "start-first"}},
            "g": {"environment": {"TOKEN": "{{ secret.other }}"}},
        },
        secrets={"key": {}, "other": {}},
        configs={"settings": {"content": "x"}},
        policies=[{"rule": "no-latest"}],
    )
    yield plan_for(later)
    turned = {name: {"user": "1", "rollout": later.agents[name].rollout} for name in ("e", "f")}
    yield change_to(fleet_of({"e": {}, "f": {}}), fleet_of(turned))


def about_hooks() -> Iterator[Plan]:
    apart = {"pre_deploy": {"command": "x", "image": "shop/migrate:1"}}
    waited_for = {"b": {"condition": "service_completed_successfully"}}
    fleet = fleet_of({"a": {"hooks": apart, "depends_on": waited_for}, "b": {"hooks": {"post_deploy": "x"}}})
    yield plan_for(fleet, Observed(images={"shop/api:1": image_of("shop/api:1")}))
    observed, state = applied(fleet_of({"a": {}}))
    left = replace(observed.instances[0], id="x", name="shop-local-a-green-pre-deploy", hook="pre_deploy")
    yield plan_for(fleet_of({"a": {}}), replace(observed, one_offs=(left,)), state)


def test_findings(golden: Callable[[str, str], None]) -> None:
    """Every one of them once, in one golden file."""
    lines = dict.fromkeys(finding_lines(finding) for plan in found() for finding in plan.findings)
    golden("findings.txt", "\n".join(lines) + "\n")


def test_a_network_of_others_may_have_guests() -> None:
    """It is forgotten and stays."""
    external = fleet_of({"a": {"networks": ["n"]}}, networks={"n": {"external": True}})
    observed, state = applied(fleet_of({"a": {"networks": ["n"]}}, networks={"n": {}}))
    there = replace(observed.networks["n"], guests=("x",), owned=False)
    known = state.model_copy(update={"desired": external})
    seen = replace(observed, networks={"n": there})
    plans = (plan_for(fleet_of(), seen, known), plan_for(external, seen, known, kind="destroy"))
    for plan in plans:
        (change,) = (change for change in plan.actions if change.address == network("n"))
        assert change.steps == ("record",)
        assert change.detail == "only forgotten: it is not this environment's"
        assert plan.findings == ()


def test_containers_of_another_state_are_named_until_they_are_recorded() -> None:
    """A second state of one environment, or one made anew for a lost one, has another lineage than the labels say."""
    fleet = fleet_of({"a": {}, "b": {}})
    observed, state = applied(fleet)

    def named(seen: Observed, prior: State | None, left: Aftermath = NOTHING_LEFT) -> list[str]:
        plan = build_plan(fleet, seen, prior, PlanOptions(), left)
        return [finding.summary for finding in plan.findings if finding.code == "another-state"]

    theirs = with_instance(observed, A, lineage="theirs")
    (lost,) = named(theirs, None)
    assert "there is no state here" in lost
    assert "(lineage theirs) made shop-local-a-blue" in lost
    assert named(theirs, state) == []
    assert named(theirs, None, Aftermath(lineages=frozenset({"theirs"}))) == []
    (replaced,) = named(with_instance(theirs, A, id="new"), state)
    assert "this state has lineage lineage" in replaced
    assert named(with_instance(observed, A, id="new", lineage="lineage"), state) == []
