"""Moving the serials of one environment from one store to another.

Until the end the source is the state. The target takes in every serial byte by byte, and says of itself meanwhile that
it is not the state; when all are there and the chain is whole, the source says where the state went, and only then the
target begins to be it. So at no moment two stores take writes, and one that was interrupted is gone on with by
repeating it.
"""

from contextlib import AbstractContextManager

from sutazai.errors import Refused
from sutazai.ports import LockInfo, StateStore


def migrate(source: StateStore, target: StateStore, *, timeout: float = 0.0) -> int:
    """Move everything; how many serials there are. Raises `Refused` when the source is not whole, a run was cut off in it, or
    it is the state no more, or the target holds another history or a longer one."""
    with source.lock("migrate", timeout=timeout) as own, _of_another_place(target, own, timeout):
        serials = source.serials()
        _refuse_unless_movable(source, target)
        if source.moved_to() is None:
            target.move_to(source.where)
        for serial in serials[len(target.serials()) :]:
            target.append(source.document(serial))
        _refuse_unless_equal(source, target)
        source.move_to(target.where)
        target.move_to(None)
        return len(serials)


def _of_another_place(target: StateStore, own: LockInfo, timeout: float) -> AbstractContextManager[LockInfo]:
    """The lock of the target, which is another one than our `own`: how a place is spelled does not tell two apart."""
    holder = target.holder()
    if holder is not None and holder.id == own.id:
        raise Refused(f"the state is in {target.where} already")
    return target.lock("migrate", timeout=timeout)


def _refuse_unless_movable(source: StateStore, target: StateStore) -> None:
    if not source.serials():
        raise Refused(f"there is no state in {source.where}")
    if source.journal().read() or target.journal().read():
        raise Refused(
            "the last run did not come to its end",
            hint="sutazai apply --resume finishes it; then run this again",
        )
    for store in (source, target):
        if problems := store.verify():
            raise Refused(f"{store.where} is not whole: {problems[0]}", hint="see sutazai state verify")
    mine, theirs = source.newest(), target.newest()
    if mine and theirs and mine.lineage != theirs.lineage:
        raise Refused(
            f"{target.where} holds another history: lineage {theirs.lineage}, not {mine.lineage}",
            hint="choose another place",
        )
    if mine and theirs and theirs.serial > mine.serial:
        raise Refused(
            f"{target.where} is ahead: it holds serial {theirs.serial}, {source.where} only {mine.serial}",
            hint="it has been the state since; name it in the environment",
        )
    for serial in target.serials():
        if source.document(serial) != target.document(serial):
            raise Refused(f"serial {serial} in {target.where} is not the one in {source.where}")
    _refuse_if_elsewhere(source, target)


def _refuse_if_elsewhere(source: StateStore, target: StateStore) -> None:
    """The source says where the state went only once the target holds all of it. So one that does and whose target holds less,
    or went on to a third place, was moved there before: the state is in that place, and there may be more of it."""
    moved, onward = source.moved_to(), target.moved_to()
    if moved is not None and (target.serials() != source.serials() or onward not in (None, source.where)):
        raise Refused(
            f"the state in {source.where} was moved to {onward or moved}, and is no more in it",
            hint="name that place in the environment, or as --from, and move it from there",
        )


def _refuse_unless_equal(source: StateStore, target: StateStore) -> None:
    if problems := target.verify():
        raise Refused(
            f"{target.where} is not whole afterwards: {problems[0]}; {source.where} still is the state"
        )
    for serial in source.serials():
        if source.document(serial) != target.document(serial):
            raise Refused(f"serial {serial} was not taken over as it is; {source.where} still is the state")
