"""Bytes of a YAML file to a positioned tree, within limits that no file can exceed.

Whatever the bytes are, the result is a tree or a reported problem. Values are those of YAML 1.2's core schema, as the
Compose Specification reads them: `no` and dates are texts, `0440` is octal. Aliases share nodes; what they would expand
to is counted while reading, so that a file can't grow in memory beyond `MAX_NODES`.
"""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, DocumentStartEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

from sutazai.specs.nodes import Entry, Mapping, Mark, Node, Scalar, Sequence, Source, Tag
from sutazai.specs.report import Report

MAX_BYTES = 2 << 20
MAX_NODES = 100_000
MAX_DEPTH = 64

_CORE = "tag:yaml.org,2002:"
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o?([0-7]+)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MAX_DIGITS = 18
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class Unreadable(Exception):
    """The text is not acceptable YAML; the mark says where it stopped being so."""

    def __init__(self, mark: Mark, summary: str, code: str, hint: str | None = None,
                 related: tuple[tuple[str, Mark], ...] = ()) -> None:  # fmt: skip
        super().__init__(summary)
        self.mark, self.summary, self.code, self.hint, self.related = mark, summary, code, hint, related


def read_file(root: Path, file: str, report: Report, module: str | None = None) -> Node | None:
    """The tree in `root/file`, or None when the file is empty or can't be used; then `report` says why."""
    text = read_text(root, file, report)
    return None if text is None else parse(text, file, report, module)


def read_text(root: Path, file: str, report: Report) -> str | None:
    """The text in `root/file`; None with a reported problem when there is none."""
    top = Mark(Source(file, ()), 1, 1)
    try:
        path = root / file
        if path.is_dir():
            report.error(top, f"{file} is a directory", "unreadable", hint="a file is expected here")
            return None
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "does not exist"
            report.error(top, f"{file} {what}", "unreadable")
            return None
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        report.error(top, f"{file} can't be read: {error.strerror or error}", "unreadable")
        return None
    if len(data) > MAX_BYTES:
        report.error(top, f"{file} is larger than {MAX_BYTES >> 20} MiB and was not read", "too-large",
                     hint="split it into several files, or move data out of it")  # fmt: skip
        return None
    return _decode(data, file, report)


def _decode(data: bytes, file: str, report: Report) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8-sig", errors="replace")
        rows = _BREAKS.split(data.decode("utf-8-sig", errors="replace"))
        line, column = len(_BREAKS.split(good)), len(_BREAKS.split(good)[-1]) + 1
        report.error(Mark(Source(file, tuple(rows)), line, column),
                     f"byte 0x{data[error.start]:02x} is not UTF-8", "not-utf8",
                     hint="save the file as UTF-8")  # fmt: skip
        return None


def parse(text: str, file: str, report: Report, module: str | None = None) -> Node | None:
    """The tree that `text` spells; None when it is empty or wrong."""
    source = Source(file, tuple(_BREAKS.split(text)), module)
    control = _CONTROL.search(text)
    if control:
        rows = _BREAKS.split(text[: control.start()])
        report.error(Mark(source, len(rows), len(rows[-1]) + 1),
                     f"the character U+{ord(control[0]):04X} is not allowed in YAML", "yaml-syntax",
                     hint="remove it, or write it as an escape in double quotes")  # fmt: skip
        return None
    try:
        return _Builder(source, report).build(text)
    except Unreadable as problem:
        report.error(problem.mark, problem.summary, problem.code, hint=problem.hint, related=problem.related)
    except MarkedYAMLError as error:
        _report_syntax(error, source, report)
    except (YAMLError, ValueError, OverflowError, IndexError) as error:
        # ruamel.yaml lets these out of bad escapes and directives.
        report.error(Mark(source, 1, 1), f"this is not YAML: {error}", "yaml-syntax")
    return None


_HINTS = (
    ("found character '\\t'", "YAML is indented with spaces: replace the tab"),
    ("mapping values are not allowed here", "a colon followed by a space begins a value: put the text in quotes, or check the indentation"),
    ("could not find expected ':'", "a key is followed by a colon and a space"),
    ("did not find expected", "check the indentation and the brackets above"),
    ("expected <block end>", "this line is indented differently from those it belongs to"),
    ("expected ',' or", "a bracket or a comma is missing above"),
    ("found unexpected end of stream", "a quote or a bracket is not closed"),
    ("found undefined alias", "an anchor is declared with & before it is used with *"),
    ("while scanning a simple key", "a key is followed by a colon and a space"),
    ("cannot start any token", "put the text in quotes"),
)  # fmt: skip


def _report_syntax(error: MarkedYAMLError, source: Source, report: Report) -> None:
    at = error.problem_mark or error.context_mark
    line, column = (at.line + 1, at.column + 1) if at else (1, 1)
    while line > 1 and not (source.line(line) or "").strip():  # the end of the file: show where its text ends
        line -= 1
        column = len(source.line(line) or "") + 1
    problem = str(error.problem or error.context or "it can't be read")
    hint = next((hint for word, hint in _HINTS if word in problem), None)
    related = ()
    if error.context_mark and at and error.context_mark.line != at.line:
        related = ((str(error.context), Mark(source, error.context_mark.line + 1, error.context_mark.column + 1)),)
    report.error(Mark(source, line, column), f"this is not YAML: {problem}", "yaml-syntax", hint=hint, related=related)


class _Builder:
    """One document's events to a tree. `_sizes` counts the nodes under each node, aliases counted every time."""

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report
        self._anchors: dict[str, Node | None] = {}
        self._sizes: dict[int, int] = {}

    def build(self, text: str) -> Node | None:
        yaml = YAML(typ="safe", pure=True)
        events = iter(yaml.parse(text))
        root: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Unreadable(self._mark(event), "a second YAML document begins here", "many-documents",
                                     "a spec file holds one document: remove the ---, or split the file")  # fmt: skip
            elif isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent, AliasEvent)):
                root = self._node(event, events, 1)
        return None if isinstance(root, Scalar) and root.value is None else root

    def _mark(self, event: Any) -> Mark:
        start, end = event.start_mark, event.end_mark
        if end.line == start.line:
            length = max(end.column - start.column, 1)
        else:
            length = max(len((self._source.line(start.line + 1) or "").rstrip()) - start.column, 1)
        return Mark(self._source, start.line + 1, start.column + 1, length)

    def _node(self, event: Any, events: Any, depth: int) -> Node:
        mark = self._mark(event)
        if depth > MAX_DEPTH:
            raise Unreadable(mark, f"this is nested more than {MAX_DEPTH} deep", "too-deep")
        if isinstance(event, AliasEvent):
            return self._alias(event, mark)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event, mark)
            size = 1
        elif isinstance(event, SequenceStartEvent):
            node, size = self._sequence(events, mark, self._tag(event, mark, "seq"), depth)
        else:
            node, size = self._mapping(events, mark, self._tag(event, mark, "map"), depth)
        if size > MAX_NODES:
            raise Unreadable(mark, f"this expands to more than {MAX_NODES:,} values", "too-large",
                             "aliases that hold aliases multiply: write less, or split the file")  # fmt: skip
        self._sizes[id(node)] = size
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _alias(self, event: Any, mark: Mark) -> Node:
        name = event.anchor
        if name not in self._anchors:
            raise Unreadable(mark, f"the alias *{name} has no anchor above it", "yaml-syntax",
                             "an anchor is declared with & before it is used with *")  # fmt: skip
        node = self._anchors[name]
        if node is None:
            raise Unreadable(mark, f"the alias *{name} is inside of its own anchor", "yaml-syntax",
                             "a value can't contain itself")  # fmt: skip
        return node

    def _tag(self, event: Any, mark: Mark, kind: str) -> Tag | None:
        tag = str(event.ctag) if event.ctag is not None else ""
        if tag in ("", "!", "None", _CORE + kind):
            return None
        if tag in (Tag.APPEND, Tag.RESET):
            return Tag(tag)
        shown = tag.replace(_CORE, "!!")
        raise Unreadable(mark, f"the tag {shown} is not known", "unknown-tag",
                         "the tags are !append, which adds to a list, and !reset, which removes a key")  # fmt: skip

    def _scalar(self, event: Any, mark: Mark) -> Scalar:
        text, tag = event.value, str(event.ctag) if event.ctag is not None else ""
        if tag.startswith(_CORE) and tag.removeprefix(_CORE) in ("str", "int", "float", "bool", "null"):
            kind = tag.removeprefix(_CORE)
            value = text if kind == "str" else _plain_value(text)
            if not isinstance(value, _KINDS[kind]):
                raise Unreadable(mark, f"{text!r} is not a value of !!{kind}", "yaml-syntax")
            return Scalar(value, mark)
        action = self._tag(event, mark, "str") if tag not in ("", "!", "None") else None
        if action is Tag.APPEND:
            raise Unreadable(mark, "!append stands before a list", "bad-append", "write !append [x]")
        plain = event.style in (None, "") and event.implicit[0]
        return Scalar(_plain_value(text) if plain or action else text, mark, action)

    def _sequence(self, events: Any, mark: Mark, tag: Tag | None, depth: int) -> tuple[Sequence, int]:
        items: list[Node] = []
        size = 1
        for event in events:
            if not isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent, AliasEvent)):
                break
            item = self._node(event, events, depth + 1)
            size += self._size(item, mark)
            items.append(item)
        return Sequence(tuple(items), mark, tag), size

    def _mapping(self, events: Any, mark: Mark, tag: Tag | None, depth: int) -> tuple[Mapping, int]:
        entries: dict[str, Entry] = {}
        merged: list[tuple[Mark, Node]] = []
        size = 1
        if tag is Tag.APPEND:
            raise Unreadable(mark, "!append stands before a list", "bad-append",
                             "maps merge key by key without a tag")  # fmt: skip
        for event in events:
            if not isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent, AliasEvent)):
                break
            at = self._mark(event)
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            size += 1 + self._size(value, mark)
            if not isinstance(key, Scalar):
                raise Unreadable(at, "a key must be a text", "bad-key", "a { at the start of a text needs quotes")
            if key.value == "<<" and isinstance(event, ScalarEvent) and event.implicit[0]:
                merged.append((at, value))
                continue
            name = str(event.value) if isinstance(event, ScalarEvent) else str(key.value)
            if name in entries:
                self._report.error(at, f'the key "{name}" is here twice', "duplicate-key", hint="remove one of them",
                                   related=[("first here", entries[name].key)])  # fmt: skip
                continue
            entries[name] = Entry(at, value)
        for at, value in merged:
            self._merge_key(entries, at, value)
        return Mapping(entries, mark, tag), size

    def _size(self, node: Node, mark: Mark) -> int:
        size = self._sizes[id(node)]
        if size > MAX_NODES:
            raise Unreadable(mark, f"this expands to more than {MAX_NODES:,} values", "too-large")
        return size

    @staticmethod
    def _merge_key(entries: dict[str, Entry], at: Mark, value: Node) -> None:
        """YAML 1.1's `<<`: keys that are not there yet, of one map or of several, the first winning."""
        sources = value.items if isinstance(value, Sequence) else (value,)
        for source in sources:
            if not isinstance(source, Mapping):
                raise Unreadable(at, "<< takes a map or a list of maps", "bad-merge-key",
                                 "write <<: *anchor with the anchor on a map")  # fmt: skip
            for key, entry in source.entries.items():
                entries.setdefault(key, entry)


_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)}


def _plain_value(text: str) -> str | int | float | bool | None:
    """An unquoted scalar's value (YAML 1.2, 10.3.2). Numbers too long to be meant as such stay texts."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if not text[0].isdigit() and text[0] not in "+-.":
        return text
    if _INT.fullmatch(text) and len(text) <= _MAX_DIGITS:
        return int(text)
    if (octal := _OCTAL.fullmatch(text)) and len(text) <= _MAX_DIGITS:
        return int(octal[1], 8)
    if _HEX.fullmatch(text) and len(text) <= _MAX_DIGITS:
        return int(text, 16)
    if _FLOAT.fullmatch(text) and len(text) <= 2 * _MAX_DIGITS and abs(number := float(text)) != float("inf"):
        return number
    return text
