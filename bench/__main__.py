"""`python -m bench`: the no-op plan of the whole fleet beside `docker compose up --dry-run`, taken in turn.

Prints a table of medians and ratios, and writes the same as JSON to build/bench.json. Removes what it started, also when
it fails.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.peers import ROOT, compose_project, our_project

BIN = Path(sys.executable).parent
SUTAZAI = str(BIN / "sutazai")
COMPOSE = str(BIN / "docker-compose")


def run(command: Sequence[str], folder: Path, *, check: bool = True) -> str:
    """What a command prints; its own words on stderr when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.stdout


def seconds(command: Sequence[str], folder: Path) -> float:
    began = time.monotonic()
    run(command, folder)
    return time.monotonic() - began


def measure(runs: int, folders: tuple[Path, Path], names: tuple[str, str]) -> dict[str, object]:
    """Both fleets up, then both no-op commands in turn, `runs` times after one that does not count."""
    ours, theirs = folders
    plan = [SUTAZAI, "plan", "-e", "bench", "--detailed-exitcode"]
    dry_run = [COMPOSE, "-p", names[1], "up", "--dry-run"]
    cold = seconds([SUTAZAI, "apply", "-e", "bench", "--auto-approve"], ours)
    up = seconds([COMPOSE, "-p", names[1], "up", "-d"], theirs)
    pairs = [(seconds(plan, ours), seconds([*dry_run, "-d"], theirs)) for _ in range(runs + 1)][1:]
    return {
        "cold_apply_seconds": cold,
        "compose_up_seconds": up,
        "plan_seconds": statistics.median(a for a, _ in pairs),
        "compose_dry_run_seconds": statistics.median(b for _, b in pairs),
        "plan_to_dry_run": statistics.median(a / b for a, b in pairs),
        "runs": runs,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    suffix = secrets.token_hex(3)
    names = (f"bench-{suffix}", f"peer-{suffix}")
    with tempfile.TemporaryDirectory() as top:
        ours, theirs = Path(top, "ours"), Path(top, "theirs")
        ours.mkdir()
        theirs.mkdir()
        our_project(ours, names[0])
        compose_project(theirs, names[1], run([SUTAZAI, "env", "show", "bench", "--json"], ours))
        try:
            found = measure(runs, (ours, theirs), names)
        finally:
            run([SUTAZAI, "destroy", "-e", "bench", "--volumes", "--auto-approve"], ours, check=False)
            run([COMPOSE, "-p", names[1], "down", "-v", "-t", "1"], theirs, check=False)
    for name, value in found.items():
        print(f"{name:26} {value:.3f}" if isinstance(value, float) else f"{name:26} {value}")
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
