"""`python -m bench`: what sutazai's speed is worth, beside its peers, in one run.

Prints a table of medians and paired ratios and ends with 1 when a limit is not kept. Removes what it started, also when it
fails.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from bench import on_docker, planning, release
from bench.table import HEAD, Row, line, write


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "part", nargs="*", choices=[[], "fleet", "release", "planning"], help="[default: all]"
    )
    parser.add_argument("--runs", type=int, default=7, help="rounds of what takes less than a second")
    parser.add_argument("--cold-runs", type=int, default=3, help="rounds of bringing everything up and down")
    parser.add_argument(
        "--at-a-time", type=int, nargs="+", default=[4, 10], help="concurrencies that the floor tries"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=planning.SIZES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the same as JSON")
    options = parser.parse_args()
    parts = options.part or ["fleet", "release", "planning"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is removed then too
    found: list[Iterator[Row]] = []
    if "fleet" in parts:
        found.append(on_docker.rows(options.runs, options.cold_runs, options.at_a_time))
    if "release" in parts:
        found.append(release.rows(options.at_a_time))
    if "planning" in parts:
        found.append(planning.rows(min(options.runs, 3), options.sizes, planning.TERRAFORM_SIZES))
    rows: list[Row] = []
    print(HEAD)
    for row in chain(*found):
        rows.append(row)
        print(line(row), flush=True)
    if options.json:
        write(options.json, rows, {"runs": options.runs, "load": os.getloadavg()[0], "cpus": os.cpu_count()})
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
