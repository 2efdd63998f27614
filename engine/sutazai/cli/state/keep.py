"""The commands of `sutazai state` about where it is kept, and who may write."""

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import lock_timeout_option
from sutazai.views.text import plural


@declare("sutazai state unlock 6f1c2e0a-…", name="unlock")
@click.argument("lock_id")
@click.pass_obj
def unlock(options: Globals, lock_id: str) -> None:
    """Break a lock by the ID that the message named."""
    info = options.session(options.known_project()).store.unlock(lock_id)
    if options.json:
        options.print_json(
            {"ID": info.id, "Operation": info.operation, "Who": info.who, "Created": info.created}
        )
    else:
        click.echo(f"Unlocked: {info.operation} by {info.who}, held since {info.created}.")


@declare(
    "sutazai state migrate -e production --to '{kind: postgres, url: postgresql://db.example/states}'",
    name="migrate",
)
@click.option(
    "--to", "target", metavar="STATE", help="The new place, as `state` of the environment is to say it."
)
@click.option(
    "--from",
    "source",
    metavar="STATE",
    help="The old place, where the environment names the new one already.",
)
@lock_timeout_option
@click.pass_obj
def migrate(options: Globals, target: str | None, source: str | None, lock_timeout: float) -> None:
    """Move every serial to another backend. The old place keeps them, and takes no more. Interrupted, it can be repeated."""
    from sutazai.model.backend import without_passwords
    from sutazai.operations.migrate import migrate as move
    from sutazai.specs.backend import parsed_backend
    from sutazai.store import open_store

    if (target is None) == (source is None):
        raise click.UsageError(
            "give either --to or --from: the other place is the one that the environment names"
        )
    project = options.known_project()
    own = options.session(project).store
    given, name = (target, "--to") if target is not None else (source, "--from")
    text = _text(options, given or "")
    other = open_store(parsed_backend(text, name), project.root, project.fleet.project, project.environment)
    old, new = (own, other) if target is not None else (other, own)
    try:
        count = move(old, new, timeout=lock_timeout)
    finally:
        old.close()
        new.close()
    if options.json:
        options.print_json({"serials": count, "from": old.where, "to": new.where})
        return
    click.echo(f"{plural(count, 'serial')} moved from {old.where} to {new.where}.")
    if target is not None:
        shown = without_passwords(text.strip())
        click.echo(f"Now set this in environments/{project.environment}.yaml:\n  state: {shown}")


def _text(options: Globals, given: str) -> str:
    """`@FILE` is what the file holds."""
    if not given.startswith("@"):
        return given
    try:
        return options.read(given[1:]).decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{given[1:]} is not UTF-8") from error
