"""Canonical layout of YAML files: two columns a level, lists indented under their key, one space after `:` and `-`.

The text is moved, never written anew: comments, anchors, tags, quotes, wrapped lines and blank lines stay as the author
put them. Two things always hold: formatting twice is formatting once, and the formatted text means what the text meant
(the same YAML events, styles included), or the file is left alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, DocumentStartEvent
from ruamel.yaml.tokens import (
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DocumentEndToken,
    DocumentStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    StreamEndToken,
    StreamStartToken,
    ValueToken,
)

from sutazai.diagnostics import Diagnostic, Position

STEP = 2
_FLOW_START = (FlowMappingStartToken, FlowSequenceStartToken)
_FLOW_END = (FlowMappingEndToken, FlowSequenceEndToken)
_INVISIBLE = (
    BlockMappingStartToken,
    BlockSequenceStartToken,
    BlockEndToken,
    StreamStartToken,
    StreamEndToken,
)
_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")

_TELLING = ("anchor", "tag", "value", "style", "flow_style")


class UnformattableError(ValueError):
    """The text is not YAML, or not YAML that can be laid out anew without changing what it means."""

    def __init__(self, summary: str, line: int = 1, column: int = 1) -> None:
        super().__init__(summary)
        self.summary, self.line, self.column = summary, line, column

    def diagnostic(self, file: str, text: str) -> Diagnostic:
        """The problem as the user sees it, with the line it was found on."""
        lines = text.splitlines()
        source = lines[self.line - 1] if self.line <= len(lines) else None
        return Diagnostic(
            self.summary,
            "not-formatted",
            position=Position(file, self.line, self.column),
            source=source,
            hint="the file was left as it is",
        )


def format_text(text: str) -> str:
    """`text` in canonical layout. Raises UnformattableError when it is not YAML or its meaning can't be kept."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if odd := _ODD_BREAKS.search(plain):
        raise UnformattableError(
            "a line separator of Unicode is no line break in YAML", plain.count("\n", 0, odd.start()) + 1
        )
    before = _meaning(plain)
    result = _Layout(plain).text()
    try:
        after = _meaning(result)
    except UnformattableError:
        after = []
    if before != after:
        raise UnformattableError(
            "the file can't be laid out in the canonical way without changing what it means"
        )
    return result


def _meaning(text: str) -> list[tuple[Any, ...]]:
    """The parse events without their places: equal lists construct equal documents, aliases unexpanded."""
    found: list[tuple[Any, ...]] = []
    anchors: set[str] = set()
    try:
        for event in YAML(typ="safe", pure=True).parse(StringIO(text)):
            found.append((type(event).__name__, *(getattr(event, name, None) for name in _TELLING)))
            if isinstance(event, DocumentStartEvent):
                anchors.clear()
            elif isinstance(event, AliasEvent) and event.anchor not in anchors:
                where = event.start_mark
                raise UnformattableError(
                    f"this is not YAML: *{event.anchor} refers to nothing", where.line + 1, where.column + 1
                )
            elif getattr(event, "anchor", None):
                anchors.add(event.anchor)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise UnformattableError(f"this is not YAML: {error.problem or error.context}", *at) from None
    except YAMLError as error:
        raise UnformattableError(f"this is not YAML: {str(error).splitlines()[0]}") from None
    return found


@dataclass(frozen=True, slots=True)
class _Level:
    """An open block collection: the column it has and the column it gets."""

    kind: Literal["root", "map", "list", "flush"]
    old: int
    new: int


@dataclass(slots=True)
class _Line:
    """What the tokens say about one line. `indent` is its canonical indentation if a block key, entry or value starts
    it; `follows` the line that it continues; `literal` the shift of a block scalar's content."""

    indent: int | None = None
    follows: int | None = None
    literal: int | None = None
    verbatim_end: bool = False
    levels: tuple[_Level, ...] = ()
    edits: list[tuple[int, int, str]] = field(default_factory=list)


class _Layout:
    def __init__(self, text: str) -> None:
        self.source = text.split("\n")
        self.lines = [_Line() for _ in self.source]
        self.levels: list[_Level] = [_Level("root", -STEP, -STEP)]
        self.flow: list[int] = []
        self.keeps_end = False
        self._read(text)

    def text(self) -> str:
        moved: list[str] = []
        shifts: list[int] = []
        for number, (line, source) in enumerate(zip(self.lines, self.source, strict=True)):
            shift = self._shift(number, line, source, shifts)
            shifts.append(shift)
            moved.append(_moved(line, source, shift))
        while moved and not moved[-1] and not self.keeps_end:
            moved.pop()
        return "\n".join(moved) + ("\n" if moved and not self.keeps_end else "")

    def _shift(self, number: int, line: _Line, source: str, shifts: list[int]) -> int:
        old = len(source) - len(source.lstrip(" "))
        if line.literal is not None:
            return line.literal
        if line.indent is not None:
            return line.indent - old
        if line.follows is not None:
            return shifts[line.follows]
        return self._comment_column(number, old) - old if source.lstrip().startswith("#") else 0

    def _comment_column(self, number: int, old: int) -> int:
        """A comment keeps its place relative to the nearest level that it stands in: of the line after it, else of
        the one before."""
        columns: dict[int, int] = {}
        for neighbours in (range(number - 1, -1, -1), range(number + 1, len(self.lines))):
            near = next((self.lines[n] for n in neighbours if self.lines[n].levels), None)
            columns.update(
                {level.old: level.new for level in (near.levels if near else ()) if level.old >= 0}
            )
        below = [column for column in columns if column <= old]
        return old if not below else columns[max(below)] + old - max(below)

    # --- reading the tokens

    def _read(self, text: str) -> None:
        previous: Any = None
        for token in self._tokens(text):
            self._nest(token)
            if not isinstance(token, _INVISIBLE):
                self._place(token)
                if previous is not None and not self.flow:
                    self._gap(previous, token)
                if isinstance(token, ScalarToken):
                    self._scalar(token)
                previous = token
            if isinstance(token, _FLOW_START):
                self.flow.append(token.start_mark.line)
            elif isinstance(token, _FLOW_END):
                start = self.flow.pop()
                for number in range(start + 1, token.end_mark.line + 1):
                    self._continue(number, start)

    @staticmethod
    def _tokens(text: str) -> Iterator[Any]:
        return iter(YAML(typ="safe", pure=True).scan(StringIO(text)))

    def _nest(self, token: Any) -> None:
        if self.flow:
            return
        top = self.levels[-1]
        if isinstance(token, (BlockMappingStartToken, BlockSequenceStartToken)):
            kind: Literal["map", "list"] = "map" if isinstance(token, BlockMappingStartToken) else "list"
            self.levels.append(_Level(kind, token.start_mark.column, top.new + STEP))
        elif isinstance(token, BlockEntryToken) and top.kind == "map":
            self.levels.append(_Level("flush", token.start_mark.column, top.new + STEP))
        elif isinstance(token, (KeyToken, BlockEndToken)) and top.kind == "flush":
            self.levels.pop()
        if isinstance(token, BlockEndToken):
            self.levels.pop()
        if isinstance(token, (DocumentStartToken, DocumentEndToken)):
            del self.levels[1:]

    def _place(self, token: Any) -> None:
        """Note the canonical column of a token that is the first of its line."""
        number, column = token.start_mark.line, token.start_mark.column
        line = self.lines[number]
        if self.flow or isinstance(token, (DocumentStartToken, DocumentEndToken)):
            return
        line.levels = tuple(self.levels)
        if self.source[number][:column].strip() or line.indent is not None:
            return
        starts = isinstance(token, (KeyToken, ValueToken, BlockEntryToken))
        line.indent = self.levels[-1].new + (0 if starts or len(self.levels) == 1 else STEP)
        if len(self.levels) == 1:
            line.indent = 0

    def _gap(self, previous: Any, token: Any) -> None:
        """One space after `:` and `-`, none before `:`."""
        end, start = previous.end_mark, token.start_mark
        if end.line != start.line or start.column <= end.column:
            return
        if isinstance(previous, (ValueToken, BlockEntryToken)):
            self.lines[end.line].edits.append((end.column, start.column, " "))
        elif isinstance(token, ValueToken) and isinstance(previous, ScalarToken):
            self.lines[end.line].edits.append((end.column, start.column, ""))

    def _continue(self, number: int, start: int) -> None:
        line = self.lines[number]
        if line.literal is None and line.follows is None:
            line.follows, line.indent = start, None
            line.levels = line.levels or self.lines[start].levels

    def _scalar(self, token: Any) -> None:
        first, last = token.start_mark.line, token.end_mark.line
        if token.style in ("|", ">"):
            self._block_scalar(token, first, last if token.end_mark.column == 0 else last + 1)
            return
        for number in range(first + 1, last + 1):
            self._continue(number, first)
        for number in range(first, last):
            self.lines[number].verbatim_end = token.style == '"'

    def _block_scalar(self, token: Any, first: int, stop: int) -> None:
        level = self.levels[-1]
        header = re.match(r"[|>]([-+1-9]*)", self.source[first][token.start_mark.column :])
        flags = header[1] if header else ""
        digit = next((int(c) for c in flags if c.isdigit()), 0)
        body = [n for n in range(first + 1, min(stop, len(self.source))) if self.source[n].strip(" ")]
        if not body:
            self.keeps_end = self.keeps_end or "+" in flags
            return
        old = _indent(self.source[body[0]])
        last = max(n for n in body if _indent(self.source[n]) >= old) if not digit else body[-1]
        parent = level.new if len(self.levels) > 1 else 0
        shift = parent + (digit or STEP) - old
        if digit:
            above = self.levels[-2] if level.kind == "flush" else level
            shift = parent - max(above.old, 0)
        for number in range(first + 1, last + 1):
            self.lines[number].literal = shift
        if "+" in flags and not any(s.strip() for s in self.source[last + 1 :]):
            for number in range(last + 1, len(self.source)):
                self.lines[number].literal = 0
            self.keeps_end = True


def _indent(source: str) -> int:
    return len(source) - len(source.lstrip(" "))


def _moved(line: _Line, source: str, shift: int) -> str:
    """One line at its new place."""
    if line.literal is not None:
        if not source.strip(" ") and len(source) + shift <= 0:
            return ""
        return " " * shift + source if shift >= 0 else source[min(-shift, _indent(source)) :]
    for start, end, text in sorted(line.edits, reverse=True):
        source = source[:start] + text + source[end:]
    body = source.lstrip(" ") if line.verbatim_end else source.strip(" \t")
    if not body:
        return ""
    return " " * max(_indent(source) + shift, 0) + body


__all__ = ["STEP", "UnformattableError", "format_text"]
