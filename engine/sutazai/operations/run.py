"""The executor: a plan carried out, every step journalled, the outcome committed as one serial.

Here is how a run begins and how it ends, what it does in between is in `waves`. Whatever was done is in the serial that the run
commits, also when it failed or was interrupted. Only a run that was done empties the journal: that of any other stays, so that
it can be gone on with or taken back (`recovery`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from sutazai.address import Address
from sutazai.errors import StateError
from sutazai.events import RunFinished, RunStarted
from sutazai.model.fleet import SWITCH
from sutazai.model.workload import Workload
from sutazai.operations.ahead import Ahead
from sutazai.operations.gate import Gate
from sutazai.operations.led import in_the_way_of_switch, led_by
from sutazai.operations.plan import Planned
from sutazai.operations.progress import Failure, Progressed, decisive, failed
from sutazai.operations.pulse import Pulse
from sutazai.operations.reach import relays_in
from sutazai.operations.recording import Approval, Outcome, next_state
from sutazai.operations.recovery import begin_entry, end_entry, lineage_of, unfinished_runs
from sutazai.operations.session import Run, Session, Stop
from sutazai.operations.switchboard import Switchboard
from sutazai.operations.waves import carry_out_changes
from sutazai.plan.branches import Branches, branches_of
from sutazai.plan.change import Action, Plan, PlanKind
from sutazai.plan.manner import Manner
from sutazai.plan.situation import PlanOptions, situation_of
from sutazai.state.observed import Observed
from sutazai.state.v2 import State

_CALLS = 10
"""So many calls to the provider at a time, where nobody says,"""
_BUSY_BESIDE = 1
"""of which one for each of the host's processors, and so many more, may keep it busy,"""
_BUSY_ALONE = 2
"""and as many more as this where nothing that serves yet would have to wait for them."""
_CALLS_OF_DESTROY = 24
"""Where all goes, nothing has to serve meanwhile: `_CALLS` may keep it busy, and so many in all wait for what they stop."""
OnFailure = Literal["pause", "continue"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended: `done`, `failed` or `interrupted`. `state` is the serial it committed, None when it changed
    nothing, or could not write what it did (then the journal has it). `told_to_stop`: the user interrupted it, whatever it
    ended with."""

    outcome: str
    state: State | None
    failures: tuple[Failure, ...]
    told_to_stop: bool = False


async def carry_out_plan(
    session: Session,
    planned: Planned,
    stop: Stop,
    *,
    command: str,
    why: str = "",
    on_failure: OnFailure = "pause",
    approval: Approval | None = None,
) -> Result:
    """Carry out a plan that the user approved. The caller holds the lock of the state. `on_failure` says whether the
    first failure stops the run (`pause`) or only keeps back what depends on it (`continue`). Raises `StateError` when the
    run can't be begun; from then on every end is a `Result`."""
    plan, began, since = planned.plan, session.clock.now(), session.clock.monotonic()
    run, keep = _begun(session, planned, stop)
    done = Progressed(_branches(planned, on_failure))
    begun, cut_off = False, False
    try:
        await session.calls(run.journal.append, begin_entry(run, planned, command))
        begun = True
        run.emit(RunStarted(began, command, plan.environment, run.serial, len(plan.actions), len(plan.waves)))
        await carry_out_changes(run, planned, done)
    except asyncio.CancelledError:
        # interrupted twice: nothing more is waited for, but what was done is still recorded
        stop.interrupt()
        cut_off = True
    except Exception as error:
        if isinstance(error, StateError) and not done.touched:
            await _settled(run, cut_off=cut_off)
            raise
        failed(run, done, None, error)
    await _settled(run, cut_off=cut_off)
    stop.recording = True
    outcome, state = _outcome(run, plan, done, cut_off=cut_off), None
    try:
        if run.acted.is_set() or done.records:
            facts = _facts(
                run, done, outcome, command=command, why=why, began=began, since=since, approval=approval
            )
            state = await session.calls(session.store.commit, next_state(run, planned, facts))
        if begun:  # else the beginning may not be there, and an end would stand alone
            await _close_journal(run, outcome, state, keep=keep)
    except Exception as error:  # noqa: BLE001 - whatever keeps the record from being written, what was done is told
        failed(run, done, None, error)
        outcome = "failed"
    run.emit(_finished(run, plan, done, outcome, state, since))
    return Result(outcome, state, tuple(done.failures), stop.interrupted.is_set())


async def _settled(run: Run, *, cut_off: bool) -> None:
    """Wait for what goes on beside the changes, so that nothing happens behind the record: also when that is interrupted."""
    if cut_off and run.board is not None:
        run.board.hurried = True
    everything: list[Callable[[], Awaitable[None]]] = [
        run.memory.settled,
        partial(run.ahead.leave, remove=not cut_off),
    ]
    for settled in ([run.board.settled] if run.board is not None else []) + everything:
        try:
            await settled()
        except asyncio.CancelledError:
            run.stop.interrupt()
            run.stop.recording = True
            await settled()


def _begun(session: Session, planned: Planned, stop: Stop) -> tuple[Run, bool]:
    """The run, and whether it must keep the journal even when it is done: an earlier run may have left something where this
    one is told not to go."""
    plan, unfinished, manner = planned.plan, unfinished_runs(session.store), planned.options.manner
    run = Run(
        session=session,
        journal=session.store.journal(),
        stop=stop,
        lineage=lineage_of(planned.prior, unfinished) or session.new_id(),
        serial=plan.serial + 1,
        desired=plan.desired,
        gate=_gate(session, plan.kind, manner, planned.observed),
        manner=manner,
        pulse=Pulse(session.clock),
        ahead=Ahead(),
        host=planned.observed.host,
        relays=relays_in(planned.observed),
        configs={
            name: config.content or ""
            for fleet in (*((planned.prior.desired,) if planned.prior else ()), plan.desired)
            for name, config in fleet.configs.items()
        },
        finishing=plan.desired.finishing(),
        applied=_applied(planned),
        goes_back=plan.kind == "rollback",
    )
    if plan.kind in ("apply", "rollback") and plan.desired.workload(SWITCH) is not None:
        led, in_the_way = led_by(planned), in_the_way_of_switch(planned)
        board = Switchboard(
            session, plan.desired, run.journalled, led, in_the_way,
            unsettled=bool(unfinished), goes_on=manner.keeps_going,
            coming=any(change.address == SWITCH for change in plan.beside),
            company=lambda: 0 if stop.requested else run.pulse.members,
        )  # fmt: skip
        run = replace(run, board=board)
    changed = any(not earlier.records_only for earlier in unfinished)
    return run, changed and (bool(plan.pending) or plan.kind == "refresh")


def _gate(session: Session, kind: PlanKind, manner: Manner, observed: Observed) -> Gate:
    if session.parallelism is not None:
        return Gate(session.parallelism if session.capped else max(session.parallelism, manner.calls))
    if kind == "destroy":
        return Gate(_CALLS_OF_DESTROY, _CALLS)
    if observed.host is None or manner.calls > _CALLS:
        return Gate(max(_CALLS, manner.calls))
    serves = any(instance.status == "running" for instance in observed.instances)
    return Gate(_CALLS, min(observed.host.cpus + (_BUSY_BESIDE if serves else _BUSY_ALONE), _CALLS))


def _applied(planned: Planned) -> dict[Address, Workload]:
    prior, found = planned.prior, dict(planned.plan.desired.workloads())
    for record in prior.resources if prior else ():
        body = prior.applied_of(record) if prior else None
        if isinstance(body, Workload):
            found[record.address] = body
    return found


def _branches(planned: Planned, on_failure: OnFailure) -> Branches | None:
    """What hangs on each change; None where the first failure ends the run."""
    plan = planned.plan
    if planned.options.manner.keeps_going:
        return {}
    if on_failure == "pause":
        return None
    options = PlanOptions(kind=plan.kind)
    return branches_of(situation_of(plan.desired, planned.observed, planned.prior, options), plan.actions)


def _outcome(run: Run, plan: Plan, done: Progressed, *, cut_off: bool) -> str:
    if done.failures:
        return "failed"
    left_over = cut_off or len(done.finished) < len(plan.actions) or run.replaced or run.for_hooks
    return "interrupted" if run.stop.interrupted.is_set() and left_over else "done"


def _facts(
    run: Run,
    done: Progressed,
    outcome: str,
    *,
    command: str,
    why: str,
    began: float,
    since: float,
    approval: Approval | None,
) -> Outcome:
    return Outcome(
        command=command,
        why=why,
        outcome=outcome,
        started=began,
        seconds=run.session.clock.monotonic() - since,
        finished=tuple(done.finished),
        records=done.records,
        error=decisive(done.failures).cause if done.failures else None,
        approval=approval,
    )


async def _close_journal(run: Run, outcome: str, state: State | None, *, keep: bool) -> None:
    if outcome == "done" and not keep:
        await run.session.calls(run.journal.clear)
    else:
        await run.session.calls(run.journal.append, end_entry(run, outcome, state))


def _finished(
    run: Run, plan: Plan, done: Progressed, outcome: str, state: State | None, since: float
) -> RunFinished:
    count = {action: sum(change.action is action for change in done.finished) for action in Action}
    waited_for = {change.address for change in plan.actions if change.is_waited_for}
    return RunFinished(
        run.now,
        outcome,
        state.serial if state else None,
        count[Action.CREATE],
        count[Action.UPDATE] + count[Action.ADOPT],
        count[Action.REPLACE] + count[Action.REPLACE_START_FIRST],
        count[Action.DESTROY],
        run.session.clock.monotonic() - since,
        len(waited_for & {change.address for change in done.finished}),
        len(waited_for),
    )
