"""`sutazai schema`."""

import json

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare


@declare("sutazai schema --kind environment > environment.schema.json")
@click.option(
    "--kind",
    type=click.Choice(["spec", "module", "environment"]),
    default="spec",
    show_default=True,
    help="The files it is for: specs/, modules/NAME/module.yaml or environments/.",
)
@click.pass_obj
def command(_options: Globals, kind: str) -> None:
    """Print the JSON Schema (draft 2020-12) of the project's files, for editors and checks."""
    from sutazai.specs.schema import schema

    click.echo(json.dumps(schema(kind), indent=2, ensure_ascii=False))
