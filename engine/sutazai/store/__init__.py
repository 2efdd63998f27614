"""Where state is kept: one file per kind of backend, and the table of kinds."""

import json
from collections.abc import Callable
from pathlib import Path

from sutazai.errors import NotCarriedOut
from sutazai.model.backend import BackendOptions, LocalBackend
from sutazai.ports import StateStore
from sutazai.store.local import LocalStore


def _local(options: BackendOptions, root: Path, project: str, environment: str) -> StateStore:
    assert isinstance(options, LocalBackend)  # noqa: S101 - for mypy
    return LocalStore(_directory(options, root, environment), project, environment)


def _directory(options: LocalBackend, root: Path, environment: str) -> Path:
    """`state/ENV` under the project root, or the folder that `path` names, relative to the root."""
    return root / options.path if options.path else root / "state" / environment


def _not_yet(options: BackendOptions, root: Path, project: str, environment: str) -> StateStore:  # noqa: ARG001 - one shape
    raise NotCarriedOut(
        f"the state backend {options.kind!r} is not carried out yet",
        hint="leave `state` out of the environment, or set {kind: local, path: …}",
    )


KINDS: dict[str, Callable[[BackendOptions, Path, str, str], StateStore]] = {
    "local": _local,
    "postgres": _not_yet,
    "s3": _not_yet,
}


def open_store(options: BackendOptions, root: Path, project: str, environment: str) -> StateStore:
    """The store of one environment; nothing is made before the first write."""
    return KINDS[options.kind](options, root, project, environment)


def recorded_project(options: BackendOptions, root: Path, environment: str) -> str | None:
    """The project that a local state says it belongs to, None where there is none: what is left to go by when the specs
    can't be read."""
    if not isinstance(options, LocalBackend):
        return None
    try:
        text = (_directory(options, root, environment) / "state.json").read_bytes()
        found = json.loads(text)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    name = found.get("project") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None
