"""`sutazai env`."""

import json

import click

from sutazai.cli.context import Globals, Group, variables_option
from sutazai.errors import ExitCode, InvalidInput


@click.group(cls=Group)
def command() -> None:
    """List, show, compare and create environments."""


@command.command("list", example="sutazai env list")
@click.pass_obj
def list_(options: Globals) -> None:
    """List the environments."""
    from sutazai.specs.load import environments

    names = list(environments(options.chdir))
    if options.json:
        options.print_json(names)
    else:
        click.echo("\n".join(f"{'*' if name == options.env else ' '} {name}" for name in names))


@command.command("show", example="sutazai env show -e production")
@click.argument("name", required=False)
@variables_option
@click.pass_obj
def show(options: Globals, name: str | None, variables: dict[str, str]) -> None:
    """Print the fully resolved model, secrets masked."""
    options.environment = name or options.environment
    data = resolved(options, options.env, variables)
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


def resolved(options: Globals, name: str, variables: dict[str, str]) -> dict[str, object]:
    """The declared part of the resolved fleet, as plain data."""
    from sutazai.model.workload import declared
    from sutazai.specs.load import load

    loaded = load(options.chdir, name, variables=variables, environ=options.environ)
    if loaded.fleet is None:
        raise InvalidInput(loaded.diagnostics)
    return declared(loaded.fleet)


@command.command("compare", example="sutazai env compare staging production")
@click.argument("first")
@click.argument("second")
@variables_option
@click.pass_obj
def compare(options: Globals, first: str, second: str, variables: dict[str, str]) -> int:
    """Show what differs between two environments, field by field. Exits 0 whether or not they differ."""
    from sutazai.plan.differ import differences

    one, two = resolved(options, first, variables), resolved(options, second, variables)
    for side in (one, two):
        side.pop("environment", None)
    rows = list(differences(one, two))
    if options.json:
        options.print_json([{"path": ".".join(path), first: old, second: new} for path, old, new in rows])
        return ExitCode.OK
    for path, old, new in rows:
        click.echo(".".join(path))
        click.echo(f"  {first}: {_short(old)}\n  {second}: {_short(new)}")
    click.echo(f"{len(rows)} difference(s) between {first} and {second}.")
    return ExitCode.OK


def _short(value: object) -> str:
    if value is None:
        return "(not declared)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."


@command.command("create", example="sutazai env create qa --extends staging")
@click.argument("name")
@click.option("--extends", metavar="ENV", help="The environment it starts from.")
@click.pass_obj
def create(options: Globals, name: str, extends: str | None) -> None:
    """Write a new environment file."""
    from sutazai.specs.scaffold import create_environment

    path = create_environment(options.chdir, name, extends)
    click.echo(
        f"Wrote {path.relative_to(options.chdir) if path.is_absolute() else path}. Look: sutazai plan -e {name}"
    )
