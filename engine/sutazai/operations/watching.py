"""Whether instances that became healthy stay so: while a canary waits, and while it is judged."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sutazai.errors import NotFound
from sutazai.model.workload import Workload
from sutazai.operations.healthy import Verdict, examine
from sutazai.operations.session import Run

_LONGEST_POLL = 5.0


@dataclass(slots=True)
class Watching:
    """`failed_checks` counts how often an instance was unhealthy for as many answers in a row as its check's `retries` say,
    `restarts` how often one was started anew."""

    run: Run
    workload: Workload
    instances: Sequence[str]
    failed_checks: int = 0
    restarts: int = 0
    _in_a_row: dict[str, int] = field(default_factory=dict)
    _restarts_before: dict[str, int] = field(default_factory=dict)

    async def look(self) -> tuple[str, Verdict] | None:
        """Ask each instance once. The first that is to be given up, with why; None when all is well."""
        for instance_id in self.instances:
            verdict = await self._asked(instance_id)
            if not verdict.healthy and (verdict.final or self._counted(instance_id, verdict)):
                return instance_id, Verdict(False, verdict.waiting, final=True)
            if verdict.healthy:
                self._in_a_row[instance_id] = 0
        return None

    async def _asked(self, instance_id: str) -> Verdict:
        session = self.run.session
        try:
            instance = await session.calls(session.provider.inspect, instance_id)
        except NotFound:
            return Verdict(False, "the container was removed from outside", final=True)
        before = self._restarts_before.setdefault(instance_id, instance.restart_count)
        if instance.restart_count > before:
            self.restarts += instance.restart_count - before
            self._restarts_before[instance_id] = instance.restart_count
            became = "was started again" if instance.status == "running" else instance.condition
            return Verdict(False, f"it crashed after it was healthy: its container {became}", final=True)
        return await examine(session, self.workload, instance, await self.run.reach())

    def _counted(self, instance_id: str, verdict: Verdict) -> bool:
        self._in_a_row[instance_id] = self._in_a_row.get(instance_id, 0) + 1
        lost = self._in_a_row[instance_id] >= verdict.retries
        self.failed_checks += lost
        return lost


async def stay_healthy(
    run: Run,
    workload: Workload,
    instances: Sequence[str],
    seconds: float,
    enough: asyncio.Event | None = None,
    beside: Callable[[], Awaitable[None]] | None = None,
) -> tuple[str, Verdict] | None:
    """Watch for so long. The first instance that did not stay healthy, with why (not final when the run was interrupted, or it
    was `enough` for somebody else); None when all did. `beside` is done at each look."""
    watch, clock = Watching(run, workload, instances), run.session.clock
    until = clock.monotonic() + seconds
    interval = min([check.interval for check in workload.readiness] + [_LONGEST_POLL])
    while True:
        lost = await watch.look()
        if lost is not None:
            return lost
        if run.stop.interrupted.is_set():
            return instances[0], Verdict(False, "interrupted during a pause")
        if enough is not None and enough.is_set():
            return instances[0], Verdict(False, "no longer waited for")
        if beside is not None:
            await beside()
        left = until - clock.monotonic()
        if left <= 0:
            return None
        await clock.sleep(min(interval, left))
