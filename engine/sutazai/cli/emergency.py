"""`sutazai emergency`."""

from typing import TYPE_CHECKING

import click

from sutazai.cli.apply import plan_approve_execute
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import message_option, running_options

if TYPE_CHECKING:
    from sutazai.operations.plan import Planned
    from sutazai.operations.recovery import Unfinished
    from sutazai.operations.session import Session


@declare("sutazai emergency -e production")
@running_options
@message_option
@click.pass_obj
def command(
    options: Globals, auto_approve: bool, parallelism: int | None, lock_timeout: float, message: str
) -> int:
    """Go back to the last serial that was healthy, by all means: everything at once, waiting for nothing, whatever fails on the
    way, also while the traffic switch is broken. What came of it is reported afterwards."""
    from sutazai.operations.last_good import plan_emergency
    from sutazai.operations.session import notice

    def plan(session: "Session", unfinished: "Unfinished | None") -> "Planned":
        good, planned = plan_emergency(session, unfinished)
        notice(session, f"going back to serial {good.serial}: {good.why}", "info")
        return planned

    return plan_approve_execute(
        options,
        options.known_project(),
        plan,
        command_name="rollback",
        why=message or "emergency",
        question=f"Do you want to go back to the last healthy serial of {options.env}, whatever it takes?",
        auto=auto_approve,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
    )
