"""Plan files on this machine: written whole or not at all, mode 0600, and over nothing but another plan file."""

import os
from pathlib import Path

from sutazai.errors import PlanFileError
from sutazai.plan import saved as formats
from sutazai.plan.saved import SavedPlan
from sutazai.store import files


def save(path: Path, plan: SavedPlan) -> None:
    """Put the plan under `path`, in place of a plan file or an empty file that is there. Raises `PlanFileError` where none can be
    put: a spec or a state under that name is what somebody meant to keep."""
    target = Path(os.path.realpath(path))
    if target.is_symlink() or (target.exists() and not target.is_file()):  # a link still: it leads to itself
        raise PlanFileError(f"{path} is not a regular file", hint="name a file: sutazai plan -o FILE")
    if not target.parent.is_dir():
        raise PlanFileError(
            f"there is no folder {target.parent}", hint="make it first, or name another place"
        )
    if target.exists() and not _is_ours(target):
        raise PlanFileError(
            f"{path} is there and is no plan file", hint="remove it first, or name another file"
        )
    files.replace(target, formats.write(plan))


def load(path: Path) -> SavedPlan:
    """The plan under `path`. Raises `PlanFileError` for what is no plan file."""
    if not path.exists():
        raise PlanFileError(
            f"there is no file {path}", hint="plan files are written by: sutazai plan -o FILE"
        )
    if not path.is_file():
        raise PlanFileError(
            f"{path} is not a regular file", hint="plan files are written by: sutazai plan -o FILE"
        )
    return formats.read(files.read(path) or b"", str(path))


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(formats.BEGIN)) in (formats.BEGIN, b"")
