"""Waiting until an instance is healthy, and finding out how healthy instances are now.

An instance is healthy when it runs and all its readiness checks pass; without checks, when it runs and the image's own
HEALTHCHECK, if it has one, says so. Polling starts fast and slows down to the check's own interval, so that a quick
start is seen quickly and a slow one costs little. While the engine has enough to do with others, and nobody goes without an
answer, the first poll can wait: one that comes too early costs what they could have had.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sutazai.errors import NotFound
from sutazai.events import Progress
from sutazai.model.checks import Check
from sutazai.model.units import format_duration
from sutazai.model.workload import Workload
from sutazai.operations.reach import Reach
from sutazai.operations.session import Run, Session
from sutazai.plan.shares import in_its_share
from sutazai.plan.workloads import runs
from sutazai.state.observed import Instance

FIRST_POLL = 0.05
UNHURRIED_POLL = 0.3
CRASHES = 3
"""So many restarts while waiting count as a crash loop."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`waiting` names the check that does not pass yet and its answer; empty when healthy. `final`: waiting longer is
    pointless. `retries`: so many of these in a row make a healthy instance unhealthy."""

    healthy: bool
    waiting: str = ""
    final: bool = False
    retries: int = 1
    instance: Instance | None = None
    """As it was last seen, where it is healthy."""


async def examine(
    session: Session, workload: Workload, instance: Instance, reach: Reach, *, finishes: bool = False
) -> Verdict:
    """Ask every readiness check of one running instance once; the first that fails decides. `finishes`: others wait for it to
    end, so one that ended with code 0 is as it should be."""
    if instance.status != "running":
        if runs(instance, finishes=finishes):
            return Verdict(True)
        restarting = instance.status in ("restarting", "created")
        return Verdict(False, f"its container {instance.condition}", final=not restarting)
    if not workload.readiness:
        fine = instance.health in ("none", "healthy")
        return Verdict(fine, "" if fine else instance.health_words, final=_given_up(instance))
    workload = in_its_share(workload, instance)
    target = reach.target(workload, instance)
    for check in workload.readiness:
        result = await session.calls(session.checks.run, check, target)
        if not result.passed:
            final = check.kind == "docker" and _given_up(instance)
            return Verdict(
                False,
                f'{check.kind} check "{check.name}": {result.answer}',
                final=final,
                retries=check.retries,
            )
    return Verdict(True)


def _given_up(instance: Instance) -> bool:
    """Docker asked as often as its HEALTHCHECK says, and nothing passed."""
    return instance.status == "running" and instance.health == "unhealthy"


def _poll_interval(checks: Sequence[Check], waited: float) -> float:
    """A third of what it has taken so far: so much longer it seems to take at most. But never longer than the checks say."""
    slowest = max((check.interval for check in checks), default=2.0)
    return float(min(max(FIRST_POLL, waited / 3), slowest))


@dataclass(slots=True)
class _Watch:
    since: float
    restarts: int
    was_unhealthy: bool
    """Docker had given it up before anybody waited; it may come back now that something else was mended."""
    healthy_since: float | None = None
    failures: int = 0
    said: str = ""


async def wait_healthy(
    run: Run, workload: Workload, instance_id: str, *, fresh: bool = False, patient: bool = False
) -> Verdict:
    """Wait until the instance has been healthy for `min_healthy_time`, at most `healthy_deadline`. The last verdict;
    not final and not healthy when the run was interrupted meanwhile. As Kubernetes counts: one answer makes it healthy,
    and once it is, `retries` failures of a check in a row make the count begin again. `fresh`: it was started just now, and can't
    answer yet. `patient`: nobody is worse off when it is asked a little later."""
    session, rollout, steady = run.session, run.desired.rollout_of(workload), run.min_healthy_time(workload)
    began = session.clock.monotonic()
    if fresh:
        await session.clock.sleep(UNHURRIED_POLL if patient and run.gate.crowded else FIRST_POLL)
    instance = await session.calls(session.provider.inspect, instance_id)
    watch = _Watch(session.clock.monotonic(), instance.restart_count, _given_up(instance))
    while True:
        verdict = await examine(session, workload, instance, await run.reach())
        watch.was_unhealthy = watch.was_unhealthy and _given_up(instance)
        now = session.clock.monotonic()
        if verdict.healthy:
            watch.failures = 0
            watch.healthy_since = watch.healthy_since if watch.healthy_since is not None else now
            if now - watch.healthy_since >= steady:
                return replace(verdict, instance=instance)
        else:
            watch.failures += 1
            if watch.failures >= verdict.retries:
                watch.healthy_since = None
        if verdict.final and not watch.was_unhealthy:
            return verdict
        if run.stop.interrupted.is_set():
            return verdict if not verdict.healthy else Verdict(False, _must_stay(steady))
        if now - watch.since >= rollout.healthy_deadline:
            deadline = format_duration(rollout.healthy_deadline)
            return Verdict(
                False,
                f"not healthy within {deadline}: {verdict.waiting or 'it did not stay healthy'}",
                final=True,
            )
        if not verdict.healthy and (stalled := run.pulse.stalled(rollout.progress_deadline)):
            return Verdict(False, stalled, final=True)
        _say(run, instance, watch, verdict, steady)
        await session.clock.sleep(
            min(
                _poll_interval(workload.readiness, now - began),
                max(0.05, watch.since + rollout.healthy_deadline - now),
            )
        )
        try:
            instance = await session.calls(session.provider.inspect, instance_id)
        except NotFound:
            return Verdict(False, "the container was removed from outside", final=True)
        if instance.restart_count - watch.restarts >= CRASHES:
            return Verdict(
                False,
                f"it crashed {instance.restart_count - watch.restarts} times in a row: "
                f"its container {instance.condition}",
                final=True,
            )


async def wait_completed(run: Run, workload: Workload, instance_id: str) -> Verdict:
    """Wait until the instance has ended, at most `healthy_deadline`; well is with code 0."""
    session, rollout = run.session, run.desired.rollout_of(workload)
    deadline, began = rollout.healthy_deadline, session.clock.monotonic()
    while True:
        instance = await session.calls(session.provider.inspect, instance_id)
        if instance.status in ("exited", "dead"):
            return Verdict(instance.exit_code == 0, f"its container {instance.condition}", final=True)
        run.pulse.waits[instance.address] = "running, and others wait for it to end"
        if run.stop.interrupted.is_set():
            return Verdict(False, "interrupted before it ended")
        if stalled := run.pulse.stalled(rollout.progress_deadline):
            return Verdict(False, stalled, final=True)
        if session.clock.monotonic() - began > deadline:
            words = f"still running after {format_duration(deadline)}, but others wait for it to end"
            return Verdict(False, words, final=True)
        await session.clock.sleep(0.2)


def _must_stay(min_healthy_time: float) -> str:
    return f"healthy, must stay so for {format_duration(min_healthy_time)}"


def _say(run: Run, instance: Instance, watch: _Watch, verdict: Verdict, min_healthy_time: float) -> None:
    message = f"waiting: {verdict.waiting}" if not verdict.healthy else _must_stay(min_healthy_time)
    if message != watch.said:
        watch.said = message
        run.pulse.waits[instance.address] = message
        run.emit(Progress(run.now, instance.address, message))
