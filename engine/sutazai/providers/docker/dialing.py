"""A connection to the engine, however it is reached. What reads and what changes dial in the same way."""

import socket

from sutazai.providers.docker.connection import Endpoint


class TunnelEndedError(ConnectionError):
    """ssh ended before the engine had answered anything; `strerror` is what ssh said."""


def dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A new connection, each of whose reads and writes may take `timeout` seconds. Raises OSError."""
    if endpoint.kind == "ssh":
        from sutazai.providers.docker.tunnel import (
            Tunnel,
        )  # takes ten milliseconds, and few engines are asked over SSH

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
        context = ssl.create_default_context(cafile=tls.ca)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
        return context.wrap_socket(sock, server_hostname=endpoint.host)
    except BaseException:
        sock.close()
        raise
