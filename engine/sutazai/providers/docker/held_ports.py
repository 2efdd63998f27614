"""Who holds the host ports that the fleet wants. Containers of others are seen through the engine; other
processes only where the engine is on this machine, by trying to bind each wanted port for an instant."""

import errno
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from sutazai.state.observed import PortUse
from sutazai.state.published import Wanted, overlap


def held_ports(
    wanted: Iterable[Wanted],
    own: Iterable[Mapping[str, Any]],
    foreign: Iterable[Mapping[str, Any]],
    *,
    local: bool,
) -> tuple[PortUse, ...]:
    """`own` and `foreign` are entries of `/containers/json`."""
    ours, theirs = _by_port(own), _by_port(foreign)
    held: list[PortUse] = []
    unknown: list[Wanted] = []
    for want in wanted:
        others = [use for use in theirs.get(want[1], ()) if _overlap(want, use)]
        if others:
            held.append(PortUse(*want, holder=others[0].holder))
        elif local and not any(_overlap(want, use) for use in ours.get(want[1], ())) and _is_taken(*want):
            unknown.append(want)
    return tuple(held + _name_processes(unknown))


def _by_port(entries: Iterable[Mapping[str, Any]]) -> dict[int, list[PortUse]]:
    found: dict[int, list[PortUse]] = {}
    for use in (use for entry in entries for use in _published(entry)):
        found.setdefault(use.port, []).append(use)
    return found


def _published(entry: Mapping[str, Any]) -> list[PortUse]:
    name = (entry.get("Names") or ["/" + entry["Id"][:12]])[0].removeprefix("/")
    return [
        PortUse(port.get("IP") or "", port["PublicPort"], port["Type"], f"container {name}")
        for port in entry.get("Ports") or ()
        if port.get("PublicPort")
    ]


def _overlap(want: Wanted, use: PortUse) -> bool:
    return overlap(want, (use.ip, use.port, use.protocol))


def _is_taken(ip: str, port: int, protocol: str) -> bool:
    """An address that this machine does not have is not "taken": Docker says what is wrong with it."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}.get(protocol)
    if kind is None:
        return False
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # Connections in TIME_WAIT don't hold a port; a listener does, with this option too.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _name_processes(taken: list[Wanted]) -> list[PortUse]:
    if not taken:
        return []
    import psutil

    try:
        connections = psutil.net_connections(kind="inet")
    except psutil.AccessDenied:
        connections = []
    listening = [
        (PortUse(c.laddr.ip, c.laddr.port, "tcp" if c.type == socket.SOCK_STREAM else "udp", ""), c.pid)
        for c in connections
        if c.laddr and (c.type != socket.SOCK_STREAM or c.status == psutil.CONN_LISTEN)
    ]
    found = []
    for want in taken:
        pid = next((pid for use, pid in listening if pid and _overlap(want, use)), None)
        found.append(PortUse(*want, holder=_process(pid)))
    return found


def _process(pid: int | None) -> str:
    import psutil

    if pid is None:
        return "another process"
    try:
        return f"process {psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"process {pid}"
