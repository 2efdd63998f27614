"""Commands with their time, from fork to exit, and the most memory that they held."""

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 600.0
"""Seconds after which a command is killed. Engine 20.10 can come to a standstill while many containers leave one network at a
time, as Compose lets them, and answers nobody who asks for one of them ever after."""


@dataclass(frozen=True, slots=True)
class Timed:
    """`seconds` by the clock on the wall, `cpu` of the process itself, `peak` memory in MiB."""

    seconds: float
    cpu: float
    peak: float
    output: str


def timed(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None, *, may_say: str = "\0"
) -> Timed:
    """Run a command to its end. Ends the bench with its last words when it fails, unless it says that `may_say`, and when
    it runs out of `PATIENCE`."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        patience = threading.Timer(PATIENCE, process.kill)
        patience.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        patience.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if seconds >= PATIENCE:
        raise SystemExit(f"{' '.join(command)} did not end within {PATIENCE:g} s:\n{text[-3000:]}")
    if process.returncode and may_say not in text:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{text[-3000:]}")
    return Timed(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def in_turn(runs: int, *contestants: Callable[[], float]) -> list[list[float]]:
    """Every contestant once a round, `runs` rounds after one that does not count: what disturbs one round disturbs all of
    them. The seconds of each contestant, round by round."""
    rounds = [[contestant() for contestant in contestants] for _ in range(runs + 1)][1:]
    return [list(column) for column in zip(*rounds, strict=True)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' own ratios."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
