"""What pydantic says about a value, as a problem at the place where the value was written."""

import contextlib
import re
import types
from collections.abc import Collection, Iterator
from collections.abc import Mapping as AbstractMapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sutazai.diagnostics import did_you_mean
from sutazai.model.quoting import quoted
from sutazai.specs.nodes import (
    Node,
    Path,
    Place,
    Plain,
    Scalar,
    Where,
    find,
    kind_of,
    plain,
)
from sutazai.specs.report import Report
from sutazai.specs.shape import unknown_key

M = TypeVar("M", bound=BaseModel)

_PATTERN_HINTS = {
    "schema": "write a name of lower-case letters, digits and '_'",
    "restart": "write no, always, unless-stopped, on-failure or on-failure:N",
    "pull_policy": "write always, never, missing, build, daily, weekly or every_12h",
}


def validate(
    model: type[M], node: Node, what: str, report: Report, where: Where = lambda _mark: [], data: Plain = None
) -> M | None:
    """`node` as a `model`; None when it is wrong, which is reported. `data` stands in for the node's own data
    where the two differ; places are still looked up in the node."""
    found, wrong = validate_parts(model, node, what, report, where, data)
    return None if wrong else found


def validate_parts(
    model: type[M], node: Node, what: str, report: Report, where: Where, data: Plain
) -> tuple[M | None, frozenset[str]]:
    """What of `node` is right as a `model`, so that what else is wrong with it can be told too, and the names of the fields of
    which something is not, which is reported. Of such a field the rest is in the model where that makes sense without it. No
    model when there are no fields to speak of."""
    given = plain(node) if data is None else data
    try:
        return model.model_validate(given), frozenset()
    except ValidationError as error:
        details = error.errors(include_url=False)
    seen: set[Path] = set()
    for detail in details:
        _report(model, node, detail, what, report, where, seen)
    wrong = frozenset(str(detail["loc"][0]) for detail in details if detail["loc"])
    fields = given if isinstance(given, dict) else {}
    for paths in ({_cut(fields, detail["loc"]) for detail in details}, {(name,) for name in wrong}):
        with contextlib.suppress(ValidationError):
            return model.model_validate(_without(fields, paths)), wrong or frozenset(model.model_fields)
    return None, frozenset(model.model_fields)


def _cut(given: dict[str, Any], loc: tuple[str | int, ...]) -> tuple[str, ...]:
    """As far as maps lead to what is wrong."""
    path: list[str] = []
    here: Any = given
    for word in loc:
        if not isinstance(here, dict) or word not in here:
            break
        path.append(str(word))
        here = here[word]
    return tuple(path)


def _without(given: dict[str, Any], paths: Collection[tuple[str, ...]]) -> dict[str, Any]:
    """A map less what some paths lead to."""
    gone = {path[0] for path in paths if len(path) == 1}
    return {
        name: _without(value, inner)
        if (inner := [path[1:] for path in paths if len(path) > 1 and path[0] == name])
        else value
        for name, value in given.items()
        if name not in gone
    }


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
    summary, hint = _words(place, loc, detail, what)
    code = "missing-key" if detail["type"] == "missing" else "bad-value"
    report.error(place.mark, summary, code, hint=hint, related=where(place.mark))


def _subject(path: Path, what: str) -> str:
    """`provider.kind` in the provider, `route.port` in a workload, where `what` is empty."""
    if not path:
        return what or "a service body"
    return f"{_dotted(path)} of {what}" if what else _dotted(path)


def _words(place: Place, loc: Path, detail: ErrorDetails, what: str) -> tuple[str, str | None]:
    subject, value = _subject(place.path, what), detail.get("input")
    if detail["type"] == "missing":
        return f'"{loc[-1]}" is missing in {subject}', f"write {loc[-1]}: …"
    if own := own_words(detail):
        return f"{subject}: {own}", detail.get("ctx", {}).get("hint")
    shown = kind_of(place.node)
    if isinstance(place.node, Scalar):
        shown = "nothing" if place.node.value is None else quoted(value)
    if detail["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
        hint = did_you_mean(str(value), known) or f"it is one of {', '.join(known)}"
        return f"{subject} can't be {shown}", hint
    if detail["type"] == "string_pattern_mismatch":
        field = str(place.path[-1]) if place.path else ""
        return f"{subject} can't be {shown}", _PATTERN_HINTS.get(
            field, "names have letters, digits, '_', '.' and '-'"
        )
    text = detail["type"] == "string_type" and isinstance(place.node, Scalar) and value is not None
    return f"{subject} should be {expected(detail)}, not {shown}", "put it in quotes" if text else None


def own_words(detail: ErrorDetails) -> str | None:
    """What one of our own validators says."""
    if detail["type"] not in ("refused", "value_error", "assertion_error"):
        return None
    return detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


_EXPECTED = (
    ("string_too_long", "a text of at most {max_length} characters"),
    ("string_unicode", "a text of characters that there are"),
    ("string", "a text"),
    ("int", "a whole number"),
    ("bool", "true or false"),
    ("greater_than_equal", "at least {ge:g}"),
    ("greater_than", "greater than {gt:g}"),
    ("less_than_equal", "at most {le:g}"),
    ("less_than", "less than {lt:g}"),
    ("float", "a number"),
    ("finite", "a finite number"),
    ("tuple", "a list"),
    ("list", "a list"),
    ("iterable", "a list"),
    ("dict", "a map"),
    ("mapping", "a map"),
    ("model", "a map"),
    ("is_instance", "a map"),
    ("literal", "one of {expected}"),
    ("missing", "there"),
    ("extra", "left out"),
)
"""By the beginning of pydantic's name for the kind of error: what should be there, in the words of YAML."""


def expected(detail: ErrorDetails) -> str:
    """What pydantic would have taken instead."""
    words = next((words for kind, words in _EXPECTED if detail["type"].startswith(kind)), "another value")
    return words.format(**detail.get("ctx", {}))


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
