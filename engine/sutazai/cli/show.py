"""`sutazai show`."""

import click

from sutazai.cli.context import Globals
from sutazai.cli.context import command as declare
from sutazai.errors import NotCarriedOut, Refused


@declare("sutazai show 7 -e production")
@click.argument("what", metavar="[SERIAL]", required=False)
@click.pass_obj
def command(options: Globals, what: str | None) -> None:
    """Show a serial [default: the newest]: who made it, why, how it went, and what it holds."""
    from sutazai.views.history import render_serial, serial_json

    if what is not None and not what.isdigit():
        raise NotCarriedOut("show PLANFILE: saved plan files are not carried out yet")
    store = options.session(options.known_project()).store
    serials = store.serials()
    if not serials:
        raise Refused(f"{options.env} has no serial yet", hint="sutazai apply makes the first one")
    serial = int(what) if what else serials[-1]
    if serial not in serials:
        raise Refused(
            f"there is no serial {serial} in {options.env}; the newest is {serials[-1]}",
            hint="see sutazai history",
        )
    state = store.read(serial)
    if options.json:
        click.echo(serial_json(state))
    else:
        render_serial(state, options.console())
