"""Taking sensitive values out of plan data before it leaves the process: into JSON, into a plan file.

The core marks the fields that hold them (`FieldChange.sensitive`); here alone their values are replaced, wherever the
plan repeats them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sutazai.plan.change import FieldChange, ResourceChange

SENSITIVE = "(sensitive value)"
Path = tuple[str, ...]


def redacted(change: ResourceChange) -> ResourceChange:
    """The change without a sensitive value: not in its fields, not in its bodies. Idempotent."""
    hidden = [field.path for field in change.fields if field.sensitive]
    if not hidden:
        return change
    return replace(
        change,
        before=masked(change.before, hidden),
        after=masked(change.after, hidden),
        fields=tuple(_hidden(field) if field.sensitive else field for field in change.fields),
    )


def _hidden(field: FieldChange) -> FieldChange:
    return replace(
        field,
        before=None if field.before is None else SENSITIVE,
        after=None if field.after is None else SENSITIVE,
    )


def masked(body: Mapping[str, Any] | None, paths: Iterable[Path]) -> dict[str, Any] | None:
    """A copy of a body with what lies at `paths` hidden."""
    if body is None:
        return None
    copy: dict[str, Any] = dict(body)
    for path in paths:
        copy = with_value(copy, path, SENSITIVE)
    return copy


def with_value(body: Any, path: Path, value: str | None) -> Any:
    """A copy of `body` with the value at `path` replaced, or taken out for None; unchanged where there is none."""
    word, *rest = path
    if isinstance(body, Mapping) and word in body:
        kept = {key: item for key, item in body.items() if key != word or rest or value is not None}
        if rest or value is not None:
            kept[word] = with_value(body[word], tuple(rest), value) if rest else value
        return kept
    if isinstance(body, (list, tuple)) and word.isdigit() and int(word) < len(body):
        items = list(body)
        items[int(word)] = with_value(items[int(word)], tuple(rest), value) if rest else value
        return items
    return body
