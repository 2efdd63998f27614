"""Where Docker is: the options of the environment, then the variables, then the contexts of the docker command."""

import hashlib
import json
import re
import socket
from pathlib import Path

import pytest

from programs import ssh
from sutazai.errors import ExitCode, ProviderError, ProviderUnreachable
from sutazai.model.fleet import ProviderOptions
from sutazai.providers.docker.connection import Endpoint, TlsFiles, resolve
from sutazai.providers.docker.reader import HttpReader

SOCKET = "unix:///var/run/docker.sock"


def configure(
    home: Path, *, current: str | None = None, tls: bool = False, **contexts: str
) -> dict[str, str]:
    """A ~/.docker with these contexts; the environment that points to it."""
    directory = home / ".docker"
    for name, host in contexts.items():
        identity = hashlib.sha256(name.encode()).hexdigest()
        meta = directory / "contexts" / "meta" / identity
        meta.mkdir(parents=True)
        text = {"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
        (meta / "meta.json").write_text(json.dumps(text))
        if tls:
            files = directory / "contexts" / "tls" / identity / "docker"
            files.mkdir(parents=True)
            (files / "ca.pem").touch()
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps({"currentContext": current} if current else {}))
    return {"HOME": str(home)}


def test_the_default_is_the_socket(tmp_path: Path) -> None:
    found = resolve(ProviderOptions(), {"HOME": str(tmp_path)}, tmp_path)
    assert (found.kind, found.path, found.url) == ("unix", "/var/run/docker.sock", SOCKET)
    assert resolve(ProviderOptions(context="default"), {"HOME": str(tmp_path)}, tmp_path) == found


def test_the_first_that_says_something_wins(tmp_path: Path) -> None:
    environ = configure(tmp_path, current="b", a="tcp://a:1", b="tcp://b:2")

    def port(options: ProviderOptions, **more: str) -> int:
        return resolve(options, {**environ, **more}, tmp_path).port

    both = {"DOCKER_HOST": "tcp://c:3", "DOCKER_CONTEXT": "a"}
    assert port(ProviderOptions()) == 2
    assert port(ProviderOptions(), DOCKER_CONTEXT="a") == 1
    assert port(ProviderOptions(), **both) == 3
    assert port(ProviderOptions(context="b"), **both) == 2
    assert port(ProviderOptions(host="tcp://d:4"), **both) == 4
    assert resolve(ProviderOptions(), {**environ, "DOCKER_CONTEXT": "default"}, tmp_path).url == SOCKET


def test_tls(tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    environ = {
        "HOME": str(tmp_path),
        "DOCKER_HOST": "tcp://h",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tmp_path),
    }
    files = TlsFiles(str(tmp_path / "ca.pem"), str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    assert resolve(ProviderOptions(), environ, tmp_path) == Endpoint(
        "tcp", "https://h:2376", "", "h", 2376, files
    )
    unverified = resolve(
        ProviderOptions(), {**environ, "DOCKER_TLS_VERIFY": "", "DOCKER_TLS": "1"}, tmp_path
    ).tls
    assert unverified is not None
    assert not unverified.verify
    assert resolve(ProviderOptions(), {**environ, "DOCKER_TLS_VERIFY": ""}, tmp_path).tls is None
    options = ProviderOptions.model_validate(
        {"host": "tcp://h:1", "tls": {"ca": "x/ca.pem", "verify": False}}
    )
    assert resolve(options, environ, tmp_path).tls == TlsFiles(
        str(tmp_path / "x/ca.pem"), None, None, verify=False
    )


def test_the_files_of_a_context(tmp_path: Path) -> None:
    environ = configure(tmp_path, current="far", tls=True, far="tcp://far:2376")
    tls = resolve(ProviderOptions(), environ, tmp_path).tls
    assert tls is not None
    assert tls.ca is not None
    assert tls.ca.endswith("ca.pem")
    assert (tls.cert, tls.verify) == (None, True)


@pytest.mark.parametrize(
    ("host", "kind", "address"),
    [
        ("unix:///run/user/1/docker.sock", "unix", ("", 0)),
        ("tcp://[::1]:5", "tcp", ("::1", 5)),
        ("10.0.0.1:5", "tcp", ("10.0.0.1", 5)),
        ("https://h", "tcp", ("h", 2376)),
        ("tcp://h", "tcp", ("h", 2375)),
        ("ssh://me@h", "ssh", ("h", 0)),
        ("ssh://me@Upper:22", "ssh", ("Upper", 22)),
    ],
)
def test_forms_of_an_address(tmp_path: Path, host: str, kind: str, address: tuple[str, int]) -> None:
    found = resolve(ProviderOptions(host=host), {"HOME": str(tmp_path)}, tmp_path)
    assert (found.kind, (found.host, found.port)) == (kind, address)
    assert (found.tls is not None) == host.startswith("https")


@pytest.mark.parametrize(
    "host",
    [
        "npipe:////./pipe/docker",
        "tcp://",
        "tcp://h:notaport",
        "ftp://h",
        "ssh://",
        "ssh://me:secret@h",
        "ssh://h/x",
    ],
)
def test_an_address_that_is_not_understood(tmp_path: Path, host: str) -> None:
    with pytest.raises(ProviderError, match="Docker address"):
        resolve(ProviderOptions(), {"HOME": str(tmp_path), "DOCKER_HOST": host}, tmp_path)


def test_a_context_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="'nope' does not exist"):
        resolve(ProviderOptions(context="nope"), configure(tmp_path), tmp_path)


def test_a_damaged_configuration_is_named(tmp_path: Path) -> None:
    environ = configure(tmp_path)
    (tmp_path / ".docker" / "config.json").write_text("{")
    with pytest.raises(ProviderError, match=r"config\.json"):
        resolve(ProviderOptions(), environ, tmp_path)


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"])
def test_nobody_answers(tmp_path: Path, host: str) -> None:
    reader = HttpReader(resolve(ProviderOptions(host=host), {"HOME": str(tmp_path)}, tmp_path), timeout=2)
    with pytest.raises(ProviderUnreachable, match="no answer") as caught:
        reader.get_all(["/info"])
    assert caught.value.exit_code is ExitCode.PROVIDER_UNREACHABLE
    assert caught.value.hint is not None
    assert "start Docker" in caught.value.hint


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "import sys; sys.exit('\\nWarning: x\\nssh: Could not resolve hostname there\\n')",
            "resolve hostname there",
        ),
        (
            "import os, sys; os.close(0); os.close(1); sys.exit('Permission denied (publickey).')",
            "Permission denied",
        ),
        ("", "ssh ended and said nothing"),
        (None, "can't run ssh: No such file"),
    ],
)
def test_an_ssh_that_ends_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, words: str
) -> None:
    if source is not None:
        ssh(tmp_path, source)
    monkeypatch.setenv("PATH", str(tmp_path))
    reader = HttpReader(resolve(ProviderOptions(host="ssh://there"), {"HOME": str(tmp_path)}, tmp_path))
    with pytest.raises(ProviderUnreachable, match=re.escape(words)) as caught:
        reader.get_all(["/info"])
    assert caught.value.hint is not None
    assert "ssh HOST docker version" in caught.value.hint


def test_tls_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"https://127.0.0.1:{listener.getsockname()[1]}"
        options = ProviderOptions.model_validate({"host": host, "tls": {"ca": "nope.pem"}})
        reader = HttpReader(resolve(options, {"HOME": str(tmp_path)}, tmp_path))
        with pytest.raises(ProviderError, match=r"TLS files .*nope\.pem: No such file") as caught:
            reader.get_all(["/info"])
    assert caught.value.hint is not None
    assert "provider.tls" in caught.value.hint
