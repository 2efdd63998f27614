"""Commands in containers of an engine that is reached over TLS, where the end of the input can't be told as on a Unix socket, or
over SSH, through the streams of a process."""

import datetime as dt
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from programs import ssh
from sutazai.address import agent
from sutazai.errors import ProviderError
from sutazai.model.fleet import ProviderOptions
from sutazai.model.workload import Workload
from sutazai.ports import InstanceSpec
from sutazai.providers.docker.connection import DEFAULT_SOCKET
from sutazai.providers.docker.provider import DockerProvider
from sutazai.state.scope import Scope, Slot

IMAGE = "sutazai/agent-runtime:1.0"
SSH = f"""
import socket, sys, threading
assert sys.argv[1:] == "-o ConnectTimeout=30 -T -l me -p 2222 -- There docker system dial-stdio".split()
engine = socket.socket(socket.AF_UNIX)
engine.connect({DEFAULT_SOCKET!r})
def there():
    while data := sys.stdin.buffer.raw.read(65536):
        engine.sendall(data)
    engine.shutdown(socket.SHUT_WR)
threading.Thread(target=there, daemon=True).start()
while data := engine.recv(65536):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""
"""What an ssh does that is asked for the engine of another host, on this one."""
pytestmark = pytest.mark.docker


@pytest.fixture(params=["tls", "ssh"])
def provider(
    docker_scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[DockerProvider]:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with _reached(request.param, tmp_path, monkeypatch) as options:
        made = DockerProvider(docker_scope, options, tmp_path, os.environ)
        yield made
        made.close()


def test_the_input_and_the_output_are_whole(provider: DockerProvider, docker_scope: Scope) -> None:
    identity = _running(provider, docker_scope)
    said = provider.execute(
        identity, ["sh", "-c", "cat; echo no >&2; exit 3"], stdin=b"x" * 300_000, timeout=30
    )
    assert (said.exit_code, len(said.output), said.errors) == (3, 300_000, "no\n")
    with pytest.raises(ProviderError, match="did not end"):
        provider.execute(identity, ["sleep", "30"], timeout=0.3)
    for _ in range(2):
        said = provider.script(
            identity, 'cat; echo "$1" >&2; exit 3', ["no"], stdin=b"x" * 300_000, timeout=30
        )
        assert (said.exit_code, len(said.output), said.errors) == (3, 300_000, "no\n")
    provider.put_file(identity, "/tmp/a", b"content", 0o644)
    assert provider.execute(identity, ["cat", "/tmp/a"], timeout=30).output == "content"


def _reached(
    by: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AbstractContextManager[ProviderOptions]:
    if by == "tls":
        return TlsEngine(folder)
    ssh(folder, SSH)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return nullcontext(ProviderOptions(host="ssh://me@There:2222"))


def _running(provider: DockerProvider, scope: Scope) -> str:
    workload = Workload.model_validate({"image": IMAGE, "init": True})
    spec = InstanceSpec(
        scope.instance_name("a", Slot.BLUE, 1, 1), agent("a"), workload, Slot.BLUE, 1, IMAGE, {}, ("a",)
    )
    identity = provider.create_instance(spec)
    provider.start(identity)
    return identity


class TlsEngine:
    """An engine behind TLS: what comes is handed to the Unix socket, and an end of one side is told to the other."""

    def __init__(self, folder: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = _certificate(folder)
        self._context.load_cert_chain(certificate)
        self._options = {"ca": str(certificate), "verify": True}
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> ProviderOptions:
        threading.Thread(target=self._accept, daemon=True).start()
        return ProviderOptions.model_validate(
            {"host": f"https://127.0.0.1:{self._listener.getsockname()[1]}", "tls": self._options}
        )

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with (
            suppress(OSError),
            self._context.wrap_socket(raw, server_side=True) as client,
            socket.socket(socket.AF_UNIX) as engine,
        ):
            engine.connect(DEFAULT_SOCKET)
            back = threading.Thread(target=_pour, args=(engine, client, socket.SHUT_RDWR), daemon=True)
            back.start()
            _pour(client, engine, socket.SHUT_WR)
            back.join()


def _pour(source: socket.socket, sink: socket.socket, end: int) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(end)


def _certificate(folder: Path) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "engine.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
