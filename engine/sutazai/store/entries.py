"""A journal entry as one line of JSON, and back."""

import json
from dataclasses import fields

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from sutazai.errors import StateError
from sutazai.ports import JournalEntry


class _Line(BaseModel):
    """A `JournalEntry` as it comes from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase: str
    key: str
    at: float
    address: str
    call: str
    data: dict[str, JsonValue]


_NAMES = tuple(field.name for field in fields(JournalEntry))


def to_line(entry: JournalEntry) -> bytes:
    """Without the newline."""
    plain = {name: getattr(entry, name) for name in _NAMES}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def from_line(line: bytes | str, name: str, number: int) -> JournalEntry:
    """The entry in line `number` of the journal called `name`. Raises StateError when it is none."""
    try:
        return JournalEntry(**dict(_Line.model_validate_json(line)))
    except ValidationError as error:
        raise StateError(
            f"{name} is damaged: line {number} is not an entry",
            hint="compare what runs with the newest serial, then move it away",
        ) from error
