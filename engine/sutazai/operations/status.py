"""What runs now, and how healthy it is."""

import asyncio
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Route
from sutazai.operations.healthy import Verdict, examine
from sutazai.operations.reach import reach_of, relays_in
from sutazai.operations.session import Session
from sutazai.plan.known import current_slot
from sutazai.state.observed import Instance, Observed
from sutazai.state.v2 import State


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """One workload: its instances in the slot in use (none: it is missing), what is left over in the other slot, the
    verdict on each instance, and the worst of them. `route` is the one that the traffic switch carries."""

    address: Address
    tier: str | None
    category: str | None
    instances: tuple[Instance, ...]
    leftovers: tuple[Instance, ...]
    verdicts: tuple[Verdict, ...]
    verdict: Verdict
    route: Route | None = None


async def examine_fleet(
    session: Session, fleet: Fleet, observed: Observed, prior: State | None
) -> tuple[WorkloadStatus, ...]:
    """Every workload of the fleet with the health of its instances, each check asked once, in address order."""
    reach = reach_of(observed.host, fleet, relays_in(observed))
    records = {record.address: record for record in prior.resources} if prior else {}
    finishing = fleet.finishing()

    async def one(address: Address) -> WorkloadStatus:
        workload = fleet.workload(address)
        if workload is None:
            raise ValueError(f"{address} is not in the fleet")
        there = observed.of(address)
        slot = current_slot(records.get(address), there)
        instances = tuple(instance for instance in there if instance.slot is slot)
        leftovers = tuple(instance for instance in there if instance.slot is not slot)
        finishes = address in finishing
        verdicts = tuple(
            [await examine(session, workload, instance, reach, finishes=finishes) for instance in instances]
        )
        worst = next((verdict for verdict in verdicts if not verdict.healthy), None)
        verdict = worst or (
            Verdict(True) if verdicts or workload.deploy.replicas == 0 else Verdict(False, "not created")
        )
        return WorkloadStatus(
            address,
            workload.tier,
            workload.category,
            instances,
            leftovers,
            verdicts,
            verdict,
            workload.switched,
        )

    return tuple(await asyncio.gather(*(one(address) for address, _ in fleet.workloads())))
