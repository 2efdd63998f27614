"""`sutazai diff`."""

import click

from sutazai.cli import completing
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.errors import Refused


@declare("sutazai diff 6 7 -e production")
@click.argument("first", type=int, shell_complete=completing.serials)
@click.argument("second", type=int, shell_complete=completing.serials)
@click.pass_obj
def command(options: Globals, first: int, second: int) -> None:
    """Compare what two serials recorded, field by field."""
    from sutazai.operations.plan import fleet_of
    from sutazai.views.compare import compare_fleets, render, to_json

    store = options.session(options.known_project()).store
    serials = store.serials()
    for serial in (first, second):
        if serial not in serials:
            newest = f"the newest is {serials[-1]}" if serials else "there is none yet"
            raise Refused(
                f"there is no serial {serial} in {options.env}; {newest}", hint="see sutazai history"
            )
    found = compare_fleets(fleet_of(store.read(first)), fleet_of(store.read(second)))
    names = (f"serial {first}", f"serial {second}")
    if options.json:
        options.document(to_json(*names, found))
    else:
        render(*names, found, options.console())
