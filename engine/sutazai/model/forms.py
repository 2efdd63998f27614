"""Fields that Compose lets one write in two forms, as one form.

A refusal of an item names that item, and every bad item is named: a validator never stops at the first. What is not
written as Compose takes it is refused, not made into a text that nobody wrote.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from sutazai.model.quoting import quoted
from sutazai.model.units import Text

T = TypeVar("T")
_MOST_PORTS = 16_384
"""Of one range, which is one entry each: as many as the usual range of RTP has."""


def each(items: Iterable[Any], convert: Callable[[Any], T]) -> list[T]:
    """The converted items. Raises ValidationError with the problems of all of them, each at its index."""
    found: list[T] = []
    wrong: list[InitErrorDetails] = []
    for index, item in enumerate(items):
        try:
            found.append(convert(item))
        except ValidationError as error:
            wrong += [_moved(detail, index) for detail in error.errors(include_url=False)]
        except ValueError as error:
            told = error if isinstance(error, PydanticCustomError) else problem(str(error))
            wrong.append(InitErrorDetails(type=told, loc=(index,), input=item))
    if wrong:
        raise ValidationError.from_exception_data("items", wrong)
    return found


def problem(text: str, hint: str | None = None) -> PydanticCustomError:
    """Our own words, which no reader has to take apart."""
    return PydanticCustomError("refused", "{text}", {"text": text, "hint": hint})


def _moved(detail: ErrorDetails, index: int) -> InitErrorDetails:
    moved = InitErrorDetails(type=detail["type"], loc=(index, *detail["loc"]), input=detail["input"])
    if detail["type"] in ("refused", "value_error"):
        moved["type"] = problem(
            detail["msg"].removeprefix("Value error, "), detail.get("ctx", {}).get("hint")
        )
    elif "ctx" in detail:
        moved["ctx"] = detail["ctx"]
    return moved


def _words(value: Any) -> Any:
    """A shell-like string as its words (Compose: `command: echo "a b"`)."""
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError:
            raise ValueError(
                f"{quoted(value)} can't be split into words: a quote or a backslash is open"
            ) from None
    return value


def _one_or_many(value: Any) -> Any:
    return (
        [value]
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
        else value
    )


def _pair(item: Any) -> tuple[str, str | None]:
    if not isinstance(item, str):
        raise ValueError(f"expected a text NAME=VALUE, found {quoted(item)}")
    name, found, text = item.partition("=")
    return name, text if found else None


def _pairs(value: Any) -> Any:
    """`[A=1, B]` as `{A: 1, B: None}`; maps pass."""
    return dict(each(value, _pair)) if isinstance(value, (list, tuple)) else value


def _texts(value: Any) -> Any:
    pairs = _pairs(value)
    return {k: "" if v is None else v for k, v in pairs.items()} if isinstance(pairs, Mapping) else pairs


def _host(item: Any) -> tuple[str, str]:
    parts = re.split("([=:])", item, maxsplit=1) if isinstance(item, str) else []
    if len(parts) != 3:
        raise ValueError(f"expected HOST=ADDRESS, found {quoted(item)}")
    return parts[0], parts[2].strip("[]")


def _hosts(value: Any) -> Any:
    """`["db:10.0.0.1", "x=::1"]` as `{db: 10.0.0.1, x: ::1}`; a host with two addresses has both. In either form an address may
    stand in brackets, as in Compose."""
    if isinstance(value, Mapping):
        return {name: _bare(addresses) for name, addresses in value.items()}
    if not isinstance(value, (list, tuple)):
        return value
    hosts: dict[str, list[str]] = {}
    for name, address in each(value, _host):
        hosts.setdefault(name, []).append(address)
    return hosts


def _bare(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_bare(item) for item in value]
    return value.strip("[]") if isinstance(value, str) else value


def port_range(text: str) -> tuple[int, int]:
    """`80` and `80-90` as the first and the last port. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", text)
    if not match:
        raise ValueError(f"{quoted(text)} is not a port or a range of ports")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{quoted(text)} is not between 1 and 65535")
    if high - low >= _MOST_PORTS:
        raise ValueError(f"{quoted(text)} is a range of more than {_MOST_PORTS:,} ports")
    return low, high


_PAIRS = dict[str, str | int | float | bool | None] | list[str]
Words = Annotated[tuple[Text, ...], BeforeValidator(_words, json_schema_input_type=str | list[str])]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | list[str])]
TextMap = Annotated[dict[str, Text], BeforeValidator(_texts, json_schema_input_type=_PAIRS)]
Environment = Annotated[dict[str, Text | None], BeforeValidator(_pairs, json_schema_input_type=_PAIRS)]
Hosts = Annotated[
    dict[str, Texts], BeforeValidator(_hosts, json_schema_input_type=dict[str, str | list[str]] | list[str])
]
