"""What an older engine does not know is refused by name in the plan."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.address import agent
from sutazai.state.observed import Observed
from unit.plan.world import HOST, applied, fleet_of, images_for, plan_for

CASES = [
    ({"healthcheck": {"test": "true", "start_interval": "1s"}}, "1.44", "healthcheck.start_interval"),
    ({"volumes": [{"type": "volume", "source": "data", "target": "/d", "volume": {"subpath": "a"}}]}, "1.45",
     "volumes./d.volume.subpath"),
    ({"networks": {"one": {}, "two": {"mac_address": "02:42:0a:d5:07:11"}}}, "1.44", "networks.two.mac_address"),
]  # fmt: skip


def findings(body: dict[str, Any], api: str) -> list[str]:
    fleet = fleet_of({"a": body}, networks={"one": {}, "two": {}}, volumes={"data": {}})
    plan = plan_for(fleet, Observed(images=images_for(fleet), host=replace(HOST, api_version=api)))
    assert all(f.severity == "error" and f.address == agent("a") for f in plan.findings)
    return [finding.summary for finding in plan.findings if finding.code == "engine-too-old"]


@pytest.mark.parametrize(("body", "least", "words"), CASES)
def test_it_is_said_below_the_version_that_knows_it(body: dict[str, Any], least: str, words: str) -> None:
    (found,) = findings(body, "1.41")
    assert found.startswith(f"{words} needs API {least} (Docker 2")
    assert found.endswith("this engine speaks 1.41")
    assert findings(body, f"1.{int(least[2:]) - 1}")
    assert findings(body, least) == []
    assert findings(body, "1.100") == []


def test_the_first_network_may_have_a_mac_address_on_any_engine() -> None:
    for networks in (
        {"one": {"mac_address": "02:42:0a:d5:07:11"}, "two": {}},
        {"one": {}, "two": {"mac_address": "02:42:0a:d5:07:11", "priority": 1}},
    ):
        assert findings({"networks": networks}, "1.41") == []


def test_it_is_not_said_of_what_stays_as_it_is() -> None:
    fleet = fleet_of({"a": CASES[0][0]})
    observed, state = applied(fleet)
    old = replace(observed, host=replace(HOST, api_version="1.41"))
    assert plan_for(fleet, old, state).findings == ()
