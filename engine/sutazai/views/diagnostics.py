"""Problems with what the user wrote, for people: the place, the line with a mark under it, and what to do."""

from collections.abc import Iterable, Iterator

from sutazai.diagnostics import Diagnostic, Position, Severity
from sutazai.views.text import EMPTY, Console, Line, Span, Style, cells, clean, fit, line, plain, plural, wrap

_STYLES: dict[Severity, Style] = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}
_TAB = 4
_CROP = 12
"""How many columns of a cropped source line stand before the mark."""


def render(diagnostics: Iterable[Diagnostic], console: Console) -> None:
    """Print the diagnostics, in colour where the console has it."""
    console.print(diagnostic_lines(diagnostics, width=console.width))


def render_plain(diagnostics: Iterable[Diagnostic], *, width: int = 100) -> str:
    """The diagnostics as text, ended by how many there are."""
    return plain(diagnostic_lines(diagnostics, width=width))


def diagnostic_lines(diagnostics: Iterable[Diagnostic], *, width: int = 100) -> Iterator[Line]:
    items = tuple(diagnostics)
    for item in items:
        yield from _one(item, width)
        yield EMPTY
    if items:
        yield _count(items)


def _count(items: tuple[Diagnostic, ...]) -> Line:
    """`3 errors, 1 warning`."""
    counts = {severity: sum(item.severity is severity for item in items) for severity in Severity}
    parts: list[str | Span] = []
    for severity, count in counts.items():
        if count:
            parts += [", " if parts else "", Span(plural(count, severity.value), _STYLES[severity])]
    return line(*parts) if parts else line("no problems")


def _one(item: Diagnostic, width: int) -> Iterator[Line]:
    style = _STYLES[item.severity]
    place = _place(item.position) + ": " if item.position else ""
    text, *more = item.summary.splitlines() or [""]
    yield line(Span(place, "bold"), Span(item.severity.value, style), ": ", Span(clean(text), "bold"),
               Span(f" [{item.code}]", "dim"))  # fmt: skip
    for row in more:
        yield line("    ", clean(row))
    gutter = len(str(item.position.line)) if item.position else 0
    if item.position and item.source is not None:
        yield from _source(item.position, item.source, gutter, style, width)
    margin = " " * (gutter + 1)
    yield from _help(item.hint or "", f"{margin} = help: ", width)
    for label, position in item.related:
        yield line(Span(f"{margin} = {clean(label)}: ", "cyan"), _place(position))


def _help(hint: str, head: str, width: int) -> Iterator[Line]:
    blank = " " * len(head)
    for number, paragraph in enumerate(hint.splitlines()):
        lead = blank if number else head
        for row in wrap(clean(paragraph), width, first=lead, rest=blank):
            yield line(Span(row[: len(head)], "cyan"), row[len(head) :])


def _place(position: Position) -> str:
    return f"{clean(position.file)}:{position.line}:{position.column}"


def _source(position: Position, source: str, gutter: int, style: Style, width: int) -> Iterator[Line]:
    """The source line and the mark. Columns are counted in characters, drawn in cells: a tab is four of
    them, a CJK character two. A line that is too long is cropped around the mark."""
    source = source.rstrip("\r\n")
    start = min(max(position.column - 1, 0), len(source))
    end = min(start + max(position.length, 1), max(len(source), start + 1))
    before, marked, after = (_drawn(part) for part in (source[:start], source[start:end], source[end:]))
    room = max(width - gutter - 4, 30)
    if _to_the_mark(before, marked) + cells(after) > room:
        before, marked, after = _cropped(before, marked, after, room)
    yield line(Span(f" {position.line:>{gutter}} | ", "blue"), before, Span(marked, style), after)
    mark = "^" + "~" * (cells(marked) - 1)
    yield line(Span(f" {'':>{gutter}} | ", "blue"), " " * cells(before), Span(mark, style))


def _drawn(text: str) -> str:
    return clean(text.replace("\t", " " * _TAB))


def _to_the_mark(before: str, marked: str) -> int:
    """How many cells there are to the end of the mark, which needs one of its own where it stands behind the line."""
    return cells(before) + max(cells(marked), 1)


def _cropped(before: str, marked: str, after: str, room: int) -> tuple[str, str, str]:
    if cells(before) > _CROP and _to_the_mark(before, marked) > room:
        indent = len(before) - len(before.lstrip(" "))
        keep = _end_of(before, _CROP) if cells(before) - indent > _CROP else before.lstrip(" ")
        before = "…" + keep
    left = room - cells(before) - 1
    if cells(marked) > left:
        marked, after = fit(marked, left), ""
    return before, marked, fit(after, left - cells(marked) + 1)


def _end_of(text: str, width: int) -> str:
    """The last characters that take at most `width` columns."""
    start = len(text)
    while start and cells(text[start - 1 :]) <= width:
        start -= 1
    return text[start:]
