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
import datetime as dt
import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sutazai.errors import StateError, StateLocked
from sutazai.ports import LockInfo
from sutazai.store import files

POLL = 0.05
"""Seconds between two tries for a lock that another process holds: the kernel has no wait with an end."""
GUARD_TIMEOUT = 5.0
"""Seconds after which a guard that is not let go of means that its holder was stopped in the middle."""


class _Document(BaseModel):
    """`lock.json`, with Terraform's keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: Annotated[str, Field(alias="ID")]
    operation: Annotated[str, Field(alias="Operation")]
    who: Annotated[str, Field(alias="Who")]
    version: Annotated[str, Field(alias="Version")]
    created: Annotated[str, Field(alias="Created")]
    path: Annotated[str, Field(alias="Path")]


class Lock:
    """The lock of the state in `folder`."""

    def __init__(self, folder: Path, version: str) -> None:
        self._folder = folder
        self._version = version
        self._lock = folder / ".lock"
        self._guard = folder / ".guard"
        self._info = folder / "lock.json"
        self._held: int | None = None

    @contextlib.contextmanager
    def hold(self, operation: str, timeout: float) -> Iterator[LockInfo]:
        """Hold the lock, waiting for it at most `timeout` seconds. Raises StateLocked naming the holder."""
        files.make_folder(self._folder)
        info = LockInfo(
            id=str(uuid4()),
            operation=operation,
            who=_who(),
            version=self._version,
            created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            path=str(self._folder / "state.json"),
        )
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
            raise StateError(
                f"the lock of {self._folder} was taken from this run with `state unlock`; it writes no more",
                hint="what it did is in the journal: run `sutazai plan` to see where things stand",
            )

    def holder(self) -> LockInfo | None:
        """Who writes now; None when nobody does, whatever `lock.json` says. Makes no file."""
        if not self._lock.exists():
            return None
        with self._guarded():
            descriptor = self._try()
            if descriptor is None:
                return self._read()
            os.close(descriptor)
            return None

    def unlock(self, lock_id: str) -> LockInfo:
        """Take the lock from whoever has it, if its ID is `lock_id`. Raises StateError when it is
        another's."""
        if not self._folder.exists():
            raise StateError(f"nobody holds a lock of {self._folder}")
        with self._guarded():
            info = self._read()
            if info is None:
                raise StateError(f"nobody holds a lock of {self._folder}")
            if info.id != lock_id:
                raise StateError(
                    f"the lock ID {lock_id!r} does not match the existing lock: {describe(info)}",
                    hint="give the ID of the existing lock, if that is the one to take",
                )
            with files.explained(self._lock, "remove"):
                self._lock.unlink(missing_ok=True)
                self._info.unlink(missing_ok=True)
                files.sync_folder(self._folder)
            return info

    def _acquire(self, info: LockInfo, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while True:
            with self._guarded():
                descriptor = self._try()
                if descriptor is not None:
                    try:
                        files.replace(self._info, _to_json(info))
                    except StateError:
                        os.close(descriptor)
                        raise
                    return descriptor
                holder = self._read()
            left = deadline - time.monotonic()
            if left <= 0:
                raise _locked(self._folder, holder)
            time.sleep(min(POLL, left))

    def _release(self, descriptor: int) -> None:
        try:
            with self._guarded():
                if self._is_current(descriptor):
                    with files.explained(self._info, "remove"):
                        self._info.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def _try(self) -> int | None:
        """The descriptor that holds the lock, None when another holds it."""
        with files.explained(self._lock, "lock"):
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, files.MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
            return os.path.samestat(os.fstat(descriptor), self._lock.stat())
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with files.explained(self._guard, "lock"):
            descriptor = os.open(self._guard, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, files.MODE)
        try:
            self._wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait_for(self, descriptor: int) -> None:
        deadline = time.monotonic() + GUARD_TIMEOUT
        while True:
            with files.explained(self._guard, "lock"):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        if data is None:
            return None
        try:
            document = _Document.model_validate_json(data)
        except ValidationError as error:
            raise StateError(
                f"{self._info} is damaged", hint="if no other sutazai runs, remove this file"
            ) from error
        return LockInfo(**document.model_dump())


def describe(info: LockInfo) -> str:
    return f"ID {info.id}, {info.operation} by {info.who} since {info.created}"


def _locked(folder: Path, holder: LockInfo | None) -> StateLocked:
    if holder is None:
        return StateLocked(
            f"the state {folder} is locked by another process", hint="wait with --lock-timeout=60s"
        )
    return StateLocked(
        f"the state {folder} is locked: {describe(holder)}",
        hint="wait for it with --lock-timeout=60s; if that run hangs, take the lock from it with "
        f"`sutazai state unlock {holder.id}`",
    )


def _to_json(info: LockInfo) -> bytes:
    document = _Document(
        id=info.id,
        operation=info.operation,
        who=info.who,
        version=info.version,
        created=info.created,
        path=info.path,
    )
    return document.model_dump_json(by_alias=True, indent=2).encode() + b"\n"


def _who() -> str:
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"{user}@{os.uname().nodename}"
