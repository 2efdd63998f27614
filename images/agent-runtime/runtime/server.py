"""Connections and their threads, from the first byte to a graceful end.

What always holds: once a stop is asked for, no request that reached this process is dropped. The listening
socket is emptied before it is closed, requests under way are finished and answered with `Connection: close`,
and connections between two requests are closed for reading only: bytes already received are still served.
"""

import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from io import BufferedReader
from typing import NoReturn

from runtime.http1 import Answer, MalformedError, Request, error_answer, read_body, read_head, render

BACKLOG = 256
MAX_CONNECTIONS = 48  # a thread each; the fleet allows a container 64
IDLE_TIMEOUT = 75.0  # seconds a connection may wait between two requests
READ_TIMEOUT = 10.0  # seconds of silence within a request
DRAIN_DEADLINE = 8.0  # seconds; Docker kills after 10

Tick = Callable[[], float | None]


class StopRequested(Exception):
    """SIGTERM or SIGINT came."""


class Server:
    """`tick` is called from the main thread whenever it says, in seconds, that it wants to be."""

    def __init__(self, answer: Callable[[Request], Answer], tick: Tick) -> None:
        self._answer = answer
        self._tick = tick
        self._listener: socket.socket | None = None
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._connections: dict[_Connection, threading.Thread] = {}
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    def catch_signals(self) -> None:
        """As process 1 of a container a signal without a handler would be ignored."""
        signal.set_wakeup_fd(self._woken.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())

    def listen(self, port: int) -> None:
        listener = socket.create_server(("0.0.0.0", port), backlog=BACKLOG)
        listener.setblocking(False)
        self._listener = listener

    def wait(self, seconds: float) -> None:
        """Raises StopRequested if told to stop meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._poll(left)

    def serve(self) -> NoReturn:
        """Never returns; raises StopRequested."""
        while True:
            self._poll(None)
            self._accept_waiting()

    def drain(self) -> int:
        """Finishes what is under way; the number of connections that were not done at the deadline."""
        if self._listener is not None:
            self._accept_waiting()
            self._listener.close()
        with self._lock:
            open_now = dict(self._connections)
        for connection in open_now:
            connection.stop_when_idle()
        end = time.monotonic() + DRAIN_DEADLINE
        for thread in open_now.values():
            thread.join(max(0.0, end - time.monotonic()))
        return sum(thread.is_alive() for thread in open_now.values())

    def _poll(self, most: float | None) -> None:
        due = self._tick()
        timeout = min((value for value in (most, due) if value is not None), default=None)
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._listener is not None:
            poll.register(self._listener, select.POLLIN)
        poll.poll(None if timeout is None else timeout * 1000)
        if self.stopping.is_set():
            raise StopRequested

    def _accept_waiting(self) -> None:
        while self._listener is not None:
            try:
                stream, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # the client left before it was its turn
            self._start(stream)

    def _start(self, stream: socket.socket) -> None:
        connection = _Connection(stream, self)
        thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
        with self._lock:
            full = len(self._connections) >= MAX_CONNECTIONS
            if not full:
                self._connections[connection] = thread
        if full:
            connection.refuse(error_answer(503, f"more than {MAX_CONNECTIONS} connections"))
            return
        try:
            thread.start()
        except RuntimeError:  # the container has no thread left
            with self._lock:
                del self._connections[connection]
            connection.refuse(error_answer(503, "no thread left for another connection"))

    def _run(self, connection: "_Connection") -> None:
        try:
            connection.serve(self._answer)
        finally:
            with self._lock:
                del self._connections[connection]


class _Connection:
    def __init__(self, stream: socket.socket, server: Server) -> None:
        self._stream = stream
        self._server = server
        self._idle = True
        self._lock = threading.Lock()

    def serve(self, answer: Callable[[Request], Answer]) -> None:
        self._stream.settimeout(IDLE_TIMEOUT)
        self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self._stream, self._stream.makefile("rb") as reader:
                while self._serve_one(reader, answer):
                    pass
        except OSError:
            return  # the client left, or was silent for too long: nobody is there to be told

    def stop_when_idle(self) -> None:
        with self._lock:
            if self._idle:
                self._shut_down_reading()

    def refuse(self, answer: Answer) -> None:
        self._stream.setblocking(False)
        try:
            with self._stream:
                self._stream.send(render(answer, keep_alive=False, with_body=True))
        except OSError:
            return  # the client left

    def _serve_one(self, reader: BufferedReader, answer: Callable[[Request], Answer]) -> bool:
        """True if another request may follow."""
        if not reader.peek(1):
            return False
        with self._lock:
            self._idle = False
        self._stream.settimeout(READ_TIMEOUT)
        try:
            head = read_head(reader)
            if head is None:
                return False
            if head.expects_continue:
                self._stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = read_body(reader, head.length)
        except MalformedError as error:
            self._reject(error_answer(error.code, str(error)))
            return False
        except TimeoutError:
            self._reject(error_answer(408, f"nothing came for {READ_TIMEOUT:g} s in the middle of a request"))
            return False
        result = answer(Request(head.method, head.path, body))
        keep_alive = head.keep_alive and not self._server.stopping.is_set()
        self._stream.sendall(render(result, keep_alive, with_body=head.method != "HEAD"))
        if keep_alive:
            self._stream.settimeout(IDLE_TIMEOUT)
            with self._lock:
                self._idle = True
                if self._server.stopping.is_set():
                    self._shut_down_reading()
        return keep_alive

    def _reject(self, answer: Answer) -> None:
        """Answers, then reads away what is still coming: closing at once would reset the connection and with
        it the answer that the client has not read yet."""
        self._stream.sendall(render(answer, keep_alive=False, with_body=True))
        self._stream.shutdown(socket.SHUT_WR)
        self._stream.settimeout(1.0)
        for _ in range(64):
            if not self._stream.recv(65536):
                return

    def _shut_down_reading(self) -> None:
        try:
            self._stream.shutdown(socket.SHUT_RD)
        except OSError:
            return  # closed already
