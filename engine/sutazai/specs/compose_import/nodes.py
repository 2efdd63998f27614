"""A Compose file as a tree that remembers where everything was written.

Aliases are expanded and merge keys applied here; how much they may expand is bounded, so that a YAML bomb is a
diagnostic. Scalars keep how they were quoted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.scalarint import OctalInt
from ruamel.yaml.scalarstring import (
    DoubleQuotedScalarString,
    FoldedScalarString,
    LiteralScalarString,
    SingleQuotedScalarString,
)

from sutazai.diagnostics import Diagnostic, Position
from sutazai.errors import InvalidInput
from sutazai.specs.tree import plain_value

MAX_NODES = 100_000
MAX_DEPTH = 100
MAX_BYTES = 4 << 20

Plain = str | int | float | bool | None
_QUOTED = {
    '"': DoubleQuotedScalarString,
    "'": SingleQuotedScalarString,
    "|": LiteralScalarString,
    ">": FoldedScalarString,
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """`resolved` is what the value is today, where `value` holds Jinja expressions."""

    value: Plain
    at: Position
    style: str | None = None
    tag: str | None = None
    resolved: Plain = None

    @property
    def text(self) -> str:
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, slots=True)
class Mapping:
    items: dict[str, "Node"]
    at: Position
    tag: str | None = None
    key_at: dict[str, Position] = field(default_factory=dict)

    def get(self, key: str) -> "Node | None":
        return self.items.get(key)

    def where(self, key: str) -> Position:
        return self.key_at.get(key, self.at)

    def with_items(self, items: dict[str, "Node"]) -> "Mapping":
        return replace(self, items=items)


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple["Node", ...]
    at: Position
    tag: str | None = None


Node = Scalar | Mapping | Sequence


def scalar(value: Plain, at: Position) -> Scalar:
    return Scalar(value, at, resolved=value)


def plain(node: Node, *, resolved: bool = False) -> Any:
    """Plain data: with the expressions as they are written out, or as they are `resolved` today."""
    match node:
        case Mapping():
            return {key: plain(item, resolved=resolved) for key, item in node.items.items()}
        case Sequence():
            return [plain(item, resolved=resolved) for item in node.items]
        case Scalar():
            if resolved:
                return node.resolved
            if node.style == "0" and isinstance(node.value, int):
                return OctalInt(node.value)
            if isinstance(node.value, str) and node.style in _QUOTED:
                return _QUOTED[node.style](node.value)
            return node.value


def walk(node: Node) -> Iterator[Scalar]:
    """Every scalar under a node."""
    match node:
        case Mapping():
            for item in node.items.values():
                yield from walk(item)
        case Sequence():
            for item in node.items:
                yield from walk(item)
        case Scalar():
            yield node


def problem(
    summary: str, at: Position | None, hint: str | None = None, code: str = "compose"
) -> InvalidInput:
    return InvalidInput([Diagnostic(summary, code, position=at, hint=hint)])


def read(path: Path, shown: str) -> Mapping:
    """The file as a tree. Raises InvalidInput."""
    start = Position(shown, 1, 1)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise problem("this file is too large for a Compose file", start)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise problem(f"{shown} can't be read: {error.strerror}", start) from None
    except UnicodeDecodeError:
        raise problem("this file is not UTF-8", start, "save it as UTF-8") from None
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(shown, mark.line + 1, mark.column + 1) if mark else start
        raise problem(f"this is not YAML: {error.problem or error.context}", at) from None
    except (YAMLError, RecursionError) as error:
        raise problem(f"this is not YAML: {str(error).splitlines()[0]}", start) from None
    tree = _Reader(shown).node(root, 0) if root is not None else Mapping({}, start)
    if not isinstance(tree, Mapping):
        raise problem("a Compose file is a map with `services`", start)
    return tree


class _Reader:
    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.count = 0

    def node(self, node: Any, depth: int) -> Node:
        at = Position(self.shown, node.start_mark.line + 1, node.start_mark.column + 1)
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise problem("aliases and nesting expand to too much", at, "a Compose file is never this large")
        tag = str(node.tag) if str(node.tag) in ("!reset", "!override") else None
        match node:
            case MappingNode():
                return self._mapping(node, at, tag, depth)
            case SequenceNode():
                return Sequence(tuple(self.node(item, depth + 1) for item in node.value), at, tag)
            case ScalarNode():
                value = self._value(node)
                octal = isinstance(value, int) and len(node.value) > 1 and str(node.value).startswith("0")
                return Scalar(value, at, "0" if octal else node.style, tag, value)
        raise problem("this kind of YAML node is not known", at)

    def _value(self, node: Any) -> Plain:
        kind = str(node.tag).rpartition(":")[2]
        return str(node.value) if node.style or kind == "str" else plain_value(str(node.value))

    def _mapping(self, node: Any, at: Position, tag: str | None, depth: int) -> Mapping:
        items: dict[str, Node] = {}
        merged: list[Mapping] = []
        places: dict[str, Position] = {}
        for key, value in node.value:
            child = self.node(value, depth + 1)
            if str(key.tag).endswith(":merge") or (key.value == "<<" and not key.style):
                parts = child.items if isinstance(child, Sequence) else (child,)
                merged += [part for part in parts if isinstance(part, Mapping)]
                continue
            name = str(key.value)
            place = Position(
                self.shown, key.start_mark.line + 1, key.start_mark.column + 1, max(len(name), 1)
            )
            if name in places:
                raise InvalidInput(
                    [
                        Diagnostic(
                            f"{name!r} is written twice",
                            "duplicate-key",
                            position=place,
                            related=(("first", places[name]),),
                        )
                    ]
                )
            items[name], places[name] = child, place
        for part in merged:
            for name, child in part.items.items():
                if name not in items:
                    items[name], places[name] = child, part.where(name)
        return Mapping(items, at, tag, places)
