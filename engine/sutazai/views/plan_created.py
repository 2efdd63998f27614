"""Many resources to be created, as what all of them share and one or two lines for each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from sutazai.views.body import Leaf, block
from sutazai.views.groups import Group, named
from sutazai.views.shown import Shown
from sutazai.views.text import Line, Span, cells, clean, line, pad, wrap
from sutazai.views.values import Path

_NEVER_ROWS = frozenset({"environment", "labels"})
_LIMITS = ("deploy", "resources", "limits")
_LONGEST_NAME = 36


def created(group: Group, width: int) -> Iterator[Line]:
    """What every member has, then each member with its route, tier, limits and dependencies, by category."""
    apart = {path for member in group.members for path in member.body if path not in group.shared}
    limits = Counter(member.body[_LIMITS].text for member in group.members if _LIMITS in member.body)
    usual = max(limits, key=limits.__getitem__, default="")
    yield from _shared(group, usual, width)
    hidden = sorted({".".join(path) for path in apart if path[0] in _NEVER_ROWS})
    if hidden:
        text = f"also set for each by itself (-v shows the values): {', '.join(map(clean, hidden))}"
        yield from (line(Span(row, "dim")) for row in wrap(text, width, first=" " * 8, rest=" " * 10))
    if not apart:
        yield from names(group.names, 8, width)
        return
    column = min(max(map(cells, group.names)), _LONGEST_NAME)
    order = sorted(group.members, key=lambda member: (_category(member), member.change.address))
    for category, members in groupby(order, key=_category):
        some = tuple(members)
        if category and ("category",) not in group.shared:
            yield line("      ", Span(f"category {clean(category)} ({len(some)})", "bold"))
        for member in some:
            yield from _member(member.change.address.name, _facts(member, apart, usual), column, width)


def _shared(group: Group, usual: str, width: int) -> Iterator[Line]:
    """What all have, and the limits of most."""
    first = group.members[0]
    name = first.change.address.name
    shown = {}
    for path, leaf in first.body.items():
        if path in group.shared:
            shown[path] = Leaf(path, named(leaf.text, name))
        elif path == _LIMITS:
            shown[path] = Leaf(path, f"{usual}, unless said otherwise")
    yield from block(shown, 8, width)


def _category(member: Shown) -> str:
    return str((member.change.after or {}).get("category") or "")


def _facts(member: Shown, apart: set[Path], usual: str) -> list[str]:
    """What sets one member apart: where it is reached and its tier; then its limits and what it waits for."""
    body = member.change.after or {}
    limits = member.body[_LIMITS].text if _LIMITS in member.body else ""
    after = member.body.get(("depends_on",))
    return [
        _route(body),
        str(body.get("tier", "")) if ("tier",) in apart else "",
        f"limits {limits or 'none'}" if _LIMITS in apart and limits != usual else "",
        f"after {after.text}" if after and ("depends_on",) in apart and after.text != "{}" else "",
    ]


def _member(name: str, facts: list[str], column: int, width: int) -> Iterator[Line]:
    short, more = "  ".join(fact for fact in facts[:2] if fact), "; ".join(fact for fact in facts[2:] if fact)
    head = f" {pad(clean(name), column)}  {short}".rstrip()
    if more and 7 + cells(head) + 2 + cells(more) <= width:
        yield line("      ", Span("+", "green"), head, Span(f"  {more}", "dim"))
        return
    yield line("      ", Span("+", "green"), head)
    if more:
        room = " " * 12
        yield from (line(Span(row, "dim")) for row in wrap(more, width, first=room, rest=room + "  "))


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
