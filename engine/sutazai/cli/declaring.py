"""How a command is declared: it takes the global options too, wherever they stand, and its help shows an example."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sutazai.cli import completing
from sutazai.cli.context import Globals, here


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(context.ensure_object(Globals), name, value)

    return callback


def _directory(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        value = (value if value.is_absolute() else here() / value).resolve()
    _store("directory")(context, parameter, value)


def _options() -> list[click.Option]:
    return [
        click.Option(
            ["--chdir"],
            metavar="DIR",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            expose_value=False,
            callback=_directory,
            help="Work in DIR instead of the current directory.",
        ),
        click.Option(
            ["-e", "--environment"],
            metavar="ENV",
            expose_value=False,
            callback=_store("environment"),
            help="The environment [default: $SUTAZAI_ENV, then local].",
            shell_complete=completing.environments,
        ),
        click.Option(
            ["--no-color"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_store("no_color"),
            help="Print without colour.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_store("json"),
            help="Print JSON for programs.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_store("verbose"),
            help="Show more.",
        ),
    ]


class Command(click.Command):
    """A command that takes the global options too, and shows an example."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_options())
        if example:
            self.epilog = f"Example: {example}"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.ensure_object(Globals)
        return super().parse_args(ctx, args)


class Group(click.Group):
    """A group whose commands are `Command`s."""

    command_class = Command

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_options())
        if example:
            self.epilog = f"Example: {example}"


def declare(example: str, **kwargs: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command; its help is the function's docstring."""
    return click.command(cls=Command, example=example, **kwargs)
