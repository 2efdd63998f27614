"""Dependencies that a run does not start: they too must be healthy, or have ended, before those who wait for them begin.

What a run starts has been seen healthy when its wave ended. What it leaves alone, or only tells something, was looked at when
the plan was made, and then only at whether it runs. So it is asked when the first one needs it, once for all who do.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sutazai.address import Address
from sutazai.operations.hand import Unhealthy, last_lines
from sutazai.operations.healthy import Verdict, wait_completed, wait_healthy
from sutazai.operations.session import Run, notice, together
from sutazai.plan.change import Action, ResourceChange
from sutazai.state.observed import Observed


@dataclass(frozen=True, slots=True)
class Dependencies:
    """`changes` are all of the plan's, by address."""

    run: Run
    observed: Observed
    changes: Mapping[Address, ResourceChange]
    _asked: dict[Address, asyncio.Task[tuple[str, Verdict]]] = field(default_factory=dict)

    async def healthy(self, address: Address) -> None:
        """Wait for what a workload depends on and nobody starts. Raises `Unhealthy` naming the first that is not."""
        optional = self.run.desired.optional(address)
        for dependency in self._waited_for(address):
            if dependency not in self._asked:
                self._asked[dependency] = asyncio.ensure_future(self._settled(dependency))
            instance_id, verdict = await self._asked[dependency]
            if not verdict.healthy:
                what = "has not ended well" if dependency in self.run.finishing else "is not healthy"
                if dependency in optional and verdict.final:
                    message = f"{address} goes on without {dependency}, which {what}: {verdict.waiting}"
                    notice(self.run.session, message)
                    continue
                cause = f"{dependency}, which it depends on, {what}: {verdict.waiting}"
                logs = await last_lines(self.run, instance_id) if verdict.final else ()
                raise Unhealthy(cause, None, logs, interrupted=not verdict.final)

    def _waited_for(self, address: Address) -> tuple[Address, ...]:
        desired = self.run.desired
        workload = desired.workload(address)
        named = workload.depends_on if workload is not None else {}
        found = {
            desired.resolve(name)
            for name, dependency in named.items()
            if dependency.condition != "service_started"
        }
        return tuple(sorted(target for target in found if target is not None and self._stands(target)))

    def _stands(self, address: Address) -> bool:
        change = self.changes.get(address)
        return change is not None and change.action is not Action.DESTROY and not change.is_waited_for

    async def _settled(self, address: Address) -> tuple[str, Verdict]:
        """The first instance that is not healthy, with its verdict."""
        workload, slot = self.run.desired.workload(address), self.changes[address].slot
        if workload is None:
            raise ValueError(f"{address} is not in the fleet")
        ids = [instance.id for instance in self.observed.of(address) if instance.slot is slot]
        wait = wait_completed if address in self.run.finishing else wait_healthy
        verdicts = await together(wait(self.run, workload, instance_id) for instance_id in ids)
        pairs = zip(ids, verdicts, strict=True)
        return next((pair for pair in pairs if not pair[1].healthy), ("", Verdict(True)))
