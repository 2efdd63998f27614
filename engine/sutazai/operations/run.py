"""The executor: a plan carried out wave by wave, every step journalled, the outcome committed as one serial.

Within a wave, workloads change concurrently; the next wave starts when every one of this wave is healthy. The first
failure lets what is under way end and starts nothing more; a run that was told to continue leaves out only what depends
on what failed. Whatever was done is in the serial that the run commits, also when it failed or was interrupted.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from sutazai.address import Address, Kind
from sutazai.errors import NotFound, ProviderError
from sutazai.events import (
    ChangeFailed,
    ChangeFinished,
    ChangeSkipped,
    ChangeStarted,
    Notice,
    Progress,
    RunFinished,
    RunStarted,
    WaveFinished,
    WaveStarted,
)
from sutazai.model.workload import Workload
from sutazai.operations.gate import Gate
from sutazai.operations.images import built_name, ensure_images
from sutazai.operations.plan import Planned
from sutazai.operations.recording import Approval, Outcome, next_state
from sutazai.operations.session import Run, Session, Stop
from sutazai.operations.workloads import Hand, Unhealthy, carry_out
from sutazai.plan.branches import Needs, held_up, needs_of
from sutazai.plan.change import Action, Plan, ResourceChange, Wave
from sutazai.plan.reality import as_found, row_of
from sutazai.plan.situation import PlanOptions, situation_of
from sutazai.ports import JournalEntry
from sutazai.state.observed import Image, Observed
from sutazai.state.v1 import ResourceRecord, State


@dataclass(frozen=True, slots=True)
class Failure:
    address: Address | None
    cause: str
    logs: tuple[str, ...] = ()


OnFailure = Literal["pause", "continue"]


@dataclass(slots=True)
class Progressed:
    """What a run has done so far; the only thing about it that changes. `needs` is None where the first failure stops
    the run, else what must be well before each change."""

    needs: Needs | None = None
    records: dict[Address, ResourceRecord | None] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    finished: list[ResourceChange] = field(default_factory=list)
    touched: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended: `done`, `failed` or `interrupted`. `state` is the serial it committed, None when it changed
    nothing."""

    outcome: str
    state: State | None
    failures: tuple[Failure, ...]


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
    first failure stops the run (`pause`) or only keeps back what depends on it (`continue`)."""
    plan, prior = planned.plan, planned.prior
    began, journal = session.clock.now(), session.store.journal()
    lineage = prior.lineage if prior else session.new_id()
    run = Run(
        session=session,
        journal=journal,
        stop=stop,
        lineage=lineage,
        serial=plan.serial + 1,
        desired=plan.desired,
        gate=Gate(session.parallelism),
        configs={name: config.content or "" for name, config in plan.desired.configs.items()},
        finishing=plan.desired.finishing(),
    )
    await session.calls(
        journal.append,
        JournalEntry(
            "begin",
            session.new_id(),
            began,
            "",
            command,
            {"serial": run.serial, "kind": plan.kind, "lineage": lineage},
        ),
    )
    run.emit(RunStarted(began, command, plan.environment, run.serial, len(plan.actions), len(plan.waves)))
    done = Progressed(needs=_needs(planned) if on_failure == "continue" else None)
    try:
        await _all(run, planned, done)
    except ProviderError as error:
        done.failures.append(Failure(None, _explain(error)))
    except asyncio.CancelledError:
        # interrupted twice: nothing more is waited for, but what was done is still recorded
        stop.interrupt()
    left_over = len(done.finished) < len(plan.actions)
    outcome = (
        "failed" if done.failures else ("interrupted" if stop.interrupted.is_set() and left_over else "done")
    )
    state = None
    if done.touched or done.records:
        facts = Outcome(
            command=command,
            why=why,
            outcome=outcome,
            seconds=session.clock.now() - began,
            started=began,
            finished=tuple(done.finished),
            records=done.records,
            error=done.failures[0].cause if done.failures else None,
            approval=approval,
        )
        state = await session.calls(session.store.commit, next_state(run, planned, facts))
    await session.calls(journal.clear)
    run.emit(_finished(run, plan, done, outcome, state, began))
    return Result(outcome, state, tuple(done.failures))


def _needs(planned: Planned) -> Needs:
    plan = planned.plan
    options = PlanOptions(kind=plan.kind)
    return needs_of(situation_of(plan.desired, planned.observed, planned.prior, options), plan.actions)


def _finished(
    run: Run, plan: Plan, done: Progressed, outcome: str, state: State | None, began: float
) -> RunFinished:
    count = {action: sum(change.action is action for change in done.finished) for action in Action}
    workloads = [address for address, _ in plan.desired.workloads()] if plan.kind != "destroy" else []
    failed = {failure.address for failure in done.failures}
    reached = {change.address for change in done.finished}
    waiting = {change.address for change in plan.actions if change.address.kind.is_workload} - reached
    healthy = sum(address not in failed and address not in waiting for address in workloads)
    return RunFinished(
        run.now,
        outcome,
        state.serial if state else None,
        count[Action.CREATE],
        count[Action.UPDATE],
        count[Action.REPLACE] + count[Action.REPLACE_START_FIRST],
        count[Action.DESTROY],
        run.now - began,
        healthy,
        len(workloads),
    )


async def _all(run: Run, planned: Planned, done: Progressed) -> None:
    plan = planned.plan
    if plan.kind == "refresh":
        situation = situation_of(plan.desired, planned.observed, planned.prior, PlanOptions(kind="refresh"))
        done.records.update(as_found(situation, plan.drift))
        return
    changes = {change.address: change for change in plan.actions}
    _record_existing(planned, done)
    images = await _images(run, planned, changes, done)
    await _objects(
        run,
        done,
        planned.observed,
        [c for c in plan.actions if not c.address.kind.is_workload and c.action is not Action.DESTROY],
    )
    for wave in plan.waves:
        if run.stop.requested:
            return
        await _wave(run, wave, changes, planned.observed, images, done)
    if not run.stop.requested:
        await _objects(
            run,
            done,
            planned.observed,
            [c for c in plan.actions if not c.address.kind.is_workload and c.action is Action.DESTROY],
        )


def _record_existing(planned: Planned, done: Progressed) -> None:
    """What runs as desired but is not recorded so comes into the state: after a lost state, or a run that was killed
    before it could commit."""
    plan, prior = planned.plan, planned.prior
    for change in plan.changes:
        if change.action is not Action.NOOP or change.address in plan.pending or plan.kind == "destroy":
            continue
        if prior is None or prior.applied(change.address) != plan.desired.resource(change.address):
            done.records[change.address] = observed_record(change.address, planned.observed, change)


def observed_record(address: Address, observed: Observed, change: ResourceChange) -> ResourceRecord:
    """A record of what is there, for a resource that the state does not know."""
    if address.kind is Kind.NETWORK and address.name in observed.networks:
        return ResourceRecord(address=address, object_id=observed.networks[address.name].id)
    if address.kind is Kind.VOLUME and address.name in observed.volumes:
        return ResourceRecord(address=address, object_id=observed.volumes[address.name].name)
    rows = tuple(row_of(i) for i in observed.of(address) if change.slot in (None, i.slot))
    return ResourceRecord(address=address, slot=change.slot, instances=rows)


async def _images(
    run: Run, planned: Planned, changes: dict[Address, ResourceChange], done: Progressed
) -> dict[str, Image]:
    """Images for what will be created. One that a rollback pins is there already, or the plan refuses. An image that
    can't be had is the failure of every change that needs it."""
    if planned.plan.kind == "destroy":
        return {}
    making = [
        address
        for address, change in changes.items()
        if address.kind.is_workload
        and change.image_id is None
        and (change.action in (Action.CREATE, Action.REPLACE) or "scale" in change.steps)
    ]
    fetched = await ensure_images(run, making, planned.observed.images)
    for address in making:
        workload = run.desired.workload(address)
        reference = built_name(run.desired.project, address, workload) if workload else ""
        error = fetched.failed.get(reference)
        if error is not None and not run.stop.requested:
            _fail(run, done, changes[address], _explain(error), ())
    return dict(fetched.images)


async def _objects(run: Run, done: Progressed, observed: Observed, changes: Iterable[ResourceChange]) -> None:
    """Networks, volumes and configs; few, quick, and needed by everything, so one after the other."""
    for change in changes:
        if run.stop.requested:
            return
        if _left_out(run, done, change):
            continue
        if change.address.kind is Kind.NETWORK and change.action is Action.REPLACE:
            await _guarded(run, done, change, _network_anew(run, change, observed))
            continue
        await _guarded(run, done, change, _object(run, change))


async def _network_anew(run: Run, change: ResourceChange, observed: Observed) -> ResourceRecord | None:
    """A network with members can't be removed: they leave it here, and join the new one as their own change."""
    name, provider = change.address.name, run.session.provider
    for instance in (instance for instance in observed.instances if name in instance.body.networks):
        data = {"id": instance.id, "network": name}
        try:
            await run.change(change.address, "disconnect", data, provider.disconnect, instance.id, name)
        except NotFound:
            continue  # it left meanwhile, which is what was wanted
    return await _object(run, change)


async def _object(run: Run, change: ResourceChange) -> ResourceRecord | None:
    provider, address, scope = run.session.provider, change.address, run.session.scope
    gone = change.action in (Action.DESTROY, Action.REPLACE)
    object_id: str | None = None
    if gone and address.kind in (Kind.NETWORK, Kind.VOLUME):
        call = "remove_network" if address.kind is Kind.NETWORK else "remove_volume"
        function = provider.remove_network if address.kind is Kind.NETWORK else provider.remove_volume
        name = scope.object_name(address.name)
        try:
            await run.change(address, call, {"name": name}, function, name)
        except NotFound:
            run.emit(Notice(run.now, "info", f"{address} was gone already"))
    if change.action is Action.DESTROY:
        return None
    labels = {
        **scope.labels(address),
        "io.sutazai.lineage": run.lineage,
        "io.sutazai.serial": str(run.serial),
    }
    if change.action in (Action.CREATE, Action.REPLACE):
        if address.kind is Kind.NETWORK and not (network := run.desired.networks[address.name]).external:
            object_id = await run.change(
                address,
                "create_network",
                {"name": address.name},
                provider.create_network,
                address.name,
                network,
                labels,
            )
        elif address.kind is Kind.VOLUME and not (volume := run.desired.volumes[address.name]).external:
            object_id = await run.change(
                address,
                "create_volume",
                {"name": address.name},
                provider.create_volume,
                address.name,
                volume,
                labels,
            )
    return ResourceRecord(address=address, object_id=object_id)


async def _wave(
    run: Run,
    wave: Wave,
    changes: dict[Address, ResourceChange],
    observed: Observed,
    images: dict[str, Image],
    done: Progressed,
) -> None:
    began = run.session.clock.monotonic()
    run.emit(WaveStarted(run.now, wave.index, wave.addresses, wave.canary))
    limit = asyncio.Semaphore(run.desired.rollout.max_parallel or len(wave.addresses) or 1)

    async def member(address: Address) -> None:
        async with limit:
            change = changes[address]
            if not run.stop.requested and not _left_out(run, done, change):
                await _guarded(run, done, change, _workload(run, change, observed, images))

    await asyncio.gather(*(member(address) for address in wave.addresses if address in changes))
    reached = {change.address for change in done.finished}
    if not run.stop.requested and reached.issuperset(wave.addresses):
        run.emit(WaveFinished(run.now, wave.index, run.session.clock.monotonic() - began))


def _left_out(run: Run, done: Progressed, change: ResourceChange) -> bool:
    """Whether a change must not begin: it failed already, or something that it needs did."""
    failed = [failure.address for failure in done.failures if failure.address is not None]
    if done.needs is None or not failed:
        return False
    if change.address not in failed and change.address in held_up(done.needs, failed):
        cause = next(address for address in failed if change.address in held_up(done.needs, [address]))
        run.emit(ChangeSkipped(run.now, change.address, change.action.value, cause))
        return True
    return change.address in failed


async def _workload(
    run: Run, change: ResourceChange, observed: Observed, images: dict[str, Image]
) -> ResourceRecord | None:
    workload = run.desired.workload(change.address)
    instances = observed.of(change.address)
    if workload is None or change.action is Action.DESTROY:
        hand = Hand(run, change, workload or Workload(), "", "", None, instances)
    else:
        reference = built_name(run.desired.project, change.address, workload)
        image = images.get(reference) or observed.images.get(reference)
        image_id = change.image_id or (image.id if image else "")
        runs = reference if image is not None and image.id == image_id else image_id or reference
        hand = Hand(run, change, workload, runs, image_id, image.digest if image else None, instances)
    return await carry_out(hand)


async def _guarded(
    run: Run, done: Progressed, change: ResourceChange, work: Coroutine[Any, Any, ResourceRecord | None]
) -> None:
    """Carry out one change; its failure stops the run, and is kept."""
    address, clock = change.address, run.session.clock
    began = clock.monotonic()
    run.emit(ChangeStarted(run.now, address, change.action.value))
    done.touched = True
    try:
        done.records[address] = await work
    except Unhealthy as error:
        done.records[address] = error.record
        if error.interrupted:
            run.emit(Progress(run.now, address, f"interrupted while waiting: {error.cause}"))
            return
        _fail(run, done, change, error.cause, error.logs)
    except ProviderError as error:
        _fail(run, done, change, _explain(error), ())
    else:
        done.finished.append(change)
        run.emit(ChangeFinished(run.now, address, change.action.value, clock.monotonic() - began))


def _explain(error: ProviderError) -> str:
    return f"{error.message}{f' ({error.hint})' if error.hint else ''}"


def _fail(run: Run, done: Progressed, change: ResourceChange, cause: str, logs: tuple[str, ...]) -> None:
    if done.needs is None:
        run.stop.failed.set()
    done.failures.append(Failure(change.address, cause, logs))
    run.emit(ChangeFailed(run.now, change.address, change.action.value, cause, logs))
