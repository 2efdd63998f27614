"""`sutazai apply`, and how every command that changes something is approved and carried out."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import (
    NAMED,
    message_option,
    no_canary_option,
    on_failure_option,
    planning_options,
    running_options,
)
from sutazai.cli.plan import show
from sutazai.cli.short_cut import nothing_to_apply, nothing_was_done, watch
from sutazai.cli.streams import UnfailingSink, heard_or_not
from sutazai.errors import ExitCode, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sutazai.operations.plan import Planned
    from sutazai.operations.recovery import Unfinished
    from sutazai.operations.session import Session
    from sutazai.ports import EventSink
    from sutazai.wiring import Project

    Make = Callable[[Session, Unfinished | None], Planned]
    OnFailure = Literal["rollback", "pause", "continue"]


def sink(options: Globals) -> "EventSink":
    """Where events go: JSON lines, a live display on a terminal, plain lines elsewhere. A run does not fail of any of them."""
    return UnfailingSink(_shown(options))


def _shown(options: Globals) -> "EventSink":
    if options.json:
        from sutazai.views.events_json import JsonLines

        return JsonLines(sys.stdout)
    if sys.stdout.isatty() and not options.lightweight:
        from sutazai.views.live import LiveDisplay

        return LiveDisplay(options.console())
    from sutazai.views.lines import PlainLines

    return PlainLines(sys.stdout)


def approve(options: Globals, question: str, *, auto: bool) -> bool:
    """Ask for approval; only the word `yes` will do. Raises `Refused` with no terminal to ask on, or with `--json`: that shows no
    plan that could be approved, and a question is no JSON."""
    if auto:
        return True
    if options.json:
        raise Refused(
            "with --json nobody is asked for approval",
            hint="read the plan first, then give --auto-approve (or, to apply, a plan file)",
        )
    if not sys.stdin.isatty():
        raise Refused(
            "nobody can be asked for approval: this is not a terminal",
            hint="read the plan first, then give --auto-approve",
        )
    click.echo(f"\n{question}\n  Only 'yes' will be accepted to approve.\n")
    try:
        answer = click.prompt("  Enter a value", prompt_suffix=": ", default="", show_default=False)
    except click.Abort:
        raise KeyboardInterrupt from None
    return bool(answer.strip() == "yes")


@dataclass(frozen=True, slots=True)
class Terminal:
    """The one at the terminal reviews: sees the plan, and is asked `question` unless `auto`. `name` is who that is."""

    options: Globals
    question: str
    auto: bool
    name: str

    def show(self, planned: "Planned") -> None:
        if self.options.json:
            return
        if not self.auto:  # nobody is asked about what nobody saw
            show(self.options, planned.plan)
            return
        with heard_or_not(sys.stdout):
            show(self.options, planned.plan)

    def approve(self, planned: "Planned") -> str | None:
        return self.name if approve(self.options, self.question, auto=self.auto) else None


_FROM_SPECS = ("apply", "deploy", "refresh")


def plan_approve_execute(
    options: Globals,
    project: "Project",
    make: "Make",
    *,
    command_name: str,
    question: str,
    auto: bool,
    parallelism: int | None = None,
    lock_timeout: float = 0.0,
    why: str = "",
    approver: str | None = None,
    on_failure: "OnFailure" = "pause",
    resumes: bool = False,
) -> int:
    """Apply, rollback and destroy from the specs, a serial or the journal: lock, plan, show, ask, carry out. `make` is given
    the last run that did not come to its end, if there is one; `resumes` says that it is gone on with."""
    from sutazai.operations.changing import Order, change_environment
    from sutazai.wiring import run_async

    session = options.session(project, sink(options), parallelism)
    # what was not to be reached by an apply of the specs is not reached by one more of them
    again = "apply again" if command_name in _FROM_SPECS and not resumes else "run sutazai apply --resume"
    changed = change_environment(
        session,
        Order(command_name, why, lock_timeout, on_failure, again, resumes),
        lambda unfinished: make(session, unfinished),
        Terminal(options, question, auto, approver or session.who),
        run_async,
    )
    if not changed:
        nothing_was_done(options)
    return ExitCode.OK


def apply_file(
    options: Globals,
    path: Path,
    *,
    parallelism: int | None,
    lock_timeout: float,
    why: str,
    approver: str | None,
    on_failure: "OnFailure",
) -> int:
    """Carry out a plan file. Giving the file is the approval; the specs are not read."""
    from sutazai.operations.changing import Order, change_environment
    from sutazai.operations.saving import check_place, reopen
    from sutazai.state.scope import Scope
    from sutazai.store.plan_files import load
    from sutazai.views.departures import words
    from sutazai.wiring import Site, project_here, run_async

    saved = load(options.chdir / path)
    plan = saved.plan
    site = Site(options.chdir, Scope(plan.project, plan.environment), saved.provider, saved.backend)
    check_place(saved, options.chosen_env, lambda: project_here(site))
    if (
        plan.lineage is None
        and saved.backend.kind == "local"
        and not Path(saved.backend.path or "").is_absolute()
    ):
        options.require_project()  # the first state would be made in whatever folder this is
    session = options.session_at(site, sink(options), parallelism)
    changed = change_environment(
        session,
        Order(
            plan.kind,
            why,
            lock_timeout,
            on_failure,
            again=f"run sutazai apply --resume -e {plan.environment}",
        ),
        lambda _unfinished: reopen(session, saved, words),
        Terminal(options, "", auto=True, name=approver or session.who),
        run_async,
    )
    if not changed:
        nothing_was_done(options)
    return ExitCode.OK


def refuse_beside_file(**given: object) -> None:
    """Raise for options that a plan file has already answered."""
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if names:
        raise click.UsageError(
            f"{', '.join(names)} can't be given with a plan file, which was made with its own: plan again instead"
        )


@declare("sutazai apply -e staging --target 'tier:critical'")
@planning_options
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@running_options
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run that was cut off, failed or was interrupted, as it was planned.",
)
@click.option(
    "--refresh-only", is_flag=True, help="Only record what was changed outside; Docker is not touched."
)
@no_canary_option
@on_failure_option
@message_option
@click.option(
    "--approved-by",
    type=NAMED,
    metavar="NAME",
    help="Who approved the plan; kept in the serial [default: who runs this].",
)
@click.pass_obj
def command(
    options: Globals,
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    replaces: tuple[str, ...],
    variables: dict[str, str],
    planfile: Path | None,
    auto_approve: bool,
    parallelism: int | None,
    lock_timeout: float,
    resume: bool,
    refresh_only: bool,
    no_canary: bool,
    on_failure: "OnFailure",
    message: str,
    approved_by: str | None,
) -> int:
    """Plan, show the plan, ask, and carry it out wave by wave; each wave starts when the one before is healthy."""
    if planfile is not None:
        refuse_beside_file(
            resume=resume,
            refresh_only=refresh_only,
            target=targets,
            exclude=excludes,
            replace=replaces,
            var=variables,
            no_canary=no_canary,
        )
        return apply_file(
            options,
            planfile,
            parallelism=parallelism,
            lock_timeout=lock_timeout,
            why=message,
            approver=approved_by,
            on_failure=on_failure,
        )
    if resume and (targets or excludes or replaces or variables or refresh_only or no_canary):
        raise click.UsageError(
            "--resume goes on with what that run was to reach: no --target, --exclude, --replace, --var, --refresh-only, "
            "--no-canary"
        )
    if replaces and refresh_only:
        raise click.UsageError("--replace and --refresh-only can't be combined")
    whole = not (targets or excludes or replaces or refresh_only or resume)
    if whole and nothing_to_apply(options, variables, lock_timeout):
        return ExitCode.OK
    from sutazai.operations.plan import make_plan
    from sutazai.plan.build import PlanOptions

    project = options.known_project() if resume else options.project(variables)
    plan_options = PlanOptions(
        kind="refresh" if refresh_only else "apply",
        spec_digest=project.loaded.spec_digest,
        targets=targets,
        excludes=excludes,
        replace=replaces,
        no_canary=no_canary,
    )
    question = f"Do you want to perform these actions in {options.env}?"
    if refresh_only:
        question = f"Do you want to record this as the state of {options.env}?"

    def make(session: "Session", unfinished: "Unfinished | None") -> "Planned":
        if resume:
            return resumed(session, unfinished, project.loaded.spec_digest)
        watched = watch(options, variables, project) if whole else None
        planned = make_plan(session, project.fleet, plan_options)
        if watched is not None:
            watched.keep(session.store, planned)
        return planned

    return plan_approve_execute(
        options,
        project,
        make,
        command_name="refresh" if refresh_only else "apply",
        auto=auto_approve,
        parallelism=parallelism,
        why=message,
        lock_timeout=lock_timeout,
        question=question,
        approver=approved_by,
        on_failure=on_failure,
        resumes=resume,
    )


def resumed(session: "Session", unfinished: "Unfinished | None", spec_digest: str) -> "Planned":
    """The rest of an unfinished run. Raises `Refused` when there is none."""
    from sutazai.operations.plan import plan_resume
    from sutazai.operations.session import notice

    if unfinished is None:
        raise Refused(
            f"there is no run of {session.scope.environment} to go on with: the last one came to its end",
            hint="apply without --resume plans from the specs",
        )
    if unfinished.options.spec_digest != spec_digest:
        notice(
            session,
            f"the specs have changed since that {unfinished.command} began: it is finished as it was planned. "
            "Apply again for the changes",
        )
    return plan_resume(session, unfinished)
