"""docker-py's connections to a Unix socket are used again, whatever is asked for."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest

from sutazai.providers.docker.connection import Endpoint
from sutazai.providers.docker.writer import Writer


class Engine(ThreadingMixIn, UnixStreamServer):
    """Starts whatever it is told to, and closes the connection after it has started `last`, of which it says nothing before."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Answers)
        self.connections: list[list[str]] = []
        """What each was asked to start."""
        self.closed = threading.Event()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.closed.set()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def setup(self) -> None:
        super().setup()
        self.asked: list[str] = []
        self.server.connections.append(self.asked)

    def do_POST(self) -> None:
        self.asked.append(self.path.split("/")[3])
        self.send_response(204)
        self.end_headers()
        self.close_connection = self.asked[-1] == "last"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "engine.sock") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    path = str(engine.server_address)
    found = Writer(Endpoint("unix", f"unix://{path}", path=path), lambda: (1, 41))
    yield found
    found.close()


def start(writer: Writer, name: str) -> None:
    with writer.client(f"start {name}") as client:
        client.start(name)


def test_one_connection_does_for_all_that_is_asked(engine: Engine, writer: Writer) -> None:
    names = [f"c{number}" for number in range(30)]
    for name in names:
        start(writer, name)
    assert engine.connections == [names]


def test_one_that_the_engine_closed_meanwhile_is_opened_anew(engine: Engine, writer: Writer) -> None:
    start(writer, "first")
    start(writer, "last")
    assert engine.closed.wait(10)
    start(writer, "another")
    assert engine.connections == [["first", "last"], ["another"]]
