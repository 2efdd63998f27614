"""What differs in one changed resource, leaf by leaf, ready to be shown."""

from collections.abc import Iterator
from dataclasses import dataclass

from sutazai.model.base import Effect
from sutazai.model.fleet import BODIES
from sutazai.plan.change import REPLACED, FieldChange, ResourceChange
from sutazai.plan.redact import SENSITIVE
from sutazai.views.body import Leaf, leaves_at
from sutazai.views.values import UNKNOWN, Path


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf that differs. `before` and `after` are texts for people, None where absent. `lines` are both
    whole values when one of them has several lines and may be shown."""

    path: Path
    before: str | None
    after: str | None
    effect: Effect
    drift: bool = False
    lines: tuple[str, str] | None = None

    @property
    def symbol(self) -> str:
        if self.before is None:
            return "+"
        return "-" if self.after is None else "~"


def differences(change: ResourceChange) -> tuple[Difference, ...]:
    """The leaves that differ, in the order of the fields."""
    return tuple(item for field in change.fields for item in _of_field(change, field))


def _of_field(change: ResourceChange, field: FieldChange) -> Iterator[Difference]:
    model = BODIES[change.address.kind]
    before = leaves_at(model, field.path, field.before, sensitive=field.sensitive)
    after = leaves_at(model, field.path, field.after, sensitive=field.sensitive)
    if field.sensitive:
        # Two hidden values look alike, and so does one that only Docker knows: still they differ.
        yield Difference(
            field.path, SENSITIVE if before else None, SENSITIVE if after else None, field.effect, field.drift
        )
        return
    if not field.known:
        text = next(iter(before.values())).text if len(before) == 1 else None
        yield Difference(field.path, text, UNKNOWN, field.effect, field.drift)
        return
    for path in {**before, **after}:
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        yield Difference(
            path,
            old.text if old else None,
            new.text if new else None,
            field.effect,
            field.drift,
            _several(old, new),
        )


def _several(old: Leaf | None, new: Leaf | None) -> tuple[str, str] | None:
    if not ((old and old.raw) or (new and new.raw)):
        return None
    return (old.raw or old.text if old else "", new.raw or new.text if new else "")


def forces_replacement(change: ResourceChange, item: Difference) -> bool:
    return item.effect is Effect.REPLACE and change.action in REPLACED


def sensitive_paths(change: ResourceChange) -> frozenset[Path]:
    return frozenset(field.path for field in change.fields if field.sensitive)
