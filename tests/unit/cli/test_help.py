"""What `--help` says of defaults is what a user may write."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from sutazai.cli.context import Globals
from sutazai.cli.main import COMMANDS, cli


@pytest.mark.parametrize("command", ["apply", "destroy", "rollback", "deploy", "emergency"])
def test_the_default_of_a_duration_is_a_duration(command: str) -> None:
    shown = " ".join(CliRunner().invoke(cli, [command, "--help"], obj=Globals()).output.split())
    assert "How long to wait for the state's lock. [default: 0s]" in shown


def every_command() -> Iterator[tuple[str, ...]]:
    context = click.Context(cli)
    for name in COMMANDS:
        yield (name,)
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)


@pytest.mark.parametrize("command", [*every_command()], ids=" ".join)
def test_every_command_has_an_example(command: tuple[str, ...]) -> None:
    assert "Example: " in CliRunner().invoke(cli, [*command, "--help"], obj=Globals()).output
