"""HAProxy's side of the switch as far as it is pure: names, the file, commands and answers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.address import Address, Kind, agent, service
from sutazai.state.scope import Slot
from sutazai.state.traffic import Counters, Endpoint, Entry, Move
from sutazai.traffic.haproxy import commands
from sutazai.traffic.haproxy.config import digest_in, render
from sutazai.traffic.haproxy.names import address_of, lane_of, proxy_name, server_name
from sutazai.traffic.haproxy.statistics import merged_counters, merged_lanes, reading_of, requests_in

ROOT = Path(__file__).parents[3]
A = agent("a")
SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")


@given(st.sampled_from([Kind.AGENT, Kind.SERVICE]), st.text(min_size=1).filter(str.isprintable))
def test_any_address_has_a_safe_name_of_its_own(kind: Kind, name: str) -> None:
    address = Address(kind, name)
    assert set(proxy_name(address)) <= SAFE
    assert address_of(proxy_name(address)) == address


def test_lanes_have_names() -> None:
    assert lane_of(server_name(Slot.GREEN, 12)) == (Slot.GREEN, 12)
    assert [lane_of(name) for name in ("BACKEND", "blue-0", "red-1", "<NOSRV>", "blue-1x")] == [None] * 5
    assert [address_of(name) for name in ("<HTTPCLIENT>", "GLOBAL", "agent.")] == [None] * 3


def test_the_file_depends_on_the_routes_alone() -> None:
    routes = [Entry(agent("b"), 2), Entry(service("a"), 1, "tcp", 3)]
    assert render(routes) == render(reversed(routes))
    assert render(routes).count("\n    server ") == 8
    digests = {digest_in(render(routes[:n])) for n in range(3)}
    assert len(digests) == 3


def test_what_gets_traffic_comes_before_what_loses_it() -> None:
    moves = [
        Move(A, Slot.BLUE, 1, "maint"),
        Move(A, Slot.GREEN, 1, "drain"),
        Move(A, Slot.GREEN, 2, "ready", 30),
    ]
    assert [command.text for command in commands.changing(moves)] == [
        "set server agent.a/green-2 weight 30",
        "set server agent.a/green-2 state ready",
        "set server agent.a/green-1 weight 100",
        "set server agent.a/green-1 state drain",
        "set server agent.a/blue-1 weight 100",
        "set server agent.a/blue-1 state maint",
        "set server agent.a/blue-1 fqdn @self",
    ]


TOLD = commands.leading(Move(A, Slot.BLUE, 1, "ready", 1, Endpoint("h", "1.2.3.4", 80)))
FQDN = "agent.a/blue-1 changed its FQDN from x to h by 'stats socket command'"
ADDR = "IP changed from '1.1.1.1' to '1.2.3.4', port changed from '1' to '80' by 'stats socket command'"


@pytest.mark.parametrize(
    ("output", "wrong"),
    [
        (f"\n> {FQDN}\n\n> {ADDR}\n\n> ", []),
        (f"\n> {FQDN}\n\n> No such server.\n\n> ", ["No such server."]),
        (f"\n> {FQDN}\n\n> ", ["no answer"]),
        ("", ["no answer", "no answer"]),
        ("\n> \n> Invalid addr 'x' by 'stats socket command'\n\n> ", ["Invalid addr 'x' by 'stats socket command'"]),
    ],
)  # fmt: skip
def test_every_answer_is_looked_at(output: str, wrong: list[str]) -> None:
    assert [answer for _, answer in commands.refused(TOLD, output)] == wrong


def test_an_answer_in_words_is_no_success_where_none_is_due() -> None:
    told = commands.changing([Move(A, Slot.BLUE, 1, "ready", 300)])
    refusals = commands.refused(
        told, "\n> Absolute weight can only be between 0 and 256 inclusive.\n\n> \n> "
    )
    assert [text for text, _ in refusals] == ["set server agent.a/blue-1 weight 300"]


STATES = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_fqdn srv_port
3 agent.a 1 blue-1 172.18.0.2 2 4 90 shop-a-blue 8080
3 agent.a 2 green-1 172.18.0.4 0 5 100 0123456789ab 1
4 agent.b 1 blue-1 - 0 36 100 shop-b-blue 8080
4 agent.b 2 green-1 172.18.0.9 2 12 10 shop-b-green 8080

"""
STATS = """# pxname,svname,scur,econ,eresp,wretr,wredis,lbtot,hrsp_5xx,
agent.a,FRONTEND,{clients},,,,,,7,
agent.a,blue-1,{blue},1,2,5,1,100,3,
agent.a,green-1,0,0,0,0,0,0,0,
agent.a,BACKEND,{blue},1,2,5,1,100,7,
agent.b,FRONTEND,0,,,,,,,
agent.b,blue-1,0,0,0,0,0,0,,
agent.b,green-1,0,0,0,0,0,4,,
agent.b,BACKEND,0,0,0,0,0,4,,

"""
SELF = "#= self 0123456789ab\n#= epoch 7-1\n"


def test_states_and_counters_are_read() -> None:
    reading = reading_of(f"{SELF}#= worker\n{STATES}{STATS.format(clients=3, blue=2)}")
    lanes = reading.lanes
    blue, green = lanes[A][Slot.BLUE, 1], lanes[A][Slot.GREEN, 1]
    assert (blue.mode, blue.weight, blue.endpoint, blue.connections, blue.up) == (
        "ready", 90, Endpoint("shop-a-blue", "172.18.0.2", 8080), 2, True)  # fmt: skip
    assert (green.mode, green.endpoint, green.connections, green.up) == ("maint", None, 0, False)
    lost, draining = lanes[agent("b")][Slot.BLUE, 1], lanes[agent("b")][Slot.GREEN, 1]
    assert (lost.mode, lost.endpoint, lost.up) == ("ready", Endpoint("shop-b-blue", "", 8080), False)
    assert (draining.mode, draining.weight, draining.up) == ("drain", 10, True)
    assert reading.routes[A].lanes[Slot.BLUE, 1] == Counters(100, 3, 2, 1, 5, 1)
    assert reading.routes[A].lanes[Slot.BLUE, 1].errors == 6
    assert reading.routes[A].own_errors == 4


def test_what_older_workers_have_counts_for_every_lane_that_they_may_use() -> None:
    old = f"#= old 5\n{STATES}{STATS.format(clients=4, blue=1)}"
    reading = reading_of(f"{SELF}#= worker\n{STATES}{STATS.format(clients=3, blue=2)}{old}")
    assert reading.lanes[A][Slot.BLUE, 1].connections == 2 + 4
    assert reading.lanes[A][Slot.GREEN, 1].connections == 0
    assert reading.routes[A].lanes[Slot.BLUE, 1].requests == 100


def test_several_containers_are_counted_together() -> None:
    readings = [reading_of(f"{SELF}#= worker\n{STATES}{STATS.format(clients=0, blue=n)}") for n in (2, 5)]
    assert merged_lanes(readings)[A][Slot.BLUE, 1].connections == 7
    counted = merged_counters(readings)
    assert counted.epoch == "7-1 7-1"
    assert counted.routes[A].lanes[Slot.BLUE, 1].requests == 200
    assert counted.routes[A].own_errors == 8


@pytest.mark.parametrize("text", ["", "#= self x\n#= worker\n", "sh: socat: not found\n"])
def test_an_answer_that_is_not_whole_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        reading_of(text)


def test_requests_are_read_from_the_log() -> None:
    found = list(requests_in(
        "Server agent.a/blue-1 is UP/READY (leaving forced maintenance).\n"
        "1795521485.155 agent.a blue-1 403 12 250 -- 0\n"
        "1795957248.802 agent.a blue-1 200 5 5 -- 0\n"
        "1795521485.200 agent.a <NOSRV> 503 -1 -1 SC +3\n"
        "1795521485.300 service.b green-2 0 40 40 cD 0\n"
    ))  # fmt: skip
    assert [(r.address, r.slot, r.replica, r.status, r.seconds, r.ending, r.retries) for r in found] == [
        (A, Slot.BLUE, 1, 403, 0.012, "--", 0),
        (A, Slot.BLUE, 1, 200, 0.005, "--", 0),
        (A, None, 0, 503, None, "SC", 3),
        (service("b"), Slot.GREEN, 2, 0, 0.04, "cD", 0),
    ]
    assert [r.at for r in found[:2]] == [1795521485.405, 1795957248.807]
