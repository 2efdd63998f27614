"""A switch with an agent in each of its slots, of every kind, for tests."""

import http.client
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from conftest import new_scope
from sutazai.address import Address, agent, service
from sutazai.errors import TrafficError
from sutazai.model.fleet import Network, ProviderOptions
from sutazai.model.workload import Workload
from sutazai.ports import InstanceSpec, Provider, Router
from sutazai.providers.docker.provider import DockerProvider
from sutazai.providers.simulated import SimulatedEngine, SimulatedImage, SimulatedProvider
from sutazai.specs.traffic import IMAGE
from sutazai.state.observed import Instance
from sutazai.state.scope import Scope, Slot
from sutazai.state.traffic import Endpoint, Entry, LaneState, Mode, Move
from sutazai.traffic import ROUTERS

AGENT, ROUTER = "sutazai/agent-runtime:1.0", IMAGE
PORTS = (20_001, 20_002, 20_003)
A, B = agent("a"), service("b")
BLUE, GREEN = Slot.BLUE, Slot.GREEN
KINDS = {"simulated": ("simulated", 1), "haproxy": ("haproxy", 1), "haproxy, twice": ("haproxy", 2)}


@dataclass(frozen=True, slots=True)
class World:
    """A switch, and an agent in each slot that it can lead to. `crash` ends the switch and starts it again."""

    router: Router
    endpoints: dict[Slot, Endpoint]
    provider: Provider
    scope: Scope
    containers: Sequence[str]
    crash: Callable[[], None]

    def lanes(self, address: Address = A) -> dict[tuple[Slot, int], LaneState]:
        return dict(self.router.state()[address])

    def move(
        self, slot: Slot, mode: Mode = "ready", weight: int = 100, address: Address = A, replica: int = 1
    ) -> Move:
        return Move(address, slot, replica, mode, weight, self.endpoints[slot] if mode == "ready" else None)

    def reached(self, number: int = 0, container: int = 0) -> tuple[str, int]:
        """Where the route on `PORTS[number]` is reached from outside."""
        return self.provider.inspect(self.containers[container]).published[f"{PORTS[number]}/tcp"]

    def get(self, path: str = "/info", *, container: int = 0) -> int:
        """The status that the route on the first port answers with."""
        connection = http.client.HTTPConnection(*self.reached(0, container), timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def opened(kind: str, engine: Callable[[], docker.DockerClient], root: Path) -> Iterator[World]:
    """`kind` is one of `KINDS`; `engine` is called where one is needed."""
    router, count = KINDS[kind]
    if router == "simulated":
        images = {
            name: SimulatedImage("sha256:" + digit * 64) for name, digit in ((AGENT, "1"), (ROUTER, "2"))
        }
        scope = Scope("shop", "test")
        yield _world(router, count, scope, SimulatedProvider(scope, SimulatedEngine(images)))
        return
    with new_scope(engine()) as scope:
        provider = DockerProvider(scope, ProviderOptions(), root, os.environ)
        yield _world(router, count, scope, provider)
        provider.close()


def started(
    provider: Provider,
    scope: Scope,
    name: str,
    slot: Slot,
    image: str,
    *,
    files: Mapping[str, str] | None = None,
    **fields: object,
) -> Instance:
    """A container in the network `fleet`, with `files` by the path under which they are in it."""
    content = {path.rpartition("/")[2]: text for path, text in (files or {}).items()}
    grants = [{"source": path.rpartition("/")[2], "target": path} for path in files or {}]
    workload = Workload.model_validate({"image": image, "networks": ["fleet"], "configs": grants, **fields})
    spec = InstanceSpec(
        scope.instance_name(name, slot, 1, 1), agent(name), workload, slot, 1, image, {}, (name,), content
    )
    identity = provider.create_instance(spec)
    provider.start(identity)
    return provider.inspect(identity)


def endpoint_of(instance: Instance, port: int = 8080) -> Endpoint:
    return Endpoint(instance.name, instance.addresses["fleet"], port)


def switch(provider: Provider, scope: Scope, name: str = "router") -> str:
    """The ID of a container that publishes `PORTS`."""
    ports = [f"127.0.0.1::{port}" for port in PORTS]
    return started(provider, scope, name, Slot.BLUE, ROUTER, ports=ports).id


def _world(kind: str, count: int, scope: Scope, provider: Provider) -> World:
    provider.create_network("fleet", Network(), {})
    endpoints = {slot: endpoint_of(started(provider, scope, "a", slot, AGENT, init=True)) for slot in Slot}
    containers = [switch(provider, scope, f"router{n}") for n in range(count)]

    def crash() -> None:
        for container in containers:
            provider.stop(container, 0.0)
            provider.start(container)

    router = ROUTERS[kind](provider, containers)
    until(lambda: router.state() is not None)
    return World(router, endpoints, provider, scope, containers, crash)


def until(true: Callable[[], bool]) -> None:
    """The switch answers once it has started."""
    deadline = time.monotonic() + 20
    while True:
        try:
            if true():
                return
        except TrafficError:
            assert time.monotonic() < deadline
        assert time.monotonic() < deadline
        time.sleep(0.05)


def entries(*addresses: Address, replicas: int = 1) -> list[Entry]:
    return [Entry(address, port, "http", replicas) for address, port in zip(addresses, PORTS, strict=False)]
