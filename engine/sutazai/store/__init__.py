"""Where state is kept: one file per kind of backend, and the table of kinds."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sutazai.errors import StateError
from sutazai.store import files
from sutazai.store.folder import state_folder

if TYPE_CHECKING:
    from sutazai.model.backend import BackendOptions
    from sutazai.ports import StateStore


def _local(options: "BackendOptions", root: Path, project: str, environment: str) -> "StateStore":
    from sutazai.store.local import LocalStore

    directory = state_folder(options.model_dump(), root, environment)
    assert directory is not None  # noqa: S101 - its kind is local
    return LocalStore(directory, project, environment)


def _postgres(options: "BackendOptions", root: Path, project: str, environment: str) -> "StateStore":  # noqa: ARG001 - one shape
    from sutazai.model.backend import PostgresBackend

    assert isinstance(options, PostgresBackend)  # noqa: S101 - for mypy
    with _extra("postgres", "psycopg"):
        from sutazai.store.postgres import PostgresStore
    return PostgresStore(options, project, environment)


def _s3(options: "BackendOptions", root: Path, project: str, environment: str) -> "StateStore":  # noqa: ARG001 - one shape
    from sutazai.model.backend import S3Backend

    assert isinstance(options, S3Backend)  # noqa: S101 - for mypy
    with _extra("s3", "boto3"):
        from sutazai.store.s3 import S3Store
    return S3Store(options, project, environment)


@contextmanager
def _extra(name: str, library: str) -> Iterator[None]:
    """Say how to install the library of an extra that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != library:
            raise
        raise StateError(
            f"the state backend {name!r} needs {library}, which is not installed",
            hint=f"pip install 'sutazai[{name}]'",
        ) from error


KINDS: "dict[str, Callable[[BackendOptions, Path, str, str], StateStore]]" = {
    "local": _local,
    "postgres": _postgres,
    "s3": _s3,
}


def open_store(options: "BackendOptions", root: Path, project: str, environment: str) -> "StateStore":
    """The store of one environment; nothing is made before the first write."""
    return KINDS[options.kind](options, root, project, environment)


def recorded_project(options: "BackendOptions", root: Path, environment: str) -> str | None:
    """The project whose state this is: what is left to go by when the specs can't be read. None where there is none, or
    where several projects share the place, so that it can't be told."""
    from sutazai.model.backend import LocalBackend, PostgresBackend

    if isinstance(options, LocalBackend):
        directory = state_folder(options.model_dump(), root, environment)
        return _project_in(directory / "state.json") if directory is not None else None
    if isinstance(options, PostgresBackend):
        with _extra("postgres", "psycopg"):
            from sutazai.store.postgres import projects
        found = projects(options, environment)
    else:
        with _extra("s3", "boto3"):
            from sutazai.store.s3 import projects as projects_in
        found = projects_in(options, environment)
    return found[0] if len(found) == 1 else None


def _project_in(path: Path) -> str | None:
    try:
        found = json.loads(files.read(path) or b"null")
    except (StateError, ValueError, RecursionError):
        return None  # whoever needs the state reads it too, and says what is wrong with it
    name = found.get("project") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None
