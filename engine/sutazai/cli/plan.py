"""`sutazai plan`, and how every command that plans shows its plan."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sutazai.cli import completing
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import no_canary_option, planning_options, strategy_for, strategy_option
from sutazai.cli.short_cut import nothing_to_plan, watch
from sutazai.errors import ExitCode
from sutazai.plan.manner import Strategy

if TYPE_CHECKING:
    from sutazai.model.fleet import Fleet
    from sutazai.operations.plan import Planned
    from sutazai.operations.session import Session
    from sutazai.plan.build import PlanOptions
    from sutazai.plan.change import Plan
    from sutazai.plan.saved import SavedPlan


def make(
    session: "Session", fleet: "Fleet", options: "PlanOptions", *, destroy: bool, to_serial: int | None
) -> "Planned":
    """The plan that the options ask for."""
    from sutazai.operations.plan import make_plan, plan_destroy, plan_refresh, plan_rollback

    if to_serial is not None:
        return plan_rollback(session, to_serial, options, fleet)
    if destroy:
        return plan_destroy(session, fleet, options)
    if options.kind == "refresh":
        return plan_refresh(session, fleet, options)
    return make_plan(session, fleet, options)


def show(options: Globals, plan: "Plan") -> None:
    """The plan for people on stdout."""
    from sutazai.views.plan_text import render

    render(plan, options.console(), verbose=options.verbose)


def present(options: Globals, plan: "Plan", *, at: str, digest: str, markdown: bool) -> None:
    """The plan on stdout in the form that was asked for. `at` is when it was made (ISO 8601)."""
    if options.json:
        from sutazai.views.plan_json import to_json

        options.document(to_json(plan, timestamp=at))
    elif markdown:
        from sutazai.views.plan_markdown import to_markdown

        click.echo(to_markdown(plan, digest), nl=False)
    else:
        show(options, plan)


def write(options: Globals, out: Path, saved: "SavedPlan", *, quiet: bool) -> None:
    """Put the plan file where it was asked for, and say what it is for unless `quiet`: stdout is for a program then."""
    from sutazai.store.plan_files import save

    save(options.chdir / out, saved)
    if not quiet:
        click.echo(f"\nSaved as {out}. To carry out exactly this plan: sutazai apply {shlex.quote(str(out))}")


def with_runs(planned: "Planned", session: "Session") -> "Plan":
    """The plan with a word of the run that is under way or did not come to its end: its reader would wonder."""
    from dataclasses import replace

    from sutazai.operations.recovery import told_of_runs
    from sutazai.plan.change import Finding

    plan, told = planned.plan, told_of_runs(session.store, planned.prior, planned.observed)
    return replace(plan, findings=(Finding("warning", "run", told), *plan.findings)) if told else plan


@declare("sutazai plan -e production --detailed-exitcode")
@planning_options
@click.option(
    "-o", "--out", metavar="FILE", type=click.Path(path_type=Path), help="Save the plan, for `apply FILE`."
)
@click.option("--markdown", is_flag=True, help="Print a pull-request comment.")
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes, 0 when there are none."
)
@click.option("--destroy", is_flag=True, help="Plan the removal of everything.")
@click.option(
    "--to-serial",
    type=int,
    metavar="N",
    shell_complete=completing.serials,
    help="Plan back to what serial N recorded.",
)
@strategy_option
@click.option("--refresh-only", is_flag=True, help="Only plan to record what was changed outside.")
@no_canary_option
@click.option("--no-refresh", is_flag=True, help="Trust the state instead of asking Docker.")
@click.pass_obj
def command(
    options: Globals,
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    replaces: tuple[str, ...],
    variables: dict[str, str],
    out: Path | None,
    markdown: bool,
    detailed_exitcode: bool,
    destroy: bool,
    to_serial: int | None,
    strategy: Strategy | None,
    refresh_only: bool,
    no_canary: bool,
    no_refresh: bool,
) -> int:
    """Show what apply would change, and why. Changes nothing, neither in Docker nor in the state."""
    whole = (
        not (targets or excludes or replaces or destroy or refresh_only or no_refresh) and to_serial is None
    )
    if strategy and to_serial is None:
        raise click.UsageError("--strategy is of a rollback: give it with --to-serial")
    if whole and not (options.json or markdown or out) and nothing_to_plan(options, variables):
        return ExitCode.OK
    from sutazai.events import iso
    from sutazai.plan.build import PlanOptions

    if sum((destroy, refresh_only, to_serial is not None)) > 1:
        raise click.UsageError("--destroy, --to-serial and --refresh-only can't be combined")
    if options.json and markdown:
        raise click.UsageError("--json and --markdown can't be combined")
    if refresh_only and no_refresh:
        raise click.UsageError("--refresh-only and --no-refresh can't be combined")
    if replaces and (destroy or refresh_only):
        raise click.UsageError(
            f"--replace and {'--destroy' if destroy else '--refresh-only'} can't be combined"
        )
    if variables and to_serial is not None:
        raise click.UsageError(
            "--var and --to-serial can't be combined: a serial has the values that it was made with"
        )
    by_state = destroy or to_serial is not None
    project = options.known_project(variables) if by_state else options.project(variables)
    session = options.session(project)
    plan_options = PlanOptions(
        kind="refresh" if refresh_only else "apply",
        spec_digest=project.loaded.spec_digest,
        targets=targets,
        excludes=excludes,
        replace=replaces,
        refreshed=not no_refresh,
        no_canary=no_canary,
        strategy=strategy_for(targets, strategy),
    )
    watched = watch(options, variables, project) if whole else None
    planned = make(session, project.fleet, plan_options, destroy=destroy, to_serial=to_serial)
    if watched is not None:
        watched.keep(session.store, planned)
    saved, digest = None, ""
    if out is not None or markdown:  # a digest costs a while, and a plan for people has none
        from sutazai.operations.saving import plan_digest, save

        if out is not None:
            saved = save(session, planned, project.loaded.provider, project.loaded.backend)
        digest = saved.plan_digest if saved else plan_digest(planned)
    at = saved.made.at if saved else iso(session.clock.now())
    present(options, with_runs(planned, session), at=at, digest=digest, markdown=markdown)
    if out is not None and saved is not None:
        write(options, out, saved, quiet=options.json or markdown)
    if planned.plan.errored:
        return ExitCode.ERROR
    changed = bool(planned.plan.actions) or (refresh_only and bool(planned.plan.drift))
    return ExitCode.CHANGES if detailed_exitcode and changed else ExitCode.OK
