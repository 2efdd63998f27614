"""Many resources to be created, as what all of them share and one or two lines for each."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from sutazai.plan.change import ResourceChange
from sutazai.views.body import Leaf, block
from sutazai.views.groups import Group, body_of, named
from sutazai.views.text import Line, Span, cells, clean, line, pad, wrap
from sutazai.views.values import Path

_NEVER_ROWS = frozenset({"environment", "labels"})
_LIMITS = ("deploy", "resources", "limits")
_LONGEST_NAME = 36


def created(group: Group, width: int) -> Iterator[Line]:
    """What every member has, then each member with its route, tier, limits and dependencies, by category."""
    bodies = {change.address: body_of(change) for change in group.members}
    first = group.members[0]
    shared = {path: Leaf(path, named(leaf.text, first.address.name))
              for path, leaf in bodies[first.address].items() if path in group.shared}  # fmt: skip
    yield from block(shared, 8, width)
    apart = {path for found in bodies.values() for path in found if path not in group.shared}
    hidden = sorted({".".join(path) for path in apart if path[0] in _NEVER_ROWS})
    if hidden:
        text = f"also set for each by itself (-v shows the values): {', '.join(map(clean, hidden))}"
        yield from (line(Span(row, "dim")) for row in wrap(text, width, first=" " * 8, rest=" " * 10))
    column = min(max(cells(change.address.name) for change in group.members), _LONGEST_NAME)
    order = sorted(group.members, key=lambda change: (_category(change), change.address))
    for category, members in groupby(order, key=_category):
        some = tuple(members)
        if category and ("category",) not in group.shared:
            yield line("      ", Span(f"category {clean(category)} ({len(some)})", "bold"))
        for change in some:
            yield from _member(change, bodies[change.address], apart, column, width)


def _category(change: ResourceChange) -> str:
    return str((change.after or {}).get("category") or "")


def _member(
    change: ResourceChange, found: Mapping[Path, Leaf], apart: set[Path], column: int, width: int
) -> Iterator[Line]:
    body = change.after or {}
    parts = [_route(body), str(body.get("tier", "")) if ("tier",) in apart else ""]
    if _LIMITS in apart and _LIMITS in found:
        parts.append(found[_LIMITS].text)
    facts = "  ".join(part for part in parts if part)
    head = f"      + {pad(clean(change.address.name), column)}  "
    yield line("      ", Span("+", "green"), (head + facts)[7:])
    after = found.get(("depends_on",))
    if after and ("depends_on",) in apart:
        room = " " * 12
        yield from (
            line(Span(row, "dim")) for row in wrap(f"after {after.text}", width, first=room, rest=room + "  ")
        )


def _route(body: Mapping[str, Any]) -> str:
    route = body.get("route")
    if not route:
        return ""
    bind = route.get("bind", "127.0.0.1")
    place = "" if bind == "127.0.0.1" else f"[{bind}]" if ":" in bind else bind
    return f"{clean(place)}:{route.get('port')} -> {route.get('target')}"


def names(found: Iterable[str], indent: int, width: int) -> Iterator[Line]:
    """Names separated by commas, wrapped."""
    lead = " " * indent
    yield from (line(row) for row in wrap(", ".join(map(clean, found)), width, first=lead, rest=lead))
