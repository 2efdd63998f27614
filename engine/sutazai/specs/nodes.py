"""YAML as a tree that knows where each key and value was written.

Merging and rendering make new trees out of old ones and carry the marks along, so a problem that shows up
only in the final model is still reported at the line that its author wrote. Nodes are never changed once
made; anchors make them shared.
"""

from collections.abc import Callable, Iterator
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from sutazai.diagnostics import Position

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"
Path: TypeAlias = tuple[str | int, ...]


class Tag(StrEnum):
    """How a value joins the one below it. `REPLACE` is what remains of a reset that was given a map again."""

    APPEND = "!append"
    RESET = "!reset"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file that was read. `file` is relative to the project root; `module` names the module whose file it
    is."""

    file: str
    lines: tuple[str, ...]
    module: str | None = None

    def line(self, number: int) -> str | None:
        return self.lines[number - 1] if 1 <= number <= len(self.lines) else None


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of one line; `line` and `column` count from 1."""

    source: Source
    line: int
    column: int
    length: int = 1

    @property
    def position(self) -> Position:
        return Position(self.source.file, self.line, self.column, self.length)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    value: str | int | float | bool | None
    mark: Mark
    tag: Tag | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    items: tuple["Node", ...]
    mark: Mark
    tag: Tag | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A key's mark and its value. `templated`: the key was an item of a list once, so it is rendered like a
    value."""

    key: Mark
    node: "Node"
    templated: bool = False

    def with_node(self, node: "Node") -> "Entry":
        return self if node is self.node else Entry(self.key, node, self.templated)


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    entries: AbstractMapping[str, Entry]
    mark: Mark
    tag: Tag | None = None

    def get(self, key: str) -> "Node | None":
        entry = self.entries.get(key)
        return entry.node if entry else None

    def without(self, *keys: str) -> "Mapping":
        return replace(self, entries={k: e for k, e in self.entries.items() if k not in keys})

    def with_entry(self, key: str, entry: Entry) -> "Mapping":
        return replace(self, entries={**self.entries, key: entry})


Node: TypeAlias = Scalar | Sequence | Mapping

Where: TypeAlias = Callable[[Mark], list[tuple[str, Mark]]]
"""For a problem at a mark, the other places to be shown with it, each with what it is."""

NOWHERE = Mark(Source("", ()), 0, 0)


def plain(node: Node) -> Plain:
    """The tree as plain data, without marks and tags."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def from_plain(value: Plain, mark: Mark) -> Node:
    """Plain data as a tree whose every value was written at `mark`."""
    if isinstance(value, dict):
        return Mapping({str(k): Entry(mark, from_plain(v, mark)) for k, v in value.items()}, mark)
    if isinstance(value, (list, tuple)):
        return Sequence(tuple(from_plain(item, mark) for item in value), mark)
    return Scalar(value, mark)


def find(node: Node, path: Path) -> "Place":
    """The place that `path` leads to, or the nearest one above it. Words of the path that name no key are
    passed over: pydantic puts the names of union members between those of fields."""
    place = Place(node, node.mark)
    for word in path:
        if isinstance(place.node, Mapping) and str(word) in place.node.entries:
            entry = place.node.entries[str(word)]
            place = Place(entry.node, entry.key, (*place.path, str(word)))
        elif isinstance(place.node, Sequence) and isinstance(word, int) and word < len(place.node.items):
            item = place.node.items[word]
            place = Place(item, item.mark, (*place.path, word))
    return place


@dataclass(frozen=True, slots=True)
class Place:
    """A node in a tree, with the mark of the key that leads to it (its own, for items of lists)."""

    node: Node
    key: Mark
    path: Path = field(default=())

    @property
    def mark(self) -> Mark:
        """Where to point for a problem with the value: at a scalar itself, else at the key of a map or
        list."""
        return self.node.mark if isinstance(self.node, Scalar) else self.key


def scalars(node: Node) -> Iterator[Scalar]:
    """Every scalar below `node`."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from scalars(item)
    else:
        for entry in node.entries.values():
            yield from scalars(entry.node)


def with_article(noun: str) -> str:
    """`a text`, `an integer`."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def kind_of(node: Node) -> str:
    """What a node is, in the words of messages."""
    if isinstance(node, Mapping):
        return "a map"
    if isinstance(node, Sequence):
        return "a list"
    words = {
        str: "a text",
        bool: "a boolean",
        int: "a whole number",
        float: "a number",
        type(None): "nothing",
    }
    return words[type(node.value)]
