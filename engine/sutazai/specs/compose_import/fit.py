"""Fitting what a Compose file says to a model: what the model refuses is cut out, named, and nothing else is touched."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from sutazai.diagnostics import Position
from sutazai.specs.compose_import.nodes import Mapping, Node, Sequence, plain
from sutazai.specs.compose_import.notes import Notes
from sutazai.specs.translate import expected, own_words

_MAX_CUTS = 200
Loc = tuple[int | str, ...]


def fit_field(model: type[BaseModel], name: str, node: Node, owner: str, notes: Notes) -> Node | None:
    """The part of field `name` that `model` accepts, or None when nothing of it is left. Values are tried as they are
    today, with variables resolved."""
    for _ in range(_MAX_CUTS):
        errors = _errors(model, {name: plain(node, resolved=True)}, name)
        if not errors:
            return node
        error = errors[0]
        loc = tuple(part for part in error["loc"][1:])
        path = _existing(node, loc)
        unknown = error["type"] == "extra_forbidden" and len(path) == len(loc)
        if not unknown:
            path = path[:1] if isinstance(node, Sequence) and path else _culprit(model, name, node)
        cut = _at(node, path)
        notes.dropped(
            owner,
            ".".join(map(str, (name, *path))),
            _place(node, path) or (cut or node).at,
            "" if unknown else _reason(error),
        )
        remaining = _without(node, path) if path else None
        if remaining is None:
            return None
        node = remaining
    notes.dropped(owner, name, node.at, "too much of it is not known")
    return None


def _errors(model: type[BaseModel], value: dict[str, Any], name: str) -> list[Any]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [
            found for found in error.errors(include_url=False) if found["loc"] and found["loc"][0] == name
        ]
    return []


def _culprit(model: type[BaseModel], name: str, node: Node) -> Loc:
    """The one member that is refused by itself, so that the others can stay; nothing when there is none such."""
    if isinstance(node, Sequence) and len(node.items) > 1:
        for number, item in enumerate(node.items):
            if _errors(model, {name: [plain(item, resolved=True)]}, name):
                return (number,)
    if isinstance(node, Mapping) and len(node.items) > 1:
        for key, item in node.items.items():
            if _errors(model, {name: {key: plain(item, resolved=True)}}, name):
                return (key,)
    return ()


def _reason(error: Any) -> str:
    return own_words(error) or f"it should be {expected(error)}"


def _existing(node: Node, loc: Loc) -> Loc:
    """The longest start of an error's location that is there in the tree: short forms have no inside, and unions put
    names of their own into locations."""
    path: list[int | str] = []
    for part in loc:
        child = _at(node, (part,))
        if child is not None:
            node = child
            path.append(part)
        elif not isinstance(part, str):
            break
    return tuple(path)


def _at(node: Node, path: Loc) -> Node | None:
    found: Node | None = node
    for part in path:
        if isinstance(found, Mapping) and isinstance(part, str):
            found = found.get(part)
        elif isinstance(found, Sequence) and isinstance(part, int) and part < len(found.items):
            found = found.items[part]
        else:
            return None
    return found


def _place(node: Node, path: Loc) -> Position | None:
    owner = _at(node, path[:-1]) if path else None
    return owner.where(str(path[-1])) if isinstance(owner, Mapping) else None


def _without(node: Node, path: Loc) -> Node | None:
    """The tree without the node at `path`, and without what is empty because of that."""
    first, rest = path[0], path[1:]
    child = _at(node, (first,))
    kept = _without(child, rest) if child is not None and rest else None
    if isinstance(node, Mapping):
        items = {key: item for key, item in node.items.items() if key != first}
        if kept is not None:
            items = {key: kept if key == first else item for key, item in node.items.items()}
        return node.with_items(items) if items else None
    if isinstance(node, Sequence):
        values = tuple(
            kept if n == first else item
            for n, item in enumerate(node.items)
            if n != first or kept is not None
        )
        return replace(node, items=tuple(v for v in values if v is not None)) if values else None
    return None
