"""An engine over SSH, reached as the docker command reaches it: each connection is a process `ssh HOST docker system dial-stdio`,
which joins its two streams to the engine's socket over there. So the user's own ssh decides on keys, jump hosts and shared
connections (docs.docker.com, "Use SSH to protect the Docker daemon socket").
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import Popen, TimeoutExpired
from tempfile import TemporaryFile
from typing import IO, Any

from sutazai.providers.docker.connection import Endpoint
from sutazai.providers.docker.dialing import TunnelEndedError

_ENDS_WITHIN = 5.0  # seconds
_LOGIN = 30  # seconds, as the docker command has it


class Tunnel(socket.socket):
    """One end of a pair; the other end is both streams of an ssh process, which ends with it."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(fileno=ours.detach())
        self.settimeout(timeout)
        self._heard = False
        # Not a pipe: a connection that ssh shares with later ones outlives it, and would hold that open.
        self._words: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed with the connection
        self._process: Popen[bytes] | None = None
        with theirs:
            try:
                self._process = _ssh(endpoint, theirs, self._words)
            except OSError as error:
                self.close()
                raise TunnelEndedError(error.errno, f"can't run ssh: {error.strerror}") from error

    def recv(self, *arguments: Any) -> bytes:
        with self._told():
            data = super().recv(*arguments)
        self._heard_of(len(data))
        return data

    def recv_into(self, *arguments: Any) -> int:
        with self._told():
            size = super().recv_into(*arguments)
        self._heard_of(size)
        return size

    def sendall(self, *arguments: Any) -> None:
        with self._told():
            super().sendall(*arguments)

    def close(self) -> None:
        """Called once more when the last file that was made of it is closed, and only then is it."""
        super().close()
        if self.fileno() >= 0:
            return
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            if not self._has_ended():
                self._process.kill()
                self._process.wait()
        self._words.close()

    def _has_ended(self) -> bool:
        """In time: one that has closed its streams, or was told to end, may go on all the same."""
        with suppress(TimeoutExpired):
            return self._process is None or self._process.wait(_ENDS_WITHIN) is not None
        return False

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ConnectionError:
            self._heard_of(0)
            raise

    def _heard_of(self, size: int) -> None:
        """Raises TunnelEndedError where the first that is heard is the end."""
        self._heard = self._heard or size > 0
        if self._heard:
            return
        self._has_ended()
        self._words.seek(0)
        said = [line.strip() for line in self._words.read().decode(errors="replace").splitlines()]
        last = next((line for line in reversed(said) if line), "ssh ended and said nothing")
        raise TunnelEndedError(errno.ECONNABORTED, last)


def _ssh(endpoint: Endpoint, streams: socket.socket, words: IO[bytes]) -> Popen[bytes]:
    """In a session of its own: a Ctrl-C in the terminal is ours to heed, and nobody is asked for a password."""
    user = ["-l", endpoint.user] if endpoint.user else []
    port = ["-p", str(endpoint.port)] if endpoint.port else []
    command = ["ssh", "-o", f"ConnectTimeout={_LOGIN}", "-T", *user, *port, "--", endpoint.host]
    return Popen(
        [*command, "docker", "system", "dial-stdio"],
        stdin=streams.fileno(), stdout=streams.fileno(), stderr=words, start_new_session=True,
    )  # fmt: skip
