"""Reading of JSON values that others wrote: each returns the type it names or says what it expected."""

import math

from runtime.http1 import Json


class InputError(Exception):
    """The caller's input; the message is for the caller."""


def text(value: Json, what: str = "input") -> str:
    if not isinstance(value, str):
        raise InputError(f"{what} must be a text")
    return value


def number(value: Json, what: str, least: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{what} must be a number")
    try:
        result = float(value)
    except OverflowError as error:
        raise InputError(f"{what} is too large") from error
    if not math.isfinite(result) or result < least:
        raise InputError(
            f"{what} must be a finite number" + (f" from {least:g}" if least > -math.inf else "")
        )
    return result


def items(value: Json, what: str = "input") -> list[Json]:
    if not isinstance(value, list):
        raise InputError(f"{what} must be a list")
    return value


def fields(value: Json, what: str = "input") -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InputError(f"{what} must be an object")
    return value


def texts(value: Json, what: str = "input") -> list[str]:
    return [text(item, f"{what}[{index}]") for index, item in enumerate(items(value, what))]


def numbers(value: Json, what: str = "input", least: float = -math.inf) -> list[float]:
    return [number(item, f"{what}[{index}]", least) for index, item in enumerate(items(value, what))]


def some_numbers(value: Json, what: str = "input", least: float = -math.inf) -> list[float]:
    result = numbers(value, what, least)
    if not result:
        raise InputError(f"{what} must not be empty")
    return result


def records(value: Json, what: str = "input") -> list[dict[str, Json]]:
    return [fields(item, f"{what}[{index}]") for index, item in enumerate(items(value, what))]


def figures(value: Json, what: str, least: float = -math.inf) -> dict[str, float]:
    return {name: number(item, f"{what}.{name}", least) for name, item in fields(value, what).items()}


def tidy(value: float) -> int | float:
    """Six digits behind the point are enough for a reader; whole numbers are shown as such."""
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded
