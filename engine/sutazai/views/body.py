"""A resource's body as leaves: the smallest parts that a reader compares, each with its value on one line.

A leaf is a scalar, a list of scalars, or something that has a short form of its own (a port, a mount, a
check, the limits). Two bodies differ exactly where their leaves differ.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pydantic import BaseModel

from sutazai.model.workload import Workload
from sutazai.plan.redact import SENSITIVE
from sutazai.views.text import Line, Span, Style, cells, clean, line, pad, wrap
from sutazai.views.values import Path, dependency, inline, limits, text

_LIMITS = (("deploy", "resources", "limits"), ("deploy", "resources", "reservations"))
_LABELS = {("deploy", "replicas"): "replicas", _LIMITS[0]: "limits", _LIMITS[1]: "reservations"}
_LABEL_WIDTH = 24
_BLOCKS = frozenset({"environment", "labels"})
"""What always stands as a block: its names are the user's own and can be long."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """`text` is the value for people. `raw` is the whole of a value that has several lines, else empty."""

    path: Path
    text: str
    raw: str = ""


def leaves(
    model: type[BaseModel], body: Mapping[str, Any] | None, sensitive: Collection[Path] = ()
) -> dict[Path, Leaf]:
    """The leaves of a body in its own order, by path. What lies under a `sensitive` path has no value."""
    return {leaf.path: leaf for leaf in _leaves(model, (), body or {}, frozenset(sensitive))}


def leaves_at(model: type[BaseModel], path: Path, value: Any, *, sensitive: bool = False) -> dict[Path, Leaf]:
    """The leaves of one value that stands at `path` of a body; none when it is absent."""
    if value is None:
        return {}
    return {leaf.path: leaf for leaf in _leaves(model, path, value, frozenset((path,) if sensitive else ()))}


def _leaves(model: type[BaseModel], path: Path, value: Any, sensitive: frozenset[Path]) -> Iterator[Leaf]:
    if path in sensitive:
        yield Leaf(path, SENSITIVE)
    elif isinstance(value, str):
        yield _of_text(path, value)
    elif (whole := _whole(model, path, value)) is not None:
        yield Leaf(path, whole)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(model, (*path, str(key)), item, sensitive)
    else:
        for number, item in enumerate(value):
            yield _item(model, (*path, str(number)), item, sensitive)


def _of_text(path: Path, value: str) -> Leaf:
    if "\n" in value.rstrip("\n"):
        return Leaf(path, f"({value.rstrip().count(chr(10)) + 1} lines)", value)
    return Leaf(path, text(value))


def _item(model: type[BaseModel], path: Path, item: Any, sensitive: frozenset[Path]) -> Leaf:
    hidden = any(other[: len(path)] == path for other in sensitive)
    return Leaf(path, SENSITIVE if hidden else inline(model, path, item))


def _whole(model: type[BaseModel], path: Path, value: Any) -> str | None:
    """The text of what is one leaf; None for a list or map that has leaves of its own."""
    if isinstance(value, (list, tuple)):
        flat = not any(isinstance(item, (Mapping, list, tuple)) for item in value)
        return inline(model, path, value)[1:-1] or "[]" if flat else None
    if not isinstance(value, Mapping):
        return inline(model, path, value)
    if not value:
        return "{}" if path else None
    if model is not Workload:
        return None
    if path == ("depends_on",):
        return ", ".join(dependency(name, item) for name, item in value.items())
    if path == ("networks",) and not any(value.values()):
        return ", ".join(map(clean, value))
    if path in _LIMITS:
        return limits(value)
    return inline(model, path, value) if path in (("route",), ("logging",)) else None


def label(path: Path) -> str:
    """How a leaf is called outside of its block: its path with dots, and `limits` for those of `deploy`."""
    return _LABELS.get(path) or clean(".".join(path))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a block: what stands before the colon, and after it. `depth` counts blocks around it."""

    depth: int
    label: str
    text: str
    style: Style = ""


def rows(found: Mapping[Path, Leaf]) -> list[Row]:
    """The leaves as the lines of a YAML-like block: those that share a first word, and are several, stand
    under it."""
    blocks: dict[str, list[Leaf]] = {}
    for leaf in found.values():
        if leaf.text in ("{}", "[]"):
            continue
        key = label(leaf.path) if leaf.path in _LABELS else leaf.path[0]
        blocks.setdefault(key, []).append(leaf)
    made: list[Row] = []
    for key, members in blocks.items():
        single = len(members) == 1 and key not in _BLOCKS
        if single and (len(members[0].path) == 1 or key != members[0].path[0]):
            made.append(Row(0, clean(key), members[0].text))
        elif single:
            made.append(Row(0, _single(members[0].path), members[0].text))
        else:
            made.append(Row(0, clean(key), ""))
            made += [Row(1, _within(leaf.path), leaf.text) for leaf in members]
    return made


def _single(path: Path) -> str:
    return clean(path[0]) if len(path) == 2 and path[1].isdigit() else clean(".".join(path))


def _within(path: Path) -> str:
    return "-" if len(path) == 2 and path[1].isdigit() else clean(".".join(path[1:]))


def block(found: Mapping[Path, Leaf], indent: int, width: int) -> Iterator[Line]:
    """The leaves as lines, values aligned within each depth, long ones wrapped under where they began."""
    made = rows(found)
    columns = _columns(made)
    for row, column in zip(made, columns, strict=True):
        head = " " * (indent + 2 * row.depth)
        head += "- " if row.label == "-" else pad(f"{row.label}: ", column)
        yield from hanging(head, row.text, width, row.style)


def _columns(made: list[Row]) -> list[int]:
    """For each row where its value begins: aligned among the outer rows, and within each block."""
    outer = _column([row.label for row in made if not row.depth and row.text])
    columns: list[int] = []
    for number, row in enumerate(made):
        if not row.depth:
            columns.append(outer)
            inner = takewhile(lambda other: other.depth, made[number + 1 :])
            block_column = _column([other.label for other in inner])
        else:
            columns.append(block_column)
    return columns


def _column(labels: list[str]) -> int:
    return min(max(map(cells, labels), default=0), _LABEL_WIDTH) + 2


def hanging(head: str, value: str, width: int, style: Style = "") -> Iterator[Line]:
    """`head` and then `value`, which goes on under its own beginning, or under the head where there is
    little room."""
    start = cells(head)
    if start + cells(value) <= width:
        yield line(head, Span(value, style))
        return
    hang = start if start <= width // 2 else len(head) - len(head.lstrip()) + 4
    for number, row in enumerate(wrap(value, width, first="\x00" * start, rest=" " * hang)):
        cut = start if number == 0 else hang
        yield line(head if number == 0 else " " * hang, Span(row[cut:], style))
