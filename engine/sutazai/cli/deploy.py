"""`sutazai deploy`."""

import click

from sutazai.cli.apply import plan_approve_execute
from sutazai.cli.context import Globals, message_option, no_canary_option, planning_options, running_options
from sutazai.cli.context import command as declare
from sutazai.errors import ApplyFailed, ExitCode


@declare("sutazai deploy -e staging --auto-approve")
@planning_options
@running_options
@no_canary_option
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
    message: str,
) -> int:
    """Plan, apply, and verify that everything is healthy. The serial before it is the snapshot to go back to."""
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
    plan_approve_execute(
        options,
        project,
        lambda session, _unfinished: make_plan(session, project.fleet, plan_options),
        command_name="deploy",
        auto=auto_approve,
        parallelism=parallelism,
        why=message,
        lock_timeout=lock_timeout,
        question=f"Do you want to deploy to {options.env}?",
    )
    return verify(options, variables)


def verify(options: Globals, variables: dict[str, str]) -> int:
    """Ask every check once more. Raises `ApplyFailed` naming what is not healthy."""
    import asyncio

    from sutazai.operations.plan import look, with_images_named
    from sutazai.operations.status import examine_fleet

    project = options.project(variables)
    session = options.session(project)
    fleet = with_images_named(project.fleet)
    state = session.store.newest()
    rows = asyncio.run(examine_fleet(session, fleet, look(session, fleet, state), state))
    ill = [row for row in rows if not row.verdict.healthy]
    if ill:
        raise ApplyFailed(
            f"{len(ill)} of {len(rows)} are not healthy: {ill[0].address}: {ill[0].verdict.waiting}"
        )
    if not options.json:
        click.echo(f"Verified: {len(rows)} of {len(rows)} healthy.")
    return ExitCode.OK
