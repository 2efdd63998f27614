"""`sutazai apply`, and how every command that changes something is approved and carried out."""

import sys
from typing import TYPE_CHECKING, Literal

import click

from sutazai.cli.context import Globals, planning_options, running_options
from sutazai.cli.context import command as declare
from sutazai.cli.plan import make, show
from sutazai.errors import ApplyFailed, ExitCode, Interrupted, NotCarriedOut, Refused

if TYPE_CHECKING:
    from sutazai.operations.plan import Planned
    from sutazai.operations.run import OnFailure
    from sutazai.operations.session import Session
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


def forbid(planned: "Planned") -> None:
    """Raise `Refused` or `NotCarriedOut` when a finding of the plan forbids applying it."""
    errors = [finding for finding in planned.plan.findings if finding.severity == "error"]
    if not errors:
        return
    lines = "\n".join(
        f"  - {finding.address or planned.plan.environment}: {finding.summary}" for finding in errors
    )
    kind = NotCarriedOut if all(finding.code == "not-carried-out" for finding in errors) else Refused
    raise kind(f"this plan can't be applied:\n{lines}", hint=errors[0].hint or None)


def execute(
    options: Globals,
    session: "Session",
    planned: "Planned",
    *,
    command_name: str,
    why: str = "",
    on_failure: "OnFailure" = "pause",
) -> int:
    """Carry out an approved plan under the lock that the caller holds; the exit code, or the error that names it."""
    from sutazai.operations.run import carry_out_plan
    from sutazai.wiring import run_async

    result = run_async(
        lambda stop: carry_out_plan(
            session, planned, stop, command=command_name, why=why, on_failure=on_failure
        )
    )
    serial = f"; what was done is serial {result.state.serial}" if result.state else ""
    if result.outcome == "failed":
        first, others = result.failures[0], len(result.failures) - 1
        more = f"; {others} more failed" if others else ""
        raise ApplyFailed(
            f"{first.address or planned.plan.environment}: {first.cause}{more}{serial}",
            hint="mend the cause and apply again: it goes on from here",
        )
    if result.outcome == "interrupted":
        raise Interrupted(f"interrupted{serial}", hint="apply again to go on from here")
    return ExitCode.OK


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
    on_failure: "OnFailure" = "pause",
) -> int:
    """The whole of apply, rollback and destroy: lock, plan, show, ask, carry out."""
    events = sink(options)
    session = options.session(project, events, parallelism)
    with session.store.lock(command_name, timeout=lock_timeout):
        cut_off = _mention_interrupted_run(session)
        planned = make(options, project, session, plan_options, destroy=destroy, to_serial=to_serial)
        if not options.json:
            show(options, planned)
        lost = planned.prior is None and plan_options.kind == "apply" and bool(planned.observed.instances)
        if not planned.plan.actions and not (lost or cut_off):
            return ExitCode.OK
        forbid(planned)
        if not approve(options, question, auto=auto):
            raise Refused("not approved: nothing was changed")
        return execute(options, session, planned, command_name=command_name, why=why, on_failure=on_failure)


def _mention_interrupted_run(session: "Session") -> bool:
    """Whether an earlier run died, and say so: its journal is still there. Planning from what Docker has finishes its work."""
    from sutazai.events import Notice

    entries = session.store.journal().read()
    if entries:
        closed = {entry.key for entry in entries if entry.phase in ("done", "failed")}
        open_calls = [entry for entry in entries if entry.phase == "intent" and entry.key not in closed]
        first = f" ({open_calls[0].call} {open_calls[0].address})" if open_calls else ""
        under_way = f", {len(open_calls)} call(s) under way{first}" if open_calls else ""
        message = f"an earlier {entries[0].call or 'run'} was cut off{under_way}; this run goes on from what it left"
        session.events(Notice(session.clock.now(), "warning", message))
    return bool(entries)


@declare("sutazai apply -e staging --target 'tier:critical'")
@planning_options
@click.argument("planfile", required=False)
@running_options
@click.option("--resume", is_flag=True, help="Go on with a run that was cut off (apply does so anyway).")
@click.option("--no-canary", is_flag=True, help="Do without canaries.")
@click.option(
    "--on-failure",
    type=click.Choice(["rollback", "pause", "continue"]),
    default="pause",
    show_default=True,
    help="When something fails: leave it at that, or go on with what does not depend on it.",
)
@click.option("-m", "--message", default="", help="Why; kept in the serial.")
@click.pass_obj
def command(
    options: Globals,
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    replaces: tuple[str, ...],
    variables: dict[str, str],
    planfile: str | None,
    auto_approve: bool,
    parallelism: int | None,
    lock_timeout: float,
    resume: bool,
    no_canary: bool,
    on_failure: "Literal['rollback', 'pause', 'continue']",
    message: str,
) -> int:
    """Plan, show the plan, ask, and carry it out wave by wave; each wave starts when the one before is healthy."""
    from sutazai.plan.build import PlanOptions

    if planfile is not None:
        raise NotCarriedOut("apply PLANFILE: saved plan files are not carried out yet")
    if on_failure == "rollback":
        raise NotCarriedOut("--on-failure rollback is not carried out yet; choose pause or continue")
    del resume, no_canary  # both are what this version does anyway
    project = options.project(variables)
    plan_options = PlanOptions(
        spec_digest=project.loaded.spec_digest, targets=targets, excludes=excludes, replace=replaces
    )
    return plan_approve_execute(
        options,
        project,
        plan_options,
        command_name="apply",
        auto=auto_approve,
        parallelism=parallelism,
        why=message,
        lock_timeout=lock_timeout,
        on_failure=on_failure,
        question=f"Do you want to perform these actions in {options.env}?",
    )
