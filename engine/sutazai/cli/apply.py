"""`sutazai apply`, and how every command that changes something is approved and carried out."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sutazai.cli.context import Globals, planning_options, running_options
from sutazai.cli.context import command as declare
from sutazai.cli.plan import make, show
from sutazai.errors import ExitCode, NotCarriedOut, Refused

if TYPE_CHECKING:
    from sutazai.operations.plan import Planned
    from sutazai.operations.run import OnFailure
    from sutazai.plan.build import PlanOptions
    from sutazai.ports import EventSink
    from sutazai.wiring import Project


def sink(options: Globals) -> "EventSink":
    """Where events go: JSON lines, a live display on a terminal, plain lines elsewhere."""
    if options.json:
        from sutazai.views.events_json import JsonLines

        return JsonLines(sys.stdout)
    if sys.stdout.isatty() and not options.lightweight:
        from sutazai.views.live import LiveDisplay

        return LiveDisplay(options.console())
    from sutazai.views.lines import PlainLines

    return PlainLines(sys.stdout)


def approve(options: Globals, question: str, *, auto: bool) -> bool:
    """Ask for approval; only the word `yes` will do. Raises `Refused` with no terminal to ask on."""
    if auto:
        return True
    if not sys.stdin.isatty():
        raise Refused(
            "nobody can be asked for approval: this is not a terminal",
            hint="read the plan first, then give --auto-approve",
        )
    click.echo(f"\n{question}\n  Only 'yes' will be accepted to approve.\n")
    answer = click.prompt("  Enter a value", prompt_suffix=": ", default="", show_default=False)
    return bool(answer.strip() == "yes")


@dataclass(frozen=True, slots=True)
class Terminal:
    """The one at the terminal reviews: sees the plan, and is asked `question` unless `auto`. `name` is who that is."""

    options: Globals
    question: str
    auto: bool
    name: str

    def show(self, planned: "Planned") -> None:
        if not self.options.json:
            show(self.options, planned.plan)

    def approve(self, planned: "Planned") -> str | None:
        return self.name if approve(self.options, self.question, auto=self.auto) else None


def plan_approve_execute(
    options: Globals,
    project: "Project",
    plan_options: "PlanOptions",
    *,
    command_name: str,
    question: str,
    auto: bool,
    destroy: bool = False,
    to_serial: int | None = None,
    parallelism: int | None = None,
    lock_timeout: float = 0.0,
    why: str = "",
    approver: str | None = None,
    on_failure: "OnFailure" = "pause",
) -> int:
    """Apply, rollback and destroy from the specs or a serial: lock, plan, show, ask, carry out."""
    from sutazai.operations.changing import Order, change_environment
    from sutazai.wiring import run_async

    session = options.session(project, sink(options), parallelism)
    change_environment(
        session,
        Order(command_name, why, lock_timeout, on_failure),
        lambda: make(session, project.fleet, plan_options, destroy=destroy, to_serial=to_serial),
        Terminal(options, question, auto, approver or session.who),
        run_async,
    )
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
    session = options.session_at(site, sink(options), parallelism)
    change_environment(
        session,
        Order(plan.kind, why, lock_timeout, on_failure),
        lambda: reopen(session, saved, words),
        Terminal(options, "", auto=True, name=approver or session.who),
        run_async,
    )
    return ExitCode.OK


def refuse_beside_file(**given: object) -> None:
    """Raise for options that a plan file has already answered."""
    names = [f"--{name}" for name, value in given.items() if value]
    if names:
        raise click.UsageError(
            f"{', '.join(names)} can't be given with a plan file, which was made with its own: plan again instead"
        )


@declare("sutazai apply -e staging --target 'tier:critical'")
@planning_options
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@running_options
@click.option("--resume", is_flag=True, help="Go on with a run that was cut off (apply does so anyway).")
@click.option(
    "--refresh-only", is_flag=True, help="Only record what was changed outside; Docker is not touched."
)
@click.option("--no-canary", is_flag=True, help="Do without canaries.")
@click.option(
    "--on-failure",
    type=click.Choice(["rollback", "pause", "continue"]),
    default="pause",
    show_default=True,
    help="When something fails: leave it at that, or go on with what does not depend on it.",
)
@click.option("-m", "--message", default="", help="Why; kept in the serial.")
@click.option(
    "--approved-by",
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
    on_failure: "Literal['rollback', 'pause', 'continue']",
    message: str,
    approved_by: str | None,
) -> int:
    """Plan, show the plan, ask, and carry it out wave by wave; each wave starts when the one before is healthy."""
    from sutazai.plan.build import PlanOptions

    if on_failure == "rollback":
        raise NotCarriedOut("--on-failure rollback is not carried out yet; choose pause or continue")
    del resume, no_canary  # both are what this version does anyway
    if planfile is not None:
        refuse_beside_file(target=targets, exclude=excludes, replace=replaces, var=variables)
        return apply_file(
            options,
            planfile,
            parallelism=parallelism,
            lock_timeout=lock_timeout,
            why=message,
            approver=approved_by,
            on_failure=on_failure,
        )
    project = options.project(variables)
    plan_options = PlanOptions(
        kind="refresh" if refresh_only else "apply",
        spec_digest=project.loaded.spec_digest,
        targets=targets,
        excludes=excludes,
        replace=replaces,
    )
    question = f"Do you want to perform these actions in {options.env}?"
    if refresh_only:
        question = f"Do you want to record this as the state of {options.env}?"
    return plan_approve_execute(
        options,
        project,
        plan_options,
        command_name="refresh" if refresh_only else "apply",
        auto=auto_approve,
        parallelism=parallelism,
        why=message,
        lock_timeout=lock_timeout,
        question=question,
        approver=approved_by,
        on_failure=on_failure,
    )
