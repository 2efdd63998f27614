"""Loading specs, with the work of an earlier load where it still holds.

Why this can never be stale: a load depends on its arguments, on the program, and on what `World` answered, which is all
it may ask (`specs.world`). An entry is kept under the arguments and the program, together with every question that the
load asked and the digest of every answer. It is used only after all of these questions were asked again and got the same
answers. Not one is decided by a time or a size: files are read, folders are listed, and what was looked for in vain is
looked for again. So a remembered result equals a fresh one, and `tests/unit/specs/test_remembered.py` holds the two
against each other under random edits.

Only good loads are kept: with errors there is no fleet, and all of them are found anew each time. Warnings are kept with
the fleet. A fleet that would not come back equal from its JSON is not kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sutazai.cache import Cache
from sutazai.diagnostics import Diagnostic, Diagnostics, Position, Severity
from sutazai.specs.world import World

if TYPE_CHECKING:
    from sutazai.specs.loaded import Loaded


@dataclass(frozen=True, slots=True)
class Remembered:
    """An entry that holds. `digest` tells it from every other; `data` is the loaded environment as plain data."""

    data: Mapping[str, Any]
    digest: str

    @property
    def diagnostics(self) -> Diagnostics:
        return Diagnostics([_diagnostic(item) for item in self.data["diagnostics"]])

    def loaded(self) -> "Loaded":
        return _loaded(self.data, self.digest)


def load(
    root: Path,
    environment: str,
    *,
    variables: Mapping[str, str],
    environ: Mapping[str, str],
    cache: Cache | None = None,
) -> "Loaded":
    """As `specs.load.load`, from `cache` (by default the user's) where it holds."""
    cache = cache if cache is not None else Cache.of(environ)
    found = find(root, environment, variables=variables, environ=environ, cache=cache)
    if found is not None:
        return found.loaded()
    from sutazai.specs.load import resolve

    world = World(root, environ)
    loaded = resolve(world, environment, variables)
    notes = world.notes()
    if notes is not None and loaded.fleet is not None and not loaded.diagnostics.errors:
        data = _plain(loaded)
        if _comes_back(data, loaded):
            entry = cache.put({"notes": notes, "loaded": data}, *_identity(world, environment, variables))
            return replace(loaded, entry=entry)
    return loaded


def find(
    root: Path,
    environment: str,
    *,
    variables: Mapping[str, str],
    environ: Mapping[str, str],
    cache: Cache,
) -> Remembered | None:
    """What an earlier load gave, if every answer it was given is the same now."""
    world = World(root, environ)
    entry = cache.get(*_identity(world, environment, variables))
    if entry is None or not world.holds(entry.value["notes"]):
        return None
    return Remembered(entry.value["loaded"], entry.digest)


def _identity(world: World, environment: str, variables: Mapping[str, str]) -> tuple[object, ...]:
    return "specs", str(world.root), environment, sorted(variables.items())


def _plain(loaded: "Loaded") -> dict[str, Any]:
    from sutazai.model.workload import declared

    assert loaded.fleet is not None  # noqa: S101 - the caller looked
    return {
        "fleet": declared(loaded.fleet),
        "provider": declared(loaded.provider),
        "backend": declared(loaded.backend),
        "spec_digest": loaded.spec_digest,
        "diagnostics": [_plain_diagnostic(item) for item in loaded.diagnostics],
    }


def _loaded(data: Mapping[str, Any], entry: str = "") -> "Loaded":
    from sutazai.model.backend import BACKENDS
    from sutazai.model.base import keep_form
    from sutazai.model.fleet import Fleet, ProviderOptions
    from sutazai.specs.loaded import Loaded

    fleet = Fleet.model_validate(data["fleet"])
    for table, bodies in (("services", fleet.services), ("agents", fleet.agents)):
        for name, body in bodies.items():
            keep_form(body, data["fleet"][table][name])
    return Loaded(
        fleet,
        ProviderOptions.model_validate(data["provider"]),
        BACKENDS[data["backend"].get("kind", "local")].model_validate(data["backend"]),
        Diagnostics([_diagnostic(item) for item in data["diagnostics"]]),
        data["spec_digest"],
        entry,
    )


def _comes_back(data: Mapping[str, Any], loaded: "Loaded") -> bool:
    """Whether the plain data means what was loaded, to the last field that was set."""
    from pydantic import ValidationError

    try:
        again = _loaded(data)
    except ValidationError:
        return False
    return again.fleet == loaded.fleet and _plain(again) == data


def _plain_diagnostic(item: Diagnostic) -> dict[str, Any]:
    return {
        "summary": item.summary,
        "code": item.code,
        "severity": item.severity.value,
        "position": _plain_position(item.position),
        "source": item.source,
        "hint": item.hint,
        "path": list(item.path),
        "related": [[label, _plain_position(position)] for label, position in item.related],
    }


def _diagnostic(data: Mapping[str, Any]) -> Diagnostic:
    related = tuple((label, Position(*position)) for label, position in data["related"])
    position = Position(*data["position"]) if data["position"] else None
    return Diagnostic(
        data["summary"], data["code"], Severity(data["severity"]), position, data["source"], data["hint"],
        tuple(data["path"]), related,
    )  # fmt: skip


def _plain_position(position: Position | None) -> Iterable[object] | None:
    return None if position is None else [position.file, position.line, position.column, position.length]
