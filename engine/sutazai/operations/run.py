"""The executor: a plan carried out wave by wave, every step journalled, the outcome committed as one serial.

Within a wave, workloads change concurrently; the next wave starts when every one of this wave is healthy. The first
failure lets what is under way end and starts nothing more; a run that was told to continue leaves out only what depends
on what failed. Whatever was done is in the serial that the run commits, also when it failed or was interrupted. Only a
run that was done empties the journal: that of any other stays, so that it can be gone on with or taken back (`recovery`).
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from sutazai.address import Address
from sutazai.errors import ProviderError, StateError, TrafficError
from sutazai.events import RunFinished, RunStarted, WaveFinished, WaveStarted
from sutazai.model.fleet import SWITCH
from sutazai.model.workload import Workload
from sutazai.operations.ahead import Ahead, later
from sutazai.operations.anonymous import remove_anonymous
from sutazai.operations.baking import ask_for_health, bake
from sutazai.operations.dependencies import Dependencies
from sutazai.operations.gate import Gate
from sutazai.operations.hand import hand_of
from sutazai.operations.hooks import remove_left, remove_own
from sutazai.operations.images import built_name, ensure_images
from sutazai.operations.objects import carry_out_object
from sutazai.operations.plan import Planned
from sutazai.operations.progress import Failure, Progressed, failed, guarded, left_out
from sutazai.operations.pulse import Pulse
from sutazai.operations.recording import Approval, Outcome, next_state, observed_record
from sutazai.operations.recovery import begin_entry, end_entry, lineage_of, unfinished_runs
from sutazai.operations.replacing import retire
from sutazai.operations.session import Run, Session, Stop, together
from sutazai.operations.switchboard import Switchboard, in_the_way_of_switch, led_by, reopen
from sutazai.operations.warm import warm
from sutazai.operations.workloads import carry_out
from sutazai.plan.anonymous import going_with
from sutazai.plan.branches import Needs, needs_of
from sutazai.plan.change import MADE, Action, Plan, ResourceChange, Wave
from sutazai.plan.reality import as_found
from sutazai.plan.situation import PlanOptions, situation_of
from sutazai.state.observed import Image
from sutazai.state.v2 import ResourceRecord, State

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
    plan, began = planned.plan, session.clock.now()
    run, keep = _begun(session, planned, stop)
    done = Progressed(needs=_needs(planned, on_failure))
    begun, cut_off = False, False
    try:
        await session.calls(run.journal.append, begin_entry(run, planned, command))
        begun = True
        run.emit(RunStarted(began, command, plan.environment, run.serial, len(plan.actions), len(plan.waves)))
        await _all(run, planned, done)
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
    outcome, state = _outcome(run, plan, done), None
    try:
        if run.acted.is_set() or done.records:
            facts = _facts(run, done, outcome, command=command, why=why, began=began, approval=approval)
            state = await session.calls(session.store.commit, next_state(run, planned, facts))
        if begun:  # else the beginning may not be there, and an end would stand alone
            await _close_journal(run, outcome, state, keep=keep)
    except StateError as error:
        failed(run, done, None, error)
        outcome = "failed"
    run.emit(_finished(run, plan, done, outcome, state, began))
    return Result(outcome, state, tuple(done.failures), stop.interrupted.is_set())


async def _settled(run: Run, *, cut_off: bool) -> None:
    """Wait for what goes on beside the changes, so that nothing happens behind the record."""
    try:
        if run.board is not None:
            await run.board.settled()
        await run.memory.settled()
        await run.ahead.leave(remove=not cut_off)
    except asyncio.CancelledError:
        run.stop.interrupt()


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
        gate=Gate(session.parallelism if session.capped else max(session.parallelism, manner.calls)),
        manner=manner,
        pulse=Pulse(session.clock),
        ahead=Ahead(),
        local=planned.observed.host.local if planned.observed.host else None,
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
        )  # fmt: skip
        run = replace(run, board=board)
    return run, bool(unfinished) and (bool(plan.pending) or plan.kind == "refresh")


def _applied(planned: Planned) -> dict[Address, Workload]:
    prior, found = planned.prior, dict(planned.plan.desired.workloads())
    for record in prior.resources if prior else ():
        body = prior.applied_of(record) if prior else None
        if isinstance(body, Workload):
            found[record.address] = body
    return found


def _needs(planned: Planned, on_failure: OnFailure) -> Needs | None:
    """What must be well before each change; None where the first failure ends the run."""
    plan = planned.plan
    if planned.options.manner.keeps_going:
        return {}
    if on_failure == "pause":
        return None
    options = PlanOptions(kind=plan.kind)
    return needs_of(situation_of(plan.desired, planned.observed, planned.prior, options), plan.actions)


def _outcome(run: Run, plan: Plan, done: Progressed) -> str:
    if done.failures:
        return "failed"
    left_over = len(done.finished) < len(plan.actions) or run.replaced or run.for_hooks
    return "interrupted" if run.stop.interrupted.is_set() and left_over else "done"


def _facts(
    run: Run,
    done: Progressed,
    outcome: str,
    *,
    command: str,
    why: str,
    began: float,
    approval: Approval | None,
) -> Outcome:
    return Outcome(
        command=command,
        why=why,
        outcome=outcome,
        started=began,
        seconds=run.now - began,
        finished=tuple(done.finished),
        records=done.records,
        error=done.failures[0].cause if done.failures else None,
        approval=approval,
    )


async def _close_journal(run: Run, outcome: str, state: State | None, *, keep: bool) -> None:
    if outcome == "done" and not keep:
        await run.session.calls(run.journal.clear)
    else:
        await run.session.calls(run.journal.append, end_entry(run, outcome, state))


def _finished(
    run: Run, plan: Plan, done: Progressed, outcome: str, state: State | None, began: float
) -> RunFinished:
    count = {action: sum(change.action is action for change in done.finished) for action in Action}
    waited_for = {change.address for change in plan.actions if _is_waited_for(change)}
    return RunFinished(
        run.now,
        outcome,
        state.serial if state else None,
        count[Action.CREATE],
        count[Action.UPDATE] + count[Action.ADOPT],
        count[Action.REPLACE] + count[Action.REPLACE_START_FIRST],
        count[Action.DESTROY],
        run.now - began,
        len(waited_for & {change.address for change in done.finished}),
        len(waited_for),
    )


def _starts_something(change: ResourceChange) -> bool:
    made = change.action in MADE
    return change.address.kind.is_workload and (made or bool({"start", "scale"} & set(change.steps)))


def _is_waited_for(change: ResourceChange) -> bool:
    return _starts_something(change) or bool({"wait", "networks"} & set(change.steps))


async def _all(run: Run, planned: Planned, done: Progressed) -> None:
    plan = planned.plan
    if plan.kind == "refresh":
        situation = situation_of(plan.desired, planned.observed, planned.prior, PlanOptions(kind="refresh"))
        done.records.update(as_found(situation, plan.drift))
        return
    changes = {change.address: change for change in plan.actions}
    objects = [change for change in plan.actions if not change.address.kind.is_workload]
    _record_existing(planned, done)
    if run.board is not None and run.goes_back:
        run.board.warm = await warm(run, planned, run.board.led)
    if not await _opened(run, planned, done):
        return
    await remove_left(run, planned.observed.one_offs)
    images = await _images(run, planned, changes, done)
    await _objects(run, done, planned, (c for c in objects if c.action is not Action.DESTROY))
    dependencies = Dependencies(run, planned.observed, {change.address: change for change in plan.changes})
    for wave in plan.waves:
        if run.stop.requested:
            break
        waiting = [changes[address] for address in later(plan.waves, wave) if address in changes]
        run.ahead.begin(waiting, lambda change: hand_of(run, change, planned.observed, images))
        await _wave(run, wave, changes, dependencies, images, done)
        await bake(run, plan, wave, done)
    reached = {change.address for change in done.finished}
    if not run.stop.requested or reached.issuperset(a for wave in plan.waves for a in wave.addresses):
        await together(_retire(run, done, change) for change in tuple(done.finished))
        if run.board is not None:
            await run.board.close()
    if not run.manner.gated:
        await ask_for_health(run, done, [change for change in done.finished if _is_waited_for(change)])
    if run.board is not None and run.board.trouble is not None:
        failed(run, done, _of_switch(plan), run.board.trouble)
    if plan.destroy_volumes:
        await _anonymous_volumes(run, planned, done)
    await remove_own(run)
    await _objects(run, done, planned, (c for c in objects if c.action is Action.DESTROY))
    still_there = await remove_own(run)
    if still_there is not None:
        failed(run, done, None, still_there)


async def _opened(run: Run, planned: Planned, done: Progressed) -> bool:
    """Whether the run goes on: also without a switch that can't be taken, where it continues with what has no need of it."""
    try:
        await reopen(run, planned, done.records)
    except (ProviderError, TrafficError) as error:
        failed(run, done, _of_switch(planned.plan), error)
        return not run.stop.requested
    return True


def _of_switch(plan: Plan) -> ResourceChange | None:
    return next((change for change in plan.changes if change.address == SWITCH), None)


async def _retire(run: Run, done: Progressed, change: ResourceChange) -> None:
    try:
        await retire(run, change)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the others must end well and be recorded
        failed(run, done, change, error)


async def _anonymous_volumes(run: Run, planned: Planned, done: Progressed) -> None:
    destroyed = {change.address for change in done.finished if change.action is Action.DESTROY}
    if run.stop.requested:
        return
    volumes = going_with(planned.observed, destroyed, everything=not planned.plan.targeted)
    try:
        await remove_anonymous(run, volumes)
    except ProviderError as error:
        failed(run, done, None, error)


def _record_existing(planned: Planned, done: Progressed) -> None:
    """What is as desired but not recorded so comes into the state: after a lost state, or a run that was killed before it
    could commit."""
    plan, prior = planned.plan, planned.prior
    recorded = {record.address: record for record in prior.resources} if prior else {}
    for change in plan.changes:
        if change.action is Action.NOOP and change.address not in plan.pending:
            found = observed_record(change.address, planned.observed, change)
            if not _is_recorded(found, recorded.get(change.address), planned):
                done.records[change.address] = found


def _is_recorded(found: ResourceRecord, old: ResourceRecord | None, planned: Planned) -> bool:
    plan, prior = planned.plan, planned.prior
    if prior is None or old is None:
        return False
    same = plan.kind == "destroy" or prior.applied_of(old) == plan.desired.resource(found.address)
    return same and {row.id for row in old.instances} == {row.id for row in found.instances}


async def _images(
    run: Run, planned: Planned, changes: Mapping[Address, ResourceChange], done: Progressed
) -> Mapping[str, Image]:
    """Images for what will be created. One that a rollback pins is there already, or the plan refuses. An image that
    can't be had is the failure of every change that needs it."""
    if planned.plan.kind == "destroy":
        return {}
    made = [
        address
        for address, change in changes.items()
        if address.kind.is_workload
        and (change.action in MADE or {"scale", "post-deploy"} & set(change.steps))
    ]
    making = [
        address
        for address in made
        if changes[address].image_id is None
        and (changes[address].action in MADE or "scale" in changes[address].steps)
    ]
    fetched = await ensure_images(run, making, planned.observed.images, made)
    for address in made if fetched.failed else ():
        workload = run.desired.workload(address)
        if workload is None:
            continue
        own = [built_name(run.desired.project, address, workload)] if address in making else []
        error = next((fetched.failed[n] for n in (*own, *workload.hooks.images) if n in fetched.failed), None)
        if error is not None and not run.stop.failed.is_set():
            failed(run, done, changes[address], error)
    return fetched.images


async def _objects(run: Run, done: Progressed, planned: Planned, changes: Iterable[ResourceChange]) -> None:
    for change in changes:
        if run.stop.requested:
            return
        if not left_out(run, done, change):
            await guarded(run, done, change, partial(carry_out_object, run, change, planned.observed))


async def _wave(
    run: Run,
    wave: Wave,
    changes: Mapping[Address, ResourceChange],
    dependencies: Dependencies,
    images: Mapping[str, Image],
    done: Progressed,
) -> None:
    began = run.session.clock.monotonic()
    run.pulse.begin()
    run.emit(WaveStarted(run.now, wave.index, wave.addresses, wave.canary))
    widths = {"one": 1, "all": None, "declared": run.desired.rollout.max_parallel}
    limit = asyncio.Semaphore(widths[run.manner.width] or len(wave.addresses) or 1)

    async def member(address: Address) -> None:
        async with limit:
            change = changes[address]
            if not run.stop.requested and not left_out(run, done, change):
                await guarded(run, done, change, partial(_workload, run, change, dependencies, images))

    await together(member(address) for address in wave.addresses if address in changes)
    run.pulse.end()
    reached = {change.address for change in done.finished}
    if not run.stop.requested and reached.issuperset(wave.addresses):
        run.emit(WaveFinished(run.now, wave.index, run.session.clock.monotonic() - began, run.manner.gated))


async def _workload(
    run: Run, change: ResourceChange, dependencies: Dependencies, images: Mapping[str, Image]
) -> ResourceRecord | None:
    if _starts_something(change) and run.manner.ordered:
        await dependencies.healthy(change.address)
    return await carry_out(hand_of(run, change, dependencies.observed, images))
