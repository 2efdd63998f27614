"""`sutazai deploy`."""

from functools import partial
from typing import TYPE_CHECKING

import click

from sutazai.cli.apply import plan_approve_execute
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import (
    message_option,
    no_canary_option,
    on_failure_option,
    planning_options,
    running_options,
)
from sutazai.errors import ExitCode, Interrupted

if TYPE_CHECKING:
    from sutazai.cli.apply import OnFailure
    from sutazai.operations.plan import Planned
    from sutazai.operations.recovery import Unfinished
    from sutazai.operations.session import Session


@declare("sutazai deploy -e staging --auto-approve")
@planning_options
@running_options
@no_canary_option
@on_failure_option
@message_option
@click.pass_obj
def command(
    options: Globals,
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    replaces: tuple[str, ...],
    variables: dict[str, str],
    auto_approve: bool,
    parallelism: int | None,
    lock_timeout: float,
    no_canary: bool,
    on_failure: "OnFailure",
    message: str,
) -> int:
    """Plan, apply, and verify that what was deployed is healthy. The serial before it is the snapshot to go back to."""
    from sutazai.operations.plan import make_plan
    from sutazai.plan.build import PlanOptions

    project = options.project(variables)
    plan_options = PlanOptions(
        spec_digest=project.loaded.spec_digest,
        targets=targets,
        excludes=excludes,
        replace=replaces,
        no_canary=no_canary,
    )
    made: list[tuple[Session, Planned]] = []

    def make(session: "Session", _unfinished: "Unfinished | None") -> "Planned":
        made.append((session, make_plan(session, project.fleet, plan_options)))
        return made[-1][1]

    plan_approve_execute(
        options,
        project,
        make,
        command_name="deploy",
        auto=auto_approve,
        parallelism=parallelism,
        why=message,
        lock_timeout=lock_timeout,
        question=f"Do you want to deploy to {options.env}?",
        on_failure=on_failure,
    )
    verify_deployed(*made[-1])
    return ExitCode.OK


def verify_deployed(session: "Session", planned: "Planned") -> None:
    """Look again at what the plan was about, and at nothing else. Raises `ApplyFailed` naming what does not hold."""
    import asyncio

    from sutazai.operations.session import notice
    from sutazai.operations.verification import not_as_it_should_be, verify
    from sutazai.wiring import run_async

    newest = session.store.newest()
    serial = newest.serial if newest else None
    try:
        found = run_async(lambda stop: verify(session, planned, stop, serial), partial(notice, session))
    except asyncio.CancelledError:  # interrupted twice
        found = None
    if found is None:
        raise Interrupted(
            "interrupted: what was done is recorded, but was not verified",
            hint="sutazai status shows what runs",
        )
    wrong = not_as_it_should_be(found)
    if wrong is not None:
        raise wrong
