"""From a plan to a changed environment, but for what is about the terminal: lock, plan, have it reviewed, carry it out.

Nothing changes before the reviewer has approved, and what is carried out is the plan that the reviewer was shown. The one
thing that is done without asking again is taking back what failed, which the order says beforehand.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from sutazai.errors import ApplyFailed, Interrupted, Refused, SutazaiError
from sutazai.operations.hand import Unhealthy
from sutazai.operations.plan import Planned, forbid
from sutazai.operations.progress import Failure, decisive
from sutazai.operations.recording import Approval
from sutazai.operations.recovery import Unfinished, unfinished_runs
from sutazai.operations.run import OnFailure, Result, carry_out_plan
from sutazai.operations.session import Session, Stop, notice
from sutazai.operations.taking_back import Runner, named, take_back
from sutazai.operations.under_way import wait_for_stops
from sutazai.plan.change import Plan


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, beside the plan itself. `lock_timeout` in seconds; `again` is how to go on after a failure. `resumes`:
    it goes on with the last unfinished run, and stands in the history as what that was."""

    command: str
    why: str = ""
    lock_timeout: float = 0.0
    on_failure: Literal["rollback", "pause", "continue"] = "pause"
    again: str = "apply again"
    resumes: bool = False


class Reviewer(Protocol):
    """Who looks at a plan before it is carried out."""

    def show(self, planned: Planned) -> None: ...
    def approve(self, planned: Planned) -> str | None:
        """The approver's name, None when the answer was no. Raises `Refused` where there is nobody to ask."""
        ...


Make = Callable[[Unfinished | None], Planned]
"""Plans, knowing of the last run that did not come to its end."""


def change_environment(session: Session, order: Order, make: Make, reviewer: Reviewer, run: Runner) -> bool:
    """Apply, rollback and destroy, whole; whether there was anything to do. `make` plans under the lock. Raises what `make` and
    the reviewer raise, `Refused` and `NotCarriedOut` for a plan that can't be applied, `ApplyFailed` and `Interrupted` for a run
    that did not end."""
    with session.store.lock(order.command, timeout=order.lock_timeout):
        try:
            unfinished = unfinished_runs(session.store)
            wait_for_stops(session, unfinished, run)
            approved = _approved(session, unfinished, make, reviewer)
        except KeyboardInterrupt:
            raise Interrupted("interrupted: nothing was changed") from None
        if approved is None:
            return False
        planned, approval = approved
        resumed = unfinished[-1] if order.resumes and unfinished else None

        def carried_out(planned: Planned, command: str, why: str) -> Result:
            # what is destroyed can't be taken back, and keeps back only what it needs: from a file, and resumed, too
            goes_on = order.on_failure == "rollback" and planned.plan.kind == "destroy"
            on_failure: OnFailure = "continue" if goes_on or order.on_failure == "continue" else "pause"

            async def work(stop: Stop) -> Result:
                result = await carry_out_plan(
                    session, planned, stop, command=command, why=why, on_failure=on_failure, approval=approval
                )
                return await _verified(session, planned, result, stop) if command == "rollback" else result

            return run(work, lambda message: notice(session, message))

        result = carried_out(planned, resumed.command if resumed else order.command, order.why)
        if order.on_failure == "rollback" and reverts(planned, result):
            take_back(session, planned, result, carried_out, run)
        _conclude(result, planned.plan, order)
        return True


async def _verified(session: Session, planned: Planned, result: Result, stop: Stop) -> Result:
    """A rollback that is done is looked at once more, and so is one that went on whatever failed. What the look finds is one
    more failure."""
    if result.outcome == "interrupted" or not (
        result.outcome == "done" or planned.options.manner.keeps_going
    ):
        return result
    from sutazai.operations.verification import not_as_it_should_be, verify

    stop.recording = False  # there is nothing left that must not be interrupted
    try:
        found = await verify(session, planned, stop)
    except asyncio.CancelledError:
        found = None
    except SutazaiError as error:
        wrong: SutazaiError | None = ApplyFailed(
            f"it could not be verified: {error.message}", hint=error.hint
        )
    else:
        wrong = not_as_it_should_be(found) if found else None
    if stop.interrupted.is_set():
        done = f"serial {result.state.serial} is recorded" if result.state else "nothing was to be recorded"
        raise Interrupted(f"interrupted: {done}, but was not verified", hint="sutazai status shows what runs")
    if wrong is None:
        return result
    failures = (*result.failures, Failure(None, wrong.message, wrong))
    return replace(result, outcome="failed", failures=failures)


def reverts(planned: Planned, result: Result) -> bool:
    """Whether what a run did is to be taken back: it failed, had done something, none of those that failed says otherwise
    (`rollout.auto_revert`), and nobody has told it to stop."""
    desired = planned.plan.desired
    failed = [desired.workload(failure.address) for failure in result.failures if failure.address]
    held = any(isinstance(failure.error, Unhealthy) and failure.error.held for failure in result.failures)
    willing = not held and all(
        desired.rollout_of(workload).auto_revert for workload in failed if workload is not None
    )
    return (
        result.outcome == "failed"
        and result.state is not None
        and planned.plan.kind == "apply"
        and willing
        and not result.told_to_stop
    )


def _approved(
    session: Session, unfinished: Sequence[Unfinished], make: Make, reviewer: Reviewer
) -> tuple[Planned, Approval] | None:
    """The plan, made, shown and approved; None when there is nothing to do."""
    planned = make(unfinished[-1] if unfinished else None)
    for words in dict.fromkeys(earlier.words for earlier in unfinished if earlier.cut_off):
        notice(session, f"{words}; this run goes on from what it left")
    reviewer.show(planned)
    refreshes = planned.plan.kind == "refresh"
    if not (
        planned.plan.actions or (refreshes and planned.plan.recorded) or unfinished or planned.unrecorded
    ):
        return None
    forbid(planned.plan)
    approver = reviewer.approve(planned)
    if approver is None:
        raise Refused("not approved: nothing was changed")
    from sutazai.operations.saving import plan_digest  # an apply that has nothing to do is spared its loading

    return planned, Approval(approver, plan_digest(planned))


def _conclude(result: Result, plan: Plan, order: Order) -> None:
    """Raise the error that names how a run ended, unless it ended well."""
    serial = f"; what was done is serial {result.state.serial}" if result.state else ""
    if result.outcome == "failed":
        first = decisive(result.failures)
        raise ApplyFailed(
            f"{named(result, plan)}{serial}",
            hint=first.hint or f"mend the cause and {order.again}: it goes on from here",
        ) from first.error
    if result.outcome == "interrupted":
        raise Interrupted(f"interrupted{serial}", hint=f"{order.again} to go on from here")
    if result.told_to_stop:
        raise Interrupted(
            f"interrupted when all of it was under way, and done{serial}", hint="nothing is left to do"
        )
