"""`sutazai history`."""

import click

from sutazai.cli.context import Globals
from sutazai.cli.context import command as declare


@declare("sutazai history -e production -n 5")
@click.option(
    "-n", "--number", type=click.IntRange(1), default=20, show_default=True, help="The newest N serials."
)
@click.pass_obj
def command(options: Globals, number: int) -> None:
    """List the serials: when, who, what, how it went. Each can be brought back with `rollback --state`."""
    from sutazai.views.history import history_json, render

    store = options.session(options.known_project()).store
    states = [store.read(serial) for serial in store.serials()[-number:]]
    if options.json:
        click.echo(history_json(states))
    else:
        render(states, options.console())
