"""`sutazai version`."""

import platform

import click

from sutazai import __version__
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare


@declare("sutazai version --json")
@click.pass_obj
def command(options: Globals) -> None:
    """Print the version."""
    if options.json:
        options.print_json(
            {"sutazai": __version__, "python": platform.python_version(), "platform": platform.platform()}
        )
    else:
        click.echo(f"sutazai {__version__} (Python {platform.python_version()})")
