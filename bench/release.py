"""A new version of the whole fleet is released and taken back, asked without pause; beside Compose doing the same, and beside the
floor of a release: as many containers started and as many others stopped, straight through the Engine's API."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tests.load import Client, Driven, Failed, Http, Tally, Tcp, Upgraded, driving

from bench.floor import Floor, bodies_of
from bench.on_docker import Fleet
from bench.peers import OURS, ROOT, THEIRS, compose_project, write_environment
from bench.table import Row, paired

RATE = 200.0  # requests a second, over all routes
OLD, NEW = "1.0", "1.1"
FLOOR = 1.3
ANSWERS_WITHIN = 60.0  # seconds
SHOWN = 10  # lines about requests that failed
EVERY = 16
"""Of so many agents one each is slow, speaks WebSocket, and speaks TCP."""
_ECHO = {
    "entrypoint": ["python3", "-S", "-u", "-c", (ROOT / "tests/integration/echo_server.py").read_text()],
    "environment": {"VERSION": "{{ var.release }}"},
}
SPECIAL: dict[int, tuple[str, dict[str, Any]]] = {
    0: ("slow", {"environment": {"FAULT_LATENCY": "3"}}),
    5: ("upgraded", _ECHO),
    10: ("tcp", {**_ECHO, "route": {"target": 9090, "protocol": "tcp"}}),
}
"""By the agent's number modulo `EVERY`: how it is asked, and what its environment makes of it. All others are asked over
connections that are kept and ones that are closed in turn."""
NO_WAITING = {"select": "agent.*", "set": {"rollout": {"strategy": "blue_green", "drain_timeout": 0}}}


def rows(at_a_time: Sequence[int]) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as top, ExitStack() as undo:
        fleet = Fleet(Path(top), [NO_WAITING])
        undo.callback(fleet.down)
        undo.callback(fleet.destroy)
        yield from _beside_the_floor(fleet, undo, at_a_time)
        yield from _under_load(fleet)


def _beside_the_floor(fleet: Fleet, undo: ExitStack, at_a_time: Sequence[int]) -> Iterator[Row]:
    fleet.apply()
    ours = fleet.sutazai("apply", "--auto-approve", "--no-canary", "--var", f"release={NEW}")
    bodies = [body for body in bodies_of(fleet.name) if _address(body).startswith("agent.")]
    fleet.destroy()
    floors = [Floor(f"floor-{letter}-{fleet.name}", bodies) for letter in "ab"]
    for floor in floors:
        undo.callback(floor.clean)
    old, new = floors
    least = []
    for number in at_a_time:
        old.up(number)
        least.append(new.up(number) + old.down(number))
        new.down(number)
    what, beside = f"release of {len(bodies)} agents, no waiting", "Engine API, as many up and down"
    yield paired(what, [ours], beside, [min(least)], FLOOR)


def _address(body: Mapping[str, Any]) -> str:
    return str(body["Config"]["Labels"]["io.sutazai.address"])


def _under_load(fleet: Fleet) -> Iterator[Row]:
    agents = sorted(json.loads(fleet.resolved())["agents"])
    kinds = {agent: SPECIAL.get(number % EVERY) for number, agent in enumerate(agents)}
    write_environment(
        fleet.ours, [{"select": f"agent.{agent}", "set": kind[1]} for agent, kind in kinds.items() if kind]
    )
    fleet.apply()
    serial = _newest(fleet)
    release = ["apply", "--auto-approve", "--var", f"release={NEW}"]
    back = ["rollback", "--auto-approve", "--state", str(serial)]
    ours, seconds = _measured(fleet, OURS, lambda: fleet.sutazai(*release), lambda: fleet.sutazai(*back))
    fleet.destroy()

    def up(version: str) -> float:
        compose_project(fleet.theirs, fleet.peer, fleet.resolved("--var", f"release={version}"))
        return fleet.compose("up", "-d")

    up(OLD)
    theirs, beside = _measured(fleet, THEIRS, lambda: up(NEW), lambda: up(OLD))
    fleet.down()
    yield Row(
        f"requests failed of {ours.sent}", ours.failed, f"docker compose: of {theirs.sent}", theirs.failed,
        ours.failed / max(theirs.failed, 1), 0.0,
    )  # fmt: skip
    for what, mine, other in zip(("release", "rollback"), seconds, beside, strict=True):
        yield paired(f"{what} under load", [mine], "docker compose up -d under load", [other])


def _newest(fleet: Fleet) -> int:
    return max(int(path.stem) for path in fleet.ours.glob("state/bench/serials/*.json"))


def _measured(fleet: Fleet, offset: int, *steps: Callable[[], float]) -> tuple[Tally, list[float]]:
    """What became of all requests from the first step to the last, and the seconds of each."""
    clients = _clients(fleet, offset)
    asyncio.run(_until_answered(clients))
    with driving(clients, RATE) as driven:
        seconds = []
        for step in steps:
            seconds.append(step())
            asyncio.run(_until_answered(_clients(fleet, offset)))
    _both_met(driven)
    if driven.tally.failed:
        print("\n  ".join(driven.tally.words.splitlines()[:SHOWN]), file=sys.stderr)
    return driven.tally, seconds


def _clients(fleet: Fleet, offset: int) -> list[tuple[str, Client]]:
    """One of each agent's route, by the agent's name."""
    found: list[tuple[str, Client]] = []
    for number, (agent, body) in enumerate(sorted(json.loads(fleet.resolved())["agents"].items())):
        endpoint = ("127.0.0.1", body["route"]["port"] - OURS + offset)
        kind = SPECIAL.get(number % EVERY, ("", {}))[0]
        if kind == "upgraded":
            found.append((agent, Upgraded(endpoint, "/ws", messages=10, pause=0.2)))
        elif kind == "tcp":
            found.append((agent, Tcp(endpoint, messages=5, pause=0.2)))
        else:
            found.append((agent, Http(endpoint, "/info", kept=number % 2 == 0)))
    return found


async def _until_answered(clients: Sequence[tuple[str, Client]]) -> None:
    """Each has answered once: Compose does not know when they do."""

    async def answered(client: Client) -> None:
        while True:
            with suppress(Failed, OSError, EOFError):
                await client()
                return
            await asyncio.sleep(0.1)

    async with asyncio.timeout(ANSWERS_WITHIN), asyncio.TaskGroup() as group:
        for _, client in clients:
            group.create_task(answered(client))
    for _, client in clients:
        if isinstance(client, Http):
            await client.close()


def _both_met(driven: Driven) -> None:
    """Ends the bench where the load has not met both versions of each agent: it would have shown nothing."""
    for agent, answers in driven.tally.answers.items():
        if not all(any(version in answer for answer in answers) for version in (OLD, NEW)):
            raise SystemExit(f"the load has met one version of {agent} only")
