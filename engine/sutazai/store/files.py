"""Files that are there whole or not at all.

Data goes to a temporary file in the same folder, to the disk, and then under its name in one step; the
folder is synced, so that the name outlives a power cut. When any of it fails the temporary file is removed
and what was under the name is as before. What a killed process leaves is a `.*.tmp` that nobody reads and
`sweep` removes.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from sutazai.errors import StateError

MODE = 0o600
FOLDER_MODE = 0o700

_HINTS = {
    errno.ENOSPC: "the disk is full: free some space and run the command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the command again",
    errno.EACCES: "give this user the right to it, or run the command as its owner",
    errno.EPERM: "give this user the right to it, or run the command as its owner",
    errno.EROFS: "it is on a read-only file system: mount it writable, or choose another place (a state: state.path)",
    errno.EEXIST: "another run wrote it in the meantime: plan again",
    errno.EIO: "the disk reports errors: look at the kernel's log before anything else",
}


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn the operating system's errors into StateError naming the file and what to do."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"can't {doing} {path}: {os.strerror(error.errno) if error.errno else error}",
            hint=_HINTS.get(error.errno or 0),
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder that only this user may enter, and its parents. A folder that is there stays as it is."""
    with explained(path, "make the folder"):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            sync_folder(folder.parent)


def replace(path: Path, data: bytes) -> None:
    """Put `data` under `path`, in place of what is there."""
    with explained(path, "write"), _temporary(path, data) as temporary:
        temporary.replace(path)
        sync_folder(path.parent)


def create(path: Path, data: bytes) -> None:
    """Put `data` under `path`, where nothing may be yet: a link, unlike a rename, never takes another
    file's place."""
    with explained(path, "write"), _temporary(path, data) as temporary:
        os.link(temporary, path)
        sync_folder(path.parent)


def read(path: Path) -> bytes | None:
    """The content, or None when there is no such file. Raises StateError for what is no file: a pipe would be waited for."""
    with explained(path, "read"):
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise StateError(f"can't read {path}: it is not a regular file", hint="move it away")
            return path.read_bytes()
        except FileNotFoundError:
            return None


def sweep(folder: Path) -> None:
    """Remove what killed writers left. Only for the one who may write here alone."""
    with explained(folder, "clean up"):
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; a short write goes on, and ends in the OSError that explains it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_data(descriptor: int) -> None:
    """Bring what was written to a file to the disk, with as much about the file as reading it needs. That is half the work
    of `fsync`, which brings the time of the write too. macOS has no such call."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    """A synced file beside `path` with `data`, gone afterwards unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
    try:
        try:
            os.fchmod(descriptor, MODE)  # whatever the umask
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
