"""A TCP proxy on loopback that tears connections: now, when the answer to something that was asked comes back, or by chance."""

import contextlib
import random
import socket
import threading
import time
from types import TracebackType
from typing import Literal, Self

Fate = Literal["", "unasked", "half asked", "unanswered", "half answered", "late"]
"""What becomes of a request: the connection ends before it, in its middle, after it or in the middle of its answer."""
_METHODS = (b"GET ", b"PUT ", b"POST ", b"DELETE ", b"HEAD ")


class Proxy:
    """Forwards to a port of this machine, or a Unix socket. `torn` says whether the answer that was to be torn was."""

    def __init__(self, target: int | str) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._turn = threading.Lock()
        self._refusing = False
        self._wanted: bytes | None = None
        self.torn = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.tear()

    def tear(self) -> None:
        """End every connection, both ways."""
        with self._turn:
            everyone, self._open = self._open, []
        for connection in everyone:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def refuse(self) -> None:
        """Let nobody through until `accept`."""
        self._refusing = True
        self.tear()

    def accept(self) -> None:
        self._refusing = False

    def tear_answer_to(self, wanted: bytes) -> None:
        """Of the next request that holds `wanted` let the server have it all, and nobody its answer."""
        self.torn = False
        self._wanted = wanted

    def fate(self, data: bytes) -> Fate:
        if self._wanted is None or self._wanted not in data:
            return ""
        self._wanted = None
        return "unanswered"

    def half(self, data: bytes) -> int:
        """How much of a request the server gets that is torn in its middle."""
        return len(data) // 2

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                client.close()
                continue
            server = self._reached()
            with self._turn:
                self._open += [client, server]
            fates: list[Fate] = []
            threading.Thread(target=self._requests, args=(client, server, fates), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server, fates), daemon=True).start()

    def _reached(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _requests(self, client: socket.socket, server: socket.socket, fates: list[Fate]) -> None:
        """`fates` is what becomes of the answers."""
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                match fate := self.fate(data):
                    case "unasked":
                        break
                    case "half asked":
                        server.sendall(data[: self.half(data)])
                        break
                    case "unanswered" | "half answered":
                        fates.append(fate)
                    case "late":
                        time.sleep(0.02)
                server.sendall(data)
        self._end(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, fates: list[Fate]) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if fates:
                    self.torn = True
                    if fates[0] == "half answered":
                        client.sendall(data[: len(data) // 2])
                    break
                client.sendall(data)
        self._end(client, server)

    def _end(self, *connections: socket.socket) -> None:
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


class Unreliable(Proxy):
    """Tears by chance, drawn from `seed`: each request with `probability`, but never one of the `spacing` requests after a torn
    one. `faults` counts. `http`: the server takes the beginning of a request for a whole one, which S3 itself never does, so
    it gets the whole or so little of it that it sees."""

    def __init__(self, port: int, seed: str, probability: float, spacing: int, *, http: bool) -> None:
        super().__init__(port)
        self._chance = random.Random(seed)  # noqa: S311 - a history, not a secret
        self.probability = probability
        self._spacing = spacing
        self._http = http
        self._calm = 0
        self._drawing = threading.Lock()
        self.faults = 0

    def fate(self, data: bytes) -> Fate:
        with self._drawing:
            if self._calm or self._chance.random() >= self.probability:
                self._calm = max(self._calm - 1, 0)
                return ""
            self._calm, self.faults = self._spacing, self.faults + 1
            fates: list[Fate] = ["unanswered", "unanswered", "half answered", "late"]
            if not self._http or data.startswith(_METHODS):
                fates += ["unasked", "half asked"]
            return self._chance.choice(fates)

    def half(self, data: bytes) -> int:
        return 3 if self._http else super().half(data)


class Cut(Proxy):
    """Ends one connection when `left` more bytes of answers have gone through; None: never."""

    left: int | None = None

    def _answers(self, client: socket.socket, server: socket.socket, fates: list[Fate]) -> None:  # noqa: ARG002 - as it is called
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                left = self.left
                if left is not None and left < len(data):
                    self.left, self.torn = None, True
                    client.sendall(data[:left])
                    break
                if left is not None:
                    self.left = left - len(data)
                client.sendall(data)
        self._end(client, server)
