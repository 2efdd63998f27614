"""`sutazai validate`."""

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import variables_option
from sutazai.errors import InvalidInput
from sutazai.views.text import plural


@declare("sutazai validate -e production")
@click.option("--all", "every", is_flag=True, help="Check every environment, not just the chosen one.")
@variables_option
@click.pass_obj
def command(options: Globals, every: bool, variables: dict[str, str]) -> None:
    """Check everything that can be checked without Docker: all problems are shown at once."""
    from sutazai.diagnostics import Diagnostics
    from sutazai.specs.load import environments, load

    names = environments(options.chdir) if every else (options.env,)
    found, counts = Diagnostics(), {}
    for name in names:
        loaded = load(options.chdir, name, variables=variables, environ=options.environ)
        found.extend(loaded.diagnostics)
        if loaded.fleet is not None:
            counts[name] = (len(loaded.fleet.agents), len(loaded.fleet.services))
    if found.errors:
        raise InvalidInput(found)
    if options.json:
        options.print_json(
            {
                "valid": True,
                "environments": {n: {"agents": a, "services": s} for n, (a, s) in counts.items()},
                "warnings": [d.summary for d in found.warnings],
            }
        )
        return
    if found.warnings:
        from sutazai.views.diagnostics import render_plain

        click.echo(render_plain(found.warnings), err=True)
    for name, (agents, services) in counts.items():
        click.echo(f"{name} is valid: {plural(agents, 'agent')}, {plural(services, 'service')}.")
