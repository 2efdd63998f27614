"""A connection to the engine, however it is reached. What reads and what changes dial in the same way."""

import socket

from sutazai.errors import ProviderError
from sutazai.providers.docker.connection import Endpoint


class TunnelEndedError(ConnectionError):
    """ssh ended before the engine had answered anything; `strerror` is what ssh said."""


def dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A new connection, each of whose reads and writes may take `timeout` seconds. Raises OSError, and ProviderError for
    TLS files that can't be used."""
    if endpoint.kind == "ssh":
        # It takes ten milliseconds, and few engines are asked over SSH.
        from sutazai.providers.docker.tunnel import Tunnel

        return Tunnel(endpoint, timeout)
    if endpoint.kind == "tcp":
        sock = socket.create_connection((endpoint.host, endpoint.port), timeout)
        return _secure(sock, endpoint) if endpoint.tls else sock
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(endpoint.path)
    except BaseException:
        sock.close()
        raise
    return sock


def _secure(sock: socket.socket, endpoint: Endpoint) -> socket.socket:
    tls = endpoint.tls
    assert tls is not None  # noqa: S101 - the caller asked for it
    import ssl  # takes as long

    try:
        try:
            context = ssl.create_default_context(cafile=tls.ca)
            if tls.cert:
                context.load_cert_chain(tls.cert, tls.key)
        except OSError as error:
            names = ", ".join(name for name in (tls.ca, tls.cert, tls.key) if name)
            raise ProviderError(
                f"can't use the TLS files {names}: {error.strerror or error}",
                hint="see provider.tls and DOCKER_CERT_PATH",
            ) from error
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(sock, server_hostname=endpoint.host)
    except BaseException:
        sock.close()
        raise
