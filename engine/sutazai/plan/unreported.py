"""What is declared of a workload and no container reports: compared with what was last applied, never with the container.

Some of it are whole fields that only this engine reads (`checks`, `depends_on`, ...), some are words within a field that the
container does report otherwise.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sutazai.model.base import Effect
from sutazai.model.workload import Workload, fields_with
from sutazai.plan.change import FieldChange
from sutazai.plan.differ import Path, alike, at, differences
from sutazai.plan.normal import FORMS, port_text

Json = Any
Form = dict[str, Any]

RECORDED_ONLY = fields_with(Effect.ENGINE)
_UNREPORTED: Mapping[Path, Effect] = {
    ("deploy", "resources", "reservations", "cpus"): Effect.ENGINE,
    ("deploy", "resources", "reservations", "pids"): Effect.ENGINE,
    ("deploy", "labels"): Effect.ENGINE,
    ("volumes", "*", "consistency"): Effect.ENGINE,
    ("volumes", "*", "bind", "create_host_path"): Effect.ENGINE,
    ("ports", "*", "mode"): Effect.ENGINE,
    ("ports", "*", "name"): Effect.ENGINE,
    ("ports", "*", "app_protocol"): Effect.ENGINE,
    ("networks", "*", "priority"): Effect.ENGINE,
    ("platform",): Effect.REPLACE,
    ("secrets",): Effect.REPLACE,
}
"""Words within a field; `*` stands for any key."""
_USUAL: Mapping[Path, Json] = {
    ("volumes", "*", "bind", "create_host_path"): True,
    ("ports", "*", "mode"): "ingress",
}
"""What they are where nobody says it."""
_UNREPORTED_OF = {path[0]: [other for other in _UNREPORTED if other[0] == path[0]] for path in _UNREPORTED}


def recorded(told: Workload, before: Workload | None) -> Iterator[FieldChange]:
    """What no container reports, against what was applied. Without a record there is nothing to compare with. What is what it
    would be anyway need not be said; but in a rollout that counts above what the project says."""
    if before is None or before is told or before.form == told.form:
        return
    want, past = told.form, before.form
    for name in sorted({*want, *past} & RECORDED_ONLY):
        if name == "rollout" or getattr(told, name) != getattr(before, name):
            for rest, old, new in differences(past.get(name), want.get(name)):
                yield FieldChange((name, *rest), old, new, Effect.ENGINE)
    if told.route != before.route:
        yield from _route(past.get("route"), want.get("route"))
    old, new = _keyed(past), _keyed(want)
    for pattern, effect in _UNREPORTED.items():
        for path in sorted({*_matches(new, pattern), *_matches(old, pattern)}):
            sides = at(old, path), at(new, path)
            if not _is_same(pattern, *sides) and not _owner_changes(path, old, new):
                yield FieldChange(path, *sides, effect)


def _is_same(pattern: Path, old: Json, new: Json) -> bool:
    usual = _USUAL.get(pattern)
    return alike(usual if old is None else old, usual if new is None else new)


def _route(past: Form | None, want: Form | None) -> Iterator[FieldChange]:
    """A route that the traffic switch carries: no container knows of it, and only the switch is told when it changes. One that
    a container publishes itself is among its ports, and only its protocol is nobody's business but the record's."""
    old, new = (route if route and route.get("switched") else None for route in (past, want))
    if old and new:
        for rest, before, after in differences(old, new):
            yield FieldChange(("route", *rest), before, after, Effect.IN_PLACE)
    elif old or new:
        yield FieldChange(("route",), old, new, Effect.IN_PLACE)
    elif past and want and past.get("protocol") != want.get("protocol"):
        yield FieldChange(("route", "protocol"), past.get("protocol"), want.get("protocol"), Effect.ENGINE)


def _owner_changes(path: Path, past: Form, want: Form) -> bool:
    """An item that comes or goes is reported as a whole."""
    if len(path) < 3 or path[0] not in ("volumes", "networks", "ports"):
        return False
    return (at(past, path[:2]) is None) != (at(want, path[:2]) is None)


def _keyed(form: Form) -> Form:
    """Volumes by target and ports by what they publish, so that a path leads into them."""
    found = dict(form)
    if form.get("volumes"):
        found["volumes"] = FORMS["volumes"][1](form["volumes"])
    if form.get("ports"):
        found["ports"] = {port_text(port): port for port in form["ports"]}
    return found


def _matches(form: Form, pattern: Path) -> list[Path]:
    paths: list[Path] = [()]
    for word in pattern:
        inner = [(path, at(form, path)) for path in paths]
        paths = [
            (*path, key)
            for path, data in inner
            if isinstance(data, dict)
            for key in data
            if word in ("*", key)
        ]
    return paths


def without_unreported(name: str, form: Json) -> Json:
    for pattern in _UNREPORTED_OF.get(name, ()) if isinstance(form, dict) else ():
        form = _without(form, pattern[1:])
    return form


def _without(form: Form, pattern: Path) -> Form:
    """A copy of `form` less what is at `pattern`, and less the maps that this empties."""
    head, *rest = pattern
    found: Form = {}
    for key, value in form.items():
        if head not in ("*", key):
            found[key] = value
        elif rest and isinstance(value, dict):
            kept = _without(value, tuple(rest))
            if kept or not value or head == "*":
                found[key] = kept
        elif rest:
            found[key] = value
    return found
