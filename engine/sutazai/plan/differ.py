"""Comparing two normal forms three ways.

`Sides` holds the four normal forms of one field: what is wanted now, what was applied before, what is reported and what
would be there by default. None means absent. `facing` gives the two values to be held against each other: only what was
declared, now or before, is in them. Equal values mean that nothing differs.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sutazai.plan.normal import Shape

Json = Any
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sides:
    wanted: Json
    past: Json
    have: Json
    default: Json


def facing(shape: Shape, sides: Sides) -> tuple[Json, Json]:
    """`(before, after)`, what is and what should be."""
    if sides.wanted is None and sides.past is None:
        return None, None
    match shape:
        case Shape.SET:
            return _sets(sides)
        case Shape.MAP:
            return _maps(sides)
        case Shape.RECORD:
            return _records(sides)
        case Shape.VALUE:
            after = sides.default if sides.wanted is None else sides.wanted
            return (None, None) if alike(sides.have, after) else (sides.have, after)


def alike(have: Json, after: Json) -> bool:
    """Nothing, however it is spelt, is nothing."""
    return bool(have == after) or (not have and not after)


def says(shape: Shape, have: Json, asked: Json, default: Callable[[], Json]) -> bool:
    """Whether what is reported says what is asked in the very same words, and beside that what is there by default: then
    `facing` finds no difference between their normal forms. False tells nothing."""
    if have == asked:
        return True
    if not isinstance(have, dict) or not isinstance(asked, dict) or not _holds(have, asked):
        return False
    if shape is not Shape.MAP:
        return shape is Shape.RECORD
    unasked = have.keys() - asked.keys()
    usual = default() or {} if unasked else {}
    return all(key in usual and usual[key] == have[key] for key in unasked)


def _holds(have: dict[str, Any], asked: dict[str, Any]) -> bool:
    for key, value in asked.items():
        there = have.get(key)
        if there != value and not (
            isinstance(there, dict) and isinstance(value, dict) and _holds(there, value)
        ):
            return False
    return True


def _sets(sides: Sides) -> tuple[list[Any], list[Any]]:
    default = list(sides.default or ())
    after = default if sides.wanted is None else sides.wanted
    unasked = {item for item in default if item not in after}
    return [item for item in sides.have or () if item not in unasked], after


def _maps(sides: Sides) -> tuple[dict[str, Any], dict[str, Any]]:
    wanted, past = sides.wanted or {}, sides.past or {}
    have, default = sides.have or {}, sides.default or {}
    before, after = {}, {}
    for key in {**wanted, **have}:
        if key in wanted:
            parts = Sides(wanted[key], past.get(key), have.get(key), default.get(key))
            left, right = _records(parts) if isinstance(wanted[key], dict) else (parts.have, parts.wanted)
            if key in have:
                before[key] = left
            after[key] = right
        elif default.get(key) != have[key]:
            before[key] = have[key]
            if key in default:
                after[key] = default[key]
    return before, after


def _records(sides: Sides) -> tuple[dict[str, Any], dict[str, Any]]:
    wanted, past = sides.wanted or {}, sides.past or {}
    have, default = sides.have or {}, sides.default or {}
    before, after = {}, {}
    for key in {**past, **wanted}:
        want = wanted.get(key)
        if want is None and past.get(key) is None:
            continue
        parts = Sides(want, past.get(key), have.get(key), default.get(key))
        if isinstance(want if want is not None else past[key], dict):
            left, right = _records(parts)
        else:
            left, right = parts.have, parts.default if want is None else want
            if alike(left, right):
                continue
        before[key], after[key] = left, right
    return before, after


def differences(before: Json, after: Json) -> Iterator[tuple[Path, Any, Any]]:
    """`(path, before, after)` for each place where two pieces of plain data differ. A list differs as a whole."""
    if before == after:
        return
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield (), before, after
        return
    for key in sorted({**before, **after}):
        for path, old, new in differences(before.get(key), after.get(key)):
            yield (key, *path), old, new


def at(data: Json, path: Path) -> Json:
    """The value at a path of plain data, None where there is none."""
    for word in path:
        data = data.get(word) if isinstance(data, dict) else None
    return data


def with_values(data: dict[str, Json], values: Iterable[tuple[Path, Json]]) -> dict[str, Json]:
    """The data with other values at some paths; None takes a key away."""
    for path, value in values:
        data = _with_value(data, path, value)
    return data


def _with_value(data: dict[str, Json], path: Path, value: Json) -> dict[str, Json]:
    head, *rest = path
    if not rest:
        return {k: v for k, v in data.items() if k != head} if value is None else {**data, head: value}
    inner = data.get(head)
    return {**data, head: _with_value(inner if isinstance(inner, dict) else {}, tuple(rest), value)}
