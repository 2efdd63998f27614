"""Durations, sizes and CPU shares, read as the Compose Specification writes them."""

import math
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

from sutazai.model.quoting import quoted

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_DURATION = re.compile(rf"({_NUMBER})(ns|us|[µ\u03bc]s|ms|s|m|h|d|w)")
_MICRO = dict.fromkeys(("us", "µs", "\u03bcs"), 1e-6)
_SECONDS = _MICRO | {"ns": 1e-9, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(rf"({_NUMBER}(?:e[+-]?[0-9]{{1,3}})?)\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_LONGEST = (1 << 63) / 1e9
_LARGEST = 1 << 63
"""Docker counts nanoseconds and bytes in 64 bits."""
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def parse_duration(value: Any) -> float:
    """`1m30s`, `500ms` or a number of seconds, as seconds. Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("a duration can't be negative")
        return _fitting(value)
    text = str(value).strip().replace(" ", "")
    if re.fullmatch(_NUMBER, text):
        return _fitting(text)
    if not text or _DURATION.sub("", text):
        raise ValueError(f"{quoted(value)} is not a duration: write 500ms, 10s, 1m30s or a number of seconds")
    return _fitting(sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(text)))


def _fitting(value: str | float) -> float:
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not seconds < _LONGEST:
        raise ValueError("a duration is at most 292 years, which is all that Docker counts")
    return round(seconds, 9)


def parse_bytes(value: Any) -> int:
    """`128M`, `1.5GiB`, `512kb` or a number of bytes, as bytes; units count in 1024s. Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("a size can't be negative")
        return _bounded(value)
    match = _SIZE.fullmatch(str(value).strip())
    if not match:
        raise ValueError(f"{quoted(value)} is not a size: write 64M, 1.5G or a number of bytes")
    return _bounded(float(match[1]) * _BYTES[match[2].lower()])


def _bounded(size: float) -> int:
    if not size < _LARGEST:
        raise ValueError("a size is less than 8 exbibytes, which is all that Docker counts")
    return int(size)


def parse_cpus(value: Any) -> float:
    """A number of CPUs, also as text, to a billionth, as Docker counts them; less than half of that stays, since 0 is no limit.
    Raises ValueError."""
    try:
        cpus = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{quoted(value)} is not a number of CPUs: write 0.5 or 2") from None
    if isinstance(value, bool) or not 0 <= cpus < 100_000:
        raise ValueError(f"{quoted(value)} is not a number of CPUs: write 0.5 or 2")
    return round(cpus, 9) or cpus


def format_duration(seconds: float) -> str:
    """The shortest Compose duration that reads back as the same value. A container may have one below zero: no end."""
    if seconds < 0:
        return f"{seconds:g}s"
    if seconds < 1 and seconds > 0:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest:g}s" if rest else ""]
    return "".join(parts) or "0s"


def format_bytes(size: int) -> str:
    """The shortest exact size with a binary unit: 134217728 is `128M`."""
    for unit, factor in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B" if size else "0"


def format_bytes_short(size: float) -> str:
    """A size for people, to three figures: `8.42G`."""
    for unit, factor in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if abs(size) >= factor:
            return f"{size / factor:.3g}{unit}"
    return f"{size:.0f}B"


def format_latency(seconds: float) -> str:
    """A time to answer, for people, to three figures: `41.3 ms`, `1.20 s`."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


Seconds = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=str | float)]
Bytes = Annotated[int, BeforeValidator(parse_bytes, json_schema_input_type=str | int)]
Cpus = Annotated[float, BeforeValidator(parse_cpus, json_schema_input_type=str | float)]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, (str, int)):
        return str(value)
    raise ValueError(f"expected a text, a number or a boolean, found {_kind(value)}")


_PLAIN = (-4, 6)
"""The powers of ten that Go's %v writes without an exponent."""


def _number(value: float) -> str:
    """As Compose writes it, which is as Go does: `1000` for 1e3 and for 1000.0, `1.1` for 1.10, `1e+06` for 1e6."""
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    number = Decimal(repr(value)).normalize()
    digits, _, exponent = f"{number:e}".partition("e")
    plain = _PLAIN[0] <= int(exponent) < _PLAIN[1]
    return f"{number:f}" if plain else f"{digits}e{int(exponent):+03d}"


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return (
        "a map"
        if isinstance(value, dict)
        else "a list"
        if isinstance(value, (list, tuple))
        else type(value).__name__
    )


Text = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | int | float | bool)]
"""A string that YAML may have read as a number or a boolean (`PORT: 8080`)."""


def _said(value: Any) -> Any:
    return None if value == "" else value


if_said = BeforeValidator(_said)
"""For texts of which the engine takes an empty one for none given, as Compose does (`hostname: "${HOSTNAME:-}"`): to compare it
with what the engine chose would find a difference for ever."""

__all__ = [
    "Bytes",
    "Cpus",
    "Seconds",
    "Text",
    "format_bytes",
    "format_bytes_short",
    "format_duration",
    "format_latency",
    "if_said",
    "parse_bytes",
    "parse_cpus",
    "parse_duration",
]
