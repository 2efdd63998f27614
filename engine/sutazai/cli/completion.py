"""`sutazai completion`."""

import click
from click.shell_completion import get_completion_class

from sutazai.cli.declaring import declare


@declare('eval "$(sutazai completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell, to be evaluated in its start-up file."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    root = context.find_root().command
    click.echo(found(root, {}, "sutazai", "_SUTAZAI_COMPLETE").source())
