"""Who holds a lock: the fields of `lock.json` in Terraform's words, and what is said of it to others."""

import datetime as dt
import os
import pwd
from typing import Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sutazai.errors import StateError, StateLocked
from sutazai.ports import LockInfo


class LockDocument(BaseModel):
    """`lock.json`, with Terraform's keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: Annotated[str, Field(alias="ID")]
    operation: Annotated[str, Field(alias="Operation")]
    who: Annotated[str, Field(alias="Who")]
    version: Annotated[str, Field(alias="Version")]
    created: Annotated[str, Field(alias="Created")]
    path: Annotated[str, Field(alias="Path")]

    @property
    def info(self) -> LockInfo:
        return LockInfo(self.id, self.operation, self.who, self.version, self.created, self.path)


def new_holder(operation: str, version: str, path: str) -> LockInfo:
    """This process, as the holder of a lock of the state at `path`."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return LockInfo(str(uuid4()), operation, _who(), version, now, path)


def to_json(info: LockInfo) -> bytes:
    document = LockDocument(
        id=info.id,
        operation=info.operation,
        who=info.who,
        version=info.version,
        created=info.created,
        path=info.path,
    )
    return document.model_dump_json(by_alias=True, indent=2).encode() + b"\n"


def from_json(data: bytes | str, name: str) -> LockInfo:
    """Raises StateError naming `name` when it is damaged."""
    try:
        return LockDocument.model_validate_json(data).info
    except ValidationError as error:
        raise StateError(f"{name} is damaged", hint="if no other sutazai runs, remove it") from error


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


def taken(where: str) -> StateError:
    """What the run is told that a lock was taken from."""
    return StateError(
        f"the lock of {where} was taken from this run with `state unlock`; it writes no more",
        hint="what it did is in the journal: run `sutazai plan` to see where things stand",
    )


def _who() -> str:
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"{user}@{os.uname().nodename}"
