"""`sutazai rollback`."""

from typing import TYPE_CHECKING

import click

from sutazai.cli import completing
from sutazai.cli.apply import plan_approve_execute
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import message_option, running_options, strategy_for, strategy_option, target_option
from sutazai.errors import NotCarriedOut, Refused
from sutazai.plan.manner import Strategy

if TYPE_CHECKING:
    from sutazai.operations.plan import Planned
    from sutazai.operations.recovery import Unfinished
    from sutazai.operations.session import Session


@declare("sutazai rollback --state 7 -e production --strategy graceful")
@click.option(
    "--state",
    "serial",
    type=int,
    metavar="SERIAL",
    shell_complete=completing.serials,
    help="The serial to bring back; see `sutazai history` [default: the one an unfinished run set out from].",
)
@target_option
@strategy_option
@click.option("--with-data", is_flag=True, help="Bring back data too.")
@running_options
@message_option
@click.pass_obj
def command(
    options: Globals,
    serial: int | None,
    targets: tuple[str, ...],
    strategy: Strategy | None,
    with_data: bool,
    auto_approve: bool,
    parallelism: int | None,
    lock_timeout: float,
    message: str,
) -> int:
    """Bring back what a serial recorded, as a new serial: plan, show, ask, carry out, and verify that what runs is what the
    serial says. Without --state, take back the run that was cut off, failed or was interrupted."""
    from sutazai.operations.plan import plan_rollback, plan_take_back
    from sutazai.plan.build import PlanOptions

    manner = strategy_for(targets, strategy)
    if with_data:
        raise NotCarriedOut("rollback --with-data is not carried out yet")
    project = options.known_project()
    plan_options = PlanOptions(kind="rollback", targets=targets, strategy=manner)

    def plan(session: "Session", unfinished: "Unfinished | None") -> "Planned":
        if serial is not None:
            return plan_rollback(session, serial, plan_options, project.fleet)
        if unfinished is None:
            raise Refused(
                f"there is no run of {options.env} to take back: the last one came to its end",
                hint="name a serial with --state SERIAL; see sutazai history",
            )
        return plan_take_back(session, unfinished, plan_options)

    goal = f"back to serial {serial}" if serial is not None else "back to where that run set out from"
    return plan_approve_execute(
        options,
        project,
        plan,
        command_name="rollback",
        why=message,
        question=f"Do you want to roll {options.env} {goal}?",
        auto=auto_approve,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
    )
