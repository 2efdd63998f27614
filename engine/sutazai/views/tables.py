"""Tables as lines: columns as wide as what is in them, the widest ones cut where the terminal is too
narrow, names last of all."""

from collections.abc import Callable, Iterator, Sequence

from sutazai.views.text import Line, Span, Style, cells, clean, fit, line, pad

_GAP = "  "
_NARROWEST = 8


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    right: frozenset[int] = frozenset(),
    names: frozenset[int] = frozenset(),
    style: Callable[[int, str], Style] = lambda _column, _text: "",
) -> Iterator[Line]:
    """The rows under the header. `right` are columns of numbers, `names` those that are cut only where
    cutting all others is not enough; `style` colours a cell by its column and text. Columns that are empty
    throughout are left out."""
    if not rows:
        return
    texts = [[clean(text) for text in row] for row in rows]
    kept = [n for n in range(len(header)) if any(row[n] for row in texts)]
    columns = [[header[n] for n in kept], *([row[n] for n in kept] for row in texts)]
    widths = _widths(columns, width, frozenset(kept.index(n) for n in names if n in kept))
    yield line(*(Span(text, "bold") for text in _cells([header[n] for n in kept], widths, kept, right)))
    for row in texts:
        shown = _cells([row[n] for n in kept], widths, kept, right)
        yield line(*(Span(text, style(n, row[n])) for n, text in zip(kept, shown, strict=True)))


def _widths(rows: list[list[str]], width: int, names: frozenset[int]) -> list[int]:
    found = [max(cells(row[n]) for row in rows) for n in range(len(rows[0]))]
    room = width - len(_GAP) * (len(found) - 1)
    others = [n for n in range(len(found)) if n not in names]
    for columns in (others, range(len(found))):
        _narrow(found, columns, room)
    return found


def _narrow(found: list[int], columns: Sequence[int], room: int) -> None:
    """Take from the widest of `columns`, again and again, until all columns fit or these are at their narrowest."""
    while sum(found) > room and (widest := max(columns, key=lambda n: found[n], default=None)) is not None:
        if found[widest] <= _NARROWEST:
            return
        next_widest = max((found[n] for n in columns if n != widest), default=0)
        needed = found[widest] - (sum(found) - room)
        found[widest] = max(needed, min(next_widest, found[widest] - 1), _NARROWEST)


def _cells(row: list[str], widths: list[int], columns: list[int], right: frozenset[int]) -> Iterator[str]:
    for number, (text, size, column) in enumerate(zip(row, widths, columns, strict=True)):
        shown = fit(text, size)
        filled = " " * (size - cells(shown)) + shown if column in right else pad(shown, size)
        yield filled if number == len(row) - 1 else filled + _GAP


def pairs(items: Sequence[tuple[str, str]], indent: int = 0) -> Iterator[Line]:
    """Two columns, the first of them names: `serial:  7`."""
    column = max((cells(name) for name, _ in items), default=0) + 2
    for name, value in items:
        yield line(" " * indent, Span(pad(f"{name}:", column), "bold"), clean(value))
