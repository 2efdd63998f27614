"""What has changed since a plan was made, in words: the most telling difference of each resource."""

from collections.abc import Sequence

from sutazai.model.fleet import BODIES
from sutazai.plan.change import Action, FieldChange, ResourceChange
from sutazai.plan.departures import Departure
from sutazai.plan.differ import differences
from sutazai.plan.redact import SENSITIVE, redacted
from sutazai.views.plan_words import why
from sutazai.views.values import Path, inline

_MOST_FIELDS = 3
_NOUNS = {
    Action.CREATE: "a creation",
    Action.UPDATE: "an update in place",
    Action.REPLACE: "a replacement",
    Action.REPLACE_START_FIRST: "a replacement",
    Action.DESTROY: "a removal",
    Action.ADOPT: "an adoption",
    Action.NOOP: "no change",
}


def words(departure: Departure) -> str:
    """One line about why a plan no longer fits a resource."""
    then, now = departure.then, departure.now
    if departure.drift:
        return "it was changed again since its difference was found"
    if now is None:
        return f"{_planned(then)}, and there is nothing of it now"
    if then is None:
        return f"{departure.needed_by} needs it, and {now.detail or 'it is gone'}"
    if departure.stopped:
        return f"it ran when planned, and {now.detail}"
    if not now.changes:
        return f"{_planned(then)}, and it needs no change now"
    if then.action is not now.action:
        return f"{_planned(then)}, and now it would be {_NOUNS[now.action]} ({why(now)})"
    fields = _fields(redacted(then), redacted(now)) or _ignored(redacted(then), redacted(now))
    if fields:
        return fields
    if then.image_id != now.image_id:
        return f"its image was {_short(then.image_id)} when planned, and is {_short(now.image_id)} now"
    if why(then) == why(now):
        return f"{_planned(then)} ({why(then)}), and now it would be carried out in another way"
    return f"{_planned(then)} ({why(then)}), and now the reason would be: {why(now)}"


def _planned(change: ResourceChange | None) -> str:
    return f"{_NOUNS[change.action] if change else 'nothing'} was planned"


def _fields(then: ResourceChange, now: ResourceChange) -> str:
    """The fields that are not what they were, old and new. One that did not differ was as it is wanted."""
    old = {field.path: field for field in then.fields}
    new = {field.path: field for field in now.fields}
    moved = []
    for path in {**old, **new}:
        was = old[path].before if path in old else new[path].after
        there = new[path].before if path in new else old[path].after
        if was != there:
            moved.append((path, was, there, old.get(path) or new.get(path)))
    return _told(then, moved)


def _ignored(then: ResourceChange, now: ResourceChange) -> str:
    """What is to stay as it is, whatever is declared (`lifecycle.ignore_changes`), and is no longer what it was."""
    kept = differences(then.after or {}, now.after or {})
    return _told(then, [(path, was, there, None) for path, was, there in kept])


def _told(then: ResourceChange, moved: Sequence[tuple[Path, object, object, FieldChange | None]]) -> str:
    texts = [f"{'.'.join(path)} was {_text(then, path, was, field)} when planned, and is {_text(then, path, there, field)} now"
             for path, was, there, field in moved[:_MOST_FIELDS]]  # fmt: skip
    more = [f"{len(moved) - _MOST_FIELDS} more fields changed"] if len(moved) > _MOST_FIELDS else []
    return "; ".join(texts + more)


def _text(change: ResourceChange, path: Path, value: object, field: FieldChange | None) -> str:
    if value is None:
        return "not set"
    if field is not None and field.sensitive:
        return SENSITIVE
    return inline(BODIES[change.address.kind], path, value)


def _short(image_id: str | None) -> str:
    return (image_id or "unknown").removeprefix("sha256:")[:12]
