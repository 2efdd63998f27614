"""A slim HTTP/1.1 client for one request (RFC 9112): bounded in size, and in time by one deadline over all
of it.

`http.client` bounds each read but not their sum, so a server that sends a byte a second would hold a check
for ever.
"""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from sutazai import __version__
from sutazai.health.connection import CheckFailed, Deadline, Endpoint, Stream, show

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: .*)?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KEPT_IN_PATH = "/?:@!$&'()*+,;=%-._~[]#"


@dataclass(frozen=True, slots=True)
class Response:
    """Header names in lower case, repeated ones joined with a comma. `body` is cut at BODY_LIMIT bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(method: str, path: str, host: str, headers: Mapping[str, str], body: str | None) -> bytes:
    """The bytes of a request. Raises CheckFailed when a part of it would break out of its place."""
    from urllib.parse import quote

    fields = {
        "host": ("Host", host),
        "user-agent": ("User-Agent", f"sutazai/{__version__}"),
        "accept": ("Accept", "*/*"),
    }
    fields |= {name.lower(): (name, value) for name, value in headers.items()}
    content = b"" if body is None else body.encode()
    if body is not None or method in ("POST", "PUT", "PATCH"):
        fields["content-length"] = ("Content-Length", str(len(content)))
    fields["connection"] = ("Connection", "close")
    lines = [f"{method} {quote(path.partition('#')[0], safe=_KEPT_IN_PATH)} HTTP/1.1"]
    for name, value in fields.values():
        if not _TOKEN.fullmatch(name) or any(char in value for char in "\r\n\0"):
            raise CheckFailed(
                f"the check's header {name!r} can't be sent: its name or value is not one line of text"
            )
        lines.append(f"{name}: {value}")
    if not _TOKEN.fullmatch(method):
        raise CheckFailed(f"the check's method {method!r} is not a word of HTTP")
    return "\r\n".join([*lines, "", ""]).encode() + content


def exchange(
    connection: Stream, endpoint: Endpoint, data: bytes, deadline: Deadline, *, method: str, tls: bool
) -> Response:
    """Send a request and read its answer. `tls`: over a socket that does not encrypt yet. Raises CheckFailed for everything
    that is not an answer."""
    where = show(endpoint)
    try:
        if tls and isinstance(connection, socket.socket):
            connection = _encrypted(connection, deadline)
        with connection:
            return _Exchange(connection, where, deadline).run(data, method)
    except TimeoutError:
        raise CheckFailed(f"{deadline} at {where}") from None
    except (ConnectionResetError, BrokenPipeError):
        raise CheckFailed(f"connection reset at {where}") from None
    except OSError as error:
        raise CheckFailed(f"{(error.strerror or str(error)).lower()} at {where}") from error


def _encrypted(connection: socket.socket, deadline: Deadline) -> socket.socket:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection.settimeout(deadline.left())
    return context.wrap_socket(connection)


class _Exchange:
    """The reading of one answer: a buffer, and the deadline that every read looks at."""

    def __init__(self, connection: Stream, where: str, deadline: Deadline) -> None:
        self._connection = connection
        self._where = where
        self._deadline = deadline
        self._buffer = bytearray()

    def run(self, data: bytes, method: str) -> Response:
        self._connection.settimeout(self._deadline.left())
        self._connection.sendall(data)
        status, headers = self._head()
        while 100 <= status < 200 and status != 101:
            status, headers = self._head()
        try:
            body = b"" if method == "HEAD" or status in (101, 204, 304) else self._body(headers)
        except TimeoutError:
            raise CheckFailed(
                f"HTTP {status}, but the body did not end: {self._deadline} at {self._where}"
            ) from None
        return Response(status, headers, bytes(body))

    def _more(self) -> bool:
        """Read on; False at the end of the stream."""
        self._connection.settimeout(self._deadline.left())
        chunk = self._connection.recv(16 * 1024)
        self._buffer += chunk
        return bool(chunk)

    def _head(self) -> tuple[int, dict[str, str]]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise CheckFailed(f"{self._where} answers with headers longer than {HEAD_LIMIT // 1024} KiB")
            if self._buffer and not b"HTTP/1.".startswith(self._buffer[:7]):
                raise self._not_http()
            if not self._more():
                raise (
                    self._not_http()
                    if self._buffer
                    else CheckFailed(f"connection closed without an answer at {self._where}")
                )
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        match = _STATUS.fullmatch(lines[0])
        if not match:
            raise self._not_http()
        del self._buffer[: end + 4]
        return int(match[1]), _fields(lines[1:])

    def _not_http(self) -> CheckFailed:
        return CheckFailed(f"{self._where} answers, but not in HTTP: {bytes(self._buffer[:60])!r}")

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower().endswith("chunked"):
            return self._chunks()
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit():
            wanted = min(int(length), BODY_LIMIT)
            self._fill(wanted)
            return bytes(self._buffer[:wanted])
        while len(self._buffer) < BODY_LIMIT and self._more():
            pass
        return bytes(self._buffer[:BODY_LIMIT])

    def _fill(self, length: int) -> None:
        while len(self._buffer) < length:
            if not self._more():
                raise CheckFailed(f"connection closed in the middle of the body at {self._where}")

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            wanted = min(size, BODY_LIMIT - len(body))
            self._fill(wanted)
            body += self._buffer[:wanted]
            if len(body) == BODY_LIMIT:
                break
            self._fill(size + 2)
            del self._buffer[: size + 2]
        return bytes(body)

    def _chunk_size(self) -> int:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > 1024 or not self._more():
                raise CheckFailed(f"connection closed in the middle of the body at {self._where}")
        digits = bytes(self._buffer[:end]).partition(b";")[0].strip()
        del self._buffer[: end + 2]
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", digits):
            raise CheckFailed(f"{self._where} answers, but not in HTTP: a chunk of {digits[:20]!r} bytes")
        return int(digits, 16)


def _fields(lines: list[bytes]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        key, text = name.strip().lower(), value.strip()
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields
