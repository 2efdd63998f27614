"""Routes that come, move and go: the containers of the traffic switch that lead others are left where they are."""

from pathlib import Path
from typing import Any

import pytest

from sutazai.address import agent
from sutazai.model.fleet import SWITCH, Fleet, Traffic
from sutazai.plan.change import Action, Plan, Reason, ResourceChange
from sutazai.specs.traffic import with_switch
from sutazai.state.observed import Instance
from sutazai.traffic import ROUTERS
from unit.operations.lab import CHECK, IMAGES, SCOPE, Lab, lab
from unit.plan.world import change_in


@pytest.fixture
def here(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def fleet(*, image: str = IMAGES[0], direct: int | None = None, **ports: int | tuple[int, str]) -> Fleet:
    """Agents with routes on these ports. `image` is the switch's; `direct` is a port that another agent publishes itself."""
    agents: dict[str, Any] = {
        name: {"image": IMAGES[0], "networks": ["net"], "checks": [CHECK]} for name in ports
    }
    for name, port in ports.items():
        number, bind = port if isinstance(port, tuple) else (port, "127.0.0.1")
        agents[name]["route"] = {"port": number, "target": 80, "bind": bind}
    if direct:
        agents["direct"] = {"image": IMAGES[0], "ports": [f"127.0.0.1:{direct}:80"]}
    bare = Fleet.model_validate(
        {
            "project": SCOPE.project,
            "environment": SCOPE.environment,
            "networks": {"net": {}},
            "agents": agents,
        }
    )
    return with_switch(bare, Traffic(image=image))


def switches(here: Lab, fleet: Fleet) -> dict[str, list[int]]:
    """The ports that each container of the switch publishes, by its name."""
    there = [one for one in here.runs(fleet) if one.address == SWITCH]
    assert {one.status for one in there} <= {"running"}
    return {one.name: [port.published or 0 for port in one.body.ports] for one in there}


def ids(here: Lab, fleet: Fleet) -> list[str]:
    return [one.id for one in here.runs(fleet) if one.address == SWITCH]


def of_switch(plan: Plan) -> ResourceChange:
    return change_in(plan, SWITCH)


def done(here: Lab, fleet: Fleet, **options: Any) -> Plan:
    """Apply, whereafter nothing is to be done and each container of the switch leads each route to what runs."""
    planned = here.plan(fleet, **options)
    assert here.carry_out(planned).outcome == "done"
    settled(here, fleet)
    return planned.plan


def settled(here: Lab, fleet: Fleet) -> None:
    again = here.plan(fleet).plan
    assert not again.actions
    assert not again.drift
    assert not here.plan(fleet, refreshed=False).plan.actions
    runs = here.runs(fleet)
    there = {
        one.address: one.addresses["net"] for one in runs if one.address in {a for a, *_ in fleet.switched()}
    }
    provider = here.session().provider
    for switch in ids(here, fleet):
        state = ROUTERS["simulated"](provider, [switch]).state()
        led = {
            address: [lane.endpoint.ip for lane in lanes.values() if lane.mode == "ready" and lane.endpoint]
            for address, lanes in state.items()
        }
        assert led == {address: [ip] for address, ip in there.items()}
    newest = here.session().store.newest()
    assert newest is not None
    (record,) = [record for record in newest.resources if record.address == SWITCH]
    assert sorted(row.id for row in record.instances) == sorted(ids(here, fleet))


BLUE = "shop-test-traffic-switch-blue"
GREEN = "shop-test-traffic-switch-green"


def test_a_route_that_comes_and_goes_touches_no_container_of_others(here: Lab) -> None:
    two, three = fleet(a=9001, b=9002), fleet(a=9001, b=9002, c=9003)
    done(here, two)
    (first,) = ids(here, two)
    change = of_switch(done(here, three))
    assert (change.action, change.steps, change.reason) == (Action.UPDATE, ("scale",), Reason.CHANGED)
    assert (
        change.detail
        == "another container of it publishes 127.0.0.1:9003:9003/tcp, beside the one that is there"
    )
    assert [(f.path, f.before, f.after) for f in change.fields] == [
        (("ports",), None, ["127.0.0.1:9003:9003/tcp"])
    ]
    more = here.plan(fleet(a=9001, b=9002, c=9003, d=9004))
    assert of_switch(more.plan).detail.endswith("beside the 2 that are there")
    assert switches(here, three) == {BLUE: [9001, 9002], f"{BLUE}-2": [9003]}
    gone = of_switch(done(here, two))
    assert (gone.action, gone.detail) == (
        Action.UPDATE,
        f"{BLUE}-2 publishes nothing that is wanted any longer",
    )
    assert (switches(here, two), ids(here, two)) == ({BLUE: [9001, 9002]}, [first])


def test_a_port_that_its_container_can_not_let_go_is_told(here: Lab) -> None:
    done(here, fleet(a=9001, b=9002))
    left = done(here, fleet(a=9001))
    assert (of_switch(left).action, of_switch(left).steps) == (Action.UPDATE, ("record",))
    (found,) = [finding for finding in left.findings if finding.code == "ports-left"]
    assert found.summary.startswith("127.0.0.1:9002:9002/tcp stays published and leads nowhere")
    assert switches(here, fleet(a=9001)) == {BLUE: [9001, 9002]}
    done(here, fleet(a=9001, b=9002))
    assert switches(here, fleet(a=9001)) == {BLUE: [9001, 9002]}
    done(here, fleet(a=9001))
    anew = of_switch(done(here, fleet(a=9001), replace=(str(SWITCH),)))
    assert (anew.action, switches(here, fleet(a=9001))) == (Action.REPLACE, {GREEN: [9001]})


def test_a_route_that_moves_is_one_that_goes_and_one_that_comes(here: Lab) -> None:
    done(here, fleet(a=9001, b=9002))
    done(here, fleet(a=9001, b=9003))
    assert switches(here, fleet(a=9001)) == {BLUE: [9001, 9002], f"{BLUE}-2": [9003]}
    done(here, fleet(a=9001, b=9004))
    assert switches(here, fleet(a=9001)) == {BLUE: [9001, 9002], f"{BLUE}-3": [9004]}
    done(here, fleet(a=9003, b=9004))
    assert switches(here, fleet(a=9001)) == {f"{BLUE}-2": [9003], f"{BLUE}-3": [9004]}


def test_going_back_to_an_earlier_serial_touches_no_container_of_others(here: Lab) -> None:
    two, three = fleet(a=9001, b=9002), fleet(a=9001, b=9002, c=9003)
    done(here, two)
    (first,) = ids(here, two)
    done(here, three)
    for serial, routes in ((1, two), (2, three), (1, two)):
        assert here.carry_out(here.rollback(serial), command="rollback").outcome == "done"
        settled(here, routes)
        assert ids(here, routes)[0] == first
    assert switches(here, two) == {BLUE: [9001, 9002]}


def test_what_is_taken_back_is_there_still(here: Lab) -> None:
    """A container that nobody needs goes when the run has done well, so until then it can be gone back."""
    three = fleet(a=9001, b=9002, c=9003)
    done(here, fleet(a=9001, b=9002))
    done(here, three)
    before = ids(here, three)
    here.sick[agent("d")] = "503"
    failed = here.apply(fleet(a=9001, b=9002, d=9004))
    assert failed.outcome == "failed"
    here.sick.clear()
    back = here.rollback(2)
    assert here.carry_out(back, command="rollback").outcome == "done"
    settled(here, three)
    assert ids(here, three) == before


def replaced(plan: Plan) -> str:
    change = of_switch(plan)
    assert (change.action, change.reason) == (Action.REPLACE, Reason.CANNOT_UPDATE)
    return change.detail


def test_one_container_takes_the_place_of_all_where_it_must(here: Lab) -> None:
    routes: dict[str, Any] = {"a": 9001, "b": 9002}
    done(here, fleet(**routes))
    done(here, fleet(**routes, c=9003))
    everywhere = fleet(**routes, c=(9003, "0.0.0.0"))
    assert of_switch(done(here, everywhere)).action is Action.UPDATE  # nobody else is in its container
    routes["b"] = (9002, "0.0.0.0")
    assert replaced(done(here, fleet(**routes, c=9003))) == (
        "ports: 127.0.0.1:9002:9002/tcp is published, where 9002:9002/tcp is to be"
    )
    assert switches(here, fleet(a=9001)) == {GREEN: [9001, 9002, 9003]}
    done(here, fleet(a=9001, c=9003))
    mine = done(here, fleet(a=9001, c=9003, direct=9002))
    assert replaced(mine) == "ports: agent.direct is to publish 9002:9002/tcp itself"
    waves = {address: wave.index for wave in mine.waves for address in wave.addresses}
    assert waves[SWITCH] < waves[agent("direct")]
    done(here, fleet(a=9001, c=9003, d=9004, direct=9002))
    other = of_switch(done(here, fleet(a=9001, c=9003, d=9004, direct=9002, image=IMAGES[1])))
    assert (other.action, list(switches(here, fleet(a=9001)).values())) == (
        Action.REPLACE,
        [[9001, 9003, 9004]],
    )


def test_a_port_that_is_led_now_was_published_by_its_workload(here: Lab) -> None:
    done(here, fleet(a=9001, direct=9002))
    led = here.plan(fleet(a=9001, direct_=9002))
    assert here.carry_out(led).outcome == "done"
    settled(here, fleet(a=9001, direct_=9002))


def test_many_routes_one_after_the_other_come_into_one_container_again(here: Lab) -> None:
    routes = {"a": 9001}
    done(here, fleet(**routes))
    for number in range(2, 10):
        routes[f"r{number}"] = 9000 + number
        assert of_switch(done(here, fleet(**routes))).action is Action.UPDATE
    routes["last"] = 9010
    assert replaced(done(here, fleet(**routes))) == "ports: 9 containers share its ports already"
    assert switches(here, fleet(**routes)) == {GREEN: [9001, *range(9002, 9011)]}


@pytest.mark.parametrize("which", [0, 1])
def test_a_container_of_it_that_was_removed_by_hand_is_made_again(here: Lab, which: int) -> None:
    routes = fleet(a=9001, b=9002)
    done(here, fleet(a=9001))
    done(here, routes)
    removed: Instance = [one for one in here.runs(routes) if one.address == SWITCH][which]
    del here.engine.containers[removed.id]
    planned = here.plan(routes)
    assert of_switch(planned.plan).reason is Reason.DRIFTED
    (drift,) = (drift for drift in planned.plan.drift if drift.address == SWITCH)
    assert [field.path for field in drift.fields] == [("deploy", "replicas")]
    assert here.carry_out(planned).outcome == "done"
    settled(here, routes)
    assert sorted(ports for (ports,) in switches(here, routes).values()) == [9001, 9002]


def test_a_port_goes_over_from_a_workload_that_goes_to_one_that_comes(here: Lab) -> None:
    """A workload that is renamed in the specs, and back."""
    before, after = fleet(a=9001, b=9002), fleet(a=9001, c=9002)
    warned = [
        [f.hint for f in done(here, wanted).findings if f.code == "route-succeeds"]
        for wanted in (before, after, before)
    ]
    move = "where it is the same under another name: sutazai state mv"
    assert warned == [[], [f"{move} agent.b agent.c"], [f"{move} agent.c agent.b"]]
    assert len(ids(here, before)) == 1


def test_two_routes_change_their_ports_with_each_other(here: Lab) -> None:
    done(here, fleet(a=9001, b=9002))
    done(here, fleet(a=9002, b=9001))
