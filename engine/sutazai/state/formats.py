"""The formats of a serial on disk: one file per version, a pure upgrade from each to the next.

A document is plain JSON with `format_version`. Reading checks the document's own hash first, as it was
written, then brings it up to `State` step by step. Writing always writes the newest format, and the same
state as the same bytes: only what was set is written, so that a declared default and a field that nobody
declared stay apart.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from pydantic import JsonValue, ValidationError
from pydantic_core import to_json

from sutazai.errors import NewerFormat, StateError
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.plain import parsed
from sutazai.state import v1
from sutazai.state.scope import digest_of
from sutazai.state.v2 import State

Document = Mapping[str, JsonValue]
NEWEST = 2

UPGRADES: dict[int, Callable[[Document], Document]] = {1: v1.upgraded}
"""Format version → the pure function that makes a document of the next version of it."""


def write(state: State) -> bytes:
    """The serial as it is kept: sorted keys, two spaces, a newline at the end. The state must be sealed."""
    try:
        text = json.dumps(_document(state), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"
    except ValueError as error:
        raise StateError(f"serial {state.serial} holds a value that JSON can't: {error}") from error


def seal(state: State, previous_sha256: str | None) -> State:
    """The state with its place in the chain: the hash of the serial before, and its own over everything
    else."""
    linked = state.model_copy(update={"previous_sha256": previous_sha256})
    return linked.model_copy(update={"sha256": digest_of(_without_hash(_document(linked)))})


def read(data: bytes, source: str, like: Fleet | None = None) -> State:
    """The state in `data`; `source` names it in the errors, `like` is as for `parse`. Raises StateError when it is damaged
    or newer."""
    return parse(_whole(data, source), source, like)


def read_edited(data: bytes, source: str) -> tuple[State, bool]:
    """The state in `data`, and whether it is as it was written: one that people edited does not have the hash of what it
    holds. Raises StateError when it is no state."""
    try:
        document = parsed(data)
        as_written = isinstance(document, dict) and _is_sound(document)
    except (ValueError, RecursionError) as error:
        raise StateError(f"{source} is not a state: it is not whole JSON ({error})") from error
    if not isinstance(document, dict):
        raise StateError(f"{source} is not a state: it is not a JSON object")
    return parse(document, source), as_written


def refuse_unreadable(state: State) -> None:
    """Raise StateError where a state that was made of another one by hand (`model_copy` looks at nothing) could be written
    but not read again."""
    try:
        State.model_validate(_document(state))
    except ValidationError as error:
        raise StateError(f"this can't be recorded: {_first_of(error)}") from error


def parse(document: Document, source: str, like: Fleet | None = None) -> State:
    """Bring a document whose hash holds to `State`. Workloads of which `like` says the same are the ones in `like`: one body
    then stands for two, a large fleet needs less time and memory, and that nothing changed is seen by whose body it is."""
    version = document.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _damaged(source, f"format_version is {version!r}, not a version")
    if version > NEWEST:
        by = document.get("sutazai_version")
        raise NewerFormat(
            f"{source} has format {version}, written by sutazai {by}; this version reads up to {NEWEST}",
            hint=f"use sutazai {by} or newer",
        )
    for step in range(version, NEWEST):
        document = UPGRADES[step](document)
    try:
        return State.model_validate(document if like is None else _sharing(document, like))
    except ValidationError as error:
        raise _damaged(source, _first_of(error)) from error


def _first_of(error: ValidationError) -> str:
    """What is wrong first, and where."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _sharing(document: Document, like: Fleet) -> Mapping[str, object]:
    desired = document.get("desired")
    if not isinstance(desired, dict):
        return document
    tables = {}
    for table, bodies in (("services", like.services), ("agents", like.agents)):
        recorded = desired.get(table)
        if isinstance(recorded, dict):
            tables[table] = {name: _either(body, bodies.get(name)) for name, body in recorded.items()}
    return {**document, "desired": {**desired, **tables}}


def _either(recorded: JsonValue, body: Workload | None) -> JsonValue | Workload:
    return body if body is not None and body.form == recorded else recorded


def verify_chain(states: Iterable[State]) -> tuple[str, ...]:
    """Every break in a row of serials, oldest first, in words; empty when the row is whole. The hash of
    each alone was checked when it was read."""
    row = tuple(states)
    problems: list[str] = []
    if row and row[0].serial == 1 and row[0].previous_sha256 is not None:
        problems.append("serial 1 names a serial before it")
    for before, after in pairwise(row):
        if after.serial != before.serial + 1:
            problems.append(f"after serial {before.serial} comes {after.serial}")
        elif after.previous_sha256 != before.sha256:
            problems.append(f"serial {after.serial} was not written after this serial {before.serial}")
        if after.lineage != before.lineage:
            problems.append(f"serial {after.serial} has lineage {after.lineage}, not {before.lineage}")
    return tuple(problems)


def _document(state: State) -> dict[str, JsonValue]:
    document: dict[str, JsonValue] = state.model_dump(mode="json", exclude_unset=True)
    return document | {
        "format_version": state.format_version,
        "previous_sha256": state.previous_sha256,
        "sha256": state.sha256,
    }


def _without_hash(document: Document) -> Document:
    return {key: value for key, value in document.items() if key != "sha256"}


def _whole(data: bytes, source: str) -> Document:
    """The JSON object in `data`, if its hash is what it says."""
    try:
        document = parsed(data)
        if not isinstance(document, dict):
            raise _damaged(source, "it is not a JSON object")
        if not _is_sound(document):
            raise _damaged(source, "its sha256 does not match what it holds")
    except (ValueError, RecursionError) as error:
        raise _damaged(source, f"it is not whole JSON ({error})") from error
    return document


def _is_sound(document: Document) -> bool:
    """Whether a document has the hash of what it holds. As a serial is written with sorted keys, `to_json` mostly gives the
    very text that was hashed, in a third of the time; where it does not, the canonical form decides."""
    held, told = _without_hash(document), document.get("sha256")
    return told == hashlib.sha256(to_json(held)).hexdigest() or told == digest_of(held)


def _damaged(source: str, why: str) -> StateError:
    return StateError(
        f"{source} is damaged: {why}", hint="restore this file from a copy; it must never be edited"
    )
