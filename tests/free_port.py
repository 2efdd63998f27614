"""Ports that nobody else takes between the moment they are picked and the moment they are used."""

import itertools
import os
import secrets
import socket

_FIRST, _LAST = 22_000, 32_000
"""Below those that the kernel gives to whoever asks for any port or connects from one."""
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SHARE = (_LAST - _FIRST) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_ports = itertools.count(secrets.randbelow(_SHARE))  # another run may be going on beside this one


def free_port() -> int:
    """One of this worker's own share, in turn."""
    while True:
        port = _FIRST + _WORKER * _SHARE + next(_ports) % _SHARE
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port
