"""The agent runtime over HTTP: every route, its refusals, and its end."""

import json
import re
import signal
import socket
from collections.abc import Callable

import pytest

from free_port import free_port
from images.running import Agent

Start = Callable[..., Agent]


def exchange(port: int, request: bytes) -> bytes:
    """What comes back for these very bytes, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        stream.sendall(request)
        return b"".join(iter(lambda: stream.recv(65536), b""))


def test_health_and_info_say_who_it_is(start_agent: Start) -> None:
    agent = start_agent(
        AGENT_NAME="planner",
        AGENT_CATEGORY="management",
        AGENT_TIER="critical",
        AGENT_MODEL="reasoning",
        AGENT_VERSION="1.7",
        AGENT_CAPABILITIES="planning  analysis",
        AGENT_SERVICES="redis=cache.internal:6379",
        AGENT_PEERS="writer=writer.internal:8080",
    )
    assert agent.get("/health").json == {"status": "healthy", "name": "planner"}
    info = agent.get("/info").json
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", info.pop("started"))
    assert info == {
        "name": "planner",
        "category": "management",
        "tier": "critical",
        "model": "reasoning",
        "version": "1.7",
        "capabilities": ["planning", "analysis"],
        "dependencies": {
            "services": {"redis": "cache.internal:6379"},
            "agents": {"writer": "writer.internal:8080"},
        },
        "pid": agent.process.pid,
    }


def test_ready_names_each_dependency(start_agent: Start) -> None:
    peer = start_agent(AGENT_NAME="peer")
    sick = start_agent(AGENT_NAME="sick", FAULT_HEALTH="fail")
    nobody = free_port()
    with socket.create_server(("127.0.0.1", 0)) as service:
        ready = f"cache=127.0.0.1:{service.getsockname()[1]}"
        agent = start_agent(AGENT_SERVICES=ready, AGENT_PEERS=f"peer=127.0.0.1:{peer.port}")
        reply = agent.get("/ready")
        assert reply.code == 200
        assert reply.json == {
            "ready": True,
            "dependencies": {"cache": {"ready": True}, "peer": {"ready": True}},
        }

        agent = start_agent(
            AGENT_SERVICES=f"{ready} gone=127.0.0.1:{nobody}", AGENT_PEERS=f"sick=127.0.0.1:{sick.port}"
        )
        reply = agent.get("/ready")
    assert reply.code == 503
    assert reply.json == {
        "ready": False,
        "dependencies": {
            "cache": {"ready": True},
            "gone": {"ready": False, "reason": f"127.0.0.1:{nobody}: Connection refused"},
            "sick": {"ready": False, "reason": f"127.0.0.1:{sick.port}: /health answered 503"},
        },
    }


def test_ready_answers_though_a_dependency_is_silent(start_agent: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts in the backlog, never answers
        port = silent.getsockname()[1]
        reply = start_agent(AGENT_PEERS=f"silent=127.0.0.1:{port}").get("/ready")
    assert reply.code == 503
    assert reply.json["dependencies"]["silent"]["reason"] == f"127.0.0.1:{port}: no answer in time"


def test_metrics_count_what_was_asked(start_agent: Start) -> None:
    agent = start_agent(AGENT_NAME='odd "name"', AGENT_CAPABILITIES="analysis")
    agent.get("/health")
    agent.get("/health")
    agent.get("/nowhere")
    agent.invoke("analysis", "text")
    agent.invoke("planning", {})
    text = agent.get("/metrics").body.decode()
    assert 'http_requests_total{code="200",method="GET",path="/health"} 2' in text
    assert 'http_requests_total{code="404",method="GET",path="other"} 1' in text
    assert 'http_requests_total{code="200",method="POST",path="/invoke"} 1' in text
    assert 'http_requests_total{code="404",method="POST",path="/invoke"} 1' in text
    assert 'http_request_duration_seconds_bucket{path="/invoke",le="+Inf"} 2' in text
    assert 'name="odd \\"name\\""' in text
    resident = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
    assert resident
    assert 1e6 < float(resident[1]) < 1e8
    sample = re.compile(r'[a-z_]+(\{[a-z]+="(\\.|[^"\\])*"(,[a-z]+="(\\.|[^"\\])*")*\})? [0-9.e+-]+')
    assert [
        line for line in text.splitlines() if not line.startswith("#") and not sample.fullmatch(line)
    ] == []


def test_invoke_refuses_what_it_does_not_declare(start_agent: Start) -> None:
    agent = start_agent(AGENT_NAME="a", AGENT_CAPABILITIES="analysis")
    reply = agent.invoke("planning", {})
    assert reply.code == 404
    assert reply.json == {"error": "a does not declare 'planning'; it has analysis"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"capability": "analysis", "input": NaN}', "not JSON"),
        (b"[]", "the body must be"),
        (b'{"capability": 3}', "the body must be"),
        (b'{"capability": "analysis", "imput": "x"}', "unknown keys: imput"),
        (b'{"capability": "analysis"}', "input must be a text"),
    ],
)
def test_invoke_says_what_is_wrong_with_a_body(start_agent: Start, body: bytes, said: str) -> None:
    reply = start_agent(AGENT_CAPABILITIES="analysis").ask("POST", "/invoke", body)
    assert reply.code == 400
    assert said in reply.json["error"]


def test_peers_are_called_over_the_network(start_agent: Start) -> None:
    peer = start_agent(AGENT_NAME="peer", AGENT_CAPABILITIES="analysis")
    failing = start_agent(AGENT_NAME="failing", FAULT_ERROR_RATE="1")
    nobody = free_port()
    places = f"peer=127.0.0.1:{peer.port} failing=127.0.0.1:{failing.port} gone=127.0.0.1:{nobody}"
    agent = start_agent(AGENT_NAME="caller", AGENT_PEERS=places)

    assert agent.get("/peers/peer").json == peer.get("/info").json
    question = {"capability": "analysis", "input": "one two"}
    answer = agent.ask("POST", "/peers/peer", question)
    assert (answer.code, answer.json) == (200, peer.ask("POST", "/invoke", question).json)
    assert agent.ask("POST", "/peers/peer", {"capability": "planning"}).code == 404

    assert agent.get("/peers/stranger").code == 404
    gone = agent.get("/peers/gone")
    assert gone.code == 502
    assert gone.json == {"error": "gone did not answer", "cause": f"127.0.0.1:{nobody}: Connection refused"}
    failed = agent.get("/peers/failing")
    assert (failed.code, failed.json["error"]) == (502, "failing answered 500")


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
        (b"POST /invoke HTTP/1.1\r\nHost: x\r\n\r\n", 411),
        (b"POST /invoke HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /invoke HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" + b"a" * 70_000, 413),
        (b"DELETE /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    ],
)
def test_bad_requests_get_an_answer(start_agent: Start, request_bytes: bytes, code: int) -> None:
    agent = start_agent()
    reply = exchange(agent.port, request_bytes)
    assert reply.startswith(f"HTTP/1.1 {code} ".encode())
    assert "error" in json.loads(reply.partition(b"\r\n\r\n")[2])
    assert agent.get("/health").code == 200


def test_a_connection_serves_many_requests(start_agent: Start) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reply = exchange(start_agent().port, one * 3 + last)
    assert reply.count(b"HTTP/1.1 200 OK") == 4
    assert reply.count(b'"healthy"') == 3


def test_sigterm_finishes_what_is_under_way(start_agent: Start) -> None:
    """One request is half sent when the signal comes, one connection waits for its next request."""
    agent = start_agent(AGENT_NAME="a", AGENT_CAPABILITIES="analysis")
    body = json.dumps({"capability": "analysis", "input": "text"}).encode()
    head = f"POST /invoke HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    place = ("127.0.0.1", agent.port)
    with socket.create_connection(place, 20) as idle, socket.create_connection(place, 20) as busy:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200 OK")
        busy.sendall(head.encode())
        assert busy.recv(65536).startswith(b"HTTP/1.1 100 Continue")

        agent.process.send_signal(signal.SIGTERM)
        assert idle.recv(65536) == b""  # closed: so the signal has arrived
        with pytest.raises(ConnectionRefusedError):
            agent.get("/health")
        assert agent.process.poll() is None

        busy.sendall(body)
        reply = b"".join(iter(lambda: busy.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in reply
    assert agent.wait() == (0, "agent a: stopped, 0 requests left unanswered\n")


def test_a_port_in_use_is_told(start_agent: Start, launch_agent: Start) -> None:
    first = start_agent()
    code, log = launch_agent(AGENT_PORT=str(first.port)).wait()
    assert code == 2
    assert f"cannot listen on port {first.port}: " in log
