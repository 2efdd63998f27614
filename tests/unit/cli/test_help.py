"""What `--help` offers and says of defaults is what a user may write."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from sutazai.cli.context import Globals
from sutazai.cli.main import COMMANDS, cli

RUNS = [("apply",), ("destroy",), ("rollback",), ("deploy",), ("emergency",)]
EDITS = [("state", "mv"), ("state", "rm"), ("state", "import"), ("state", "push")]


def help_of(command: tuple[str, ...]) -> str:
    return " ".join(CliRunner().invoke(cli, [*command, "--help"], obj=Globals()).output.split())


@pytest.mark.parametrize("command", [*RUNS, *EDITS, ("state", "migrate"), ("cleanup",)], ids=" ".join)
def test_every_command_that_takes_the_lock_can_wait_for_it(command: tuple[str, ...]) -> None:
    assert "How long to wait for the state's lock. [default: 0s]" in help_of(command)


@pytest.mark.parametrize("command", [*RUNS, *EDITS], ids=" ".join)
def test_every_command_that_makes_a_serial_can_be_told_why(command: tuple[str, ...]) -> None:
    assert "Why; kept in the serial." in help_of(command)


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
