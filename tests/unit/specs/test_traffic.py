"""The traffic switch as a workload of the fleet."""

from pathlib import Path

import pytest

from sutazai.address import agent
from sutazai.model.fleet import SWITCH
from unit.specs.conftest import Write, fleet_of, problems

AGENTS = """
agents:
  a: {image: x, networks: [fleet], route: {port: 2001, target: 80}}
  b: {image: x, networks: [side], route: {port: 2000, target: 81, protocol: tcp, bind: 0.0.0.0}}
  c: {image: x, route: {port: 2002, target: 82, switched: false}}
  d: {image: x, networks: [fleet]}
"""
SIDE = {"specs/side.yaml": "networks: {side: {}, unused: {}}\n"}
ON = {"environments/local.yaml": "traffic: {kind: haproxy}\n", **SIDE}


@pytest.fixture
def root(write: Write) -> Path:
    return write(AGENTS, ON)


def test_it_publishes_the_ports_of_the_routes_that_it_carries_and_no_other(root: Path) -> None:
    switch = fleet_of(root).services[SWITCH.name]
    published = [(port.host_ip, port.published, port.target, port.protocol) for port in switch.ports]
    assert published == [("0.0.0.0", 2000, 2000, "tcp"), ("127.0.0.1", 2001, 2001, "tcp")]
    assert set(switch.networks) == {"fleet", "side"}


def test_routes_say_whether_it_carries_them_and_their_workloads_wait_for_it(root: Path) -> None:
    fleet = fleet_of(root)
    assert {name: bool(body.switched) for name, body in fleet.agents.items()} == {
        "a": True, "b": True, "c": False, "d": False,
    }  # fmt: skip
    assert {name for name in fleet.agents if SWITCH in fleet.dependencies(agent(name))} == {"a", "b"}


def test_it_is_built_from_what_the_engine_brings_unless_the_environment_names_an_image(write: Write) -> None:
    build = fleet_of(write(AGENTS, ON)).services[SWITCH.name].build
    assert build is not None
    assert not build.context
    assert "haproxy" in (build.dockerfile_inline or "")
    said = "traffic: {kind: haproxy, image: 'haproxy:3', resources: {limits: {memory: 64M}}}\n"
    other = fleet_of(write(AGENTS, {"environments/local.yaml": said, **SIDE})).services[SWITCH.name]
    assert (other.image, other.build) == ("haproxy:3", None)
    assert other.deploy.resources.limits.memory == 64 * 1024 * 1024


def test_without_a_route_there_is_none(write: Write) -> None:
    fleet = fleet_of(write("agents: {a: {image: x}}\n", ON))
    assert not fleet.services


def test_kind_none_leaves_every_port_to_its_container(write: Write) -> None:
    fleet = fleet_of(write(AGENTS, {"environments/local.yaml": "traffic: {kind: none}\n", **SIDE}))
    assert not fleet.services
    assert not any(body.switched for body in fleet.agents.values())


def test_its_name_is_reserved(write: Write) -> None:
    loaded = problems(write(AGENTS + "services: {traffic-switch: {image: y}}\n", ON))
    assert [problem.summary for problem in loaded.diagnostics.errors] == [
        "service.traffic-switch is the engine's own: it carries the routes"
    ]


def test_one_port_on_two_addresses_of_the_host(write: Write) -> None:
    both = (
        "agents:\n  a: {image: x, route: {port: 2001, target: 80}}\n"
        "  b: {image: x, route: {port: 2001, target: 80, bind: 127.0.0.2}}\n"
    )
    (problem,) = problems(write(both, ON)).diagnostics.errors
    assert "the port 2001 is the route of agent.a too" in problem.summary
    assert not problems(
        write(both, {"environments/local.yaml": "traffic: {kind: none}\n"})
    ).diagnostics.errors
