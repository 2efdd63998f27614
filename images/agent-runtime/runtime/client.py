"""Calls to what an agent depends on: bounded in time and size, and every failure a sentence."""

import socket
import threading
import time
from collections.abc import Callable, Mapping

from runtime.settings import Endpoint

CHECK_TIMEOUT = 1.0  # seconds; for /ready, whose caller is a health check with a timeout of its own
CALL_TIMEOUT = 5.0  # seconds
MAX_ANSWER = 1024 * 1024


class CallError(Exception):
    """The message says what was called and why there is no answer."""


def connect(endpoint: Endpoint, timeout: float = CHECK_TIMEOUT) -> None:
    """Raises CallError unless something accepts TCP connections there."""
    try:
        socket.create_connection((endpoint.host, endpoint.port), timeout).close()
    except OSError as error:
        raise CallError(f"{_place(endpoint)}: {_reason(error)}") from error


def call(
    endpoint: Endpoint, method: str, path: str, body: bytes = b"", timeout: float = CALL_TIMEOUT
) -> tuple[int, bytes]:
    """Code and body of an agent's answer. `timeout` bounds the whole call. Raises CallError."""
    end = time.monotonic() + timeout
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: {_place(endpoint)}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode("latin-1") + body
    received = bytearray()
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout) as stream:
            stream.sendall(request)
            while len(received) <= MAX_ANSWER:
                stream.settimeout(max(0.001, end - time.monotonic()))
                piece = stream.recv(65536)
                if not piece:
                    break
                received += piece
    except OSError as error:
        raise CallError(f"{_place(endpoint)}: {_reason(error)}") from error
    return _parse(endpoint, bytes(received))


def check_all(checks: Mapping[str, Callable[[], None]], deadline: float) -> dict[str, str]:
    """Runs all at once; name to what is wrong, "" for nothing.

    The wait ends at the deadline (seconds): resolving a name can outlast any socket's timeout.
    """
    results: dict[str, str] = {}

    def run(name: str, check: Callable[[], None]) -> None:
        try:
            check()
        except CallError as error:
            results[name] = str(error)
        else:
            results[name] = ""

    end = time.monotonic() + deadline
    threads: list[threading.Thread] = []
    for name, check in checks.items():
        thread = threading.Thread(target=run, args=(name, check), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            results[name] = "not checked: the container has no thread left"
        else:
            threads.append(thread)
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {name: results.get(name, f"no answer within {deadline:g} s") for name in checks}


def _parse(endpoint: Endpoint, received: bytes) -> tuple[int, bytes]:
    head, blank, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = lines[0].split(" ")
    if not blank or len(status) < 2 or not status[0].startswith("HTTP/1.") or not status[1].isdigit():
        raise CallError(f"{_place(endpoint)}: the answer is not HTTP/1.1")
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length" and value.strip() != str(len(body)):
            raise CallError(f"{_place(endpoint)}: the answer has {len(body)} of {value.strip()} bytes")
    return int(status[1]), body


def _place(endpoint: Endpoint) -> str:
    return f"{endpoint.host}:{endpoint.port}"


def _reason(error: OSError) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else (error.strerror or str(error))
