"""A check that nobody could ask is an error of the plan."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.plan.build import build_plan
from sutazai.plan.change import Finding
from sutazai.plan.situation import PlanOptions
from sutazai.state.observed import Host, Observed
from unit.plan.world import fleet_of, images_for

THERE = Host("there", 4, 16 << 30, None, "25", "1.44", local=False, published_at="192.0.2.1")
CHECKS = [{"name": "up", "kind": "http", "port": 80}]


def findings(host: Host | None, **body: Any) -> list[Finding]:
    switch = {"traffic-switch": {"networks": ["net"]}} if "networks" in body else {}
    fleet = fleet_of({"a": {"image": "shop/a", "checks": CHECKS, **body}}, switch)
    observed = Observed(images=images_for(fleet), host=host)
    plan = build_plan(fleet, observed, None, PlanOptions())
    return [finding for finding in plan.findings if finding.code == "check-out-of-reach"]


def test_elsewhere_and_with_no_way_there_is_refused() -> None:
    (found,) = findings(THERE)
    assert (found.severity, str(found.address)) == ("error", "agent.a")
    assert 'check "up" can\'t ask port 80' in found.summary


@pytest.mark.parametrize(
    "body",
    [
        {"ports": ["8000:80"]},
        {"network_mode": "host"},
        {"checks": [{"kind": "docker"}]},
        {"checks": []},
        {"networks": ["net"], "route": {"port": 9000, "target": 80, "switched": True}},
        {"route": {"port": 9000, "target": 80}},
        {"ports": ["8000:80"], "checks": [{"kind": "ping"}]},
        {"checks": [{"kind": "ping", "port": 80, "phase": "liveness"}]},
    ],
)
def test_what_can_be_asked_is_not(body: dict[str, Any]) -> None:
    assert findings(THERE, **body) == []


@pytest.mark.parametrize("host", [None, replace(THERE, local=True)])
def test_nor_is_what_is_on_this_machine_or_nobody_knows_where(host: Host | None) -> None:
    assert findings(host) == []
