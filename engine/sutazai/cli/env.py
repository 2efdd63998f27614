"""`sutazai env`."""

from typing import TYPE_CHECKING

import click

from sutazai.cli import completing
from sutazai.cli.context import Globals
from sutazai.cli.declaring import Group
from sutazai.cli.options import variables_option
from sutazai.errors import ExitCode, InvalidInput

if TYPE_CHECKING:
    from sutazai.model.fleet import Fleet


@click.group(cls=Group, example="sutazai env compare staging production")
def command() -> None:
    """List, show, compare and create environments."""


@command.command("list", example="sutazai env list")
@click.pass_obj
def list_(options: Globals) -> None:
    """List the environments."""
    from sutazai.specs.load import environments

    options.require_project()
    names = list(environments(options.chdir))
    if options.json:
        options.print_json(names)
    else:
        click.echo("\n".join(f"{'*' if name == options.env else ' '} {name}" for name in names))


@command.command("show", example="sutazai env show -e production")
@click.argument("name", required=False, shell_complete=completing.environments)
@variables_option
@click.pass_obj
def show(options: Globals, name: str | None, variables: dict[str, str]) -> None:
    """Print the fully resolved model, secrets masked."""
    options.environment = name or options.environment
    from sutazai.model.workload import declared

    data = declared(fleet_of(options, options.env, variables))
    if options.json:
        options.print_json(data)
        return
    import io

    from ruamel.yaml import YAML

    out, yaml = io.StringIO(), YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.dump(data, out)
    click.echo(out.getvalue(), nl=False)


def fleet_of(options: Globals, name: str, variables: dict[str, str]) -> "Fleet":
    """The resolved model of an environment. Raises `InvalidInput` with every problem found."""
    from sutazai.specs.load import load

    loaded = load(options.chdir, name, variables=variables, environ=options.environ)
    if loaded.fleet is None:
        raise InvalidInput(loaded.diagnostics)
    return loaded.fleet


@command.command("compare", example="sutazai env compare staging production")
@click.argument("first", shell_complete=completing.environments)
@click.argument("second", shell_complete=completing.environments)
@variables_option
@click.pass_obj
def compare(options: Globals, first: str, second: str, variables: dict[str, str]) -> int:
    """Show what differs between two environments, field by field. Exits 0 whether or not they differ."""
    from sutazai.views.compare import compare_fleets, render, to_json

    found = compare_fleets(fleet_of(options, first, variables), fleet_of(options, second, variables))
    if options.json:
        options.document(to_json(first, second, found))
    else:
        render(first, second, found, options.console())
    return ExitCode.OK


@command.command("create", example="sutazai env create qa --extends staging")
@click.argument("name")
@click.option("--extends", metavar="ENV", help="The environment it starts from.")
@click.pass_obj
def create(options: Globals, name: str, extends: str | None) -> None:
    """Write a new environment file."""
    from sutazai.specs.scaffold import create_environment

    options.require_project()
    written = create_environment(options.chdir, name, extends)
    if options.json:
        options.print_json({"environment": name, "extends": extends, "file": written[-1]})
    else:
        click.echo(f"Wrote {' and '.join(written)}. Look: sutazai plan -e {name}")
