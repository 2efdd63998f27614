"""Where checks ask, by where the engine is."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from sutazai.address import agent
from sutazai.model.workload import Workload
from sutazai.operations.reach import Reach
from sutazai.ports import Target
from sutazai.state.observed import Instance, Reported
from sutazai.state.scope import Slot

CHECKED = Workload.model_validate({"checks": [{"kind": "ping", "port": 80}, {"kind": "http", "port": 81}]})
HERE = Reach(local=True, relays=("switch",), networks=frozenset({"fleet"}))
ELSEWHERE = Reach(local=False, published_at="192.0.2.1", networks=frozenset({"fleet"}))
VIA = replace(ELSEWHERE, relays=("switch", "other"))


def asked(reach: Reach, published: Mapping[str, tuple[str, int]], **body: object) -> Target:
    instance = Instance(
        id="id", name="n", address=agent("a"), slot=Slot.BLUE, replica=1, status="running", health="none", image="i",
        image_id="i", reported=Reported.of(Workload.model_validate(body)), filled_in=dict,
        addresses={"fleet": "10.0.0.2", "own": "10.1.0.2", "left": ""}, published=published,
    )  # fmt: skip
    return reach.target(CHECKED, instance)


def test_on_this_machine_its_own_addresses_come_before_what_it_publishes() -> None:
    found = asked(HERE, {"80/tcp": ("", 8000), "90/tcp": ("127.0.0.1", 9000)})
    assert found.via is None
    assert found.endpoints == {
        80: (("10.0.0.2", 80), ("10.1.0.2", 80), ("127.0.0.1", 8000)),
        81: (("10.0.0.2", 81), ("10.1.0.2", 81)),
        90: (("127.0.0.1", 9000),),
    }


def test_elsewhere_they_are_asked_from_the_switch_in_its_networks() -> None:
    found = asked(VIA, {"80/tcp": ("0.0.0.0", 8000), "90/tcp": ("", 9000)})
    assert found.via == "switch"
    assert found.endpoints == {port: (("10.0.0.2", port),) for port in (80, 81, 90)}


@pytest.mark.parametrize("reach", [ELSEWHERE, replace(VIA, networks=frozenset({"left"}))])
def test_without_a_switch_beside_it_only_what_it_publishes_is_reached(reach: Reach) -> None:
    published = {"80/tcp": ("", 8000), "81/tcp": ("192.0.2.7", 8001), "90/tcp": ("127.0.0.1", 9000)}
    found = asked(reach, published)
    assert found.via is None
    assert found.endpoints == {80: (("192.0.2.1", 8000),), 81: (("192.0.2.7", 8001),)}


def test_a_port_of_loopback_is_reached_where_the_engine_is_asked_over_it() -> None:
    """A virtual machine's: its ports are forwarded to here."""
    found = asked(replace(ELSEWHERE, published_at="localhost"), {"80/tcp": ("127.0.0.1", 8000)})
    assert found.endpoints == {80: (("127.0.0.1", 8000),), 81: ()}


def test_one_on_the_network_of_its_host_is_asked_there() -> None:
    assert asked(VIA, {}, network_mode="host").endpoints[80] == (("192.0.2.1", 80),)
