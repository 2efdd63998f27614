"""No request fails while traffic moves from one slot to the other and back, each time until the one that is left has nothing any
more and is stopped, and while other routes come and go."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.routers import AGENT, PORTS, endpoint_of, started, switch, until
from load import Http, Tally, Tcp, Upgraded, drive
from sutazai.address import Address, agent, service
from sutazai.model.fleet import Network, ProviderOptions
from sutazai.ports import Provider, Router
from sutazai.providers.docker.provider import DockerProvider
from sutazai.state.scope import Scope, Slot
from sutazai.state.traffic import Endpoint, Entry, Move
from sutazai.traffic import ROUTERS

pytestmark = [pytest.mark.docker, pytest.mark.slow]
SERVER = Path(__file__).with_name("echo_server.py").read_text()
HTTP, TCP, OTHER = agent("web"), service("store"), agent("other")
ROUTES = [Entry(HTTP, PORTS[0]), Entry(TCP, PORTS[1], "tcp")]
FLIPS, RELOADS_AFTER, RESTART_AFTER = 20, (5, 10, 15), (4, 9, 14)
RATE = 100.0  # requests a second
DRAINED_WITHIN = 40.0  # seconds; an idle client of before a reload may take 30


@dataclass(frozen=True, slots=True)
class Site:
    router: Router
    provider: Provider
    containers: dict[Slot, str]
    http: tuple[str, int]
    tcp: tuple[str, int]

    def endpoints(self, slot: Slot) -> dict[Address, Endpoint]:
        instance = self.provider.inspect(self.containers[slot])
        return {HTTP: endpoint_of(instance, 8080), TCP: endpoint_of(instance, 9090)}

    def flip(self, new: Slot) -> None:
        endpoints = self.endpoints(new)
        self.router.shift([
            *(Move(address, new, 1, "ready", 100, endpoints[address]) for address in (HTTP, TCP)),
            *(Move(address, new.other, 1, "drain") for address in (HTTP, TCP)),
        ])  # fmt: skip

    def left(self, slot: Slot) -> int:
        state = self.router.state()
        return sum(state[address][slot, 1].connections for address in (HTTP, TCP))

    def ready(self, slot: Slot) -> int:
        """How often the server said that it listens."""
        return self.provider.logs(self.containers[slot], 100).count("ready")

    def restart(self, slot: Slot) -> None:
        before = self.ready(slot)
        self.provider.stop(self.containers[slot], 5.0)
        self.provider.start(self.containers[slot])
        until(lambda: self.ready(slot) > before)

    def retire(self, slot: Slot) -> None:
        self.router.shift([Move(address, slot, 1, "maint") for address in (HTTP, TCP)])


@pytest.fixture
def site(docker_scope: Scope, tmp_path: Path) -> Iterator[Site]:
    provider = DockerProvider(docker_scope, ProviderOptions(), tmp_path, os.environ)
    provider.create_network("fleet", Network(), {})
    containers = {
        slot: started(
            provider, docker_scope, "web", slot, AGENT, files={"/srv/echo_server.py": SERVER},
            entrypoint=["python3", "-S", "-u", "/srv/echo_server.py"], environment={"VERSION": slot.value},
        ).id
        for slot in Slot
    }  # fmt: skip
    identity = switch(provider, docker_scope)
    published = provider.inspect(identity).published
    router = ROUTERS["haproxy"](provider, [identity])
    until(lambda: router.state() == {})
    made = Site(router, provider, containers, published[f"{PORTS[0]}/tcp"], published[f"{PORTS[1]}/tcp"])
    until(lambda: all(made.ready(slot) for slot in Slot))
    yield made
    provider.close()


def test_no_request_fails_while_traffic_moves_and_routes_come_and_go(site: Site) -> None:
    site.router.configure(ROUTES)
    site.flip(Slot.BLUE)
    site.retire(Slot.GREEN)
    tally = asyncio.run(_under_load(site))
    assert tally.sent > 10 * FLIPS
    assert tally.failed == 0, tally.words
    for name, answers in tally.answers.items():
        assert set(answers) == {"blue", "green"}, f"{name} met one version only"


async def _under_load(site: Site) -> Tally:
    kept, slow = Http(site.http, "/", kept=True), Http(site.http, "/slow", kept=True)
    clients = [
        ("kept", kept), ("closing", Http(site.http, "/", kept=False)), ("tcp", Tcp(site.tcp, messages=3, pause=0.1)),
        ("kept", kept), ("slow", slow), ("kept", kept),
        ("upgraded", Upgraded(site.http, "/ws", messages=5, pause=0.2)), ("closing", Http(site.http, "/", kept=False)),
    ]  # fmt: skip
    stop = asyncio.Event()
    load = asyncio.create_task(drive(clients, RATE, stop))
    try:
        await asyncio.to_thread(_flips, site)
    finally:
        stop.set()
        tally = await load
        for client in (kept, slow):
            await client.close()
    return tally


def _flips(site: Site) -> None:
    slots: Sequence[Slot] = (Slot.GREEN, Slot.BLUE)
    for number in range(FLIPS):
        new = slots[number % 2]
        site.flip(new)
        if number in RELOADS_AFTER:
            site.router.configure([*ROUTES, Entry(OTHER, PORTS[2])] if number % 2 else ROUTES)
        deadline = time.monotonic() + DRAINED_WITHIN
        while site.left(new.other):
            assert time.monotonic() < deadline, f"{site.left(new.other)} connections do not end"
            time.sleep(0.1)
        site.retire(new.other)
        if number in RESTART_AFTER:
            site.restart(new.other)
