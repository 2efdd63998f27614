"""`sutazai drift`."""

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import exclude_option, target_option
from sutazai.errors import ExitCode


@declare("sutazai drift -e production --detailed-exitcode")
@target_option
@exclude_option
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 2 when something was changed outside, 0 when nothing was."
)
@click.pass_obj
def command(
    options: Globals, targets: tuple[str, ...], excludes: tuple[str, ...], detailed_exitcode: bool
) -> int:
    """Show what was changed outside of sutazai since the newest serial, whatever the specs say now. Changes nothing."""
    from sutazai.cli.plan import present, with_runs
    from sutazai.events import iso
    from sutazai.operations.plan import plan_refresh
    from sutazai.plan.build import PlanOptions

    project = options.known_project()
    session = options.session(project)
    planned = plan_refresh(session, project.fleet, PlanOptions(targets=targets, excludes=excludes))
    present(options, with_runs(planned, session), at=iso(session.clock.now()), digest="", markdown=False)
    return ExitCode.CHANGES if detailed_exitcode and planned.plan.drift else ExitCode.OK
