"""`sutazai show`."""

from pathlib import Path

import click

from sutazai.cli import completing
from sutazai.cli.context import Globals, whole_number
from sutazai.cli.declaring import declare
from sutazai.errors import Refused


@declare("sutazai show 7 -e production")
@click.argument("what", metavar="[SERIAL|PLANFILE]", required=False, shell_complete=completing.serials)
@click.option("--markdown", is_flag=True, help="Print a plan file as a pull-request comment.")
@click.pass_obj
def command(options: Globals, what: str | None, markdown: bool) -> None:
    """Show a serial [default: the newest] or a plan file: who made it, why, how it went, and what it holds.

    A number is a serial; a plan file with such a name is ./NUMBER."""
    serial = whole_number(what or "")
    if what and serial is None:
        show_file(options, Path(what), markdown=markdown)
        return
    if markdown:
        raise click.UsageError("--markdown is for plan files")
    show_serial(options, serial)


def show_file(options: Globals, path: Path, *, markdown: bool) -> None:
    """A plan file, as `plan` showed it when it was made. Neither specs, state nor Docker are asked."""
    from sutazai.cli.plan import present
    from sutazai.store.plan_files import load
    from sutazai.views.plan_text import saved_lines

    if options.json and markdown:
        raise click.UsageError("--json and --markdown can't be combined")
    saved = load(options.chdir / path)
    if not (options.json or markdown):
        options.console().print(saved_lines(saved))
    present(options, saved.plan, at=saved.made.at, digest=saved.plan_digest, markdown=markdown)


def show_serial(options: Globals, wanted: int | None) -> None:
    from sutazai.views.history import render_serial, serial_json

    store = options.session(options.known_project()).store
    serials = store.serials()
    if not serials:
        raise Refused(f"{options.env} has no serial yet", hint="sutazai apply makes the first one")
    serial = wanted if wanted is not None else serials[-1]
    if serial not in serials:
        raise Refused(
            f"there is no serial {serial} in {options.env}; the newest is {serials[-1]}",
            hint="see sutazai history",
        )
    state = store.read(serial)
    if options.json:
        options.document(serial_json(state))
    else:
        render_serial(state, options.console())
