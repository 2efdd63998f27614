"""The commands of `sutazai state` that change nothing."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from sutazai.address import Address
from sutazai.cli import completing
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.errors import ExitCode, Refused
from sutazai.views.text import plural

if TYPE_CHECKING:
    from sutazai.state.deviations import Deviation


@declare("sutazai state list 'agent.*'", name="list")
@click.argument("patterns", nargs=-1, shell_complete=completing.addresses, metavar="[ADDRESS]...")
@click.pass_obj
def list_(options: Globals, patterns: tuple[str, ...]) -> None:
    """List the addresses that the state knows; only those that a pattern matches, where one is given."""
    from fnmatch import fnmatchcase

    from sutazai.graph.selectors import is_pattern

    state = options.session(options.known_project()).store.newest()
    names = [str(record.address) for record in state.resources] if state else []
    for pattern in patterns:
        if pattern not in names and not is_pattern(pattern):
            raise _unknown(options, pattern, names)
    if patterns:
        names = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if options.json:
        options.print_json(names)
    elif names:
        click.echo("\n".join(names))


@declare("sutazai state show agent.planner", name="show")
@click.argument("address", shell_complete=completing.addresses)
@click.pass_obj
def show(options: Globals, address: str) -> int:
    """Show what the state holds of one resource."""
    from sutazai.model.workload import declared

    state = options.session(options.known_project()).store.newest()
    known = {str(record.address): record for record in state.resources} if state else {}
    if state is None or address not in known:
        raise _unknown(options, address, known)
    applied = state.applied(Address.parse(address))
    record = known[address].model_dump(mode="json", exclude_none=True, exclude={"applied"})
    options.print_json({**record, "applied": declared(applied) if applied else None})
    return ExitCode.OK


def _unknown(options: Globals, address: str, known: Iterable[str]) -> Refused:
    from sutazai.diagnostics import did_you_mean

    return Refused(f"the state of {options.env} does not know {address}", hint=did_you_mean(address, known))


@declare("sutazai state pull > state.json", name="pull")
@click.argument("serial", type=int, required=False, shell_complete=completing.serials)
@click.pass_obj
def pull(options: Globals, serial: int | None) -> None:
    """Print a serial, the newest without a number, byte by byte as it is kept."""
    store = options.session(options.known_project()).store
    numbers = store.serials()
    if not numbers:
        raise Refused(f"there is no state of {options.env} yet", hint="sutazai apply makes the first")
    click.echo(store.document(numbers[-1] if serial is None else serial), nl=False)


@declare("sutazai state verify", name="verify")
@click.option("--no-docker", is_flag=True, help="Only check what is kept, not what runs.")
@click.pass_obj
def verify(options: Globals, no_docker: bool) -> int:
    """Check what is kept, every serial and the chain of hashes, and that what the newest one records is what Docker has.

    Exits 1 when what is kept is not whole, 2 when Docker has something else."""
    from sutazai.operations.plan import look, with_images_named
    from sutazai.state.deviations import deviations

    project = options.known_project()
    session = options.session(project)
    store = session.store
    problems, moved = store.verify(), store.moved_to()
    serials = store.serials()
    found: tuple[Deviation, ...] = ()
    if not problems and not no_docker:
        newest = store.newest()
        fleet = newest.desired if newest else with_images_named(project.fleet)
        found = deviations(newest, look(session, fleet, newest))
    if options.json:
        differs = [{"address": str(one.address), "kind": one.kind, "detail": one.detail} for one in found]
        options.print_json(
            {
                "where": store.where,
                "moved_to": moved,
                "serials": len(serials),
                "problems": list(problems),
                "docker": differs,
            }
        )
    elif problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise Refused(f"the state in {store.where} is not whole:\n{lines}")
    else:
        click.echo(f"{plural(len(serials), 'serial')} in {store.where}: the chain of hashes is whole.")
        if moved is not None:
            click.echo(f"It was moved to {moved}, and is no more the state of {options.env}.")
        _say(found, asked=not no_docker)
    return ExitCode.ERROR if problems else ExitCode.CHANGES if found else ExitCode.OK


def _say(found: "tuple[Deviation, ...]", *, asked: bool) -> None:
    words = {"missing": "is gone", "other": "is another one", "extra": "is not recorded"}
    for one in found:
        click.echo(f"  {one.address} {words[one.kind]}: {one.detail}")
    if found:
        click.echo(f"Docker has something else in {plural(len(found), 'place')}. See sutazai plan.")
    elif asked:
        click.echo("Docker has what the newest serial records.")
