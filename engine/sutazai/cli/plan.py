"""`sutazai plan`, and how every command that plans shows its plan."""

from typing import TYPE_CHECKING

import click

from sutazai.cli.context import Globals, planning_options
from sutazai.cli.context import command as declare
from sutazai.errors import ExitCode, NotCarriedOut

if TYPE_CHECKING:
    from sutazai.operations.plan import Planned
    from sutazai.operations.session import Session
    from sutazai.plan.build import PlanOptions
    from sutazai.wiring import Project


def make(
    options: Globals,
    project: "Project",
    session: "Session",
    plan_options: "PlanOptions",
    *,
    destroy: bool,
    to_serial: int | None,
) -> "Planned":
    """The plan that the options ask for."""
    from sutazai.operations.plan import make_plan, plan_destroy, plan_rollback

    if to_serial is not None:
        return plan_rollback(session, to_serial, plan_options)
    if destroy:
        return plan_destroy(session, project.fleet, plan_options)
    return make_plan(session, project.fleet, plan_options)


def show(options: Globals, planned: "Planned") -> None:
    """The plan for people on stdout."""
    from sutazai.views.plan_text import render

    render(planned.plan, options.console(), verbose=options.verbose)


@declare("sutazai plan -e production --detailed-exitcode")
@planning_options
@click.option("-o", "--out", metavar="FILE", help="Save the plan, for `apply FILE`.")
@click.option("--markdown", is_flag=True, help="Print a pull-request comment.")
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes, 0 when there are none."
)
@click.option("--destroy", is_flag=True, help="Plan the removal of everything.")
@click.option("--to-serial", type=int, metavar="N", help="Plan back to what serial N recorded.")
@click.option("--refresh-only", is_flag=True, help="Only show what changed outside.")
@click.option("--no-refresh", is_flag=True, help="Trust the state instead of asking Docker.")
@click.pass_obj
def command(
    options: Globals,
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    replaces: tuple[str, ...],
    variables: dict[str, str],
    out: str | None,
    markdown: bool,
    detailed_exitcode: bool,
    destroy: bool,
    to_serial: int | None,
    refresh_only: bool,
    no_refresh: bool,
) -> int:
    """Show what apply would change, and why. Changes nothing, neither in Docker nor in the state."""
    from sutazai.plan.build import PlanOptions

    if out is not None:
        raise NotCarriedOut("plan -o: saved plan files are not carried out yet")
    if no_refresh:
        raise NotCarriedOut("plan --no-refresh is not carried out yet")
    project = options.project(variables)
    session = options.session(project)
    plan_options = PlanOptions(
        kind="refresh" if refresh_only else "apply",
        spec_digest=project.loaded.spec_digest,
        targets=targets,
        excludes=excludes,
        replace=replaces,
    )
    planned = make(options, project, session, plan_options, destroy=destroy, to_serial=to_serial)
    if options.json:
        from sutazai.operations.recording import iso
        from sutazai.views.plan_json import to_json

        click.echo(to_json(planned.plan, timestamp=iso(session.clock.now()), prior=planned.prior))
    elif markdown:
        from sutazai.views.plan_markdown import to_markdown

        click.echo(to_markdown(planned.plan))
    else:
        show(options, planned)
    changed = bool(planned.plan.actions) or (refresh_only and bool(planned.plan.drift))
    return ExitCode.CHANGES if detailed_exitcode and changed else ExitCode.OK
