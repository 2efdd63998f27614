"""One YAML document to a positioned tree, within limits that no document can exceed.

Values are those of YAML 1.2's core schema, as the Compose Specification reads them: `no` and dates are
texts, `0440` is octal. Aliases share nodes; what they would expand to is counted while reading.
"""

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from sutazai.specs.events import UnsureError, events_of, quick_events_of
from sutazai.specs.nodes import Entry, Mapping, Mark, Node, Scalar, Sequence, Source, Tag
from sutazai.specs.report import Report

MAX_NODES = 100_000
MAX_DEPTH = 64

_CORE = "tag:yaml.org,2002:"
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o?([0-7]+)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?=[0-9.]*[.eE])(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MAX_DIGITS = 18
UNSOUND = re.compile("[\0\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class UnreadableError(Exception):
    """The text is not acceptable YAML; the mark says where it stopped being so."""

    def __init__(
        self,
        mark: Mark,
        summary: str,
        code: str,
        hint: str | None = None,
        related: tuple[tuple[str, Mark], ...] = (),
    ) -> None:
        super().__init__(summary)
        self.mark, self.summary, self.code, self.hint, self.related = mark, summary, code, hint, related


def tree_of(text: str, source: Source, report: Report) -> Node | None:
    """The tree that the text spells. Raises UnreadableError, and what `events_of` raises."""
    try:
        return _quick_tree(text, source)
    except UnsureError:
        return TreeBuilder(source, report).build(events_of(text))


def _quick_tree(text: str, source: Source) -> Node | None:
    """The same, sooner, of a text that has nothing wrong. Raises UnsureError for any other, so that what is wrong is found
    and told in one way only."""
    report = Report()
    try:
        tree = TreeBuilder(source, report).build(quick_events_of(text))
    except (UnreadableError, YAMLError, ValueError, OverflowError, IndexError):
        raise UnsureError from None
    if report.failed:
        raise UnsureError
    return tree


class TreeBuilder:
    """One document's events to a tree. `_sizes` counts the nodes under each list and map, aliases counted every
    time."""

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report
        self._anchors: dict[str, Node | None] = {}
        self._sizes: dict[int, int] = {}

    def build(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise UnreadableError(
                        self._mark(event),
                        "a second YAML document begins here",
                        "many-documents",
                        "a spec file holds one document: remove the ---, or split the file",
                    )
            elif isinstance(event, NodeEvent):
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
            raise UnreadableError(mark, f"this is nested more than {MAX_DEPTH} deep", "too-deep")
        if isinstance(event, AliasEvent):
            return self._alias(event, mark)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        scalar = isinstance(event, ScalarEvent)
        node = self._scalar(event, mark) if scalar else self._collection(event, events, mark, depth)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _collection(self, event: Any, events: Any, mark: Mark, depth: int) -> Node:
        node: Node
        if isinstance(event, SequenceStartEvent):
            node, size = self._sequence(events, mark, self._tag(event, mark, "seq"), depth)
        else:
            node, size = self._mapping(events, mark, self._tag(event, mark, "map"), depth)
        if size > MAX_NODES:
            raise UnreadableError(
                mark,
                f"this expands to more than {MAX_NODES:,} values",
                "too-large",
                "aliases that hold aliases multiply: write less, or split the file",
            )
        self._sizes[id(node)] = size
        return node

    def _wrong(self, mark: Mark, summary: str, code: str, hint: str | None = None) -> None:
        self._report.error(mark, summary, code, hint=hint)

    def _alias(self, event: Any, mark: Mark) -> Node:
        name = event.anchor
        node = self._anchors.get(name)
        if node is not None:
            return node
        if name in self._anchors:
            self._wrong(
                mark,
                f"the alias *{name} is inside of its own anchor",
                "yaml-syntax",
                "a value can't contain itself",
            )
        else:
            self._wrong(
                mark,
                f"the alias *{name} has no anchor above it",
                "yaml-syntax",
                "an anchor is declared with & before it is used with *",
            )
        return Scalar(None, mark)

    def _tag(self, event: Any, mark: Mark, kind: str) -> Tag | None:
        tag = str(event.ctag) if event.ctag is not None else ""
        if tag in ("", "!", "None", _CORE + kind):
            return None
        if tag == Tag.APPEND and kind != "seq":
            hint = "maps merge key by key without a tag" if kind == "map" else "write !append [x]"
            self._wrong(mark, "!append stands before a list", "bad-append", hint)
            return None
        if tag in (Tag.APPEND, Tag.RESET):
            return Tag(tag)
        self._wrong(
            mark,
            f"the tag {tag.replace(_CORE, '!!')} is not known",
            "unknown-tag",
            "the tags are !append, which adds to a list, and !reset, which removes a key",
        )
        return None

    def _sound(self, text: str, mark: Mark) -> str:
        """The text, where it has only characters that can be written to files and given to programs."""
        text = _joined(text)
        wrong = UNSOUND.search(text)
        if wrong is None:
            return text
        what = "is half of a character" if ord(wrong[0]) else "ends a text for every program"
        self._wrong(
            mark,
            f"U+{ord(wrong[0]):04X} {what}",
            "yaml-syntax",
            "write the character itself, or leave it out",
        )
        return UNSOUND.sub("?", text)

    def _scalar(self, event: Any, mark: Mark) -> Scalar:
        text = self._sound(event.value, mark)
        if event.ctag is None:
            return Scalar(text if event.style else plain_value(text), mark)
        tag = str(event.ctag)
        kind = tag.removeprefix(_CORE)
        if tag.startswith(_CORE) and kind in _KINDS:
            value: str | int | float | bool | None = text if kind == "str" else plain_value(text)
            if not isinstance(value, _KINDS[kind]):
                self._wrong(mark, f"{text!r} is not a value of !!{kind}", "yaml-syntax")
            return Scalar(value, mark)
        tagged = tag not in ("", "!", "None")
        action = self._tag(event, mark, "str") if tagged else None
        plain = event.style in (None, "") and (event.implicit[0] or tagged)
        return Scalar(plain_value(text) if plain else text, mark, action)

    def _sequence(self, events: Any, mark: Mark, tag: Tag | None, depth: int) -> tuple[Sequence, int]:
        items: list[Node] = []
        size = 1
        for event in events:
            if not isinstance(event, NodeEvent):
                break
            item = self._node(event, events, depth + 1)
            size += self._size(item, mark)
            items.append(item)
        return Sequence(tuple(items), mark, tag), size

    def _mapping(self, events: Any, mark: Mark, tag: Tag | None, depth: int) -> tuple[Mapping, int]:
        entries: dict[str, Entry] = {}
        merged: list[tuple[Mark, Node]] = []
        size = 1
        for event in events:
            if not isinstance(event, NodeEvent):
                break
            key = self._node(event, events, depth + 1)
            at = self._mark(event) if isinstance(event, AliasEvent) else key.mark
            value = self._node(next(events), events, depth + 1)
            size += 1 + self._size(value, mark)
            if not isinstance(key, Scalar):
                self._wrong(
                    at, "a key must be a text", "bad-key", "a text that begins with {{ or [ needs quotes"
                )
                continue
            if key.value == "<<" and isinstance(event, ScalarEvent) and event.implicit[0]:
                merged.append((at, value))
                continue
            name = (
                UNSOUND.sub("?", _joined(event.value)) if isinstance(event, ScalarEvent) else str(key.value)
            )
            if name in entries:
                self._report.error(
                    at,
                    f'the key "{name}" is here twice',
                    "duplicate-key",
                    hint="remove one of them",
                    related=[("first here", entries[name].key)],
                )
                entries[name] = _both(entries[name], value)
                continue
            entries[name] = Entry(at, value)
        for at, value in merged:
            self._merge_key(entries, at, value)
        return Mapping(entries, mark, tag), size

    def _size(self, node: Node, mark: Mark) -> int:
        size = 1 if isinstance(node, Scalar) else self._sizes[id(node)]
        if size > MAX_NODES:
            raise UnreadableError(mark, f"this expands to more than {MAX_NODES:,} values", "too-large")
        return size

    def _merge_key(self, entries: dict[str, Entry], at: Mark, value: Node) -> None:
        """YAML 1.1's `<<`: keys that are not there yet, of one map or of several, the first winning."""
        sources = value.items if isinstance(value, Sequence) else (value,)
        for source in sources:
            if not isinstance(source, Mapping):
                hint = "write <<: *anchor with the anchor on a map"
                self._wrong(at, "<< takes a map or a list of maps", "bad-merge-key", hint)
                continue
            for key, entry in source.entries.items():
                entries.setdefault(key, entry)


def _both(first: Entry, second: Node) -> Entry:
    """Of a key that is there twice, what both maps declare, so that no name of theirs is taken for unknown."""
    if not isinstance(first.node, Mapping) or not isinstance(second, Mapping):
        return first
    return first.with_node(Mapping({**second.entries, **first.node.entries}, first.node.mark, first.node.tag))


def _joined(text: str) -> str:
    """With the characters that JSON writes as two halves (`\\ud83c\\udf89`) put together."""
    return _PAIR.sub(lambda two: two[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "null": (type(None),),
}


def plain_value(text: str) -> str | int | float | bool | None:
    """An unquoted scalar's value (YAML 1.2, 10.3.2). Numbers too long to be meant as such, and
    those that begin with a zero and are not octal, stay texts."""
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
