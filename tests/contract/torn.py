"""A TCP proxy on loopback that tears connections: now, or when the answer to something that was asked comes back."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Forwards to a port of this machine. `torn` says whether the answer that was to be torn was."""

    def __init__(self, port: int) -> None:
        self._target = port
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

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._turn:
                self._open += [client, server]
            doomed = threading.Event()
            threading.Thread(target=self._requests, args=(client, server, doomed), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server, doomed), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._wanted is not None and self._wanted in data:
                    self._wanted = None
                    doomed.set()
                server.sendall(data)
        self._end(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if doomed.is_set():
                    self.torn = True
                    break
                client.sendall(data)
        self._end(client, server)

    def _end(self, *connections: socket.socket) -> None:
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
