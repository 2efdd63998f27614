"""Just enough HTTP/1.1 (RFC 9112): requests in, answers out, every length bounded.

Written by hand since http.server costs 6 MiB and 40 ms a process, most of it for e-mail headers.
"""

import json
from io import BufferedReader
from typing import NamedTuple, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_LINE = 8 * 1024
MAX_HEADERS = 64
MAX_BODY = 256 * 1024

REASONS = {
    100: "Continue",
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class MalformedError(Exception):
    """The bytes are no request, and the connection cannot be used any further."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Head(NamedTuple):
    method: str
    path: str  # without the query, which no route here has a use for
    length: int  # of the body, bytes
    keep_alive: bool
    expects_continue: bool


class Request(NamedTuple):
    method: str
    path: str
    body: bytes


class Answer(NamedTuple):
    code: int
    body: bytes
    content_type: str = "application/json"
    allow: str = ""


def json_answer(code: int, value: Json, allow: str = "") -> Answer:
    return Answer(code, json.dumps(value, ensure_ascii=False).encode() + b"\n", allow=allow)


def error_answer(code: int, reason: str, allow: str = "") -> Answer:
    return json_answer(code, {"error": reason}, allow)


def read_head(stream: BufferedReader) -> Head | None:
    """The next request up to its body; None at the end of the stream. Raises MalformedError."""
    line = _line(stream)
    if line is None:
        return None
    parts = line.split(" ")
    if len(parts) != 3 or not parts[0] or not TOKEN.issuperset(parts[0]) or not parts[1].startswith("/"):
        raise MalformedError(400, "the request line must be METHOD /PATH HTTP/1.1")
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise MalformedError(505, f"this is an HTTP/1.1 service, not {version}")
    headers = _read_headers(stream)
    if version == "HTTP/1.1" and "host" not in headers:
        raise MalformedError(400, "HTTP/1.1 wants a Host header")
    connection = headers.get("connection", "").lower()
    return Head(
        method=method,
        path=target.partition("?")[0],
        length=_body_length(method, headers),
        keep_alive="close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection),
        expects_continue=headers.get("expect", "").lower() == "100-continue",
    )


def read_body(stream: BufferedReader, length: int) -> bytes:
    body = stream.read(length)
    if len(body) < length:
        raise MalformedError(400, f"the body ends after {len(body)} of {length} bytes")
    return body


def render(answer: Answer, keep_alive: bool, with_body: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.code} {REASONS.get(answer.code, 'Unknown')}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
    ]
    if answer.allow:
        lines.append(f"Allow: {answer.allow}")
    if not keep_alive:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head + answer.body if with_body else head


def _read_headers(stream: BufferedReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS + 1):
        line = _line(stream)
        if line is None:
            raise MalformedError(400, "the headers end too early")
        if not line:
            return headers
        name, colon, value = line.partition(":")
        if not colon or not name or not TOKEN.issuperset(name):
            raise MalformedError(400, "a header must be NAME: VALUE")
        key = name.lower()
        if key in ("content-length", "host") and key in headers:
            raise MalformedError(400, f"{name} is given twice")
        headers[key] = value.strip()
    raise MalformedError(431, f"more than {MAX_HEADERS} headers")


def _body_length(method: str, headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise MalformedError(411, "a body must come with Content-Length, not in chunks")
    text = headers.get("content-length")
    if text is None:
        if method in ("POST", "PUT", "PATCH"):
            raise MalformedError(411, f"{method} must come with Content-Length")
        return 0
    if not (text.isascii() and text.isdigit()):
        raise MalformedError(400, "Content-Length must be a number")
    if len(text) > 12 or int(text) > MAX_BODY:
        raise MalformedError(413, f"a body must not exceed {MAX_BODY} bytes")
    return int(text)


def _line(stream: BufferedReader) -> str | None:
    line = stream.readline(MAX_LINE)
    if not line:
        return None
    if not line.endswith(b"\n"):
        if len(line) >= MAX_LINE:
            raise MalformedError(431, f"a line exceeds {MAX_LINE} bytes")
        raise MalformedError(400, "the request ends in the middle of a line")
    return line.decode("latin-1").rstrip("\r\n")
