"""The folder of a local state: where it is, and whether anything in it changed. Known without reading a serial."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sutazai.store import files

_PASSING = "lock.json"
"""Comes and goes with every run, and says nothing about the state."""
_MEASURED = "health.db"
"""What monitors write (its own journals too): no plan reads it."""


def state_folder(backend: Mapping[str, Any], root: Path, environment: str) -> Path | None:
    """`state/ENV` under the project root, or the folder that `path` names, relative to the root; None for a state that is
    kept elsewhere. `backend` is the `state` section of an environment."""
    if backend.get("kind", "local") != "local":
        return None
    path = backend.get("path")
    return root / path if path else root / "state" / environment


def in_use(folder: Path) -> bool:
    """Whether a run is under way, or one died and left its name."""
    return (folder / _PASSING).exists()


def fingerprint(folder: Path) -> str:
    """A digest of the content of every file in the folder and of the names of all serials, which never change once
    they are written. Hidden files are locks and leftovers. Raises StateError."""
    found = hashlib.sha256()
    with files.explained(folder, "read"):
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            if path.name.startswith((".", _PASSING, _MEASURED)):
                continue
            if path.is_dir():
                names = sorted(inner.name for inner in path.iterdir() if not inner.name.startswith("."))
                content = hashlib.sha256("\0".join(names).encode())
            elif not path.is_file():
                content = hashlib.sha256()
            else:
                with path.open("rb") as stream:
                    content = hashlib.file_digest(stream, hashlib.sha256)
            found.update(f"{path.name}\0{content.hexdigest()}\0".encode())
    return found.hexdigest()
