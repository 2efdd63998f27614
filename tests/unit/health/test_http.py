"""The `http` check and its client: what is sent, what counts as an answer, and that nothing holds it for
ever."""

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asking import Way
from contract.servers import Serve, Server, dripping, resetting, saying, then_silent
from sutazai.address import agent
from sutazai.health.connection import CheckFailed, Deadline
from sutazai.health.http import http
from sutazai.health.http1 import BODY_LIMIT, exchange, request
from sutazai.model.checks import Check
from sutazai.ports import Target

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def ask(way: Way, serve: Serve, **fields: object) -> str:
    """What the check answers; "failed: …" when it does not pass."""
    answer, _ = ask_and_see(way, serve, **fields)
    return answer


def ask_and_see(way: Way, serve: Serve, **fields: object) -> tuple[str, bytes]:
    check = Check.model_validate({"kind": "http", "port": 80, "timeout": "20s", **fields})
    with Server(serve) as server:
        where = Target("id", agent("planner"), {80: (server.endpoint,)}, way.via)
        try:
            answer = http(check, where, way.script)
        except CheckFailed as failure:
            answer = f"failed: {failure}".replace(f":{server.endpoint[1]}", ":PORT")
        return answer, b"".join(server.requests)


@pytest.mark.parametrize(
    "parts",
    [
        [OK + b"Content-Length: 2\r\n\r\nok"],
        [b"HTTP/1.0 200 OK\r\n\r\nuntil the end"],
        [b"HTTP/1.1 200\r\n\r\n"],
        [CHUNKED, b"3;x=y\r\nabc\r\n", b"0\r\n\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"\r\n"],
        [bytes([byte]) for byte in OK + b"Content-Length: 1\r\n\r\n!"],
        [OK + b"Content-Length: 99999999\r\n\r\n" + b"x" * BODY_LIMIT],
        [OK + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n" + b"x" * BODY_LIMIT],
        [OK + b"\r\n" + b"x" * BODY_LIMIT * 2],
    ],
)
def test_answers_that_pass(way: Way, parts: list[bytes]) -> None:
    assert ask(way, saying(*parts)) == "HTTP 200"


def test_what_never_ends_passes_once_more_than_enough_is_here(way: Way) -> None:
    assert ask(way, then_silent(OK + b"\r\n" + b"x" * BODY_LIMIT), timeout="2s") == "HTTP 200"


@pytest.mark.parametrize(
    ("serve", "answer"),
    [
        (saying(b"HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nlow"), "HTTP 503 (expected 200): low"),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"), "HTTP 302 (expected 200)"),
        (
            saying(b"HTTP/1.1 500 No\r\n\r\na\x1b[31m\r\n\tb\xff"),
            "HTTP 500 (expected 200): a [31m b\N{REPLACEMENT CHARACTER}",
        ),
        (saying(b"HTTP/1.1 500 No\r\n\r\n" + b"x" * 201), f"HTTP 500 (expected 200): {'x' * 200} …"),
        (saying(), "connection closed without an answer at 127.0.0.1:PORT"),
        (resetting, "connection reset at 127.0.0.1:PORT"),
        (saying(b"SSH-2.0-OpenSSH\r\n"), "127.0.0.1:PORT answers, but not in HTTP: b'SSH-2.0-OpenSSH\\r\\n'"),
        (saying(b"HTTP/2 200\r\n\r\n"), "127.0.0.1:PORT answers, but not in HTTP: b'HTTP/2 200\\r\\n\\r\\n'"),
        (
            saying(b"HTTP/1.1 999 x\r\n\r\n"),
            "127.0.0.1:PORT answers, but not in HTTP: b'HTTP/1.1 999 x\\r\\n\\r\\n'",
        ),
        (saying(b"HTTP/1.1 200 O"), "127.0.0.1:PORT answers, but not in HTTP: b'HTTP/1.1 200 O'"),
        (
            saying(OK + b"Content-Length: 9\r\n\r\nab"),
            "connection closed in the middle of the body at 127.0.0.1:PORT",
        ),
        (saying(CHUNKED + b"5\r\nab"), "connection closed in the middle of the body at 127.0.0.1:PORT"),
        (saying(CHUNKED + b"zz\r\n"), "127.0.0.1:PORT answers, but not in HTTP: a chunk of b'zz' bytes"),
        (saying(OK + b"X: " + b"y" * 70_000), "127.0.0.1:PORT answers with headers longer than 64 KiB"),
    ],
)
def test_answers_that_do_not(way: Way, serve: Serve, answer: str) -> None:
    assert ask(way, serve) == f"failed: {answer}"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", "no answer within 1s at 127.0.0.1:PORT"),
        (OK, "no answer within 1s at 127.0.0.1:PORT"),
        (
            OK + b"Content-Length: 5\r\n\r\nab",
            "HTTP 200, but the body did not end: no answer within 1s at 127.0.0.1:PORT",
        ),
    ],
)
def test_what_falls_silent_does_not(way: Way, sent: bytes, answer: str) -> None:
    assert ask(way, then_silent(*filter(None, [sent])), timeout="1s") == f"failed: {answer}"


@pytest.mark.parametrize(
    "serve", [dripping(OK, b"x", 0.02), dripping(OK + b"\r\n", b"x", 0.02), dripping(b"", b"H", 60)]
)
def test_a_byte_now_and_then_does_not_hold_it(way: Way, serve: Serve) -> None:
    started = time.monotonic()
    assert ask(way, serve, timeout="400ms").startswith("failed: ")
    assert time.monotonic() - started < 10


def test_one_of_several_statuses_is_enough(way: Way) -> None:
    no = saying(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert ask(way, no, status=[200, 204]) == "HTTP 204"
    assert ask(way, no, status=[200, 201]) == "failed: HTTP 204 (expected 200 or 201)"


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ({"X-Role": "primary"}, "HTTP 200"),
        ({"x-role": " primary "}, "HTTP 200"),
        ({"Via": "a, b"}, "HTTP 200"),
        ({"X-Role": "replica"}, "failed: HTTP 200 with X-Role: 'primary' (expected 'replica')"),
        ({"X-None": "1"}, "failed: HTTP 200 without the header X-None (expected '1')"),
    ],
)
def test_expected_headers(way: Way, expected: dict[str, str], answer: str) -> None:
    serve = saying(OK + b"X-ROLE:  primary\r\nVia: a\r\nvia: b\r\nContent-Length: 0\r\n\r\n")
    assert ask(way, serve, expect_headers=expected) == answer


def test_what_is_sent(way: Way) -> None:
    _, sent = ask_and_see(
        way,
        saying(OK + b"\r\n"),
        method="POST",
        path="/a b/ü?q=%41#part",
        headers={"X-Token": "t", "host": "shop"},
        body="{ü}",
    )
    head, _, body = sent.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a%20b/%C3%BC?q=%41 HTTP/1.1"
    assert lines[1] == "host: shop"
    assert {"X-Token: t", "Accept: */*", "Content-Length: 4", "Connection: close"} < set(lines)
    assert body == "{ü}".encode()


def test_a_head_request_waits_for_no_body(way: Way) -> None:
    silent = then_silent(OK + b"Content-Length: 50\r\n\r\n")
    assert ask(way, silent, method="HEAD", timeout="2s") == "HTTP 200"


@pytest.mark.parametrize("headers", [{"A": "b\r\nC: d"}, {"A\r\nB": "c"}, {"A B": "c"}, {"": "c"}])
def test_a_header_cannot_smuggle_another(headers: dict[str, str]) -> None:
    with pytest.raises(CheckFailed, match="can't be sent"):
        request("GET", "/", "host", headers, None)


def test_a_method_or_a_path_cannot_smuggle_a_line() -> None:
    with pytest.raises(CheckFailed, match="not a word of HTTP"):
        request("GET / HTTP/1.1\r\nX: y\r\n", "/", "host", {}, None)
    assert request("GET", "/\r\nX: y", "host", {}, None).split(b"\r\n")[0] == b"GET /%0D%0AX:%20y HTTP/1.1"


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_bytes_at_all_make_it_raise_anything_else(data: bytes, as_body: bool) -> None:
    data = CHUNKED + data if as_body else data
    here, there = socket.socketpair()
    with there:
        there.sendall(data)
        there.shutdown(socket.SHUT_WR)
        try:
            said: object = exchange(here, ("h", 1), b"GET", Deadline.after(5), method="GET", tls=False).status
        except CheckFailed as failure:
            said = str(failure)
    assert said


@pytest.fixture
def encrypted(tmp_path: Path) -> ssl.SSLContext:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    return context


def test_https_with_a_certificate_of_its_own(way: Way, encrypted: ssl.SSLContext) -> None:
    check = Check(kind="http", port=443, scheme="https", timeout=5)
    with Server(saying(OK + b"Content-Length: 0\r\n\r\n"), context=encrypted) as server:
        assert (
            http(check, Target("id", agent("planner"), {443: (server.endpoint,)}, way.via), way.script)
            == "HTTP 200"
        )


def test_https_of_a_server_that_speaks_something_else_or_nothing(way: Way) -> None:
    here, there = socket.socketpair()
    with there:
        there.sendall(OK + b"\r\n")
        with pytest.raises(CheckFailed, match=r"(?i)ssl.* at h:1"):
            exchange(here, ("h", 1), b"GET", Deadline.after(5), method="GET", tls=True)
    with Server(None) as server:
        check = Check(kind="http", port=443, scheme="https", timeout=0.3)
        with pytest.raises(CheckFailed, match="no answer within 300ms"):
            http(check, Target("id", agent("planner"), {443: (server.endpoint,)}, way.via), way.script)
