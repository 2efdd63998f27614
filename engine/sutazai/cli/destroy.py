"""`sutazai destroy`."""

import click

from sutazai.cli.apply import plan_approve_execute
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import message_option, running_options, selector_option


@declare("sutazai destroy -e test --auto-approve")
@selector_option("--target", "targets", "Only this and what depends on it.")
@selector_option("--exclude", "excludes", "All but this.")
@click.option("--volumes", is_flag=True, help="Destroy volumes too: their data is lost.")
@running_options
@message_option
@click.pass_obj
def command(
    options: Globals,
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    volumes: bool,
    auto_approve: bool,
    parallelism: int | None,
    lock_timeout: float,
    message: str,
) -> int:
    """Remove everything of the environment, in reverse order. Volumes stay unless --volumes is given. What can't be removed
    keeps back only what it needs."""
    from sutazai.operations.plan import plan_destroy
    from sutazai.plan.build import PlanOptions

    project = options.known_project()
    plan_options = PlanOptions(
        kind="destroy",
        targets=targets,
        excludes=excludes,
        destroy_volumes=volumes,
        spec_digest=project.loaded.spec_digest,
    )
    return plan_approve_execute(
        options,
        project,
        lambda session, _unfinished: plan_destroy(session, project.fleet, plan_options),
        command_name="destroy",
        auto=auto_approve,
        parallelism=parallelism,
        why=message,
        question=f"Do you really want to destroy these resources in {options.env}? There is no undo.",
        lock_timeout=lock_timeout,
        on_failure="continue",
    )
