"""Where state is kept: one file per kind of backend, and the table of kinds."""

from collections.abc import Callable
from pathlib import Path

from sutazai.errors import NotCarriedOut
from sutazai.model.fleet import BackendOptions
from sutazai.ports import StateStore
from sutazai.store.local import LocalStore


def _local(options: BackendOptions, root: Path, project: str, environment: str) -> StateStore:
    """`state/ENV` under the project root, or the folder that `path` names, relative to the root."""
    directory = root / options.path if options.path else root / "state" / environment
    return LocalStore(directory, project, environment)


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
