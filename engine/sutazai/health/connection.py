"""One TCP connection for a check, within one deadline.

An instance has several candidate endpoints, best first. What an endpoint answers is the answer, a refusal
too: behind the container's own address there may be a published port, whose proxy accepts connections for a
container that listens to nobody. Only where no answer can come back (no route, unknown name, silence for
its share of the time) is the next asked.
"""

import errno
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from sutazai.model.units import format_duration

Endpoint = tuple[str, int]

_NO_WAY = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
    | {errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT}
)


class Stream(Protocol):
    """As much of a connected socket as a check needs."""

    def settimeout(self, seconds: float | None, /) -> None: ...
    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


Dial = Callable[[Endpoint, float], Stream]
"""Makes a connection within so many seconds. Raises OSError."""


class CheckFailed(Exception):
    """The check did not pass; the message is its answer, for people."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of a whole check, in seconds of the monotonic clock."""

    end: float
    timeout: float

    @staticmethod
    def after(timeout: float) -> "Deadline":
        return Deadline(time.monotonic() + timeout, timeout)

    def left(self) -> float:
        """Seconds left, above 0. Raises TimeoutError when there are none."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def later(self, seconds: float) -> "Deadline":
        return Deadline(self.end + seconds, self.timeout)

    def __str__(self) -> str:
        return f"no answer within {format_duration(self.timeout)}"


def endpoints_of(port: int | None, endpoints: Mapping[int, tuple[Endpoint, ...]]) -> tuple[Endpoint, ...]:
    """The candidates for a check: those of its port, or of the only port there is."""
    if port is None:
        if len(endpoints) != 1:
            ports = ", ".join(map(str, sorted(endpoints))) or "none"
            raise CheckFailed(f"the check names no port and the instance has not exactly one ({ports})")
        port = next(iter(endpoints))
    found = endpoints.get(port, ())
    if not found:
        raise CheckFailed(
            f"port {port} can't be reached from here: it has no address; does the container run?"
        )
    return found


def connect(
    candidates: Sequence[Endpoint], deadline: Deadline, dial: Dial | None = None
) -> tuple[Stream, Endpoint]:
    """A connection to the first candidate that answers. Raises CheckFailed saying what each of them
    answered."""
    answers: list[str] = []
    for index, endpoint in enumerate(candidates):
        where = show(endpoint)
        try:
            left = deadline.left() / (len(candidates) - index)
            return (dial or _connect)(endpoint, left), endpoint
        except ConnectionRefusedError:
            answers.append(f"connection refused at {where}")
            break
        except TimeoutError:
            answers.append(f"{deadline} at {where}")
        except socket.gaierror as error:
            answers.append(f"the name of {where} is not known ({error.strerror})")
        except OSError as error:
            answers.append(f"{_words(error)} at {where}")
            if error.errno not in _NO_WAY:
                break
    raise CheckFailed("; ".join(answers))


def show(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connect(endpoint: Endpoint, timeout: float) -> socket.socket:
    connection = socket.create_connection(endpoint, timeout=timeout)
    try:
        # A port that nobody listens on can be connected to itself where it is in the range of outgoing ports.
        if connection.getsockname() == connection.getpeername():
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    except OSError:
        connection.close()
        raise
    return connection


def _words(error: OSError) -> str:
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
