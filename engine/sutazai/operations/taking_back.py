"""Taking back what a failed run changed, to the serial that it set out from.

An engine that is restarted under a run is what the run fails of, and not there for the way back either. It is there again soon:
so the way back waits for it, and begins anew when the engine went away in the middle of it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from sutazai.address import Address
from sutazai.errors import (
    ApplyFailed,
    Interrupted,
    ProviderError,
    ProviderUnreachable,
    RolledBack,
    SutazaiError,
)
from sutazai.graph.selectors import reachable
from sutazai.model.fleet import Fleet
from sutazai.model.units import format_duration
from sutazai.operations.plan import Planned, forbid, plan_way_back
from sutazai.operations.progress import decisive
from sutazai.operations.run import Result
from sutazai.operations.session import Session, Stop, notice
from sutazai.plan.change import PREVENTED, Plan
from sutazai.plan.situation import PlanOptions, used_objects

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds that an engine may be away."""
_AGAIN_AFTER = 0.5
ATTEMPTS = 3
"""It may go away again on the way back, and each time that is one."""
CarriedOut = Callable[[Planned, str, str], Result]
"""Carries out a plan, as a command and for a reason."""


class Runner(Protocol):
    """Runs a coroutine to its end, with the signals wired to the `Stop` that it is given; `say` says what a signal does."""

    def __call__(
        self, work: Callable[[Stop], Coroutine[Any, Any, T]], say: Callable[[str], None], /
    ) -> T: ...


def take_back(
    session: Session, planned: Planned, result: Result, carried_out: CarriedOut, run: Runner
) -> None:
    """Bring back the serial that a failed run set out from. Raises `RolledBack` when that is done, `ApplyFailed` when that fails
    too; where it can't be begun, says so and leaves the fleet as it is."""
    set_out = planned.set_out
    if set_out == 0:
        notice(session, "there is no serial before this one to go back to: what was made stays")
        return
    first = named(result, planned.plan)
    notice(session, f"{first}; taking back what this run changed, to serial {set_out}")
    try:
        failed = f"{planned.plan.serial + 1} failed: {first}"
        make = partial(_way_back, session, planned)
        returned, plan = _returned(session, make, carried_out, run, failed)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted while serial {set_out} was to be brought back after a failure: {first}",
            hint="sutazai rollback takes the run back, sutazai apply --resume goes on with it",
        ) from None
    except Interrupted:
        raise
    except SutazaiError as error:
        notice(
            session, f"serial {set_out} can't be brought back, so the fleet is left as it is: {error.message}"
        )
        return
    if returned.outcome == "done":
        serial = f", which is serial {returned.state.serial}" if returned.state else ""
        raise RolledBack(
            f"{first}; what this run had changed was taken back: serial {set_out} runs again{serial}",
            hint="mend the cause and apply again; --on-failure pause leaves it standing for a look",
        ) from decisive(result.failures).error
    if returned.outcome == "interrupted":
        raise Interrupted(
            f"interrupted while serial {set_out} was brought back after a failure: {first}",
            hint="sutazai apply --resume goes on with that",
        )
    serial = f"; what was done is serial {returned.state.serial}" if returned.state else ""
    why = decisive(returned.failures)
    raise ApplyFailed(
        f"{first}; and serial {set_out} could not be brought back: {named(returned, plan)}{serial}",
        hint=why.hint or "mend the cause, then sutazai apply --resume goes on with bringing it back",
    ) from why.error


def _way_back(session: Session, failed: Planned) -> Planned:
    """To what the serial says that the failed run set out from, of all that this was about. What is new and must not be destroyed
    stays, with all that it needs. Raises `Refused` where the serial does not say how something was made."""
    options = PlanOptions(only=_touched(session, failed) if failed.options.narrowed else None)
    back = plan_way_back(session, failed.set_out, options)
    kept = {f.address for f in back.plan.findings if f.code == PREVENTED and f.address is not None}
    if not kept:
        return back
    for address in sorted(kept):
        notice(session, f"{address} stays as it is: its lifecycle.prevent_destroy is set")
    stays = _with_needs(failed.plan.desired, kept)
    about = (options.only or frozenset(change.address for change in back.plan.changes)) - stays
    return plan_way_back(session, failed.set_out, replace(options, only=about))


def _touched(session: Session, failed: Planned) -> frozenset[Address]:
    """What the failed run was about, and any before it that it went on from."""
    begun = {Address.parse(entry.address) for entry in session.store.journal().read() if entry.address}
    return frozenset(begun.union(change.address for change in failed.plan.actions))


def _with_needs(desired: Fleet, addresses: Iterable[Address]) -> frozenset[Address]:
    needs = {a: (*desired.dependencies(a), *used_objects(workload)) for a, workload in desired.workloads()}
    return reachable(addresses, needs)


def _returned(
    session: Session,
    make: Callable[[], Planned],
    carried_out: CarriedOut,
    run: Runner,
    failed: str,
) -> tuple[Result, Plan]:
    """How the way back ended. Raises what planning it raises."""
    left = ATTEMPTS
    while True:
        left -= 1
        if _absence(session) is not None:
            run(partial(_answers, session), partial(notice, session))
        try:
            back = make()
        except ProviderUnreachable:
            if not left:
                raise
            continue
        forbid(back.plan)
        returned = carried_out(back, "rollback", f"serial {failed}")
        if not left or not _went_away(session, returned):
            return returned, back.plan


async def _answers(session: Session, stop: Stop) -> None:
    """Wait until the engine answers. Raises `ProviderUnreachable` when it does not come back, `Interrupted` when it was not to
    be waited for any longer."""
    clock, told = session.clock, False
    until = clock.monotonic() + PATIENCE
    try:
        while not stop.interrupted.is_set():
            away = await session.calls(_absence, session)
            if away is None:
                return
            if clock.monotonic() >= until:
                raise away
            if not told:
                notice(session, f"{away.message}; it is waited for, up to {format_duration(PATIENCE)}")
            told = True
            await clock.sleep(_AGAIN_AFTER)
    except asyncio.CancelledError:
        stop.interrupt()
    raise Interrupted(
        "interrupted while the engine was waited for, to take back what failed",
        hint="when it answers again: sutazai rollback takes the run back, sutazai apply --resume goes on with it",
    )


def _went_away(session: Session, result: Result) -> bool:
    """Whether a run failed as its engine went away. Of one that was told to end it may have failed before: its containers go, and
    with them what carries the traffic."""
    if result.outcome != "failed":
        return False
    return isinstance(decisive(result.failures).error, ProviderUnreachable) or _absence(session) is not None


def _absence(session: Session) -> ProviderUnreachable | None:
    """Why the engine can't be asked now; None where it answers, be it with an error."""
    try:
        session.provider.host()
    except ProviderUnreachable as error:
        return error
    except ProviderError:
        pass
    return None


def named(result: Result, plan: Plan) -> str:
    """What a run failed of, in a line."""
    first, others = decisive(result.failures), len(result.failures) - 1
    return f"{first.address or plan.environment}: {first.cause}{f'; {others} more failed' if others else ''}"
