"""Which serial an emergency goes back to: the last one at which all was well.

All was well when a run that changes containers and asks for their health, over everything and not a selection, was done, and left
nothing that it had not seen healthy. A serial that only edits the state is as good as the one before it.

Where that is the newest serial, and what runs is no longer as it says, that one is brought back. Where what runs is as it says,
somebody wants to get away from it, and from what it had brought back: the last good one before is taken.

One that is damaged is passed over: nobody knows what it was.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from sutazai.errors import Refused, StateError
from sutazai.operations.plan import Planned, plan_rollback
from sutazai.operations.recovery import Unfinished
from sutazai.operations.session import Session
from sutazai.plan.situation import PlanOptions
from sutazai.state.v2 import State

_RUNS = ("apply", "deploy", "rollback", "recover")
_EDITS = ("mv", "rm")


@dataclass(frozen=True, slots=True)
class Good:
    """A serial, and in words why that one."""

    serial: int
    why: str


def plan_emergency(session: Session, unfinished: Unfinished | None) -> tuple[Good, Planned]:
    """The way back to the last serial that was healthy. Raises `Refused` when there is none."""
    read, newest = session.store.read, max(session.store.serials(), default=0)
    options = PlanOptions(kind="rollback", strategy="emergency")
    first, run = next(good_serials(read, newest), (0, 0))
    before = ""
    why = f"it is the last one that was healthy; {_became(read(newest))}" if newest else ""
    if first == newest > 0:
        planned = plan_rollback(session, first, options)
        if planned.plan.actions or planned.plan.pending or unfinished is not None:
            why = unfinished.words if unfinished is not None else "what runs is no longer as it says"
            return Good(first, f"it is the newest and was healthy; {why}"), planned
        origin = _origin(read, run)
        before = f" before serial {origin}, which is what runs,"
        first, _ = next(good_serials(read, origin - 1), (0, 0))
        why = f"it is the last one before serial {origin} that was healthy; what runs is as serial {newest} says"
    if not first:
        raise Refused(
            f"no serial of {session.scope.environment}{before} was healthy",
            hint="sutazai history lists them; rollback --state N --strategy emergency brings back one of your choice",
        )
    return Good(first, why), plan_rollback(session, first, options)


def good_serials(read: Callable[[int], State], newest: int) -> Iterator[tuple[int, int]]:
    """Those at which all was well, newest first, from `newest` on down, each with that of the run that saw it: another one
    where the state was edited since."""
    edited: int | None = None
    for serial in range(newest, 0, -1):
        try:
            state = read(serial)
        except StateError:
            edited = None
            continue
        if state.operation.command in _EDITS:
            edited = edited or serial
            continue
        if _is_good(state):
            yield edited or serial, serial
        edited = None


def _is_good(state: State) -> bool:
    ran = state.operation.command in _RUNS and state.operation.outcome == "done"
    workloads = [record for record in state.resources if record.address.kind.is_workload]
    return ran and any(record.instances for record in workloads) and not any(r.tainted for r in workloads)


def _origin(read: Callable[[int], State], serial: int) -> int:
    """The serial that first was what this one brought back."""
    with suppress(StateError):
        while (operation := read(serial).operation).command == "rollback" and operation.of_serial:
            serial = operation.of_serial
    return serial


def _became(state: State) -> str:
    """What became of the newest serial, which is none to go back to."""
    operation, made = state.operation, f"the {state.operation.command} that made serial {state.serial}"
    if operation.command not in _RUNS:
        return f"serial {state.serial} is of {operation.command}"
    if operation.outcome == "partial":
        return f"{made} was of a selection only"
    return f"{made} {'was not healthy' if operation.outcome == 'done' else operation.outcome}"
