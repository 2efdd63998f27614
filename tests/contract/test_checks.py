"""What every kind of check does, against real servers. A new kind joins with a case in `CASES` and one in
`UNHEALTHY`."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from asking import Way, nowhere
from contract.servers import Server, refused_endpoint, saying, silent_endpoint, then_silent
from sutazai.address import agent
from sutazai.errors import NotCarriedOut, NotFound, ProviderUnreachable
from sutazai.health.runner import Checks
from sutazai.model.checks import Check
from sutazai.model.workload import Workload
from sutazai.ports import CheckResult, Target
from sutazai.state.observed import HealthStatus, Instance, Reported, Status
from sutazai.state.scope import Slot

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BROKEN = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\n\r\nno disk"
CARRIED_OUT = ("ping", "http", "docker")
Asked = Callable[[str, str, Target], CheckResult]
"""By kind, timeout and target."""


def instance(health: HealthStatus, status: Status = "running", exit_code: int | None = None) -> Instance:
    return Instance(
        id="id",
        name="shop-local-planner-blue",
        address=agent("planner"),
        slot=Slot.BLUE,
        replica=1,
        status=status,
        health=health,
        image="i",
        image_id="i",
        reported=Reported.of(Workload()),
        filled_in=dict,
        exit_code=exit_code,
    )


def target(*endpoints: tuple[str, int], port: int = 8080) -> Target:
    return Target("id", agent("planner"), {port: endpoints})


def healthy(_: str) -> Instance:
    return instance("healthy")


@pytest.fixture
def asked(way: Way) -> Asked:
    runner = Checks(healthy, way.script)

    def ask(kind: str, timeout: str, at: Target) -> CheckResult:
        return runner.run(
            Check.model_validate({"kind": kind, "port": 8080, "timeout": timeout}), replace(at, via=way.via)
        )

    return ask


@contextmanager
def a_server(*parts: bytes) -> Iterator[Target]:
    with Server(saying(*parts)) as server:
        yield target(server.endpoint)


@contextmanager
def an_instance() -> Iterator[Target]:
    yield target()


@contextmanager
def nobody() -> Iterator[Target]:
    with refused_endpoint() as endpoint:
        yield target(endpoint)


@contextmanager
def no_answer() -> Iterator[Target]:
    with silent_endpoint() as endpoint:
        yield target(endpoint)


@contextmanager
def an_open_mouth() -> Iterator[Target]:
    with Server(then_silent()) as server:
        yield target(server.endpoint)


Where = Callable[[], AbstractContextManager[Target]]
SILENT = (no_answer, an_open_mouth)
CASES: dict[str, tuple[Where, str]] = {
    "ping": (a_server, r"connected to 127\.0\.0\.1:\d+"),
    "http": (lambda: a_server(OK), "HTTP 200"),
    "docker": (an_instance, "its HEALTHCHECK says healthy"),
}
UNHEALTHY: list[tuple[str, Where, str]] = [
    ("ping", nobody, r"connection refused at 127\.0\.0\.1:\d+"),
    ("http", nobody, r"connection refused at 127\.0\.0\.1:\d+"),
    ("ping", no_answer, r"no answer within 300ms at 127\.0\.0\.1:\d+"),
    ("http", no_answer, r"no answer within 300ms at 127\.0\.0\.1:\d+"),
    ("http", an_open_mouth, r"no answer within 300ms at 127\.0\.0\.1:\d+"),
    ("http", lambda: a_server(BROKEN), r"HTTP 503 \(expected 200\): no disk"),
    ("ping", an_instance, r"port 8080 can't be reached from here: .*"),
    ("http", an_instance, r"port 8080 can't be reached from here: .*"),
]


def test_every_kind_has_a_case() -> None:
    assert set(CASES) == set(CARRIED_OUT)
    assert {kind for kind, _, _ in UNHEALTHY} == set(CARRIED_OUT) - {"docker"}


@pytest.mark.parametrize("kind", CASES)
def test_a_healthy_instance_passes(asked: Asked, kind: str) -> None:
    where, answer = CASES[kind]
    with where() as at:
        result = asked(kind, "2s", at)
    assert result.passed, result.answer
    assert pytest.approx(0, abs=2) == result.seconds
    assert_matches(answer, result.answer)


@pytest.mark.parametrize(("kind", "where", "answer"), UNHEALTHY)
def test_an_unhealthy_one_fails_in_words_and_in_time(
    asked: Asked, kind: str, where: Where, answer: str
) -> None:
    with where() as at:
        started = time.monotonic()
        result = asked(kind, "300ms" if where in SILENT else "20s", at)
        assert time.monotonic() - started < 10
    assert not result.passed
    assert_matches(answer, result.answer)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (instance("unhealthy"), "its HEALTHCHECK says unhealthy"),
        (instance("starting"), "its HEALTHCHECK has not passed yet"),
        (instance("none"), "it has no HEALTHCHECK: .*"),
        (instance("healthy", "exited", 137), "its container exited with code 137"),
        (instance("starting", "restarting"), "its container is restarting"),
    ],
)
def test_what_docker_says_of_its_own_check(found: Instance, answer: str) -> None:
    result = Checks(lambda _: found, nowhere).run(Check(kind="docker"), target())
    assert not result.passed
    assert_matches(answer, result.answer)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (NotFound("no such container"), "the container is gone"),
        (ProviderUnreachable("no"), "the engine does not say: no"),
    ],
)
def test_an_engine_that_cannot_say_is_an_answer(error: Exception, answer: str) -> None:
    def inspect(_: str) -> Instance:
        raise error

    result = Checks(inspect, nowhere).run(Check(kind="docker"), target())
    assert (result.passed, result.answer) == (False, answer)


@pytest.mark.parametrize("kind", ["deep", "performance", "functional", "integration"])
def test_kinds_to_come_say_so(kind: str) -> None:
    with pytest.raises(NotCarriedOut, match=f"kind '{kind}' is not carried out yet"):
        Checks(healthy, nowhere).run(Check.model_validate({"kind": kind, "port": 8080}), target())


def test_many_at_once_are_asked_each_its_own() -> None:
    """Eight servers with eight answers, asked 400 times by 16 threads: nobody gets another's answer."""
    bodies = [b"HTTP/1.1 500 no\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(8)]
    servers = [Server(saying(body)) for body in bodies]
    check, runner = Check(kind="http", port=8080, timeout=20), Checks(healthy, nowhere)
    start = threading.Barrier(16)

    def ask(number: int) -> tuple[int, str]:
        if number < 16:
            start.wait(10)
        return number, runner.run(check, target(servers[number % 8].endpoint)).answer

    for server in servers:
        server.__enter__()
    try:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(400)))
    finally:
        for server in servers:
            server.__exit__(None, None, None)
    assert answers == [(number, f"HTTP 500 (expected 200): {number % 8}") for number in range(400)]


def assert_matches(pattern: str, text: str) -> None:
    assert re.fullmatch(pattern, text), f"{text!r} is not {pattern!r}"
