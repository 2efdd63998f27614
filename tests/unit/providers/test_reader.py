"""The reader against servers that answer in every way HTTP allows, and in some that it doesn't."""

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.errors import NotFound, ProviderError, ProviderUnreachable
from sutazai.model.fleet import ProviderOptions
from sutazai.providers.docker.connection import Endpoint
from sutazai.providers.docker.provider import DockerProvider
from sutazai.providers.docker.reader import Answer, HttpReader, negotiate
from sutazai.providers.docker.writer import Writer
from sutazai.state.scope import Scope

VERSION = b'{"ApiVersion": "1.41", "MinAPIVersion": "1.12"}'
Script = Callable[[int, str], bytes | None]
"""Number of the request on its connection and its path → the bytes of the answer; None closes the connection."""


def plain(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


def chunked(body: bytes, size: int = 3) -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    text = b"".join(f"{len(part):x};x=y\r\n".encode() + part + b"\r\n" for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text + b"0\r\nTrailer: x\r\n\r\n"


@contextmanager
def serving(script: Script, piece: int = 65_536) -> Iterator[tuple[Endpoint, list[str]]]:
    """A server that follows the script, sending `piece` bytes at a time; the paths it was asked for."""
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    stop, talks = threading.Event(), list[threading.Thread]()

    def talk(connection: socket.socket) -> None:
        # the reader may give a connection up
        with suppress(BrokenPipeError, ConnectionResetError), connection, connection.makefile("rb") as lines:
            number = 0
            while line := lines.readline():
                while lines.readline() not in (b"\r\n", b""):
                    pass
                path = line.split()[1].decode()
                asked.append(path)
                answer = plain(VERSION) if path == "/version" else script(number, path)
                number += path != "/version"
                if answer is None:
                    return
                for start in range(0, len(answer), piece):
                    connection.sendall(answer[start : start + piece])
                if b"Connection: close" in answer or b"HTTP/1.0" in answer:
                    return

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if stop.is_set():
                connection.close()
                return
            talks.append(threading.Thread(target=talk, args=(connection,)))
            talks[-1].start()

    thread = threading.Thread(target=accept)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield Endpoint("tcp", f"tcp://127.0.0.1:{port}", host="127.0.0.1", port=port), asked
    finally:
        stop.set()
        socket.create_connection(("127.0.0.1", port)).close()
        for each in (thread, *talks):
            each.join()
        listener.close()


def read(endpoint: Endpoint, count: int, timeout: float = 5) -> list[Answer]:
    reader = HttpReader(endpoint, timeout=timeout)
    try:
        return reader.get_all([f"/{n}" for n in range(count)])
    finally:
        reader.close()


def echo(_: int, path: str) -> bytes:
    return plain(f'"{path}"'.encode())


EXPECTED = [f"/v1.41/{n}" for n in range(200)]


@pytest.mark.parametrize(
    "script",
    [
        echo,
        lambda _, path: chunked(f'"{path}"'.encode()),
        lambda _, path: plain(f'"{path}"'.encode(), extra="Connection: close\r\n"),
        lambda number, path: echo(number, path) if number < 7 else None,
        lambda _, path: f'HTTP/1.0 200 OK\r\n\r\n"{path}"'.encode(),
        lambda _, path: f'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"{path}"'.encode(),
        lambda number, path: echo(number, path) if number < 9 else b"HTTP/1.0 200 OK\r\nConte",
    ],
    ids=["length", "chunked", "close", "seven a connection", "1.0", "until the end", "torn"],
)
def test_every_answer_is_found(script: Script) -> None:
    with serving(script) as (endpoint, _):
        assert [answer.body for answer in read(endpoint, 200)] == EXPECTED


@given(st.lists(st.sampled_from(["length", "chunked"]), min_size=1, max_size=20), st.integers(1, 50))
def test_answers_arrive_in_any_pieces(forms: list[str], piece: int) -> None:
    make = {"length": plain, "chunked": chunked}
    with serving(lambda n, path: make[forms[n % len(forms)]](f'"{path}"'.encode()), piece) as (endpoint, _):
        assert [answer.body for answer in read(endpoint, len(forms))] == EXPECTED[: len(forms)]


def test_one_connection_serves_many_reads() -> None:
    with serving(echo) as (endpoint, asked):
        reader = HttpReader(endpoint)
        for _ in range(3):
            assert reader.get_all(["/a"])[0].body == "/v1.41/a"
        assert asked == ["/version", "/v1.41/a", "/v1.41/a", "/v1.41/a"]
        reader.close()


def test_a_connection_closed_while_idle_is_replaced() -> None:
    with serving(lambda number, path: echo(number, path) if number == 0 else None) as (endpoint, _):
        reader = HttpReader(endpoint)
        for _ in range(3):
            assert reader.get_all(["/a"])[0].body == "/v1.41/a"
        reader.close()


def test_whether_an_engine_is_there_is_asked_over_a_new_connection(tmp_path: Path) -> None:
    """One that ends listens no more, and answers who is connected as long as its containers take to stop."""
    numbers: list[int] = []

    def informed(number: int, path: str) -> bytes:
        numbers.append(number)
        return plain(b'{"NCPU": 2, "MemTotal": 1}')

    with serving(informed) as (endpoint, _):
        options = ProviderOptions(host=endpoint.url)
        with closing(DockerProvider(Scope("shop", "test"), options, tmp_path, {})) as provider:
            assert [provider.host().cpus for _ in range(2)] == [2, 2]
    assert numbers == [0, 0]


def test_threads_share_a_reader() -> None:
    with serving(echo) as (endpoint, _):
        reader = HttpReader(endpoint)
        found: dict[int, list[object]] = {}

        def ask(n: int) -> None:
            found[n] = [answer.body for answer in reader.get_all([f"/{n}", f"/{n + 100}"])]

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reader.close()
    assert found == {n: [f"/v1.41/{n}", f"/v1.41/{n + 100}"] for n in range(20)}


def test_what_takes_its_time_is_asked_at_the_same_time_and_keeps_nobody_waiting() -> None:
    """No answer comes before all have asked, and one who asks for something else gets it meanwhile."""
    everyone, asked = threading.Barrier(4), [f"/slow/{number}" for number in range(3)]

    def waits(number: int, path: str) -> bytes:
        if "/slow/" in path:
            everyone.wait(10)
        return echo(number, path)

    with serving(waits) as (endpoint, _):
        reader = HttpReader(endpoint, 10)
        found: list[Answer] = []
        thread = threading.Thread(target=lambda: found.extend(reader.get_apart(asked)))
        thread.start()
        assert reader.get_all(["/quick"])[0].body == "/v1.41/quick"
        everyone.wait(10)
        thread.join()
        reader.close()
    assert [answer.body for answer in found] == [f"/v1.41{path}" for path in asked]


def test_silence_to_those_who_ask_apart_ends_too() -> None:
    with serving(lambda _, path: None if "gone" in path else echo(0, path)) as (endpoint, _):
        reader = HttpReader(endpoint, 5)
        with pytest.raises(ProviderUnreachable):
            reader.get_apart(["/there", "/gone"])
        reader.close()


def test_errors_keep_the_engines_words() -> None:
    with serving(lambda *_: plain(b'{"message": "No such thing"}', "404 Not Found")) as (endpoint, _):
        (answer,) = read(endpoint, 1)
    with pytest.raises(NotFound, match="No such thing") as caught:
        answer.value("a thing")
    assert caught.value.status == 404
    with serving(lambda *_: plain(b"plain words", "500 Oops")) as (endpoint, _):
        (answer,) = read(endpoint, 1)
    with pytest.raises(ProviderError, match="plain words"):
        answer.value("a thing")


@pytest.mark.parametrize("said", [b"", b"null", b'{"message": null}', b"{}"])
def test_an_error_without_words_has_ours(said: bytes) -> None:
    with serving(lambda *_: plain(said, "502 Bad Gateway")) as (endpoint, _):
        (answer,) = read(endpoint, 1)
    with pytest.raises(ProviderError, match="Docker answered 502 when asked for a thing"):
        answer.value("a thing")


def test_no_content() -> None:
    with serving(lambda *_: b"HTTP/1.1 204 No Content\r\n\r\n") as (endpoint, _):
        assert read(endpoint, 3) == [Answer(204, b"")] * 3


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"x" * 70_000, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"]
)
def test_what_is_no_docker_is_said_to_be_none(answer: bytes) -> None:
    with (
        serving(lambda *_: answer) as (endpoint, _),
        pytest.raises(ProviderError, match=r"does not speak|not a Docker"),
    ):
        read(endpoint, 1)[0].value("its version")


@pytest.mark.parametrize("length", [b"-1", b"many"])
def test_a_length_that_is_none(length: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n"
    with serving(lambda *_: answer) as (endpoint, _), pytest.raises(ProviderUnreachable, match="length"):
        read(endpoint, 1)


def test_a_server_that_always_closes_is_given_up() -> None:
    with serving(lambda *_: None) as (endpoint, asked):
        with pytest.raises(ProviderUnreachable, match="closed"):
            read(endpoint, 5)
        assert len(asked) < 10


def test_silence_ends_at_the_deadline(tmp_path: Path) -> None:
    path = str(tmp_path / "silent.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with pytest.raises(ProviderUnreachable, match="timed out"):
            read(Endpoint("unix", f"unix://{path}", path=path), 1, timeout=0.2)


def _asked_by_reader(endpoint: Endpoint, timeout: float) -> None:
    HttpReader(endpoint, timeout).get_all(["/info"])


def _changed_by_writer(endpoint: Endpoint, timeout: float) -> None:
    with Writer(endpoint, lambda: (1, 41)).client("look") as client:
        client.timeout = timeout
        client.info()


# docker-py leaves the socket of a request that timed out to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("ask", [_asked_by_reader, _changed_by_writer])
@pytest.mark.parametrize(
    ("there", "says", "mend"),
    [
        ("nothing", "No such file", "start Docker"),
        ("nobody", "Connection refused", "start Docker"),
        ("silence", "timed out", "docker ps"),
        ("an end", "(?i)closed|reset|pipe", "Its log"),
    ],
)
def test_why_an_engine_does_not_answer_decides_what_to_do(
    tmp_path: Path, there: str, says: str, mend: str, ask: Callable[[Endpoint, float], None]
) -> None:
    path = str(tmp_path / "engine.sock")
    with ExitStack() as open_until_asked:
        if there != "nothing":
            listener = open_until_asked.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(path)
            if there != "nobody":
                listener.listen()
            if there == "an end":
                closing = threading.Thread(target=_hung_up, args=(listener,))
                open_until_asked.callback(closing.join)
                open_until_asked.callback(listener.shutdown, socket.SHUT_RDWR)
                closing.start()
        with pytest.raises(ProviderUnreachable, match=says) as raised:
            ask(Endpoint("unix", f"unix://{path}", path=path), 0.2 if there == "silence" else 20.0)
    assert mend in (raised.value.hint or "")
    del raised
    gc.collect()


def _hung_up(listener: socket.socket) -> None:
    with suppress(OSError):  # the end of the test
        while True:
            listener.accept()[0].close()


@pytest.mark.parametrize(
    ("newest", "oldest", "used"),
    [
        ("1.41", "1.12", (1, 41)),
        ("1.47", "1.24", (1, 47)),
        ("1.52", "1.44", (1, 47)),
        ("2.0", "1.60", (1, 60)),
    ],
)
def test_the_newest_version_both_know(newest: str, oldest: str, used: tuple[int, int]) -> None:
    assert negotiate({"ApiVersion": newest, "MinAPIVersion": oldest}) == used


@pytest.mark.parametrize("answer", [{"ApiVersion": "1.30"}, {"version": 3}, None, {"ApiVersion": "x"}])
def test_what_is_too_old_or_no_engine(answer: object) -> None:
    with pytest.raises(ProviderError):
        negotiate(answer)
