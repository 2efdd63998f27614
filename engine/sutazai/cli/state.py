"""`sutazai state`."""

import click

from sutazai.address import Address
from sutazai.cli.context import Globals, Group
from sutazai.errors import ExitCode, NotCarriedOut, Refused

LATER = ("mv", "rm", "import", "pull", "push")


class StateGroup(Group):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LATER:
            raise NotCarriedOut(f"sutazai state {cmd_name} is not carried out yet")
        return super().get_command(ctx, cmd_name)


@click.group(cls=StateGroup)
def command() -> None:
    """Look into the state."""


@command.command("list", example="sutazai state list 'tier:critical'")
@click.pass_obj
def list_(options: Globals) -> None:
    """List the addresses that the state knows."""
    state = options.session(options.known_project()).store.newest()
    names = [str(record.address) for record in state.resources] if state else []
    if options.json:
        options.print_json(names)
    elif names:
        click.echo("\n".join(names))


@command.command("show", example="sutazai state show agent.planner")
@click.argument("address")
@click.pass_obj
def show(options: Globals, address: str) -> int:
    """Show what the state holds of one resource."""
    from sutazai.diagnostics import did_you_mean
    from sutazai.model.workload import declared

    state = options.session(options.known_project()).store.newest()
    known = {str(record.address): record for record in state.resources} if state else {}
    if state is None or address not in known:
        raise Refused(
            f"the state of {options.env} does not know {address}", hint=did_you_mean(address, known)
        )
    applied = state.applied(Address.parse(address))
    record = known[address].model_dump(mode="json", exclude_none=True, exclude={"applied"})
    options.print_json({**record, "applied": declared(applied) if applied else None})
    return ExitCode.OK


@command.command("unlock", example="sutazai state unlock 6f1c2e0a-…")
@click.argument("lock_id")
@click.pass_obj
def unlock(options: Globals, lock_id: str) -> None:
    """Break a lock by the ID that the message named."""
    info = options.session(options.known_project()).store.unlock(lock_id)
    click.echo(f"Unlocked: {info.operation} by {info.who}, held since {info.created}.")


@command.command("verify", example="sutazai state verify")
@click.pass_obj
def verify(options: Globals) -> None:
    """Check every serial: readable, unaltered, and chained to the one before."""
    store = options.session(options.known_project()).store
    problems = store.verify()
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise Refused(f"{store.where} is not whole:\n{lines}")
    click.echo(f"{len(store.serials())} serial(s), the chain of hashes is whole.")
