"""`sutazai status`: how many are healthy, what is wrong, and then everything."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sutazai.address import Address
from sutazai.model.units import format_duration
from sutazai.views.tables import table
from sutazai.views.text import EMPTY, Console, Line, Span, Style, clean, line, plain, wrap

Health = Literal["healthy", "starting", "unhealthy", "stopped", "missing", "unknown"]
_STYLES: dict[str, Style] = {
    "healthy": "green",
    "starting": "yellow",
    "unhealthy": "bold red",
    "stopped": "bold red",
    "missing": "bold red",
    "unknown": "dim",
}
_HEALTH_COLUMN = 3
_MOST_PORTS = 3
_TIERS = ("critical", "specialized", "auxiliary")


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One instance, or a workload that has none. `detail` says why it is not healthy, `uptime` is in seconds,
    `status` the engine's own word (`running`)."""

    address: Address
    health: Health
    status: str = ""
    slot: str = ""
    replica: int = 1
    image: str = ""
    uptime: float | None = None
    ports: tuple[str, ...] = ()
    tier: str = ""
    category: str = ""
    restarts: int = 0
    detail: str = ""

    @property
    def fine(self) -> bool:
        return self.health == "healthy"


@dataclass(frozen=True, slots=True)
class Status:
    """One environment now. `serial` 0: nothing was ever applied. `notices` are facts about the whole."""

    project: str
    environment: str
    serial: int
    rows: tuple[StatusRow, ...]
    notices: tuple[str, ...] = ()


def render(status: Status, console: Console) -> None:
    console.print(status_lines(status, width=console.width, table_width=console.table_width))


def render_plain(status: Status, *, width: int = 100) -> str:
    return plain(status_lines(status, width=width))


def to_json(status: Status) -> str:
    """The status as JSON: totals, and a list of instances."""
    rows = [{**asdict(row), "address": str(row.address)} for row in status.rows]
    healthy = sum(row.fine for row in status.rows)
    return json.dumps(
        {
            "project": status.project,
            "environment": status.environment,
            "serial": status.serial,
            "total": len(rows),
            "healthy": healthy,
            "notices": list(status.notices),
            "instances": rows,
        },
        indent=2,
        ensure_ascii=False,
    )


def status_lines(status: Status, *, width: int = 100, table_width: int | None = None) -> Iterator[Line]:
    healthy = sum(row.fine for row in status.rows)
    style: Style = "bold green" if healthy == len(status.rows) else "bold red"
    serial = f"serial {status.serial}" if status.serial else "nothing was applied yet"
    title = f"{clean(status.project)}, environment {clean(status.environment)}, {serial}: "
    yield line(title, Span(f"{healthy} of {len(status.rows)} healthy", style))
    for notice in status.notices:
        yield from (line(Span(row, "yellow")) for row in wrap(clean(notice), width, first="  ", rest="  "))
    if not status.rows:
        return
    yield EMPTY
    yield from _counts(status.rows, width)
    yield EMPTY
    yield from _problems([row for row in status.rows if not row.fine], width)
    yield from _table(status.rows, table_width or width)


def _ports(row: StatusRow) -> str:
    """The ports, or how many: the traffic switch publishes those of a whole fleet."""
    return " ".join(row.ports) if len(row.ports) <= _MOST_PORTS else f"{len(row.ports)} ports"


def _counts(rows: Sequence[StatusRow], width: int) -> Iterator[Line]:
    """Healthy of all, for each category and tier."""
    tiers = [tier for tier in _TIERS if any(row.tier == tier for row in rows)]
    if any(not row.tier for row in rows):
        tiers.append("")
    categories = sorted({row.category for row in rows})
    made = []
    for category in categories:
        of = [row for row in rows if row.category == category]
        made.append(
            [
                category or "(no category)",
                *(_share(r for r in of if r.tier == tier) for tier in tiers),
                _share(of),
            ]
        )
    if len(categories) > 1:
        made.append(
            ["all", *(_share(row for row in rows if row.tier == tier) for tier in tiers), _share(rows)]
        )
    header = ["CATEGORY", *((tier or "no tier").upper() for tier in tiers), "HEALTHY"]
    yield from table(header, made, width, right=frozenset(range(1, len(header))), style=_share_style)


def _share(rows: Iterable[StatusRow]) -> str:
    found = list(rows)
    return f"{sum(row.fine for row in found)}/{len(found)}" if found else "-"


def _share_style(column: int, text: str) -> Style:
    healthy, slash, total = text.partition("/")
    return "red" if column and slash and healthy != total else ""


def _problems(rows: list[StatusRow], width: int) -> Iterator[Line]:
    if not rows:
        return
    yield line(Span(f"Not healthy ({len(rows)}):", "bold"))
    for row in rows:
        what = f": {row.detail}" if row.detail else f": {row.status}" if row.status else ""
        head = f"  {row.address} "
        text = f"{row.health}{what}"
        for number, part in enumerate(wrap(clean(text), width, first=head, rest="      ")):
            if number == 0:
                cut = len(head) + len(row.health)
                yield line(Span(head, "bold"), Span(row.health, _STYLES[row.health]), part[cut:])
            else:
                yield line(part)
    yield EMPTY


def _table(rows: Sequence[StatusRow], width: int) -> Iterator[Line]:
    header = ("NAME", "SLOT", "STATUS", "HEALTH", "UPTIME", "PORTS", "IMAGE", "RESTARTS")
    several = {row.address for row in rows if row.replica > 1}
    made = [
        (
            f"{row.address}-{row.replica}" if row.address in several else str(row.address),
            row.slot,
            row.status,
            row.health,
            uptime(row.uptime),
            _ports(row),
            row.image,
            str(row.restarts) if row.restarts else "",
        )
        for row in rows
    ]
    yield from table(
        header,
        made,
        width,
        names=frozenset({0}),
        style=lambda n, text: _STYLES.get(text, "") if n == _HEALTH_COLUMN else "",
    )


def uptime(seconds: float | None) -> str:
    """A time for people in its two largest units: `3d4h`, `2h10m`, `45s`."""
    if seconds is None:
        return ""
    whole = int(max(seconds, 0))
    if whole < 3600:
        return format_duration(whole)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours // 24}d{hours % 24}h" if hours >= 24 else f"{hours}h{minutes:02}m"
