"""What runs now, and how healthy it is."""

import asyncio
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.model.fleet import Fleet
from sutazai.operations.healthy import Verdict, examine
from sutazai.operations.session import Session
from sutazai.state.observed import Instance, Observed


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """One workload: its instances (none: it is missing), the verdict on each, and the worst of them."""

    address: Address
    tier: str | None
    category: str | None
    instances: tuple[Instance, ...]
    verdicts: tuple[Verdict, ...]
    verdict: Verdict


async def examine_fleet(session: Session, fleet: Fleet, observed: Observed) -> tuple[WorkloadStatus, ...]:
    """Every workload of the fleet with the health of its instances, each check asked once, in address order."""
    local = observed.host is not None and observed.host.local

    async def one(address: Address) -> WorkloadStatus:
        workload = fleet.workload(address)
        if workload is None:
            raise ValueError(f"{address} is not in the fleet")
        instances = observed.of(address)
        verdicts = tuple([await examine(session, workload, instance, local=local) for instance in instances])
        worst = next((verdict for verdict in verdicts if not verdict.healthy), None)
        verdict = worst or (
            Verdict(True) if verdicts or workload.deploy.replicas == 0 else Verdict(False, "not created")
        )
        return WorkloadStatus(address, workload.tier, workload.category, instances, verdicts, verdict)

    return tuple(await asyncio.gather(*(one(address) for address, _ in fleet.workloads())))
