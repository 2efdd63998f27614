"""The journal of a run, written ahead: one JSON line an entry, on the disk before `append` returns. What is
only noted is in the file at once, and on the disk with the next sync: who misses it asks Docker, as every run does.

Threads that append at the same time share one sync: the first to arrive syncs for all whose lines are
written by then. A line counts when its newline is there. So a line torn by a crash, which `append` had not
returned for, is not read, and is cut off before the next one is written. Anything else that is not an entry
is damage and stops the reader.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from sutazai.errors import StateError
from sutazai.ports import JournalEntry
from sutazai.store import files
from sutazai.store.entries import from_line, to_line


class FileJournal:
    """`journal.jsonl` of one environment. `check` raises when this process may no longer write."""

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._check = check
        self._descriptor: int | None = None
        self._end = 0
        self._changed = threading.Condition()
        self._written = 0
        self._synced = 0
        self._syncing = False
        self._broken = False

    def append(self, entry: JournalEntry) -> None:
        self._check()
        with self._changed:
            mine = self._write(entry)
            while self._synced < mine:
                self._refuse_if_broken()
                if self._syncing:
                    self._changed.wait()
                else:
                    self._sync()

    def note(self, entry: JournalEntry) -> None:
        self._check()
        with self._changed:
            self._write(entry)

    def read(self) -> tuple[JournalEntry, ...]:
        data = files.read(self._path) or b""
        lines = data[: _whole_length(data)].split(b"\n")[:-1]
        return tuple(from_line(line, str(self._path), number) for number, line in enumerate(lines, start=1))

    def clear(self) -> None:
        """Forget the run, once its serial is committed."""
        self._check()
        with self._changed, files.explained(self._path, "clear"):
            if self._descriptor is None and not self._path.exists():
                return
            descriptor = self._open()
            os.ftruncate(descriptor, 0)
            os.fsync(descriptor)
            self._end = 0

    def close(self) -> None:
        with self._changed:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)  # it lives as long as its store, which not everybody closes

    def _write(self, entry: JournalEntry) -> int:
        """Add a line, or leave the file as it was. How many lines were written with it."""
        line = to_line(entry) + b"\n"
        self._refuse_if_broken()
        with files.explained(self._path, "write"):
            descriptor = self._open()
            try:
                files.write_all(descriptor, line)
            except OSError:
                self._cut_off_torn(descriptor)
                raise
            self._end += len(line)
        self._written += 1
        return self._written

    def _cut_off_torn(self, descriptor: int) -> None:
        """Take away the beginning of a line. Where that fails as well nothing may be written behind it."""
        try:
            os.ftruncate(descriptor, self._end)
        except OSError:
            self._broken = True

    def _sync(self) -> None:
        """Bring all lines that are written by now to the disk, letting others write meanwhile."""
        upto, descriptor = self._written, self._open()
        self._syncing = True
        self._changed.release()
        try:
            with files.explained(self._path, "write"):
                files.sync_data(descriptor)
            self._synced = upto
        except StateError:
            self._broken = True
            raise
        finally:
            self._changed.acquire()
            self._syncing = False
            self._changed.notify_all()

    def _refuse_if_broken(self) -> None:
        """After a failed sync the kernel may have dropped what was to be written: no later sync can be
        believed."""
        if self._broken:
            raise StateError(f"can't write {self._path}: an earlier write did not reach the disk whole")

    def _open(self) -> int:
        """The open file, made when there is none, without what a crash tore."""
        if self._descriptor is not None:
            return self._descriptor
        files.make_folder(self._path.parent)
        fresh = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, files.MODE)
        self._descriptor = descriptor
        if fresh:
            files.sync_folder(self._path.parent)
        self._end = _whole_length(self._path.read_bytes())
        os.ftruncate(descriptor, self._end)
        return descriptor


def _whole_length(data: bytes) -> int:
    """How many bytes of `data` are whole lines."""
    return data.rfind(b"\n") + 1
