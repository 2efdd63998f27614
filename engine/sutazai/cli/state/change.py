"""The commands of `sutazai state` that change what is recorded: one new serial each, and no container is touched."""

from typing import TYPE_CHECKING

import click

from sutazai.address import Address
from sutazai.cli import completing
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import lock_timeout_option, message_option, variables_option

if TYPE_CHECKING:
    from sutazai.operations.plan import Planned
    from sutazai.operations.session import Session
    from sutazai.state.edits import Edit
    from sutazai.state.v2 import State

dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would be recorded.")


class AddressType(click.ParamType[Address]):
    """`KIND.NAME`, as an `Address`."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS = AddressType()


@declare("sutazai state mv agent.planner agent.strategist", name="mv")
@click.argument("source", type=ADDRESS, shell_complete=completing.addresses)
@click.argument("target", type=ADDRESS)
@dry_run_option
@lock_timeout_option
@message_option
@click.pass_obj
def move(
    options: Globals, source: Address, target: Address, dry_run: bool, lock_timeout: float, message: str
) -> None:
    """Record what is SOURCE as TARGET: its container then serves that address. Rename it in the specs as well; the next
    apply renames the container, which goes on running."""
    from sutazai.operations import records

    session = options.session(options.known_project())
    with session.store.lock("mv", timeout=lock_timeout):
        content = records.move(session, source, target)
        said = f"{source} is {target}"
        _record(options, session, content, "mv", said, dry_run=dry_run, why=message)


@declare("sutazai state rm agent.planner", name="rm")
@click.argument(
    "addresses",
    type=ADDRESS,
    shell_complete=completing.addresses,
    nargs=-1,
    required=True,
    metavar="ADDRESS...",
)
@dry_run_option
@lock_timeout_option
@message_option
@click.pass_obj
def forget(
    options: Globals, addresses: tuple[Address, ...], dry_run: bool, lock_timeout: float, message: str
) -> None:
    """Forget resources without destroying them. Their containers go on running and are left alone from now on, whatever
    their labels say; `state import` takes one over again."""
    from sutazai.operations import records

    session = options.session(options.known_project())
    with session.store.lock("rm", timeout=lock_timeout):
        addresses = tuple(dict.fromkeys(addresses))
        content = records.forget(session, addresses)
        said = f"{', '.join(map(str, addresses))} {'is' if len(addresses) == 1 else 'are'} forgotten, not destroyed"
        _record(options, session, content, "rm", said, dry_run=dry_run, why=message)


@declare("sutazai state import agent.planner my-planner", name="import")
@click.argument("address", type=ADDRESS)
@click.argument("containers", nargs=-1, required=True, metavar="CONTAINER...")
@dry_run_option
@lock_timeout_option
@variables_option
@message_option
@click.pass_obj
def take_over(
    options: Globals,
    address: Address,
    containers: tuple[str, ...],
    dry_run: bool,
    lock_timeout: float,
    variables: dict[str, str],
    message: str,
) -> None:
    """Take over a running CONTAINER (its name or ID) that was made by hand or by Compose, as ADDRESS, which the specs
    declare; several for a workload with replicas. Nothing of it is changed: the plan that is shown is what the next apply
    does. Where it is as declared, that is a new name at most, and it goes on running."""
    from sutazai.operations import records

    project = options.project(variables)
    session = options.session(project)
    with session.store.lock("import", timeout=lock_timeout):
        content, planned = records.take_over(
            session, project.fleet, address, containers, project.loaded.spec_digest
        )
        if not options.json:
            _show(options, planned)
        said = f"{', '.join(containers)} {'is' if len(containers) == 1 else 'are'} {address}"
        _record(options, session, content, "import", said, dry_run=dry_run, why=message, planned=planned)


@declare("sutazai state push state.json", name="push")
@click.argument("file", type=click.Path(allow_dash=True, readable=False))
@click.option("--force", is_flag=True, help="Also of another lineage, or no newer than what is there.")
@lock_timeout_option
@message_option
@click.pass_obj
def push(options: Globals, file: str, force: bool, lock_timeout: float, message: str) -> None:
    """Record what FILE (`-`: stdin) says, as `state pull` prints it. It must be of the same lineage and its serial newer
    than what is there; it becomes the next serial."""
    from sutazai.operations import records
    from sutazai.state import formats

    name = "the file on stdin" if file == "-" else file
    given, as_written = formats.read_edited(options.read(file), name)
    session = options.session(options.known_project())
    with session.store.lock("push", timeout=lock_timeout):
        newest = session.store.newest()
        if newest is not None and as_written and given.sha256 == newest.sha256:
            if options.json:
                options.print_json({"command": "push", "serial": None, "dry_run": False})
            else:
                click.echo(f"No changes. The file is serial {newest.serial}, which is the newest already.")
            return
        if not as_written and not options.json:
            click.echo(f"Note: {name} was edited since it was written.", err=True)
        content = records.push(session, given, force=force)
        said = f"serial {given.serial} of {name} is recorded"
        _record(options, session, content, "push", said, why=message, of_serial=given.serial)


def _show(options: Globals, planned: "Planned") -> None:
    from sutazai.views.plan_text import resources

    options.console().print(resources(planned.plan.changes, options.console().width, verbose=options.verbose))


def _record(
    options: Globals,
    session: "Session",
    content: "State",
    command: "Edit",
    said: str,
    *,
    dry_run: bool = False,
    why: str,
    of_serial: int | None = None,
    planned: "Planned | None" = None,
) -> None:
    """Commit, unless it is a dry run, and say so."""
    from sutazai.operations import records

    serial = None
    if not dry_run:
        serial = records.commit(session, content, command, why=why, of_serial=of_serial).serial
    if options.json:
        result: dict[str, object] = {
            "command": command,
            "serial": serial,
            "dry_run": dry_run,
            "message": said,
        }
        if planned is not None:
            from sutazai.views.plan_json import resource_changes

            result["resource_changes"] = resource_changes(planned.plan)
        options.print_json(result)
    elif dry_run:
        click.echo(f"Nothing was recorded, this was a dry run. Otherwise: {said}.")
    else:
        click.echo(f"Serial {serial}: {said}.")
