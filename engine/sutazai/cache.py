"""Results kept between runs, to spare work: losing one costs time and nothing else.

Entries lie in the user's cache folder, never in a project, so none comes with a checkout. An entry is plain JSON below a
line with its SHA-256: what is torn, cut short or altered is no entry, and reading one runs no code. A folder or file that
is not this user's own, or that others may write, is left alone, as is a disk that can't be written: there is no entry
then, and no error. Entries are replaced whole, so that any number of processes may read and write at once. What an entry
is called by holds `program()`, so a changed program never meets the entries of another.

Whether an entry still holds is for those who keep it to tell (`specs.remembered`, `settled`).
"""

import contextlib
import functools
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from sutazai.plain import parsed

MAX_ENTRIES = 64
MAX_BYTES = 256 << 20
"""How much is kept in all; what was written longest ago goes first."""
SWITCH = "SUTAZAI_CACHE"
"""The variable that names another folder, or says `off`."""

_SUFFIX = ".json"


@functools.cache
def program() -> str:
    """A digest of what turns the same input into the same result: this package's source, byte for byte, the versions of
    the libraries beside it, and of Python."""
    here = Path(__file__).parent
    found = hashlib.sha256(sys.version.encode())
    for path in sorted(_sources(here)):
        found.update(f"\0{path}\0".encode())
        found.update(path.read_bytes())
    libraries = Path(click.__file__).parent.parent
    for path in sorted(libraries.glob("*.dist-info")):
        found.update(f"\0{path.name}".encode())
    return found.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield folder / entry.name
            elif entry.name != "__pycache__" and entry.is_dir():
                yield from _sources(folder / entry.name)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept under a name, with the digest of its text."""

    value: Any
    digest: str


@dataclass(frozen=True, slots=True)
class Cache:
    """The entries of one user. `folder` None keeps nothing."""

    folder: Path | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Cache":
        """`$SUTAZAI_CACHE`, else `$XDG_CACHE_HOME/sutazai`, else `~/.cache/sutazai`. Source: XDG Base Directory
        Specification."""
        chosen = environ.get(SWITCH, "")
        if chosen == "off":
            return cls(None)
        if chosen:
            return cls(Path(chosen))
        base = environ.get("XDG_CACHE_HOME", "")
        if not Path(base).is_absolute():  # the specification: relative paths are to be ignored
            home = environ.get("HOME", "")
            base = f"{home}/.cache" if Path(home).is_absolute() else ""
        return cls(Path(base, "sutazai") if base else None)

    def get(self, *identity: object) -> Entry | None:
        """What was last kept for an identity (plain data), if it is whole."""
        if self.folder is None or not _is_private(self.folder):
            return None
        try:
            descriptor = os.open(self.folder / _name(identity), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as stream:
                if not _is_own(os.fstat(descriptor)):
                    return None
                head, _, text = stream.read().partition(b"\n")
        except OSError:
            return None
        digest = hashlib.sha256(text).hexdigest()
        if head != digest.encode():
            return None
        return Entry(parsed(text), digest)

    def put(self, value: object, *identity: object) -> str:
        """Keep a value (plain data) for an identity, in place of what was kept before, if it can be kept. The digest that
        its entry has."""
        text = json.dumps(value, separators=(",", ":")).encode()
        digest = hashlib.sha256(text).hexdigest()
        if self.folder is not None:
            with contextlib.suppress(OSError):
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if _is_private(self.folder):
                    _write(self.folder / _name(identity), digest.encode() + b"\n" + text)
                    _prune(self.folder)
        return digest


def _name(identity: tuple[object, ...]) -> str:
    text = json.dumps([program(), *identity], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:40] + _SUFFIX


def _is_private(folder: Path) -> bool:
    try:
        return stat.S_ISDIR((found := folder.stat()).st_mode) and _is_own(found)
    except OSError:
        return False


def _is_own(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; not synced, since a torn entry is no entry."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _prune(folder: Path) -> None:
    kept = size = 0
    for _, length, path in sorted(_entries(folder), reverse=True):
        kept, size = kept + 1, size + length
        if kept > MAX_ENTRIES or size > MAX_BYTES:
            path.unlink(missing_ok=True)


def _entries(folder: Path) -> list[tuple[int, int, Path]]:
    """`(written, size, path)` of every file that is ours, those that a killed process left half-written too."""
    found = []
    for path in folder.iterdir():
        if path.suffix in (_SUFFIX, ".tmp"):
            with contextlib.suppress(OSError):
                about = path.lstat()
                found.append((about.st_mtime_ns, about.st_size, path))
    return found
