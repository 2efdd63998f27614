"""`sutazai rollback`."""

import click

from sutazai.cli.apply import plan_approve_execute
from sutazai.cli.context import Globals, running_options
from sutazai.cli.context import command as declare
from sutazai.errors import NotCarriedOut


@declare("sutazai rollback --state 7 -e production")
@click.option(
    "--state",
    "serial",
    type=int,
    required=True,
    metavar="SERIAL",
    help="The serial to bring back; see `sutazai history`.",
)
@click.option(
    "--target", "targets", metavar="SELECTOR", multiple=True, help="Only this and what it depends on."
)
@click.option(
    "--strategy",
    type=click.Choice(["immediate", "graceful", "selective", "progressive", "emergency"]),
    default=None,
    help="How to go back [default: progressive, wave by wave and gated by health].",
)
@click.option("--with-data", is_flag=True, help="Bring back data too.")
@running_options
@click.option("-m", "--message", default="", help="Why; kept in the serial.")
@click.pass_obj
def command(
    options: Globals,
    serial: int,
    targets: tuple[str, ...],
    strategy: str | None,
    with_data: bool,
    auto_approve: bool,
    parallelism: int | None,
    lock_timeout: float,
    message: str,
) -> int:
    """Bring back what a serial recorded, as a new serial: plan, show, ask, carry out."""
    from sutazai.plan.build import PlanOptions

    if strategy not in (None, "progressive", "selective"):
        raise NotCarriedOut(f"rollback --strategy {strategy} is not carried out yet")
    if strategy == "selective" and not targets:
        raise click.UsageError("--strategy selective needs --target")
    if with_data:
        raise NotCarriedOut("rollback --with-data is not carried out yet")
    project = options.known_project()
    return plan_approve_execute(
        options,
        project,
        PlanOptions(kind="rollback", targets=targets),
        command_name="rollback",
        to_serial=serial,
        why=message,
        question=f"Do you want to roll {options.env} back to serial {serial}?",
        auto=auto_approve,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
    )
