"""Open-loop load: requests begin when they are due, however slow the answers are, and every one is accounted for.

A request fails with any connection error, reset, early end, timeout or answer that is not the expected one; nothing is tried
again. A kept connection that was idle for a minute, or that the server has closed and whose end has arrived, is not used again, as
any client does: nobody can know of one whose end is still on its way. Standard library only, for tests and the benchmark alike.
"""

import asyncio
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

IDLE = 60.0  # seconds
STALLED = 0.1  # seconds by which a request is sent too late, by nothing but this process
Endpoint = tuple[str, int]
Client = Callable[[], Awaitable[str]]
"""Makes one request; what it was answered by (a version). Raises `Failed` and OSError."""


_reached: ContextVar[str] = ContextVar("reached")
"""How far the request of this task has come."""


class Failed(Exception):
    """An answer that is not the expected one."""


@dataclass(frozen=True, slots=True)
class Failure:
    """`at` is when the request was sent, in seconds since the epoch; `reached` how far it came in so many seconds."""

    client: str
    reason: str
    reached: str
    at: float
    seconds: float

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.gmtime(self.at))
        return f"{self.client} at {when}, {self.reached} after {self.seconds:.1f} s: {self.reason}"


@dataclass(slots=True)
class Tally:
    """`sent` and `failed` count requests, `answers` who answered, `seconds` how long each took that did not fail."""

    sent: int = 0
    failures: list[Failure] = field(default_factory=list)
    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return len(self.failures)

    @property
    def words(self) -> str:
        """How many failed, and each of them in a line, by when it was sent."""
        failures = sorted(self.failures, key=lambda failure: failure.at)
        return "\n".join([f"{self.failed} of {self.sent} failed", *map(str, failures)])

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def drive(
    clients: Sequence[tuple[str, Client]], rate: float, stop: asyncio.Event, *, timeout: float = 30.0
) -> Tally:
    """`rate` requests a second in all, in turn by the named clients, until `stop`; ends when all are answered. What was due while
    this process did not get to run is not made up for: all at once is another load."""
    tally, began = Tally(), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, (name, client) in enumerate(itertools.cycle(clients)):
            due = began + number / rate
            if (late := time.monotonic() - due) > STALLED:
                began, due = began + late, due + late
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(due - time.monotonic(), 0.0))
            if stop.is_set():
                return tally
            tally.sent += 1
            group.create_task(_one(name, client, tally, timeout))
    return tally


@dataclass(slots=True)
class Driven:
    """`tally` is whole when the load has ended."""

    tally: Tally = field(default_factory=Tally)


@contextmanager
def driving(clients: Sequence[tuple[str, Client]], rate: float) -> Iterator[Driven]:
    """`drive`, by a thread of its own, for as long as the block lasts. Closes what the clients have kept."""
    driven, loop, stop = Driven(), asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        driven.tally = await drive(clients, rate, stop)
        for _, client in clients:
            if isinstance(client, Http):
                await client.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield driven
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _one(name: str, client: Client, tally: Tally, timeout: float) -> None:
    at, began = time.time(), time.monotonic()
    _reached.set("not connected")
    try:
        async with asyncio.timeout(timeout):
            answer = await client()
    except (Failed, OSError, EOFError) as error:
        reason, seconds = f"{type(error).__name__}: {error}", time.monotonic() - began
        tally.failures.append(Failure(name, reason, _reached.get(), at, seconds))
    else:
        tally.answers[name][answer] += 1
        tally.seconds.append(time.monotonic() - began)


class Http:
    """GET requests. With `kept`, connections are used again; else each is closed by the client's wish."""

    def __init__(self, endpoint: Endpoint, path: str, *, kept: bool) -> None:
        self._endpoint, self._kept = endpoint, kept
        connection = "keep-alive" if kept else "close"
        self._request = f"GET {path} HTTP/1.1\r\nHost: load\r\nConnection: {connection}\r\n\r\n".encode()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []
        """With when each became idle, the latest last."""

    async def __call__(self) -> str:
        reader, writer = await self._connection()
        done = False
        try:
            writer.write(self._request)
            await writer.drain()
            _reached.set("asked")
            status, headers = await read_head(reader)
            _reached.set("answered in part")
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            if not 200 <= status < 300:
                raise Failed(f"HTTP {status} {body[:80].decode(errors='replace')}".rstrip())
            done = True
        finally:
            if done and self._kept and headers.get("connection", "").lower() != "close":
                self._idle.append((reader, writer, time.monotonic()))
            else:
                await _closed(writer)
        return body.decode()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer, since = self._idle.pop()
            if time.monotonic() - since < IDLE and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            await _closed(writer)
        return await asyncio.open_connection(*self._endpoint)

    async def close(self) -> None:
        while self._idle:
            await _closed(self._idle.pop()[1])


class Upgraded:
    """A connection that is upgraded as a WebSocket's, and then echoes `messages` lines, one every `pause` seconds."""

    def __init__(self, endpoint: Endpoint, path: str, *, messages: int, pause: float) -> None:
        self._endpoint, self._messages, self._pause = endpoint, messages, pause
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: load\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()

    async def __call__(self) -> str:
        reader, writer = await asyncio.open_connection(*self._endpoint)
        try:
            _reached.set("connected")
            writer.write(self._request)
            status, headers = await read_head(reader)
            if status != 101:
                raise Failed(f"HTTP {status} instead of the upgrade")
            await echoed(reader, writer, self._messages, self._pause)
        finally:
            await _closed(writer)
        return headers.get("x-version", "")


class Tcp:
    """A connection that is greeted with a line and then echoes `messages` lines, one every `pause` seconds."""

    def __init__(self, endpoint: Endpoint, *, messages: int, pause: float) -> None:
        self._endpoint, self._messages, self._pause = endpoint, messages, pause

    async def __call__(self) -> str:
        reader, writer = await asyncio.open_connection(*self._endpoint)
        try:
            _reached.set("connected")
            greeting = await reader.readuntil(b"\n")
            await echoed(reader, writer, self._messages, self._pause)
        finally:
            await _closed(writer)
        return greeting.decode().strip()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """What goes wrong after the answer is nobody's failure."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def echoed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, messages: int, pause: float
) -> None:
    for number in range(messages):
        line = b"message %d\n" % number
        writer.write(line)
        _reached.set(f"at message {number + 1} of {messages}")
        if (answer := await reader.readuntil(b"\n")) != line:
            raise Failed(f"{answer!r} for {line!r}")
        await asyncio.sleep(pause)


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers, their names in small letters."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
