"""The whole fleet on the engine at hand: up from nothing, nothing to do, down; beside Compose, Terraform and the floor."""

import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import terraform
from bench.floor import MISCOUNTED, Floor, bodies_of
from bench.peers import compose_project, our_project
from bench.table import Row, paired
from bench.timing import in_turn, timed

BIN = Path(sys.executable).parent
SUTAZAI, COMPOSE = str(BIN / "sutazai"), str(BIN / "docker-compose")
RESOURCES = 131
STATE_SECONDS = 1.0
ROOT = Path(__file__).parent.parent


class Fleet:
    """The 131 in a folder of ours, in one of Compose's, and a folder for as many resources of Terraform's. `overrides` are
    those of our environment."""

    def __init__(self, top: Path, overrides: Sequence[object] = ()) -> None:
        suffix = secrets.token_hex(3)
        self.name, self.peer = f"bench-{suffix}", f"peer-{suffix}"
        self.ours, self.theirs, self.terraform = top / "ours", top / "theirs", top / "terraform"
        for folder in (self.ours, self.theirs, self.terraform):
            folder.mkdir()
        self.environ = {"SUTAZAI_CACHE": str(top / "cache")}
        our_project(self.ours, self.name, overrides)
        compose_project(self.theirs, self.peer, self.resolved())
        self._counted = top / "counted"

    def resolved(self, *arguments: str) -> str:
        return timed([SUTAZAI, "env", "show", "bench", "--json", *arguments], self.ours, self.environ).output

    def sutazai(self, *arguments: str) -> float:
        return timed([SUTAZAI, *arguments, "-e", "bench"], self.ours, self.environ).seconds

    def compose(self, *arguments: str) -> float:
        return timed([COMPOSE, "-p", self.peer, *arguments], self.theirs).seconds

    def apply_counted(self) -> tuple[float, float]:
        """Seconds of a cold apply, and of its work on state and journal."""
        command = [sys.executable, "-m", "bench.counted", "apply", "-e", "bench", "--auto-approve"]
        environ = {**self.environ, "BENCH_COUNTED": str(self._counted), "PYTHONPATH": str(ROOT)}
        seconds = timed(command, self.ours, environ).seconds
        return seconds, float(self._counted.read_text())

    def plan(self) -> float:
        return self.sutazai("plan", "--detailed-exitcode")

    def apply(self) -> float:
        return self.sutazai("apply", "--auto-approve")

    def dry_run(self) -> float:
        return self.compose("up", "--dry-run", "-d")

    def terraform_plan(self) -> float:
        return terraform.plan(self.terraform).seconds

    def destroy(self) -> float:
        command = [SUTAZAI, "destroy", "--volumes", "--auto-approve", "-e", "bench"]
        return timed(command, self.ours, self.environ, may_say=MISCOUNTED).seconds

    def down(self) -> float:
        command = [COMPOSE, "-p", self.peer, "down", "-v"]
        return timed(command, self.theirs, may_say=MISCOUNTED).seconds


def rows(runs: int, cold_runs: int, at_a_time: Sequence[int]) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as top, ExitStack() as undo:
        fleet = Fleet(Path(top))
        undo.callback(fleet.down)
        undo.callback(fleet.destroy)
        terraform.prepare(fleet.terraform, RESOURCES, applied=True)
        fleet.apply()  # so that there is something to take the floor from, and every image and page is warm
        floor = Floor(f"floor-{fleet.name}", bodies_of(fleet.name))
        undo.callback(floor.clean)
        fleet.destroy()
        yield from _up_and_down(fleet, floor, cold_runs, at_a_time)
        fleet.apply()
        fleet.compose("up", "-d", "--wait")  # else they still boot beside what is measured
        plan, apply, dry_run, theirs = in_turn(
            runs, fleet.plan, fleet.apply, fleet.dry_run, fleet.terraform_plan
        )
        yield paired("plan, nothing to do", plan, "docker compose up --dry-run", dry_run, 1.0)
        yield paired("plan, nothing to do", plan, "terraform plan, nothing to do", theirs, 1.0)
        yield paired("apply, nothing to do", apply, "plan, nothing to do", plan, 1.3)


def _up_and_down(fleet: Fleet, floor: Floor, runs: int, at_a_time: Sequence[int]) -> Iterator[Row]:
    ups: dict[str, list[float]] = {"floor": [], "ours": [], "theirs": [], "state": []}
    downs: dict[str, list[float]] = {"floor": [], "ours": [], "theirs": []}
    for _ in range(runs):
        found = [(floor.up(number), floor.down(number)) for number in at_a_time]
        ups["floor"].append(min(up for up, _ in found))
        downs["floor"].append(min(down for _, down in found))
        seconds, state = fleet.apply_counted()
        ups["ours"].append(seconds)
        ups["state"].append(state)
        downs["ours"].append(fleet.destroy())
        ups["theirs"].append(fleet.compose("up", "-d", "--wait"))
        downs["theirs"].append(fleet.down())
    yield paired("apply from nothing, all healthy", ups["ours"], "Engine API, started", ups["floor"], 1.15)
    yield paired("apply from nothing, all healthy", ups["ours"], "docker compose up -d --wait", ups["theirs"])
    limits = [STATE_SECONDS] * runs
    yield paired("of which on state and journal", ups["state"], "one second", limits, 1.0)
    yield paired("destroy", downs["ours"], "Engine API, stopped and removed", downs["floor"])
    yield paired("destroy", downs["ours"], "docker compose down", downs["theirs"])
