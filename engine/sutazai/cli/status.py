"""`sutazai status`."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.diagnostics import some_of
from sutazai.views.text import plural

if TYPE_CHECKING:
    from sutazai.operations.status import WorkloadStatus
    from sutazai.views.status import Health, StatusRow


@declare("sutazai status -e production")
@click.pass_obj
def command(options: Globals) -> None:
    """Show what runs and how healthy it is: every check is asked once."""
    from sutazai.operations.plan import look, with_images_named
    from sutazai.operations.recovery import told_of_runs, unfinished_runs, unrecorded
    from sutazai.operations.status import examine_fleet
    from sutazai.views.status import Status, render, to_json

    project = options.known_project()
    session = options.session(project)
    state = session.store.newest()
    fleet = with_images_named(project.fleet)
    observed = look(session, fleet, state)
    found = asyncio.run(examine_fleet(session, fleet, observed, state))
    now = session.clock.now()
    rows = tuple(row for workload in found for row in _rows(workload, now))
    told = told_of_runs(session.store, state, observed)
    notices = [told] if told else []
    left = [one.name for workload in found for one in workload.leftovers]
    if left:
        begun = unrecorded(session.store, state, observed, unfinished_runs(session.store))
        left = [name for name in left if name not in begun]
    if left:
        some, are = plural(len(left), "container"), "is" if len(left) == 1 else "are"
        notices.append(f"{some} of earlier versions {are} left over: {some_of(left, 5)}")
    status = Status(fleet.project, options.env, state.serial if state else 0, rows, tuple(notices))
    if options.json:
        options.document(to_json(status))
    else:
        render(status, options.console())


def _rows(found: "WorkloadStatus", now: float) -> "list[StatusRow]":
    """A row for each instance, or one that says it is missing. The verdict is that of the worst instance."""
    from sutazai.views.status import StatusRow

    tier, category = found.tier or "", found.category or ""
    if not found.instances:
        health: Health = "healthy" if found.verdict.healthy else "missing"
        return [StatusRow(found.address, health, tier=tier, category=category, detail=found.verdict.waiting)]
    rows = []
    for instance, verdict in zip(found.instances, found.verdicts, strict=True):
        running = instance.status == "running"
        health = "healthy" if verdict.healthy else ("unhealthy" if running else "stopped")
        ports = tuple(
            f"{ip or '*'}:{port}->{inside}" for inside, (ip, port) in sorted(instance.published.items())
        )
        if (route := found.route) is not None:
            ports = (f"{route.bind}:{route.port}->{route.target}/tcp", *ports)
        rows.append(
            StatusRow(
                found.address,
                health,
                instance.status,
                instance.slot.value,
                instance.replica,
                instance.image,
                _age(instance.started_at, now) if running else None,
                ports,
                tier,
                category,
                instance.restart_count,
                "" if verdict.healthy else verdict.waiting,
            )
        )
    return rows


def _age(started: str, now: float) -> float | None:
    """Seconds since Docker's own time stamp, which has nanoseconds."""
    if not started or started.startswith("0001"):
        return None
    return max(0.0, now - datetime.fromisoformat(started).timestamp())
