"""`sutazai history`."""

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.errors import StateError


@declare("sutazai history -e production -n 5")
@click.option(
    "-n", "--number", type=click.IntRange(1), default=20, show_default=True, help="The newest N serials."
)
@click.pass_obj
def command(options: Globals, number: int) -> None:
    """List the serials: when, who, what, how it went. Each can be brought back with `rollback --state`. Exits 1 when one of
    them can't be read, after those that can."""
    from sutazai.views.history import history_json, render

    store, states, damaged = options.session(options.known_project()).store, [], []
    for serial in store.serials()[-number:]:
        try:
            states.append(store.read(serial))
        except StateError as error:
            damaged.append(error)
    if damaged and not states:
        raise damaged[0]
    if options.json:
        options.document(history_json(states))
    else:
        render(states, options.console())
    if damaged:
        more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        raise StateError(
            f"not shown is what can't be read: {damaged[0].message}{more}",
            hint="`sutazai state verify` names all that is damaged; bring it back from a copy",
        )
