"""The file of a simulated engine as text. Every call that changes something writes all of it, so that of each container only what
has changed since is put into words again: else to make n of them would take n² of that."""

import json
from dataclasses import replace
from typing import Any

from sutazai.providers.simulated.document import Document, container_entry, document_of
from sutazai.providers.simulated.engine import SimulatedContainer, SimulatedEngine


class Text:
    """Of one engine, as it is each time it is asked for."""

    def __init__(self) -> None:
        self._written: dict[str, tuple[SimulatedContainer, str]] = {}

    def of(self, engine: SimulatedEngine) -> str:
        self._written = {
            found.instance.name: self._entry(found.instance.name, found)
            for found in engine.containers.values()
        }
        document = document_of(engine)
        kept = document.model_dump(mode="json", exclude_defaults=True)
        parts = {"format": document.format, "version": document.version, **kept}
        texts = {key: _indented(value, 1) for key, value in parts.items()}
        if self._written:
            texts["containers"] = _object({name: text for name, (_, text) in self._written.items()}, 1)
        return _object({key: texts[key] for key in Document.model_fields if key in texts}, 0)

    def _entry(self, name: str, container: SimulatedContainer) -> tuple[SimulatedContainer, str]:
        before = self._written.get(name)
        if before is not None and before[0].instance is container.instance and before[0] == container:
            return before
        as_it_is = replace(
            container, labels=dict(container.labels), hosts=dict(container.hosts), logs=list(container.logs),
            answers=dict(container.answers), files=dict(container.files),
        )  # fmt: skip
        entry = container_entry(container).model_dump(mode="json", exclude_defaults=True)
        return as_it_is, _indented(entry, 2)


def _indented(value: Any, depth: int) -> str:
    """As `json.dumps` has it within `depth` others: no text in it holds a line break that is not escaped."""
    return json.dumps(value, indent=1).replace("\n", "\n" + " " * depth)


def _object(texts: dict[str, str], depth: int) -> str:
    inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
    return (
        "{" + inner + f",{inner}".join(f"{json.dumps(k)}: {text}" for k, text in texts.items()) + f"{outer}}}"
    )
