"""The changes of a run: objects, then workloads wave by wave, then what is left over.

Within a wave, workloads change concurrently; the next wave starts when every one of this wave is healthy. What is in no wave
changes beside them. The first failure lets what is under way end and starts nothing more; a run that was told to continue leaves
out only what depends on what failed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

from sutazai.address import Address
from sutazai.errors import ProviderError, TrafficError
from sutazai.events import WaveFinished, WaveStarted
from sutazai.model.fleet import SWITCH
from sutazai.operations.ahead import later
from sutazai.operations.anonymous import remove_anonymous
from sutazai.operations.aside import let_go_of_names
from sutazai.operations.baking import ask_for_health, bake
from sutazai.operations.dependencies import Dependencies
from sutazai.operations.hand import hand_of
from sutazai.operations.hooks import remove_left, remove_own
from sutazai.operations.images import built_name, ensure_images
from sutazai.operations.objects import carry_out_object
from sutazai.operations.plan import Planned
from sutazai.operations.progress import Progressed, failed, guarded, left_out
from sutazai.operations.recording import observed_record
from sutazai.operations.replacing import retire
from sutazai.operations.session import Run, beside, together
from sutazai.operations.switchboard import reopen
from sutazai.operations.warm import warm
from sutazai.operations.workloads import carry_out
from sutazai.plan.anonymous import going_with
from sutazai.plan.change import MADE, Action, Plan, ResourceChange, Wave
from sutazai.plan.reality import as_found
from sutazai.plan.situation import PlanOptions, situation_of
from sutazai.state.observed import Image
from sutazai.state.v2 import ResourceRecord


async def carry_out_changes(run: Run, planned: Planned, done: Progressed) -> None:
    """Everything that the plan says, or what of it comes before an end: `done` has what was done, and why it ended."""
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
    await _with_switch(run, plan, done, partial(reopen, run, planned, done.records))
    if run.stop.failed.is_set():
        return
    await remove_left(run, planned.observed.one_offs)
    images = await _images(run, planned, changes, done)
    await _objects(run, done, planned, (c for c in objects if c.action is not Action.DESTROY))
    await let_go_of_names(run, planned)
    dependencies = Dependencies(run, planned.observed, {change.address: change for change in plan.changes})
    member = partial(_member, run, done, dependencies, images)
    async with beside(member(change) for change in plan.beside):
        for wave in plan.waves:
            if run.stop.requested:
                break
            waiting = [changes[address] for address in later(plan.waves, wave) if address in changes]
            run.ahead.begin(waiting, lambda change: hand_of(run, change, planned.observed, images))
            await _wave(run, wave, changes, member, done)
            await bake(run, plan, wave, done)
    reached = {change.address for change in done.finished}
    if not run.stop.requested or reached.issuperset(a for wave in plan.waves for a in wave.addresses):
        await together(_retire(run, done, change) for change in tuple(done.finished))
        if run.board is not None:
            await _with_switch(run, plan, done, run.board.close)
    if not run.manner.gated:
        await ask_for_health(run, done, [change for change in done.finished if change.is_waited_for])
    if run.board is not None and run.board.trouble is not None:
        failed(run, done, _of_switch(plan), run.board.trouble)
    if plan.destroy_volumes:
        await _anonymous_volumes(run, planned, done)
    await remove_own(run)
    await _objects(run, done, planned, (c for c in objects if c.action is Action.DESTROY))
    still_there = await remove_own(run)
    if still_there is not None:
        failed(run, done, None, still_there)


async def _with_switch(run: Run, plan: Plan, done: Progressed, work: Callable[[], Awaitable[None]]) -> None:
    """What is about the switch itself fails for it: a run that continues does what has no need of it."""
    try:
        await work()
    except (ProviderError, TrafficError) as error:
        failed(run, done, _of_switch(plan), error)


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
    was, now = ((record.object_id, {row.id for row in record.instances}) for record in (old, found))
    return same and was == now


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
    member: Callable[[ResourceChange], Awaitable[None]],
    done: Progressed,
) -> None:
    began = run.session.clock.monotonic()
    run.pulse.begin()
    run.emit(WaveStarted(run.now, wave.index, wave.addresses, wave.canary))
    widths = {"one": 1, "all": None, "declared": run.desired.rollout.max_parallel}
    limit = asyncio.Semaphore(widths[run.manner.width] or len(wave.addresses) or 1)

    async def one(address: Address) -> None:
        async with limit:
            await member(changes[address])

    await together(one(address) for address in wave.addresses if address in changes)
    run.pulse.end()
    reached = {change.address for change in done.finished}
    if not run.stop.requested and reached.issuperset(wave.addresses):
        run.emit(WaveFinished(run.now, wave.index, run.session.clock.monotonic() - began, run.manner.gated))


async def _member(
    run: Run,
    done: Progressed,
    dependencies: Dependencies,
    images: Mapping[str, Image],
    change: ResourceChange,
) -> None:
    if not run.stop.requested and not left_out(run, done, change):
        with run.pulse.member():
            await guarded(run, done, change, partial(_workload, run, change, dependencies, images))


async def _workload(
    run: Run, change: ResourceChange, dependencies: Dependencies, images: Mapping[str, Image]
) -> ResourceRecord | None:
    if change.starts_something and run.manner.ordered:
        await dependencies.healthy(change.address)
    return await carry_out(hand_of(run, change, dependencies.observed, images))
