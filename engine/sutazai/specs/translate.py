"""What pydantic says about a value, as a problem at the place where the value was written."""

import re
import types
from collections.abc import Callable, Iterator
from collections.abc import Mapping as AbstractMapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sutazai.diagnostics import did_you_mean
from sutazai.specs.nodes import (
    Mapping,
    Mark,
    Node,
    Path,
    Place,
    Plain,
    Scalar,
    Sequence,
    find,
    kind_of,
    plain,
)
from sutazai.specs.report import Report
from sutazai.specs.shape import unknown_key

M = TypeVar("M", bound=BaseModel)
Where = Callable[[Mark], list[tuple[str, Mark]]]

_PATTERN_HINTS = {
    "restart": "write no, always, unless-stopped, on-failure or on-failure:N",
    "pull_policy": "write always, never, missing, build, daily, weekly or every_12h",
}


def validate(
    model: type[M], node: Node, what: str, report: Report, where: Where = lambda _mark: [], data: Plain = None
) -> M | None:
    """`node` as a `model`; None when it is wrong, which is reported. `data` stands in for the node's own data
    where the two differ; places are still looked up in the node."""
    try:
        return model.model_validate(plain(node) if data is None else data)
    except ValidationError as error:
        seen: set[Path] = set()
        for detail in error.errors(include_url=False):
            _report(model, node, detail, what, report, where, seen)
        return None


def _report(
    model: type[BaseModel],
    node: Node,
    detail: ErrorDetails,
    what: str,
    report: Report,
    where: Where,
    seen: set[Path],
) -> None:
    loc = tuple(word for word in detail["loc"] if word != "[key]")
    place = find(node, loc)
    if detail["type"] == "extra_forbidden":
        owner = _subject(place.path[:-1], what)
        unknown_key(str(loc[-1]), place.key, fields_at(model, loc[:-1]), owner, report, where(place.key))
        return
    if place.path in seen and len(place.path) < len(loc) and detail["type"] != "missing":
        return  # another member of a union, refused at the same place
    seen.add(place.path)
    for culprit, message in _culprits(model, place, detail):
        summary, hint = _words(culprit, loc, {**detail, "msg": message}, what)
        code = "missing-key" if detail["type"] == "missing" else "bad-value"
        report.error(culprit.mark, summary, code, hint=hint, related=where(culprit.mark))


def _subject(path: Path, what: str) -> str:
    """`provider.kind` in the provider, `route.port` in a workload, where `what` is empty."""
    if not path:
        return what or "a service body"
    return f"{_dotted(path)} of {what}" if what else _dotted(path)


def _words(place: Place, loc: Path, detail: ErrorDetails, what: str) -> tuple[str, str | None]:
    subject, message, value = _subject(place.path, what), detail["msg"], detail.get("input")
    if detail["type"] == "missing":
        return f'"{loc[-1]}" is missing in {subject}', f"write {loc[-1]}: …"
    if detail["type"] in ("value_error", "assertion_error"):
        text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return f"{subject}: {text}", None
    shown = kind_of(place.node)
    if isinstance(place.node, Scalar):
        shown = "nothing" if place.node.value is None else repr(value)
    if detail["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
        hint = did_you_mean(str(value), known) or f"it is one of {', '.join(known)}"
        return f"{subject} can't be {shown}", hint
    if detail["type"] == "string_pattern_mismatch":
        field = str(place.path[-1]) if place.path else ""
        return f"{subject} can't be {shown}", _PATTERN_HINTS.get(field) or message
    quoted = detail["type"] == "string_type" and isinstance(place.node, Scalar) and value is not None
    return f"{subject} {_expectation(message)}, not {shown}", "put it in quotes" if quoted else None


_WORDING = (
    (r"^(Input|Value|Tuple|List|String|Dictionary) should", "should"),
    (r", unable to (parse string as an? \w+|interpret input)|, got a number with a fractional part", ""),
    (r"a valid tuple|a valid list", "a list"),
    (r"a valid dictionary or instance of \w+|an instance of \w+|a valid dictionary", "a map"),
    (r"a valid string", "a text"),
    (r"a valid integer", "a whole number"),
    (r"a valid boolean", "true or false"),
    (r"a valid number", "a number"),
    (r"greater than or equal to", "at least"),
    (r"less than or equal to", "at most"),
)


def _expectation(message: str) -> str:
    """Pydantic's `Input should be a valid dictionary` in the words of YAML."""
    for pattern, words in _WORDING:
        message = re.sub(pattern, words, message)
    return message


def _culprits(model: type[BaseModel], place: Place, detail: ErrorDetails) -> Iterator[tuple[Place, str]]:
    """The items of a list that a refusal of the whole list is about, each with what is said of it."""
    found = False
    if isinstance(place.node, Sequence) and len(place.path) == 1 and detail["type"] == "value_error":
        for index, item in enumerate(place.node.items):
            try:
                model.model_validate({str(place.path[0]): [plain(item)]})
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                if first["type"] == "value_error":
                    found = True
                    yield Place(item, item.mark, (*place.path, index)), first["msg"]
    if not found:
        yield _culprit(place, detail["msg"]), detail["msg"]


def _culprit(place: Place, message: str) -> Place:
    """The item that a message about a whole list or map quotes."""
    children: Iterator[tuple[str | int, Node, Mark]] = iter(())
    if isinstance(place.node, Sequence):
        children = ((index, item, item.mark) for index, item in enumerate(place.node.items))
    elif isinstance(place.node, Mapping):
        children = ((key, entry.node, entry.key) for key, entry in place.node.entries.items())
    for word, child, key in children:
        if (
            isinstance(child, Scalar)
            and isinstance(child.value, (str, int, float))
            and message.find(repr(child.value)) >= 0
        ):
            return Place(child, key, (*place.path, word))
    return place


def _dotted(path: Path) -> str:
    text = ""
    for word in path:
        text += f"[{word}]" if isinstance(word, int) else f".{word}" if text else str(word)
    return text


def fields_at(model: type[BaseModel], loc: Path) -> tuple[str, ...]:
    """The field names of the model that `loc` leads to inside of `model`, as they are written."""
    current: Any = model
    for word in loc:
        inner = _step(current, word)
        current = inner if inner is not None else current
    return tuple(
        field.alias or name for item in _models(current) for name, field in item.model_fields.items()
    )


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
