"""The least that it can take: the same containers made and started straight through the Engine's API, and removed.

No waves, no checks, no state: only the calls that nobody can do without, as many at a time as is fastest.
"""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

SOCKET = "/var/run/docker.sock"
TIMEOUT = 120
IDLE = 60
"""Seconds after which a connection is not used again: the engine may have closed it."""
MISCOUNTED = "has active endpoints"
"""Engine 20.10 now and then keeps the endpoint of a container that is gone, and so its network. That is nobody's doing who runs
here, and the containers are removed by then."""
_local = threading.local()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def call(method: str, path: str, body: object = None, *, may_say: str = "\0") -> Any:
    """One call on this thread's own connection. Ends the bench when the engine refuses, unless with what it `may_say`."""
    connection: _Connection | None = getattr(_local, "connection", None)
    if connection is None or time.monotonic() - _local.used > IDLE:
        connection = _local.connection = _Connection(SOCKET)
    _local.used = time.monotonic()
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 400 and may_say not in text.decode(errors="replace"):
        raise SystemExit(f"{method} {path}: {text.decode(errors='replace')}")
    return json.loads(text) if text.strip() else None


def bodies_of(project: str) -> list[dict[str, Any]]:
    """What each container of a project was made from."""
    filters = quote(json.dumps({"label": [f"io.sutazai.project={project}"]}))
    found = call("GET", f"/containers/json?all=1&filters={filters}")
    return [call("GET", f"/containers/{entry['Id']}/json") for entry in found]


class Floor:
    """The containers of `bodies` under other names, on a network of their own. They take the same ports: the others are down
    meanwhile. Each time is on another network, since the last one may have to stay."""

    def __init__(self, name: str, bodies: Iterable[dict[str, Any]]) -> None:
        self._name, self._times = name, 0
        self._specs = [(f"{name}-{n}", self._spec(body)) for n, body in enumerate(bodies)]

    @property
    def _network(self) -> str:
        return f"{self._name}-network-{self._times}"

    def _spec(self, body: dict[str, Any]) -> dict[str, Any]:
        host = {**body["HostConfig"], "Mounts": [], "Binds": []}
        config = {key: value for key, value in body["Config"].items() if key not in ("Hostname", "Labels")}
        aliases = [
            alias for network in body["NetworkSettings"]["Networks"].values() for alias in network["Aliases"]
        ]
        return {**config, "HostConfig": host, "aliases": aliases[:1]}

    def up(self, at_a_time: int) -> float:
        """Seconds to create and start all of them."""

        self._times += 1
        network = self._network

        def one(named: tuple[str, dict[str, Any]]) -> None:
            name, spec = named
            endpoint = {network: {"Aliases": spec["aliases"]}}
            host = {**spec["HostConfig"], "NetworkMode": network}
            body = {**spec, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": endpoint}}
            made = call("POST", f"/containers/create?name={name}", body)
            call("POST", f"/containers/{made['Id']}/start")

        return _timed(
            one, self._specs, at_a_time, lambda: call("POST", "/networks/create", {"Name": network})
        )

    def down(self, at_a_time: int) -> float:
        """Seconds to stop and remove all of them, as gently as a destroy does."""

        def one(named: tuple[str, dict[str, Any]]) -> None:
            call("POST", f"/containers/{named[0]}/stop")
            call("DELETE", f"/containers/{named[0]}?force=1")

        seconds = _timed(one, self._specs, at_a_time)
        call("DELETE", f"/networks/{self._network}", may_say=MISCOUNTED)
        return seconds

    def clean(self) -> None:
        """Remove what is left after a failure."""
        filters = quote(json.dumps({"name": [f"^/{self._name}-"]}))
        for entry in call("GET", f"/containers/json?all=1&filters={filters}"):
            call("DELETE", f"/containers/{entry['Id']}?force=1&v=1")
        for network in call("GET", "/networks"):
            if network["Name"].startswith(f"{self._name}-network-"):
                call("DELETE", f"/networks/{network['Id']}", may_say=MISCOUNTED)


def _timed(
    function: Callable[[tuple[str, dict[str, Any]]], None],
    items: Sequence[tuple[str, dict[str, Any]]],
    at_a_time: int,
    first: Callable[[], object] = lambda: None,
) -> float:
    began = time.monotonic()
    first()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(function, items))
    return time.monotonic() - began
