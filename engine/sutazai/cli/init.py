"""`sutazai init`."""

from pathlib import Path

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.views.text import plural


@declare("sutazai init --from-compose docker-compose.yml")
@click.option(
    "--from-compose", metavar="FILE", is_flag=True, help="Write a project from the Compose files FILE…."
)
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def command(options: Globals, from_compose: bool, files: tuple[Path, ...]) -> None:
    """Scaffold a project that plans and applies at once, or write one from Compose files, merged in their order.

    Nothing that exists is overwritten. What a Compose file says and a spec can't is named, with its place.
    """
    if from_compose and not files:
        raise click.UsageError("--from-compose needs at least one file")
    if files and not from_compose:
        raise click.UsageError(f"{files[0]}: files go with --from-compose")
    if from_compose:
        _from_compose(options, files)
        return
    from sutazai.specs.scaffold import project_name, scaffold

    project = project_name(options.chdir)
    written = scaffold(options.chdir, project)
    if options.json:
        options.print_json({"project": project, "files": list(written)})
        return
    _list(project, written)
    click.echo(
        "\nThe image of agent.hello is built on debian:bookworm-slim. Next:\n"
        "  sutazai plan       what will be made\n"
        "  sutazai apply      make it; then: curl http://127.0.0.1:11800/"
    )


def _from_compose(options: Globals, files: tuple[Path, ...]) -> None:
    from sutazai.specs.compose_import import import_compose

    # As with Compose: FILE is relative to where the command runs, which --chdir changes.
    result = import_compose(options.chdir, [options.chdir / file for file in files], options.environ)
    if options.json:
        options.print_json(
            {
                "project": result.project,
                "files": list(result.files),
                "services": list(result.services),
                "warnings": [
                    {
                        "summary": n.summary,
                        "file": n.position.file if n.position else None,
                        "line": n.position.line if n.position else None,
                    }
                    for n in result.notes
                ],
            }
        )
        return
    if result.notes:
        from sutazai.views.diagnostics import render_plain

        click.echo(render_plain(result.notes), err=True)
    _list(result.project, result.files)
    click.echo(f"\n{plural(len(result.services), 'service')}. Next:\n  sutazai validate\n  sutazai plan")


def _list(project: str, written: tuple[str, ...]) -> None:
    click.echo(f"Project {project}:")
    for name in written:
        click.echo(f"  {name}")
