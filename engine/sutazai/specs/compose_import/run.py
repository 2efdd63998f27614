"""`init --from-compose` from end to end."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sutazai.diagnostics import Diagnostic
from sutazai.errors import InvalidInput
from sutazai.specs.compose_import.convert import Converted, convert
from sutazai.specs.compose_import.interpolate import Variables
from sutazai.specs.compose_import.notes import Notes
from sutazai.specs.compose_import.project import new_reading
from sutazai.specs.compose_import.write import files as written_files
from sutazai.specs.scaffold import ignore_state, normal_name, project_name, unignored, write_new


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written, relative to the root, and every difference from the Compose files."""

    project: str
    files: tuple[str, ...]
    services: tuple[str, ...]
    notes: tuple[Diagnostic, ...]


def import_compose(root: Path, files: Sequence[Path], environ: Mapping[str, str]) -> Imported:
    """Write a project from Compose files, merged in this order. Raises InvalidInput when they can't be read as
    Compose would, Refused when one of the project's files exists; nothing is written then."""
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise InvalidInput([Diagnostic(f"there is no file {file}", "no-such-file") for file in missing])
    reading = new_reading(root, environ)
    merged = reading.project(tuple(files))
    variables, notes = reading.variables, Notes()
    profiles = variables.said("COMPOSE_PROFILES") or ""
    converted = convert(merged, root, frozenset(profiles.replace(",", " ").split()), notes)
    _variable_notes(variables, notes)
    project = _project(converted, files, variables)
    sources = [os.path.relpath(file, root) for file in files]
    found = tuple(notes)
    unignored(root)
    written = write_new(root, written_files(project, converted, variables, sources, found))
    return Imported(project, (*written, *ignore_state(root)), tuple(converted.services), found)


def _project(converted: Converted, files: Sequence[Path], variables: Variables) -> str:
    """Compose's order: COMPOSE_PROJECT_NAME, then `name`, then the directory."""
    said = variables.said("COMPOSE_PROJECT_NAME") or converted.name
    return normal_name(said) if said else project_name(files[0].resolve().parent)


def _variable_notes(variables: Variables, notes: Notes) -> None:
    for name in sorted(variables.uses):
        uses = variables.uses[name]
        use, at = uses[0]
        required = next((u for u, _ in uses if u.operator in (":?", "?")), None)
        if variables.outer.get(name):
            notes.add(
                f"variable {name}: its value is from the environment of this command",
                "see environments/local.yaml",
                at,
                code="variable",
            )
        elif variables.given.get(name):
            continue
        elif required is not None and not variables.value(name):
            reason = (
                "".join(part for part in required.argument if isinstance(part, str)) or "it must have a value"
            )
            notes.add(f"variable {name}: set it in environments/local.yaml", reason, at, code="variable")
        elif not variables.value(name) and variables.said(name) is None and use.operator == "":
            notes.add(
                f"variable {name}: it has no value",
                "it is the empty text, as in Compose",
                at,
                code="variable",
            )
    from_file = sorted(
        name for name in variables.uses if variables.given.get(name) and name not in variables.outer
    )
    if from_file:
        notes.add(
            f"the values of {', '.join(from_file)}",
            "copied from .env to environments/local.yaml, which is not "
            "ignored by git as .env may be: make secrets of those that are",
            None,
            code="variable",
        )
