"""From a plan to a changed environment, but for what is about the terminal: lock, plan, have it reviewed, carry it out.

Nothing changes before the reviewer has approved, and what is carried out is the plan that the reviewer was shown.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from sutazai.errors import ApplyFailed, Interrupted, NotCarriedOut, Refused
from sutazai.events import Notice
from sutazai.operations.plan import Planned
from sutazai.operations.recording import Approval
from sutazai.operations.run import OnFailure, Result, carry_out_plan
from sutazai.operations.saving import plan_digest
from sutazai.operations.session import Session, Stop
from sutazai.plan.change import Plan


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, beside the plan itself. `lock_timeout` in seconds."""

    command: str
    why: str = ""
    lock_timeout: float = 0.0
    on_failure: OnFailure = "pause"


class Reviewer(Protocol):
    """Who looks at a plan before it is carried out."""

    def show(self, planned: Planned) -> None: ...
    def approve(self, planned: Planned) -> str | None:
        """The approver's name, None when the answer was no. Raises `Refused` where there is nobody to ask."""
        ...


Runner = Callable[[Callable[[Stop], Coroutine[Any, Any, Result]]], Result]
"""Runs a coroutine to its end, with the signals wired to the `Stop` that it is given."""


def change_environment(
    session: Session, order: Order, make: Callable[[], Planned], reviewer: Reviewer, run: Runner
) -> None:
    """Apply, rollback and destroy, whole. `make` plans under the lock. Raises what `make` and the reviewer raise, `Refused`
    and `NotCarriedOut` for a plan that can't be applied, `ApplyFailed` and `Interrupted` for a run that did not end."""
    with session.store.lock(order.command, timeout=order.lock_timeout):
        cut_off = _mention_interrupted_run(session)
        planned = make()
        reviewer.show(planned)
        refreshes = planned.plan.kind == "refresh"
        if not (planned.plan.actions or (refreshes and planned.plan.drift) or cut_off or planned.unrecorded):
            return
        forbid(planned.plan)
        approver = reviewer.approve(planned)
        if approver is None:
            raise Refused("not approved: nothing was changed")
        approval = Approval(approver, plan_digest(planned))
        result = run(
            lambda stop: carry_out_plan(
                session,
                planned,
                stop,
                command=order.command,
                why=order.why,
                on_failure=order.on_failure,
                approval=approval,
            )
        )
        _conclude(result, planned.plan)


def forbid(plan: Plan) -> None:
    """Raise `Refused` or `NotCarriedOut` when a finding of the plan forbids applying it."""
    errors = [finding for finding in plan.findings if finding.severity == "error"]
    if not errors:
        return
    lines = "\n".join(f"  - {finding.address or plan.environment}: {finding.summary}" for finding in errors)
    kind = NotCarriedOut if all(finding.code == "not-carried-out" for finding in errors) else Refused
    raise kind(f"this plan can't be applied:\n{lines}", hint=errors[0].hint or None)


def _conclude(result: Result, plan: Plan) -> None:
    """Raise the error that names how a run ended, unless it ended well."""
    serial = f"; what was done is serial {result.state.serial}" if result.state else ""
    if result.outcome == "failed":
        first, others = result.failures[0], len(result.failures) - 1
        more = f"; {others} more failed" if others else ""
        raise ApplyFailed(
            f"{first.address or plan.environment}: {first.cause}{more}{serial}",
            hint="mend the cause and apply again: it goes on from here",
        )
    if result.outcome == "interrupted":
        raise Interrupted(f"interrupted{serial}", hint="apply again to go on from here")


def _mention_interrupted_run(session: Session) -> bool:
    """Whether an earlier run died, and say so: its journal is still there. Planning from what Docker has finishes its work."""
    entries = session.store.journal().read()
    if entries:
        closed = {entry.key for entry in entries if entry.phase in ("done", "failed")}
        open_calls = [entry for entry in entries if entry.phase == "intent" and entry.key not in closed]
        first = f" ({open_calls[0].call} {open_calls[0].address})" if open_calls else ""
        under_way = f", {len(open_calls)} call(s) under way{first}" if open_calls else ""
        message = f"an earlier {entries[0].call or 'run'} was cut off{under_way}; this run goes on from what it left"
        session.events(Notice(session.clock.now(), "warning", message))
    return bool(entries)
