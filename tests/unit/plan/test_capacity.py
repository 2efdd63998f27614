"""What runs beside the desired fleet while it comes to be: old versions, and the baselines of canaries."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.plan.build import build_plan
from sutazai.plan.change import Beside, Plan
from sutazai.plan.situation import PlanOptions
from sutazai.state.observed import Host
from unit.plan.world import applied, change_to, fleet_of, images_for, plan_for

MIB = 1 << 20
RESOURCES = {"limits": {"memory": "64M", "cpus": 0.5}}
NONE = Beside()


def body(version: str, replicas: int = 1, resources: Any = RESOURCES, **rollout: Any) -> dict[str, Any]:
    return {
        "image": f"shop/x:{version}", "networks": ["net"], "route": {"port": 9000, "target": 80, "switched": True},
        "deploy": {"replicas": replicas, "resources": resources}, "rollout": rollout,
    }  # fmt: skip


def judged(version: str, port: int = 9000, replicas: int = 1, **fields: Any) -> dict[str, Any]:
    rollout = {
        "strategy": "canary",
        "steps": [{"set_weight": 20}, {"analysis": "well"}],
        "analysis": {"well": {}},
    }
    return {
        **body(version, replicas, **rollout),
        "route": {"port": port, "target": 80, "switched": True},
        **fields,
    }


def beside(plan: Plan) -> Beside:
    assert plan.capacity is not None
    return plan.capacity.beside


def test_a_version_that_starts_first_has_the_old_one_beside_it() -> None:
    plan = change_to(fleet_of({"a": body("1", 3)}), fleet_of({"a": body("2", 2)}))
    assert beside(plan) == Beside(3, 192 * MIB, 1.5)
    old = change_to(fleet_of({"a": body("1", resources={})}), fleet_of({"a": body("2")}))
    assert beside(old) == Beside(1, 0, 0.0, 1, 1)


def test_nothing_is_beside_what_is_made_stopped_first_or_left_alone() -> None:
    fleet = fleet_of({"a": body("1")})
    stop_first = fleet_of({"a": body("2", order="stop-first")})
    for plan in (plan_for(fleet), change_to(fleet, fleet), change_to(fleet, stop_first)):
        assert beside(plan) == NONE


def test_a_canary_that_is_judged_has_a_baseline_too_as_many_as_the_new_version_has() -> None:
    plan = change_to(fleet_of({"a": judged("1", replicas=3)}), fleet_of({"a": judged("2", replicas=2)}))
    assert beside(plan) == Beside(5, 320 * MIB, 2.5)


@pytest.mark.parametrize(("depends", "baselines"), [([], 2), (["a"], 1)])
def test_baselines_of_one_wave_are_there_at_once_and_those_of_others_are_not(
    depends: list[str], baselines: int
) -> None:
    def fleet(version: str) -> Any:
        return fleet_of({"a": judged(version), "b": judged(version, 9001, depends_on=depends)},
                        rollout={"fleet_canary": {"percent": 0}})  # fmt: skip

    assert beside(change_to(fleet("1"), fleet("2"))).containers == 2 + baselines


@pytest.mark.parametrize(("host", "codes"), [(192, []), (191, ["memory-beside"]), (63, ["memory-limits"])])
def test_a_host_that_has_no_room_for_all_three_is_warned_of(host: int, codes: list[str]) -> None:
    before, after = fleet_of({"a": judged("1")}), fleet_of({"a": judged("2")})
    observed, state = applied(before)
    small = Host("small", 4, host * MIB, host * MIB, "", "1.47", local=True)
    observed = replace(observed, host=small, images={**observed.images, **images_for(after)})
    plan = build_plan(after, observed, state, PlanOptions())
    found = [finding for finding in plan.findings if finding.code.startswith("memory-")]
    assert [finding.code for finding in found] == codes
    assert plan.applyable
