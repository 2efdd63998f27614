"""From a plan to a changed environment, but for what is about the terminal: lock, plan, have it reviewed, carry it out.

Nothing changes before the reviewer has approved, and what is carried out is the plan that the reviewer was shown.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sutazai.errors import ApplyFailed, Interrupted, NotCarriedOut, Refused
from sutazai.events import Notice
from sutazai.operations.plan import Planned
from sutazai.operations.recording import Approval
from sutazai.operations.recovery import Unfinished, unfinished_runs
from sutazai.operations.run import OnFailure, Result, carry_out_plan
from sutazai.operations.session import Session, Stop
from sutazai.plan.change import Plan


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, beside the plan itself. `lock_timeout` in seconds; `again` is how to go on after a failure. `resumes`:
    it goes on with the last unfinished run, and stands in the history as what that was."""

    command: str
    why: str = ""
    lock_timeout: float = 0.0
    on_failure: OnFailure = "pause"
    again: str = "apply again"
    resumes: bool = False


class Reviewer(Protocol):
    """Who looks at a plan before it is carried out."""

    def show(self, planned: Planned) -> None: ...
    def approve(self, planned: Planned) -> str | None:
        """The approver's name, None when the answer was no. Raises `Refused` where there is nobody to ask."""
        ...


Runner = Callable[[Callable[[Stop], Coroutine[Any, Any, Result]], Callable[[str], None]], Result]
"""Runs a coroutine to its end, with the signals wired to the `Stop` that it is given; the other one says what a signal does."""
Make = Callable[[Unfinished | None], Planned]
"""Plans, knowing of the last run that did not come to its end."""


def change_environment(session: Session, order: Order, make: Make, reviewer: Reviewer, run: Runner) -> None:
    """Apply, rollback and destroy, whole. `make` plans under the lock. Raises what `make` and the reviewer raise, `Refused`
    and `NotCarriedOut` for a plan that can't be applied, `ApplyFailed` and `Interrupted` for a run that did not end."""
    with session.store.lock(order.command, timeout=order.lock_timeout):
        try:
            unfinished = unfinished_runs(session.store)
            approved = _approved(session, unfinished, make, reviewer)
        except KeyboardInterrupt:
            raise Interrupted("interrupted: nothing was changed") from None
        if approved is None:
            return
        planned, approval = approved
        command = unfinished[-1].command if order.resumes and unfinished else order.command
        result = run(
            lambda stop: carry_out_plan(
                session,
                planned,
                stop,
                command=command,
                why=order.why,
                on_failure=order.on_failure,
                approval=approval,
            ),
            lambda message: notice(session, message),
        )
        _conclude(result, planned.plan, order)


def _approved(
    session: Session, unfinished: Sequence[Unfinished], make: Make, reviewer: Reviewer
) -> tuple[Planned, Approval] | None:
    """The plan, made, shown and approved; None when there is nothing to do."""
    planned = make(unfinished[-1] if unfinished else None)
    for earlier in unfinished:
        if earlier.cut_off:
            notice(session, f"{earlier.words}; this run goes on from what it left")
    reviewer.show(planned)
    refreshes = planned.plan.kind == "refresh"
    if not (planned.plan.actions or (refreshes and planned.plan.drift) or unfinished or planned.unrecorded):
        return None
    forbid(planned.plan)
    approver = reviewer.approve(planned)
    if approver is None:
        raise Refused("not approved: nothing was changed")
    from sutazai.operations.saving import plan_digest  # an apply that has nothing to do is spared its loading

    return planned, Approval(approver, plan_digest(planned))


def notice(session: Session, message: str) -> None:
    session.events(Notice(session.clock.now(), "warning", message))


def forbid(plan: Plan) -> None:
    """Raise `Refused` or `NotCarriedOut` when a finding of the plan forbids applying it."""
    errors = [finding for finding in plan.findings if finding.severity == "error"]
    if not errors:
        return
    lines = "\n".join(f"  - {finding.address or plan.environment}: {finding.summary}" for finding in errors)
    kind = NotCarriedOut if all(finding.code == "not-carried-out" for finding in errors) else Refused
    raise kind(f"this plan can't be applied:\n{lines}", hint=errors[0].hint or None)


def _conclude(result: Result, plan: Plan, order: Order) -> None:
    """Raise the error that names how a run ended, unless it ended well."""
    serial = f"; what was done is serial {result.state.serial}" if result.state else ""
    if result.outcome == "failed":
        first, others = result.failures[0], len(result.failures) - 1
        more = f"; {others} more failed" if others else ""
        raise ApplyFailed(
            f"{first.address or plan.environment}: {first.cause}{more}{serial}",
            hint=first.hint or f"mend the cause and {order.again}: it goes on from here",
        ) from first.error
    if result.outcome == "interrupted":
        raise Interrupted(f"interrupted{serial}", hint=f"{order.again} to go on from here")
