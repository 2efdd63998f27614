"""All that reading specs may ask of the machine: the project's directory and the variables of the process.

Nothing else under `specs` that makes a fleet touches a file or the environment, so what a load gives depends on its
arguments and on the answers it got here, and on nothing besides. Each answer is noted by its digest. Whoever kept a
result can therefore tell whether it still holds by asking the same questions again (`holds`): files that were looked for
and did not exist, folders that were listed and variables that were not set are answers like any other.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

Kind = Literal["file", "folder", "other", "missing", "forbidden"]
Question: TypeAlias = Literal["kind", "names", "data", "variable"]
Note: TypeAlias = tuple[Question, str, str]
"""A question, what it was about, and the digest of the answer."""

MAX_BYTES = 2 << 20
"""What is read of a file at most, and one byte more, so that a larger one can be told."""

_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG))


class World:
    """The project in `root` and the variables of a process. Paths are relative to the root, or absolute."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root.resolve()
        self._environ = environ
        self._notes: dict[tuple[Question, str], str] = {}
        self._moved = False

    def kind(self, path: str) -> Kind:
        """What is there, links followed."""
        found = _kind(self.root / path)
        self._note("kind", path, found.encode())
        return found

    def names(self, path: str) -> tuple[tuple[str, Kind], ...]:
        """What a folder holds, by name, hidden things left out; links to folders count as `other`. Empty when there is no
        such folder. Raises OSError when it can't be read."""
        try:
            found = _names(self.root / path)
        except OSError as error:
            self._note("names", path, f"error {error.errno}".encode())
            raise
        self._note("names", path, repr(found).encode())
        return found

    def data(self, path: str) -> bytes:
        """The first `MAX_BYTES` of a file and one more. Raises OSError."""
        try:
            with (self.root / path).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            self._note("data", path, f"error {error.errno}".encode())
            raise
        self._note("data", path, b"data " + data)
        return data

    def variable(self, name: str) -> str | None:
        """The value of a variable of the process, None when it is not set."""
        value = self._environ.get(name)
        self._note("variable", name, b"" if value is None else b"=" + os.fsencode(value))
        return value

    def notes(self) -> tuple[Note, ...] | None:
        """Every question that was asked with the digest of its answer; None when one was answered in two ways, since the
        project changed while it was read."""
        return None if self._moved else tuple((*asked, digest) for asked, digest in self._notes.items())

    def holds(self, notes: Iterable[Note]) -> bool:
        """Whether every question is answered now as it was then."""
        for question, about, digest in notes:
            with contextlib.suppress(OSError):  # an error is an answer, and noted
                getattr(self, question)(about)
            if self._notes.get((question, about)) != digest:
                return False
        return not self._moved

    def _note(self, question: Question, about: str, answer: bytes) -> None:
        digest = hashlib.sha256(answer).hexdigest()
        self._moved |= self._notes.setdefault((question, about), digest) != digest


def _kind(path: Path) -> Kind:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "missing" if error.errno in _ABSENT else "forbidden"
    except ValueError:  # a NUL in the path
        return "missing"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def _names(folder: Path) -> tuple[tuple[str, Kind], ...]:
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, _entry_kind(entry)) for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        if error.errno in _ABSENT:
            return ()
        raise
    return tuple(sorted(found))


def _entry_kind(entry: "os.DirEntry[str]") -> Kind:
    """A link that leads nowhere, in a circle say, counts as a file, so that reading it tells what is wrong with it."""
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    with contextlib.suppress(OSError):
        return "other" if entry.is_dir() else "file"
    return "file"
