"""Which endpoint is asked, and what is said when none answers."""

import errno
import socket
import time

import pytest

from contract.servers import Server, refused_endpoint, silent_endpoint
from sutazai.health.connection import CheckFailed, Deadline, Endpoint, connect, endpoints_of

NO_ROUTE = ("203.0.113.1", 9)
"""An address of a documentation network (RFC 5737)."""


@pytest.fixture
def no_route(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """An endpoint that the kernel knows no way to, on any machine."""
    real = socket.create_connection

    def create(address: Endpoint, timeout: float) -> socket.socket:
        if address == NO_ROUTE:
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        return real(address, timeout=timeout)

    monkeypatch.setattr(socket, "create_connection", create)
    return NO_ROUTE


def test_the_next_candidate_is_asked_where_there_is_no_route(no_route: Endpoint) -> None:
    with Server(None) as server:
        connection, endpoint = connect([no_route, server.endpoint], Deadline.after(2))
        connection.close()
        assert endpoint == server.endpoint


def test_the_next_candidate_is_asked_where_the_first_is_silent_within_one_deadline() -> None:
    with silent_endpoint() as silent, Server(None) as server:
        started = time.monotonic()
        connection, endpoint = connect([silent, server.endpoint], Deadline.after(4))
        connection.close()
        assert endpoint == server.endpoint
        assert 1.6 < time.monotonic() - started < 4


def test_a_refusal_is_an_answer() -> None:
    """A published port behind it would accept for a container that listens to nobody."""
    said = pytest.raises(CheckFailed, match=r"^connection refused at 127\.0\.0\.1:\d+$")
    with refused_endpoint() as refused, Server(None) as server, said:
        connect([refused, server.endpoint], Deadline.after(2))


def test_every_answer_is_named(no_route: Endpoint) -> None:
    with silent_endpoint() as silent, pytest.raises(CheckFailed) as caught:
        connect([no_route, silent], Deadline.after(0.2))
    assert str(caught.value) == (
        f"no route to host at 203.0.113.1:9; no answer within 200ms at 127.0.0.1:{silent[1]}"
    )


def test_an_unknown_name_is_said_to_be_unknown() -> None:
    with pytest.raises(CheckFailed, match=r"^the name of nobody\.invalid:80 is not known"):
        connect([("nobody.invalid", 80)], Deadline.after(5))


def test_a_port_that_would_connect_to_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as itself:
        itself.bind(("127.0.0.1", 0))
        itself.connect(itself.getsockname())
        monkeypatch.setattr(socket, "create_connection", lambda *_, **__: itself)
        with pytest.raises(CheckFailed, match="connection refused"):
            connect([("127.0.0.1", 40000)], Deadline.after(2))


def test_the_port_is_the_checks_or_the_only_one() -> None:
    one = (("10.0.0.2", 80),)
    two = (("10.0.0.2", 81),)
    assert endpoints_of(81, {80: one, 81: two}) == two
    assert endpoints_of(None, {80: one}) == one
    with pytest.raises(CheckFailed, match=r"not exactly one \(80, 81\)"):
        endpoints_of(None, {81: two, 80: one})
    with pytest.raises(CheckFailed, match=r"not exactly one \(none\)"):
        endpoints_of(None, {})
    with pytest.raises(CheckFailed, match="port 82 can't be reached"):
        endpoints_of(82, {80: one})
