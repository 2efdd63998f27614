"""Real servers for checks: one that says a script, byte for byte, and ones that misbehave."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

Serve = Callable[[socket.socket], None]


class Server:
    """Gives every connection to `serve` in a thread of its own, on a free port of the loopback. `requests`
    are the heads that came in."""

    def __init__(self, serve: Serve | None, *, context: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.requests: list[bytes] = []

    @property
    def endpoint(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()
        return host, port

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(10)  # what it has just accepted is open too
        for connection in self._open:
            with connection:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
        for thread in self._threads:
            thread.join(10)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._start(self._answer, connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            if self._serve:
                self.requests.append(read_request(connection))
                self._serve(connection)
                connection.close()
        except OSError:
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.partition(b":")[2]):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def saying(*parts: bytes) -> Serve:
    """Send the parts one by one, each in a packet of its own, and close."""

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)

    return serve


def then_silent(*parts: bytes) -> Serve:
    """Send the parts, then nothing, until the other side goes."""

    def serve(connection: socket.socket) -> None:
        saying(*parts)(connection)
        connection.recv(1)

    return serve


def dripping(first: bytes, drop: bytes, every: float) -> Serve:
    """Send one more byte again and again: each read gets something, and none gets the end."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(first)
        connection.settimeout(every)
        while True:
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                connection.sendall(drop)

    return serve


def resetting(connection: socket.socket) -> None:
    """End the connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@contextmanager
def refused_endpoint() -> Iterator[tuple[str, int]]:
    """A port that nobody listens on, kept from everybody else."""
    with socket.socket() as keeper:
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()


@contextmanager
def silent_endpoint() -> Iterator[tuple[str, int]]:
    """A port whose connections are never completed: its queue is full and nobody takes from it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        endpoint = listener.getsockname()
        waiting: list[socket.socket] = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(endpoint)
            waiting.append(one)
        try:
            yield endpoint
        finally:
            for one in waiting:
                one.close()
