"""Where the Docker Engine is: the same answer that the `docker` command would give.

The environment file's own options win, then `DOCKER_HOST`, then `DOCKER_CONTEXT`, then `currentContext` of
the client's config.json, then the default socket. Source: docs.docker.com, "Docker contexts" and
"Environment variables" of the CLI.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from sutazai.errors import ProviderError

DEFAULT_SOCKET = "/var/run/docker.sock"


class TlsOptions(Protocol):
    """`model.fleet.TlsOptions`, or plain data in its place."""

    @property
    def ca(self) -> str | None: ...
    @property
    def cert(self) -> str | None: ...
    @property
    def key(self) -> str | None: ...
    @property
    def verify(self) -> bool: ...


class Options(Protocol):
    """`model.fleet.ProviderOptions`, or plain data in its place."""

    @property
    def host(self) -> str | None: ...
    @property
    def context(self) -> str | None: ...
    @property
    def tls(self) -> TlsOptions | None: ...


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files. `verify` False accepts any server certificate."""

    ca: str | None
    cert: str | None
    key: str | None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`kind` unix: `path` is the socket. tcp: `host`, `port`, over TLS when `tls` is set. ssh: `host` as ssh is to be given it,
    `port` (0: ssh's own) and `user` (empty: ssh's own)."""

    kind: Literal["unix", "tcp", "ssh"]
    url: str
    path: str = ""
    host: str = ""
    port: int = 0
    tls: TlsFiles | None = None
    user: str = ""

    @property
    def same_machine(self) -> bool:
        """A Linux engine behind a Unix socket; whether it also shares our network is for `inventory` to
        find."""
        return self.kind == "unix" and sys.platform == "linux"


def resolve(options: Options, environ: Mapping[str, str], root: Path) -> Endpoint:
    """The engine to talk to. Raises ProviderError when the context is unknown or the address is not
    understood. Relative TLS paths of the environment file count from the project root."""
    if options.host:
        return _endpoint(options.host, _option_tls(options.tls, root) or _environ_tls(environ))
    context = options.context
    if context is None:
        if environ.get("DOCKER_HOST"):
            return _endpoint(environ["DOCKER_HOST"], _option_tls(options.tls, root) or _environ_tls(environ))
        context = environ.get("DOCKER_CONTEXT") or _current_context(environ)
    if context and context != "default":
        host, tls = _context(context, _config_directory(environ))
        return _endpoint(host, _option_tls(options.tls, root) or tls)
    return _endpoint(f"unix://{DEFAULT_SOCKET}", None)


def _endpoint(url: str, tls: TlsFiles | None) -> Endpoint:
    parts = urlsplit(url if "://" in url else f"tcp://{url}" if ":" in url else url)
    if parts.scheme == "unix":
        path = parts.netloc + parts.path
        return Endpoint("unix", f"unix://{path}", path=path)
    try:
        port = parts.port
    except ValueError as error:
        raise ProviderError(f"the Docker address {url!r} has no valid port: {error}") from error
    if parts.scheme == "ssh" and parts.hostname and not parts.password and parts.path in ("", "/"):
        # As it was written: urlsplit makes it small, and a name in ssh's configuration may not be.
        at = parts.netloc.lower().rindex(parts.hostname)
        host = parts.netloc[at : at + len(parts.hostname)]
        return Endpoint("ssh", url, host=host, port=port or 0, user=parts.username or "")
    if parts.scheme in ("tcp", "http", "https") and parts.hostname:
        if parts.scheme == "https" and tls is None:
            tls = TlsFiles(None, None, None)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = port or (2376 if tls else 2375)
        scheme = "https" if tls else "tcp"
        return Endpoint("tcp", f"{scheme}://{host}:{port}", host=parts.hostname, port=port, tls=tls)
    raise ProviderError(
        f"the Docker address {url!r} is not understood",
        hint="write unix:///path/to/docker.sock, tcp://host:port, https://host:port or ssh://user@host",
    )


def _option_tls(tls: TlsOptions | None, root: Path) -> TlsFiles | None:
    if tls is None:
        return None
    ca, cert, key = (
        str(root / Path(name).expanduser()) if name else None for name in (tls.ca, tls.cert, tls.key)
    )
    return TlsFiles(ca, cert, key, tls.verify)


def _environ_tls(environ: Mapping[str, str]) -> TlsFiles | None:
    """`DOCKER_TLS_VERIFY` (any text but an empty one) asks for TLS with verification, `DOCKER_TLS` without
    it; the files are ca.pem, cert.pem and key.pem of `DOCKER_CERT_PATH`, by default the client's
    configuration directory."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    return _tls_of(Path(environ.get("DOCKER_CERT_PATH") or _config_directory(environ)), verify)


def _tls_of(directory: Path, verify: bool) -> TlsFiles:
    ca, cert, key = (
        str(path) if (path := directory / name).exists() else None
        for name in ("ca.pem", "cert.pem", "key.pem")
    )
    return TlsFiles(ca, cert, key, verify)


def _config_directory(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or "~").expanduser() / ".docker")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ProviderError(
            f"can't read {path}: {error}", hint="mend or remove this file of the docker command"
        ) from error
    return data if isinstance(data, dict) else {}


def _current_context(environ: Mapping[str, str]) -> str | None:
    name = _read_json(_config_directory(environ) / "config.json").get("currentContext")
    return name if isinstance(name, str) else None


def _context(name: str, directory: Path) -> tuple[str, TlsFiles | None]:
    """A context is kept under the SHA-256 of its name: contexts/meta/ID/meta.json and
    contexts/tls/ID/docker/*.pem."""
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = _read_json(directory / "contexts" / "meta" / identity / "meta.json")
    endpoint = meta.get("Endpoints", {}).get("docker", {})
    host = endpoint.get("Host")
    if not host:
        raise ProviderError(
            f"the Docker context {name!r} does not exist", hint="`docker context ls` lists those that do"
        )
    files = directory / "contexts" / "tls" / identity / "docker"
    tls = _tls_of(files, not endpoint.get("SkipTLSVerify", False)) if files.is_dir() else None
    return str(host), tls
