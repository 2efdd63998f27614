"""`sutazai fmt`."""

from pathlib import Path

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.errors import ExitCode


@declare("sutazai fmt --check")
@click.option(
    "--check", is_flag=True, help="Change nothing; show what would change, and exit 1 if anything would."
)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.pass_obj
def command(options: Globals, check: bool, paths: tuple[Path, ...]) -> int:
    """Lay out spec files, or the files and folders PATH, in the canonical way.

    Comments, quotes, anchors and blank lines stay. A file that is not YAML is named and left alone.
    """
    from sutazai.specs.fmt_files import format_files

    if not paths:
        options.require_project()
    formatted, problems = format_files(options.chdir, paths)
    changed = [file for file in formatted if file.changed]
    if not check:
        for file in changed:
            file.write()
    if options.json:
        options.print_json(
            {
                "changed": [file.name for file in changed],
                "written": not check,
                "problems": [
                    {
                        "summary": p.summary,
                        "file": p.position.file if p.position else None,
                        "line": p.position.line if p.position else None,
                    }
                    for p in problems
                ],
            }
        )
    else:
        for file in changed:
            click.echo(file.name)
            if check:
                click.echo(file.diff(), nl=False)
        if problems:
            from sutazai.views.diagnostics import render_plain

            click.echo(render_plain(problems), err=True)
    return ExitCode.ERROR if problems or (check and changed) else ExitCode.OK
