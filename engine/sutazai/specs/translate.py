"""What pydantic says about a value, as a problem at the place where the value was written."""

import re
import types
from collections.abc import Callable, Iterator, Mapping as AbstractMapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sutazai.diagnostics import did_you_mean
from sutazai.specs.nodes import Mapping, Mark, Node, Path, Place, Plain, Scalar, Sequence, find, kind_of, plain
from sutazai.specs.report import Report
from sutazai.specs.shape import unknown_key

M = TypeVar("M", bound=BaseModel)
Where = Callable[[Mark], list[tuple[str, Mark]]]

_PATTERN_HINTS = {
    "restart": "write no, always, unless-stopped, on-failure or on-failure:N",
    "pull_policy": "write always, never, missing, build, daily, weekly or every_12h",
}


def validate(model: type[M], node: Node, what: str, report: Report, where: Where = lambda _mark: [], data: Plain = None) -> M | None:
    """`node` as a `model`; None when it is wrong, which is reported. `data` stands in for the node's own data where the
    two differ; places are still looked up in the node."""
    try:
        return model.model_validate(plain(node) if data is None else data)
    except ValidationError as error:
        seen: set[Path] = set()
        for detail in error.errors(include_url=False):
            _report(model, node, detail, what, report, where, seen)
        return None


def _report(model: type[BaseModel], node: Node, detail: ErrorDetails, what: str, report: Report, where: Where, seen: set[Path]) -> None:
    loc = tuple(word for word in detail["loc"] if word != "[key]")
    place = find(node, loc)
    if detail["type"] == "extra_forbidden":
        key = str(loc[-1])
        owner = f"{_dotted(place.path[:-1])} of {what}" if len(place.path) > 1 else what
        unknown_key(key, place.key, fields_at(model, loc[:-1]), owner, report, where(place.key))
        return
    if place.path in seen and len(place.path) < len(loc) and detail["type"] != "missing":
        return  # another member of a union, refused at the same place
    seen.add(place.path)
    place = _culprit(place, detail["msg"])
    summary, hint = _words(place, loc, detail, what)
    report.error(place.mark, summary, "missing-key" if detail["type"] == "missing" else "bad-value",
                 hint=hint, related=where(place.mark))  # fmt: skip


def _words(place: Place, loc: Path, detail: ErrorDetails, what: str) -> tuple[str, str | None]:
    path, message, value = _dotted(place.path) or what, detail["msg"], detail.get("input")
    if detail["type"] == "missing":
        missing = loc[-1]
        return f'"{missing}" is missing in {path}', f"write {missing}: …"
    if detail["type"] in ("value_error", "assertion_error"):
        text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return f"{path}: {text}", None
    shown = repr(value) if isinstance(place.node, Scalar) else kind_of(place.node)
    if isinstance(place.node, Scalar) and place.node.value is None:
        shown = "nothing"
    if detail["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
        return f"{path} can't be {shown}", did_you_mean(str(value), known) or f"it is one of {', '.join(known)}"
    if detail["type"] == "string_pattern_mismatch":
        field = str(place.path[-1]) if place.path else ""
        return f"{path} can't be {shown}", _PATTERN_HINTS.get(field) or message
    hint = None
    if detail["type"] == "string_type" and isinstance(place.node, Scalar) and value is not None:
        hint = "put it in quotes"
    text = re.sub(r"^(Input|Value|Tuple|List|String) should", "should", message)
    text = text.replace("valid tuple", "list").replace("valid dictionary", "map").replace("valid string", "text")
    text = text.replace(", unable to parse string as a number", "").replace(", unable to parse string as an integer", "")
    text = re.sub(r"an instance of \w+|a valid dictionary or", "a map or", text)
    text = re.sub(r"should be a map or \w.*", "should be a map", text)
    return f"{path} {text}, not {shown}", hint


def _culprit(place: Place, message: str) -> Place:
    """The item that a message about a whole list or map quotes."""
    children: Iterator[tuple[str | int, Node, Mark]] = iter(())
    if isinstance(place.node, Sequence):
        children = ((index, item, item.mark) for index, item in enumerate(place.node.items))
    elif isinstance(place.node, Mapping):
        children = ((key, entry.node, entry.key) for key, entry in place.node.entries.items())
    for word, child, key in children:
        if isinstance(child, Scalar) and isinstance(child.value, (str, int, float)) and message.find(repr(child.value)) >= 0:
            return Place(child, key, (*place.path, word))
    return place


def _dotted(path: Path) -> str:
    text = ""
    for word in path:
        text += f"[{word}]" if isinstance(word, int) else f".{word}" if text else str(word)
    return text


def fields_at(model: type[BaseModel], loc: Path) -> tuple[str, ...]:
    """The field names of the model that `loc` leads to inside of `model`."""
    current: Any = model
    for word in loc:
        inner = _step(current, word)
        current = inner if inner is not None else current
    found = [found for found in _models(current)]
    return tuple(name for item in found for name in item.model_fields)


def _step(annotation: Any, word: str | int) -> Any:
    for item in _models(annotation):
        if isinstance(word, str) and word in item.model_fields:
            return item.model_fields[word].annotation
    for item in _unwrap(annotation):
        origin, arguments = get_origin(item), get_args(item)
        if origin in (tuple, list) and arguments:
            return arguments[0]
        if origin in (dict, AbstractMapping) and len(arguments) == 2:
            return arguments[1]
    return None


def _unwrap(annotation: Any) -> Iterator[Any]:
    """The members of unions, without what `Annotated` adds."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _unwrap(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _unwrap(argument)
    else:
        yield annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [item for item in _unwrap(annotation) if isinstance(item, type) and issubclass(item, BaseModel)]
