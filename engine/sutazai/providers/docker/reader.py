"""Reading from the Engine API, fast: HTTP/1.1 with keep-alive and pipelined GETs over one socket.

docker-py needs a quarter of a second to be imported and 400 ms to inspect 131 containers; the same
inspects, pipelined, take 40 ms. Only GETs are sent from here, so an answer that was lost can always be
asked for again. Every read and write has a deadline: an engine that hangs is `ProviderUnreachable`, never a
command that hangs.
"""

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sutazai.errors import NotFound, ProviderError, ProviderUnreachable
from sutazai.plain import parsed
from sutazai.providers.docker.connection import Endpoint
from sutazai.providers.docker.dialing import TunnelEndedError, dial

KNOWN_API = (1, 47)
"""The newest Engine API whose words this adapter knows."""
OLDEST_API = (1, 40)
TIMEOUT = 30.0
_WINDOW = 64
"""Requests under way at once: enough to keep the engine busy, few enough that both sides' buffers hold the
requests."""
_LOGINS = 8
"""Connections over SSH that are made at once: sshd drops some of more than ten that have not logged in yet (MaxStartups)."""
_LINE_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is the body as it came. It is parsed each time `body` is asked for and not kept: the parsed answers of
    10,000 containers would take several times the memory."""

    status: int
    data: bytes

    @property
    def body(self) -> Any:
        """The parsed JSON, None when the answer has none; the text of an error that is no JSON as its `message`. Raises
        ProviderError when a good answer is no JSON."""
        if not self.data.strip():
            return None
        try:
            return parsed(self.data)
        except ValueError as error:
            if self.status >= 400:
                return {"message": self.data.decode(errors="replace").strip()}
            raise ProviderError(
                "what answers there is not a Docker Engine", hint="check DOCKER_HOST"
            ) from error

    def value(self, what: str) -> Any:
        """The body of a good answer. Raises NotFound or ProviderError in the engine's own words."""
        body = self.body
        if self.status < 400:
            return body
        message = body.get("message") if isinstance(body, dict) else body and str(body)
        kind = NotFound if self.status == 404 else ProviderError
        raise kind(message or f"Docker answered {self.status} when asked for {what}", status=self.status)


_NOBODY = "nothing listens there: start Docker (systemctl start docker), or name another engine (DOCKER_HOST, provider.host)"
_MENDS: tuple[tuple[type[OSError], str], ...] = (
    (FileNotFoundError, _NOBODY),
    (ConnectionRefusedError, _NOBODY),
    (PermissionError, "you may not use it: join its group (usermod -aG docker NAME, then log in again)"),
    (socket.gaierror, "nobody knows that name: see DOCKER_HOST and provider.host"),
    (TunnelEndedError, "`docker system dial-stdio` must run there: see what `ssh HOST docker version` says"),
    (TimeoutError, "it has too much to do, or it hangs: see whether `docker ps` answers, else restart it"),
)


def unreachable(endpoint: Endpoint, error: BaseException) -> ProviderUnreachable:
    cause = _beneath(error)
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    mend = next((mend for kind, mend in _MENDS if isinstance(cause, kind)), None)
    return ProviderUnreachable(
        f"no answer from Docker at {endpoint.url}: {words}",
        hint=mend or "is dockerd running? Its log says more",
    )


def _beneath(error: BaseException) -> BaseException:
    """What the system said, beneath what libraries made of it; the error itself where it said nothing."""
    seen: list[BaseException] = [error]
    for one in seen:
        if isinstance(one, OSError) and (one.errno is not None or isinstance(one, TimeoutError)):
            return one
        around = (one.__cause__, one.__context__, *one.args)
        seen += [found for found in around if isinstance(found, BaseException) and found not in seen]
    return error


def negotiate(version: Any) -> tuple[int, int]:
    """The API version to use with a server that answered `version` to `GET /version`."""
    try:
        newest = parse_version(version["ApiVersion"])
        oldest = parse_version(version.get("MinAPIVersion") or "1.12")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProviderError("what answers there is not a Docker Engine", hint="check DOCKER_HOST") from error
    if newest < OLDEST_API:
        raise ProviderError(
            f"this Docker Engine speaks API {version['ApiVersion']}; at least 1.40 (Engine 19.03) is needed"
        )
    return max(min(newest, KNOWN_API), oldest)


def parse_version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


class _BrokenError(Exception):
    """The connection ended before an answer was complete."""


class HttpReader:
    """GETs of one engine, however it is reached. Paths begin after the version (`/info`). Safe to share between threads."""

    def __init__(self, endpoint: Endpoint, timeout: float = TIMEOUT) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._at = 0  # what lies before it in the buffer was taken
        self._api: tuple[int, int] | None = None

    @property
    def api(self) -> tuple[int, int]:
        """The version of the API in use: the newest that both sides know."""
        with self._lock:
            if self._api is None:
                self._api = negotiate(self._fetch(["/version"])[0].value("its version"))
            return self._api

    def get_all(self, paths: Sequence[str]) -> list[Answer]:
        major, minor = self.api
        with self._lock:
            return self._fetch([f"/v{major}.{minor}{path}" for path in paths])

    def get_apart(self, paths: Sequence[str]) -> list[Answer]:
        """All at the same time, each over a connection of its own: for what the engine lets wait."""
        (major, minor), answers = self.api, []
        window = _LOGINS if self._endpoint.kind == "ssh" else _WINDOW
        for first in range(0, len(paths), window):
            batch = [f"/v{major}.{minor}{path}" for path in paths[first : first + window]]
            answers += self._at_once(batch)
        return answers

    def _at_once(self, paths: Sequence[str]) -> list[Answer]:
        apart = [HttpReader(self._endpoint, self._timeout) for _ in paths]
        try:
            sockets = [reader._connect() for reader in apart]
            for sock, path in zip(sockets, paths, strict=True):
                sock.sendall(self._request(path))
            return [reader._answer(sock)[0] for reader, sock in zip(apart, sockets, strict=True)]
        except (_BrokenError, OSError) as error:
            raise unreachable(self._endpoint, error) from error
        finally:
            for reader in apart:
                reader.close()

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    def __del__(self) -> None:
        self._disconnect()  # a reader lives as long as its provider, which nobody is asked to close

    def _fetch(self, paths: Sequence[str]) -> list[Answer]:
        """Pipelined; where the server closes early, what is missing is asked for again, one at a time from
        then on. Each round must bring at least one answer, so this ends."""
        answers: list[Answer] = []
        window = _WINDOW
        failures = 0
        while len(answers) < len(paths):
            before = len(answers)
            fresh = self._socket is None
            try:
                self._pipeline(paths[before:], window, answers)
                failures = 0
            except (_BrokenError, OSError) as error:
                self._disconnect()
                failures = 0 if len(answers) > before else failures + 1
                # A kept-alive connection may have been closed while idle: that once costs only a new one.
                if isinstance(error, TimeoutError) or (failures > 0 and fresh) or failures > 1:
                    raise unreachable(self._endpoint, error) from error
                window = 1
            except BaseException:
                self._disconnect()  # what is left must not be taken for answers of the next request
                raise
        return answers

    def _pipeline(self, paths: Sequence[str], window: int, answers: list[Answer]) -> None:
        """Until all are answered, or the server closes after an answer. More are asked for when half of the window was
        answered, so that the engine works while we read."""
        sock = self._socket or self._connect()
        sent = 0
        for taken in range(len(paths)):
            if sent - taken <= window // 2 and sent < len(paths):
                more = paths[sent : taken + window]
                sock.sendall(b"".join(map(self._request, more)))
                sent += len(more)
            answer, keep = self._answer(sock)
            answers.append(answer)
            if not keep:
                self._disconnect()
                if sent > taken + 1:
                    raise _BrokenError("the server closed the connection")
                return

    def _request(self, path: str) -> bytes:
        host = self._endpoint.host or "docker"
        head = f"Host: {host}\r\nUser-Agent: sutazai\r\nAccept: application/json"
        return f"GET {path} HTTP/1.1\r\n{head}\r\n\r\n".encode("ascii")

    def _connect(self) -> socket.socket:
        sock = dial(self._endpoint, self._timeout)
        self._socket, self._buffer, self._at = sock, b"", 0
        return sock

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer, self._at = None, b"", 0

    def _answer(self, sock: socket.socket) -> tuple[Answer, bool]:
        version, _, rest = self._line(sock).partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not code.isdigit():
            raise ProviderError(
                f"what answers at {self._endpoint.url} does not speak HTTP", hint="check DOCKER_HOST"
            )
        headers: dict[str, str] = {}
        while line := self._line(sock):
            name, _, text = line.partition(":")
            headers[name.strip().lower()] = text.strip()
        status = int(code)
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        if status in (204, 304):
            return Answer(status, b""), keep
        if "chunked" in headers.get("transfer-encoding", "").lower():
            data = self._chunked(sock)
        elif "content-length" in headers:
            data = self._exactly(sock, _length(headers["content-length"], 10))
        else:
            data, keep = self._to_the_end(sock), False
        return Answer(status, data), keep

    def _fill(self, sock: socket.socket) -> None:
        data = sock.recv(262_144)
        if not data:
            raise _BrokenError("the connection was closed in the middle of an answer")
        self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def _line(self, sock: socket.socket) -> str:
        while (end := self._buffer.find(b"\r\n", self._at)) < 0:
            if len(self._buffer) - self._at > _LINE_LIMIT:
                raise ProviderError(
                    f"what answers at {self._endpoint.url} does not speak HTTP", hint="check DOCKER_HOST"
                )
            self._fill(sock)
        line, self._at = self._buffer[self._at : end], end + 2
        return line.decode("latin-1")

    def _exactly(self, sock: socket.socket, size: int) -> bytes:
        parts = [self._buffer[self._at : self._at + size]]
        missing = size - len(parts[0])
        self._at += len(parts[0])
        while missing > 0:
            data = sock.recv(max(missing, 65_536))
            if not data:
                raise _BrokenError("the connection was closed in the middle of an answer")
            parts.append(data[:missing])
            self._buffer, self._at = data, len(parts[-1])
            missing -= len(parts[-1])
        return b"".join(parts)

    def _chunked(self, sock: socket.socket) -> bytes:
        parts: list[bytes] = []
        while size := _length(self._line(sock).partition(";")[0], 16):
            parts.append(self._exactly(sock, size))
            self._line(sock)
        while self._line(sock):
            pass
        return b"".join(parts)

    def _to_the_end(self, sock: socket.socket) -> bytes:
        parts = [self._buffer[self._at :]]
        while data := sock.recv(65_536):
            parts.append(data)
        self._buffer, self._at = b"", 0
        return b"".join(parts)


def _length(text: str, base: int) -> int:
    try:
        size = int(text.strip(), base)
    except ValueError:
        size = -1
    if size < 0:
        raise _BrokenError(f"the answer's length {text!r} is not a number")
    return size
