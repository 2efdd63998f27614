"""Planning alone, at any size, on an engine that answers from a record; Terraform beside it at the sizes it bears."""

import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import planned, terraform
from bench.recorded import Record, serving
from bench.table import Row
from bench.timing import Timed, timed

ROOT = Path(__file__).parent.parent
SUTAZAI = str(Path(sys.executable).parent / "sutazai")
SIZES = (131, 1_000, 10_000)
TERRAFORM_SIZES = (131, 1_000, 5_000)
SECONDS, MEBIBYTES = 6.0, 400
"""What planning without changes may take at the largest size."""


def rows(runs: int, sizes: Sequence[int], terraform_sizes: Sequence[int]) -> Iterator[Row]:
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            yield from _ours(Path(folder), size, runs)
    for size in terraform_sizes:
        with tempfile.TemporaryDirectory() as folder:
            yield _row(f"terraform plan: create {size}", terraform.plan_creation(Path(folder), size, runs))


def _ours(folder: Path, size: int, runs: int) -> Iterator[Row]:
    project, specs, cache = folder / "project", folder / "specs", folder / "cache"
    planned.write(project, size)
    plan = [SUTAZAI, "plan", "-e", planned.ENVIRONMENT]

    def fresh(host: str, *options: str) -> Timed:
        """A plan that knows the specs, and nothing else."""
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(specs, cache)
        return timed([*plan, *options], project, {"DOCKER_HOST": host, "SUTAZAI_CACHE": str(cache)})

    with serving(size, running=False) as host:
        environ = {"DOCKER_HOST": host, "SUTAZAI_CACHE": str(specs)}
        yield _row(f"plan: create {size}, specs read anew", [timed(plan, project, environ)])
        yield _row(f"plan: create {size}", [fresh(host) for _ in range(runs)])
    record = Record.read()
    # In a process of its own: what it needs of memory would be counted for every process that is started afterwards.
    state = [sys.executable, "-m", "bench.planned", str(project), record.image["Id"], record.network["Id"]]
    timed(state, ROOT, {"SUTAZAI_CACHE": str(specs)})
    with serving(size) as host:
        found = [fresh(host, "--detailed-exitcode") for _ in range(runs)]
        yield _row(f"plan: {size} there, nothing to do", found)
        if size == max(SIZES):
            yield _limited(
                f"plan: {size} there, seconds", statistics.median(t.seconds for t in found), SECONDS
            )
            yield _limited(f"plan: {size} there, MiB", max(t.peak for t in found), MEBIBYTES)
        environ = {"DOCKER_HOST": host, "SUTAZAI_CACHE": str(cache)}
        again = [timed([*plan, "--detailed-exitcode"], project, environ) for _ in range(runs)]
        yield _row(f"plan: {size} there, known again", again)


def _limited(what: str, value: float, most: float) -> Row:
    return Row(what, value, "at most", most, value / most, 1.0)


def _row(what: str, found: Sequence[Timed]) -> Row:
    return Row(what, statistics.median(t.seconds for t in found), peak=max(t.peak for t in found))
