"""A connection made inside a container which has the way there that we lack: on an engine that is not this machine's, nobody
else reaches the containers' own addresses. That container must have `socat`, as the traffic switch does.

A shell stays in it (`Provider.script`), so a check costs no process of the engine's.
"""

import base64
import binascii
import errno
import os
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from sutazai.errors import ProviderError
from sutazai.health.connection import CheckFailed, Deadline, Endpoint, show
from sutazai.health.http1 import BODY_LIMIT, HEAD_LIMIT
from sutazai.ports import Executed, Target


class Script(Protocol):
    """`Provider.script`."""

    def __call__(
        self, instance_id: str, script: str, arguments: tuple[str, ...], *, stdin: bytes, timeout: float
    ) -> Executed: ...


# The way back may bring any bytes, and of a pipe only the last exit code is told: hence base64, and a line of its own.
_ASK = """\
{ timeout "$2" socat -d -t "$2" - "$1" || echo "failed $?" >&2; } | base64 -w 0
"""
_KNOCK = """\
timeout "$2" socat -u OPEN:/dev/null "$1" || echo "failed $?" >&2
"""
WAY_BACK = 5.0
"""Seconds that the way into the container may take, beside what is asked there."""
_MOST = HEAD_LIMIT + BODY_LIMIT
_TIMED_OUT, _NOT_FOUND = "failed 124", "failed 127"
_KNOWN = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)


class Relayed:
    """What `connection.Stream` says, over one request: it is sent when it is written, and all that comes back within the deadline
    is there to be read from then on."""

    def __init__(
        self, script: Script, container: str, endpoint: Endpoint, deadline: Deadline, *, tls: bool
    ) -> None:
        self._script, self._container, self._deadline = script, container, deadline
        self._plain = f"TCP:{show(endpoint)}"
        self._address = f"OPENSSL:{show(endpoint)},verify=0" if tls else self._plain
        self._buffer = b""
        self._ended = True

    def knock(self, timeout: float) -> None:
        """Raises OSError as a connection of our own would."""
        self._run(_KNOCK, self._plain, b"", timeout)

    def settimeout(self, seconds: float | None) -> None:
        """It minds the deadline by itself."""

    def sendall(self, data: bytes) -> None:
        # The way there stays open until the answer is complete: some servers give up when who asks has said all.
        address = f"{self._address},shut-none,readbytes={_MOST}"
        try:
            self._buffer = base64.b64decode(
                self._run(_ASK, address, data, self._deadline.left(), partly=True)
            )
        except binascii.Error as error:
            raise CheckFailed("what the traffic switch passes on can't be read") from error

    def recv(self, size: int) -> bytes:
        chunk, self._buffer = self._buffer[:size], self._buffer[size:]
        if not chunk and not self._ended:
            raise TimeoutError
        return chunk

    def close(self) -> None:
        """Each request has had a connection of its own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, script: str, address: str, data: bytes, timeout: float, *, partly: bool = False) -> str:
        arguments = address, f"{timeout:.3f}"
        try:
            done = self._script(self._container, script, arguments, stdin=data, timeout=timeout + WAY_BACK)
        except ProviderError as error:
            raise CheckFailed(f"it can't be asked from the traffic switch: {error.message}") from error
        self._ended = _TIMED_OUT not in done.errors
        if not (partly and done.output):
            _raise_what_is_said(done.errors.strip())
        return done.output


def _raise_what_is_said(said: str) -> None:
    """An end that came too early is no failure to socat, and yet it says so."""
    if _TIMED_OUT in said:
        raise TimeoutError
    for number in _KNOWN:
        if os.strerror(number) in said:
            raise OSError(number, os.strerror(number))
    if "failed " in said:
        why = "its image has no socat" if _NOT_FOUND in said else " ".join(said.split())
        raise CheckFailed(f"it can't be asked from the traffic switch: {why}")


def dial_through(
    target: Target, script: Script, deadline: Deadline, *, tls: bool
) -> Callable[[Endpoint, float], Relayed] | None:
    """How a target is connected to that is asked from inside a container; None for one that is asked from here."""
    container = target.via
    if container is None:
        return None

    def dial(endpoint: Endpoint, timeout: float) -> Relayed:
        relayed = Relayed(script, container, endpoint, deadline, tls=tls)
        relayed.knock(timeout)
        return relayed

    return dial
