"""The load generator counts what fails, and only that."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from contract.servers import Serve, Server, read_request, refused_endpoint, resetting, saying, then_silent
from load import STALLED, Client, Endpoint, Http, Tally, Tcp, Upgraded, drive, driving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nv1"


def tally_of(
    make: Callable[[Endpoint], Client], endpoint: Endpoint, *, requests: int = 3, timeout: float = 10.0
) -> Tally:
    async def run() -> Tally:
        stop, client = asyncio.Event(), make(endpoint)
        left = iter(range(requests))

        async def counted() -> str:
            if next(left, None) is None:
                stop.set()
                return "no more"
            return await client()

        try:
            return await drive([("it", counted)], 50.0, stop, timeout=timeout)
        finally:
            if isinstance(client, Http):
                await client.close()

    return asyncio.run(run())


def closing(endpoint: Endpoint) -> Client:
    return Http(endpoint, "/", kept=False)


def kept(endpoint: Endpoint) -> Client:
    return Http(endpoint, "/", kept=True)


def upgraded(endpoint: Endpoint) -> Client:
    return Upgraded(endpoint, "/", messages=1, pause=0.0)


def tcp(endpoint: Endpoint) -> Client:
    return Tcp(endpoint, messages=1, pause=0.0)


@pytest.mark.parametrize("make", [closing, kept])
def test_good_answers_are_no_failures(make: Callable[[Endpoint], Client]) -> None:
    """Also where the server closes a kept connection between two requests."""
    with Server(saying(OK)) as server:
        tally = tally_of(make, server.endpoint)
    assert tally.failed == 0
    assert tally.answers["it"]["v1"] == 3
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("make", "serve", "reason"),
    [
        (closing, saying(b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n"), "HTTP 503"),
        (closing, saying(OK[:-1]), "IncompleteReadError"),
        (kept, saying(b""), "IncompleteReadError"),
        (closing, resetting, "ConnectionResetError"),
        (closing, then_silent(b"HTTP/1.1 "), "TimeoutError"),
        (upgraded, saying(OK), "HTTP 200 instead"),
        (upgraded, saying(b"HTTP/1.1 101 ok\r\n\r\nwrong\n"), "Failed: b'wrong"),
        (tcp, then_silent(b"v1\n"), "TimeoutError"),
    ],
)
def test_whatever_else_comes_is_a_failure(
    make: Callable[[Endpoint], Client], serve: Serve, reason: str
) -> None:
    with Server(serve) as server:
        tally = tally_of(make, server.endpoint, timeout=0.5 if reason == "TimeoutError" else 10.0)
    assert tally.failed == 3
    assert all(reason in failure.reason for failure in tally.failures)


def test_nobody_there_is_a_failure() -> None:
    with ExitStack() as stack:
        tally = tally_of(closing, stack.enter_context(refused_endpoint()))
    assert tally.failed == 3
    assert all("ConnectionRefusedError" in failure.reason for failure in tally.failures)


def test_a_kept_connection_is_used_again() -> None:
    def twice(connection: object) -> None:
        connection.sendall(OK)  # type: ignore[attr-defined]
        read_request(connection)  # type: ignore[arg-type]
        connection.sendall(OK)  # type: ignore[attr-defined]

    with Server(twice) as server:
        tally = tally_of(kept, server.endpoint, requests=2)
    assert tally.failed == 0
    assert tally.answers["it"]["v1"] == 2
    assert len(server.requests) == 1


def test_load_does_not_wait_for_slow_answers() -> None:
    with Server(then_silent()) as server:
        tally = tally_of(closing, server.endpoint, requests=10, timeout=1.0)
    assert tally.failed == 10
    assert len(server.requests) == 10


def test_what_a_stalled_process_did_not_send_is_not_sent_at_once() -> None:
    """All that is late here is a request which keeps the process from sending others."""
    stop, sent, stalled = asyncio.Event(), [], 0.5

    async def client() -> str:
        sent.append(time.monotonic())
        if len(sent) == 2:
            time.sleep(stalled)
        if len(sent) == 20:
            stop.set()
        return "an answer"

    asyncio.run(drive([("it", client)], 50.0, stop))
    assert sent[-1] - sent[0] >= stalled + 17 / 50 - STALLED


def test_a_load_lasts_as_long_as_its_block() -> None:
    met = threading.Event()

    async def client() -> str:
        met.set()
        return "v1"

    with driving([("it", client)], 50.0) as driven:
        assert met.wait(10)
        assert driven.tally.sent == 0
    assert driven.tally.sent == driven.tally.answers["it"]["v1"] > 0
