"""A run as JSON lines: one object for each event, with `type`, `at` (ISO 8601, UTC) and the event's own
fields."""

import json
from dataclasses import fields, is_dataclass
from typing import TextIO

from sutazai.address import Address
from sutazai.events import Event, iso


class JsonLines:
    """An `EventSink` that writes one line an event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        self._stream.write(to_json(event) + "\n")
        self._stream.flush()


def to_json(event: Event) -> str:
    """One event as one line of JSON; addresses are strings."""
    data: dict[str, object] = {"type": event.type, "at": iso(event.at)}
    for field in fields(event):
        if field.name != "at":
            data[field.name] = _plain(getattr(event, field.name))
    return json.dumps(data, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, Address):
        return str(value)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
