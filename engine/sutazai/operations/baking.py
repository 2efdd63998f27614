"""The fleet canary bakes: between its last wave and what follows, every one of it must stay healthy for `bake_time`.

One that does not has failed, as if it had not become healthy: what follows does not begin, and the run is taken back.
"""

import asyncio

from sutazai.events import CanaryBaking
from sutazai.model.rollout import FleetCanary
from sutazai.operations.hand import Unhealthy, last_lines
from sutazai.operations.progress import Progressed, failed
from sutazai.operations.session import Run, together
from sutazai.operations.watching import stay_healthy
from sutazai.plan.change import Plan, ResourceChange, Wave


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
    done.finished.remove(change)
    done.records[change.address] = record.model_copy(update={"tainted": True})
    failed(run, done, change, error, logs)
    if run.stop.failed.is_set():
        enough.set()
