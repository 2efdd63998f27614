"""Results as rows: what was measured, in seconds, beside what, and what may not be exceeded."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.timing import ratio


@dataclass(frozen=True, slots=True)
class Row:
    """`what` took `seconds` (a median). `beside` names the peer, which took `theirs`; `ratio` is ours to theirs, paired run
    by run. `most` is the highest ratio that is allowed, None where there is none."""

    what: str
    seconds: float
    beside: str = ""
    theirs: float | None = None
    ratio: float | None = None
    most: float | None = None
    peak: float | None = None

    @property
    def kept(self) -> bool:
        return self.most is None or (self.ratio is not None and self.ratio <= self.most)


def paired(
    what: str, ours: Sequence[float], beside: str, theirs: Sequence[float], most: float | None = None
) -> Row:
    return Row(what, statistics.median(ours), beside, statistics.median(theirs), ratio(ours, theirs), most)


HEAD = f"{'':44} {'seconds':>9} {'MiB':>6}   {'beside':36} {'seconds':>9} {'ratio':>7}"


def line(row: Row) -> str:
    peak = f"{row.peak:6.0f}" if row.peak is not None else " " * 6
    shown = f"{row.what:44} {row.seconds:9.3f} {peak}"
    if row.theirs is not None and row.ratio is not None:
        shown += f"   {row.beside:36} {row.theirs:9.3f} {row.ratio:7.2f}"
    if row.most is not None:
        shown += f"  at most {row.most:g}: {'kept' if row.kept else 'NOT KEPT'}"
    return shown


def write(path: Path, rows: Iterable[Row], facts: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")
