"""Five thousand histories of chance, and one of them twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.history import cut_off, live

SEEDS, CHUNK = 5_000, 50
"""So many histories; the seeds begin at `SUTAZAI_SIMULATION_FROM`, 0 if that is not set."""
FROM = int(os.environ.get("SUTAZAI_SIMULATION_FROM", "0"))


@pytest.mark.parametrize("first", range(FROM, FROM + SEEDS, CHUNK))
def test_every_law_holds_in_every_history(first: int) -> None:
    for seed in range(first, first + CHUNK):
        live(seed)


def test_a_seed_is_one_history_in_every_process() -> None:
    """Or a failure that is printed could not be looked at."""
    told = [_told(11, hash_seed) for hash_seed in ("1", "2")]
    assert told[0] == told[1]
    assert "apply" in told[0]


def _told(seed: int, hash_seed: str) -> str:
    tests = Path(__file__).parents[1]
    environ = {**os.environ, "PYTHONPATH": str(tests), "PYTHONHASHSEED": hash_seed}
    return subprocess.run([sys.executable, "-m", "simulation", str(seed)], env=environ, capture_output=True, text=True,
                          check=True).stdout  # fmt: skip


@pytest.mark.parametrize("command", ["apply", "destroy", "rollback --state"])
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
def test_killed_at_every_point_of_a_run(command: str, power: bool) -> None:
    """Every call to the engine and every write of the state in turn is the last thing that a process does."""
    points = 0
    while cut_off(7, command, at=points + 1, power=power):
        points += 1
    assert points > 20
