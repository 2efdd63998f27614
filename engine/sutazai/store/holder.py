"""Who holds a lock: the fields of `lock.json` in Terraform's words, and what is said of it to others."""

import datetime as dt
import json
import os
import pwd
from collections.abc import Callable
from uuid import uuid4

from sutazai.errors import StateError, StateLocked
from sutazai.ports import LockInfo

_KEYS = {
    "id": "ID",
    "operation": "Operation",
    "who": "Who",
    "version": "Version",
    "created": "Created",
    "path": "Path",
}
"""`lock.json` has Terraform's keys: all of them, each with a text."""


def new_holder(operation: str, version: str, path: str) -> LockInfo:
    """This process, as the holder of a lock of the state at `path`."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return LockInfo(str(uuid4()), operation, _who(), version, now, path)


def nameless(path: str) -> LockInfo:
    """The holder of a lock of the state at `path` who can't be told: what it wrote of itself is lost or damaged."""
    return LockInfo("", "a run", "another process", "", "an unknown time", path)


def to_json(info: LockInfo) -> bytes:
    """A folder's name that is not UTF-8 is written with escapes, as it is in JSON."""
    document = {key: getattr(info, name) for name, key in _KEYS.items()}
    return json.dumps(document, indent=2, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def from_json(data: bytes | str, name: str) -> LockInfo:
    """Raises StateError naming `name` when it is damaged."""
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    found = document if isinstance(document, dict) else {}
    if found.keys() != set(_KEYS.values()) or not all(isinstance(text, str) for text in found.values()):
        raise StateError(f"{name} is damaged", hint="if no other sutazai runs, remove it")
    return LockInfo(**{name: found[key] for name, key in _KEYS.items()})


def of_itself(read: Callable[[], LockInfo | None]) -> LockInfo | None:
    """What a holder wrote of itself; None where that is lost or damaged, which makes no lock looser or longer."""
    try:
        return read()
    except StateError:
        return None


def describe(info: LockInfo) -> str:
    return f"ID {info.id}, {info.operation} by {info.who} since {info.created}"


def locked(where: str, holder: LockInfo | None) -> StateLocked:
    if holder is None:
        return StateLocked(
            f"the state {where} is locked by another process", hint="wait with --lock-timeout=60s"
        )
    return StateLocked(
        f"the state {where} is locked: {describe(holder)}",
        hint="wait for it with --lock-timeout=60s; if that run hangs, take the lock from it with "
        f"`sutazai state unlock {holder.id}`",
    )


def must_match(info: LockInfo | None, lock_id: str, where: str) -> LockInfo:
    """The holder, if its lock is the one that is to be taken. Raises StateError when it is another's or nobody's."""
    if info is None:
        raise StateError(f"nobody holds a lock of {where}")
    if info.id != lock_id:
        raise StateError(
            f"the lock ID {lock_id!r} does not match the existing lock: {describe(info)}",
            hint="give the ID of the existing lock, if that is the one to take",
        )
    return info


def taken(where: str, *, far: bool = False) -> StateError:
    """What the run is told that a lock was taken from. `far`: the lock of one that was not heard of for long is free."""
    how = "with `state unlock`" + (
        ", or by another run since this one was cut off or stopped for too long" if far else ""
    )
    return StateError(
        f"the lock of {where} was taken from this run {how}; it writes no more",
        hint="what it did is in the journal: run `sutazai plan` to see where things stand",
    )


def _who() -> str:
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"{user}@{os.uname().nodename}"
