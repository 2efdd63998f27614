"""What was carried out well and turns out not to be well: it has failed after all.

The fleet canary bakes: between its last wave and what follows, every one of it must stay healthy for `bake_time`. Where one does
not, what follows does not begin, and the run is taken back. And a run that did not wait for health asks for it when all is done.
"""

import asyncio
from collections.abc import Sequence

from sutazai.events import CanaryBaking
from sutazai.model.rollout import FleetCanary
from sutazai.operations.hand import Unhealthy, last_lines
from sutazai.operations.healthy import wait_healthy
from sutazai.operations.progress import Progressed, failed
from sutazai.operations.session import Run, together
from sutazai.operations.watching import stay_healthy
from sutazai.plan.change import Plan, ResourceChange, Wave
from sutazai.state.v2 import ResourceRecord


async def bake(run: Run, plan: Plan, wave: Wave, done: Progressed) -> None:
    """Wait where `wave` is the last of the canary. What is lost meanwhile is a failure of the run."""
    seconds = (plan.desired.fleet_canary or FleetCanary()).bake_time
    last = next((wave for wave in reversed(plan.waves) if wave.canary), None)
    if wave != last or not seconds or run.stop.requested:
        return
    there = {change.address: change for change in done.finished}
    baking = [
        there[address] for address in plan.canaries if address in there and address not in run.finishing
    ]
    run.emit(CanaryBaking(run.now, plan.canaries, plan.replaced, seconds))
    enough = asyncio.Event()
    await together(_bake(run, change, done, seconds, enough) for change in baking)


async def _bake(
    run: Run, change: ResourceChange, done: Progressed, seconds: float, enough: asyncio.Event
) -> None:
    """One that is lost is `enough` for the others not to wait any longer, unless the run goes on anyway."""
    workload, record = run.desired.workload(change.address), done.records.get(change.address)
    if workload is None or record is None or not record.instances:
        return
    try:
        lost = await stay_healthy(run, workload, [row.id for row in record.instances], seconds, enough)
        if lost is None or not lost[1].final:
            return
        logs = await last_lines(run, lost[0])
        cause = f"it did not stay healthy as a canary: {lost[1].waiting}"
        error: Exception = Unhealthy(cause, None, logs, interrupted=False)
    except Exception as unforeseen:  # noqa: BLE001 - whatever went wrong, the others must end well and be recorded
        error, logs = unforeseen, None
    _unsaid(done, change, record)
    failed(run, done, change, error, logs)
    if run.stop.failed.is_set():
        enough.set()


async def ask_for_health(run: Run, done: Progressed, changes: Sequence[ResourceChange]) -> None:
    """Wait, of each at most its `healthy_deadline`, for what was changed without waiting."""
    await together(_asked(run, done, change) for change in changes)


async def _asked(run: Run, done: Progressed, change: ResourceChange) -> None:
    workload, record = run.desired.workload(change.address), done.records.get(change.address)
    if workload is None or record is None or change.address in run.finishing:
        return
    for row in record.instances:
        try:
            verdict = await wait_healthy(run, workload, row.id)
            if verdict.healthy:
                continue
            logs = await last_lines(run, row.id) if verdict.final else ()
            error: Exception = Unhealthy(verdict.waiting, None, logs, interrupted=not verdict.final)
        except Exception as unforeseen:  # noqa: BLE001 - as above
            error, logs = unforeseen, ()
        _unsaid(done, change, record)
        if not (isinstance(error, Unhealthy) and error.interrupted):
            failed(run, done, change, error, logs or None)
        return
    await run.saw_healthy(change.address)


def _unsaid(done: Progressed, change: ResourceChange, record: ResourceRecord) -> None:
    """It is not done, and waited for again by the next run."""
    done.finished.remove(change)
    done.records[change.address] = record.model_copy(update={"tainted": True})
