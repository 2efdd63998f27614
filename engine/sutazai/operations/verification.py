"""After a rollback or a deployment: whether what runs is what the serial says, by planning it once more and asking every check.

Nothing is mended here. A check counts as failed when it fails as often in a row as its `retries` say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sutazai.address import Address
from sutazai.errors import ApplyFailed
from sutazai.events import Verified
from sutazai.model.workload import Workload
from sutazai.operations.healthy import Verdict, examine
from sutazai.operations.plan import Planned, make_plan
from sutazai.operations.reach import Reach, reach_of, relays_in
from sutazai.operations.session import Session, Stop, together
from sutazai.plan.change import ResourceChange
from sutazai.plan.situation import situation_of
from sutazai.plan.targets import chosen
from sutazai.state.observed import Instance


@dataclass(frozen=True, slots=True)
class Difference:
    address: Address
    text: str

    def __str__(self) -> str:
        return f"{self.address}: {self.text}"


@dataclass(frozen=True, slots=True)
class Verification:
    """`total` are the workloads that the plan was about."""

    serial: int | None
    total: int
    same: int
    healthy: int
    differences: tuple[Difference, ...]


async def verify(
    session: Session, planned: Planned, stop: Stop, serial: int | None = None
) -> Verification | None:
    """Look again at what was to be reached, and tell of it. `serial` recorded it, where it is not the one that the plan went
    back to. None when interrupted. Raises `ProviderError`."""
    wanted = _wanted(planned)
    options = replace(planned.options, refreshed=True, targets=(), excludes=(), only=None, replace=())
    again = await session.calls(make_plan, session, planned.plan.desired, options)
    differing = [
        c
        for c in again.plan.changes
        if c.address in wanted and (c.changes or c.address in again.plan.pending)
    ]
    reached = again.plan.desired.workloads() if again.plan.kind != "destroy" else ()  # else it was all to go
    members = [(a, workload) for a, workload in reached if a in wanted]
    verdicts = await _verdicts(session, again, members, stop)
    if stop.interrupted.is_set():
        return None
    ill = [
        Difference(a, f"not healthy: {verdict.waiting}")
        for (a, _), verdict in zip(members, verdicts, strict=True)
        if not verdict.healthy
    ]
    different = {change.address for change in differing}
    found = Verification(
        serial=planned.plan.of_serial if serial is None else serial,
        total=len(members),
        same=sum(a not in different for a, _ in members),
        healthy=len(members) - len(ill),
        differences=(*(Difference(c.address, _words(c)) for c in differing), *ill),
    )
    session.events(Verified(session.clock.now(), found.serial, found.total, found.same, found.healthy,
                            tuple(map(str, found.differences))))  # fmt: skip
    return found


def _wanted(planned: Planned) -> frozenset[Address]:
    """What the plan was about: all that was selected when it was made, and whatever went with that; not what it left out, but
    for what could not be done."""
    plan = planned.plan
    situation = situation_of(plan.desired, planned.observed, planned.prior, planned.options)
    went = (change.address for change in plan.actions)
    hindered = {f.address for f in plan.findings} if planned.options.manner.keeps_going else set()
    about = chosen(situation, {change.address: change for change in plan.changes}).union(went)
    return about - (plan.pending - hindered)


def _words(change: ResourceChange) -> str:
    if not change.changes:
        return "left as it was"
    why = change.detail or change.reason.value.replace("_", " ") or "it differs"
    return f"{change.action.value} is still to be done ({why})"


async def _verdicts(
    session: Session, planned: Planned, members: Sequence[tuple[Address, Workload]], stop: Stop
) -> list[Verdict]:
    """Of each of these workloads, the first verdict on its instances that is not healthy."""
    plan, observed = planned.plan, planned.observed
    slots = {change.address: change.slot for change in plan.changes}
    reach, finishing = reach_of(observed.host, plan.desired, relays_in(observed)), plan.desired.finishing()

    async def one(address: Address, workload: Workload) -> Verdict:
        there = [instance for instance in observed.of(address) if instance.slot is slots[address]]
        if not there:
            return Verdict(workload.deploy.replicas == 0, "nothing of it runs")
        for instance in there:
            verdict = await _asked(session, workload, instance, stop, reach, finishes=address in finishing)
            if not verdict.healthy:
                return verdict
        return Verdict(True)

    return await together(one(*member) for member in members)


async def _asked(
    session: Session, workload: Workload, instance: Instance, stop: Stop, reach: Reach, *, finishes: bool
) -> Verdict:
    times = 1
    while True:
        verdict = await examine(session, workload, instance, reach, finishes=finishes)
        if verdict.healthy or verdict.final or times >= verdict.retries or stop.interrupted.is_set():
            return verdict
        times += 1
        await session.clock.sleep(min(check.interval for check in workload.readiness))


def not_as_it_should_be(found: Verification) -> ApplyFailed | None:
    """The failure that it is, if something does not hold."""
    if not found.differences:
        return None
    goal = f"serial {found.serial}" if found.serial else "what was to be reached"
    more = len(found.differences) - 1
    return ApplyFailed(
        f"{found.same} of {found.total} run as {goal} says, {found.healthy} are healthy: {found.differences[0]}"
        f"{f'; and {more} more' if more else ''}",
        hint="nothing was tried again: look at what differs, then roll back or apply again",
    )
