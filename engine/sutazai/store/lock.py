"""One writer at a time, whatever happens to the writer.

Three files, none of which another program may remove while a run is on:

- `.lock` is the lock: whoever holds its `flock` is the writer. It is empty and never rewritten, so that
  nothing that happens to `lock.json` can loosen it, and the kernel drops it when the process dies.
- `lock.json` says who that is, in Terraform's words. It is written after the lock is taken and removed
  before it is dropped; one that is left over from a dead process binds nobody and is replaced.
- `.guard` is held for the few calls in which the other two change, so that who reads `lock.json` reads of
  the process that holds `.lock`.

`unlock` is Terraform's force-unlock: it takes the lock from a process that still lives (one that hangs,
say) by removing `.lock`; the next run locks a new file of that name. The process it was taken from finds so
before it next writes to the journal or commits, and ends in an error (`Lock.check`). A call to Docker that
it has under way is not stopped.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sutazai.errors import StateError, StateLocked
from sutazai.ports import LockInfo
from sutazai.store import files
from sutazai.store.holder import (
    from_json,
    locked,
    must_match,
    nameless,
    new_holder,
    of_itself,
    taken,
    to_json,
)

POLL = 0.05
"""Seconds between two tries for a lock that another process holds: the kernel has no wait with an end."""
GUARD_TIMEOUT = 5.0
"""Seconds after which a guard that is not let go of means that its holder was stopped in the middle."""

_WRITER = (os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, fcntl.LOCK_EX)
_READER = (os.O_RDONLY | os.O_NOFOLLOW, fcntl.LOCK_SH)
"""How the files are opened and locked: who only looks makes none, and needs no right to write to them."""


class Lock:
    """The lock of the state in `folder`."""

    def __init__(self, folder: Path, version: str) -> None:
        self._folder = folder
        self._version = version
        self._lock = folder / ".lock"
        self._guard = folder / ".guard"
        self._info = folder / "lock.json"
        self._state = folder / "state.json"
        self._held: int | None = None

    @contextlib.contextmanager
    def hold(self, operation: str, timeout: float) -> Iterator[LockInfo]:
        """Hold the lock, waiting for it at most `timeout` seconds. Raises StateLocked naming the holder."""
        files.make_folder(self._folder)
        info = new_holder(operation, self._version, str(self._state))
        descriptor = self._acquire(info, timeout)
        self._held = descriptor
        try:
            yield info
        finally:
            self._held = None
            self._release(descriptor)

    def check(self) -> None:
        """Raise StateError when this process held the lock and it was taken from it."""
        if self._held is not None and not self._is_current(self._held):
            raise taken(str(self._folder))

    def holder(self) -> LockInfo | None:
        """Who writes now; None when nobody does, whatever `lock.json` says. Changes nothing: whoever writes made both files
        before, so where one is missing nobody does."""
        if not self._guard.exists():
            return None
        with self._guarded(_READER):
            if not self._lock.exists():
                return None
            descriptor = self._try(_READER)
            if descriptor is None:
                return of_itself(self._read) or nameless(str(self._state))
            os.close(descriptor)
            return None

    def unlock(self, lock_id: str) -> LockInfo:
        """Take the lock from whoever has it, if its ID is `lock_id`. Raises StateError when it is
        another's."""
        if not self._folder.exists():
            raise StateError(f"nobody holds a lock of {self._folder}")
        with self._guarded():
            self._refuse_nameless()
            info = must_match(self._read(), lock_id, str(self._folder))
            with files.explained(self._lock, "remove"):
                self._lock.unlink(missing_ok=True)
                self._info.unlink(missing_ok=True)
                files.sync_folder(self._folder)
            return info

    def _refuse_nameless(self) -> None:
        """Where a process holds the lock, and what it wrote of itself is gone: there is no ID to take it by."""
        if of_itself(self._read) is not None or not self._lock.exists():
            return
        descriptor = self._try()
        if descriptor is None:
            raise StateLocked(
                f"a process holds the lock of {self._folder}, and {self._info}, which names it, is lost or damaged",
                hint=f"wait for it; or end it: `fuser {self._lock}` shows which one it is",
            )
        os.close(descriptor)

    def _acquire(self, info: LockInfo, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while True:
            with self._guarded():
                descriptor = self._try()
                if descriptor is not None:
                    try:
                        files.replace(self._info, to_json(info))
                    except StateError:
                        os.close(descriptor)
                        raise
                    return descriptor
                holder = of_itself(self._read)
            left = deadline - time.monotonic()
            if left <= 0:
                raise locked(str(self._folder), holder)
            time.sleep(min(POLL, left))

    def _release(self, descriptor: int) -> None:
        """How a run ended is told whatever happens here: a `lock.json` that can't be removed binds nobody."""
        try:
            with contextlib.suppress(StateError, StateLocked), self._guarded():
                if self._is_current(descriptor):
                    with files.explained(self._info, "remove"):
                        self._info.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def _try(self, way: tuple[int, int] = _WRITER) -> int | None:
        """The descriptor that holds the lock, None when another holds it."""
        with files.explained(self._lock, "lock"):
            descriptor = os.open(self._lock, way[0], files.MODE)
            try:
                fcntl.flock(descriptor, way[1] | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except OSError:
                os.close(descriptor)
                raise
            return descriptor

    def _is_current(self, descriptor: int) -> bool:
        """Whether the file that `descriptor` locks is still the one others lock."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._lock))  # noqa: PTH116 - before each line of the journal
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def _guarded(self, way: tuple[int, int] = _WRITER) -> Iterator[None]:
        with files.explained(self._guard, "lock"):
            descriptor = os.open(self._guard, way[0], files.MODE)
        try:
            self._wait_for(descriptor, way[1])
            yield
        finally:
            os.close(descriptor)

    def _wait_for(self, descriptor: int, kind: int) -> None:
        deadline = time.monotonic() + GUARD_TIMEOUT
        while True:
            with files.explained(self._guard, "lock"):
                try:
                    fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StateLocked(
                            f"another process has held {self._guard} for {GUARD_TIMEOUT:g}s: is it stopped?",
                            hint=f"`fuser {self._guard}` shows which one it is",
                        ) from None
            time.sleep(0.001)

    def _read(self) -> LockInfo | None:
        data = files.read(self._info)
        return None if data is None else from_json(data, str(self._info))
