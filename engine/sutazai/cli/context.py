"""What every command shares: the global options, the console, and how errors end."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sutazai.cli import completing
from sutazai.cli.streams import heard_or_not
from sutazai.errors import InvalidInput, SutazaiError
from sutazai.plan.manner import DEFAULT, MANNERS, Strategy

if TYPE_CHECKING:
    from sutazai.diagnostics import Diagnostic
    from sutazai.operations.session import Session
    from sutazai.ports import EventSink
    from sutazai.views.text import Console
    from sutazai.wiring import Project, Site

_ENDLESS = 10
"""So many digits nobody means."""
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Globals:
    """The global options, given before or after the command's name; the later one wins."""

    directory: Path | None = None
    environment: str | None = None
    no_color: bool = False
    json: bool = False
    verbose: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    answered: bool = False
    """The JSON document of the command was printed."""

    @property
    def chdir(self) -> Path:
        return self.directory or _here()

    @property
    def env(self) -> str:
        return self.chosen_env or "local"

    @property
    def chosen_env(self) -> str | None:
        """The environment, where the user named one."""
        return self.environment or self.environ.get("SUTAZAI_ENV") or None

    @property
    def debug(self) -> bool:
        return (
            self.environ.get("DEBUG", "").lower() in ("1", "true", "yes")
            or self.environ.get("LOG_LEVEL", "").upper() == "DEBUG"
        )

    @property
    def lightweight(self) -> bool:
        return self.environ.get("LIGHTWEIGHT_MODE", "").lower() in ("1", "true", "yes")

    @property
    def parallelism(self) -> int | None:
        """`MAX_WORKERS`, else 2 in `LIGHTWEIGHT_MODE`."""
        text = self.environ.get("MAX_WORKERS", "")
        if not text:
            return 2 if self.lightweight else None
        if not (workers := _whole_number(text)):
            raise SutazaiError(f"MAX_WORKERS is {text!r}, but must be a whole number from 1")
        return workers

    @property
    def parallel_build(self) -> bool:
        default = "false" if self.lightweight else "true"
        return self.environ.get("PARALLEL_BUILD", default).lower() in ("1", "true", "yes")

    def console(self, *, stderr: bool = False) -> "Console":
        """Where views print; without colour where nobody would see it or nobody wants it."""
        from sutazai.views.text import Console

        stream = sys.stderr if stderr else sys.stdout
        terminal = stream.isatty() and self.environ.get("TERM") != "dumb"
        width = _whole_number(self.environ.get("COLUMNS", "")) or 100
        if terminal:
            from shutil import get_terminal_size

            width = get_terminal_size().columns
        colour = terminal and not self.no_color and not self.environ.get("NO_COLOR")
        return Console(stream, width, colour, terminal)

    def project(self, variables: Mapping[str, str] | None = None) -> "Project":
        """The specs, loaded. Warnings go to stderr; problems raise `InvalidInput`."""
        from sutazai.wiring import load_project

        self.require_project()
        project = load_project(self.chdir, self.env, variables or {}, self.environ)
        self.warn(project.loaded.diagnostics.warnings)
        return project

    def warn(self, warnings: "Sequence[Diagnostic]") -> None:
        """Say what the specs are warned about."""
        if warnings and not self.json:
            from sutazai.views.diagnostics import render_plain

            with heard_or_not(sys.stderr):
                click.echo(render_plain(warnings), err=True)

    def require_project(self) -> None:
        """Raise `InvalidInput` where there is no project to be at work in."""
        if not (self.chdir / "specs").is_dir():
            from sutazai.diagnostics import Diagnostic
            from sutazai.specs.project import NO_PROJECT, project_above

            above = project_above(self.chdir)
            hint = "run `sutazai init` to make one, or name the project's directory with --chdir"
            hint = f"there is one in {above}: sutazai --chdir {above} …" if above else hint
            raise InvalidInput([Diagnostic(NO_PROJECT, "no-project", hint=hint)])

    def known_project(self, variables: Mapping[str, str] | None = None) -> "Project":
        """The project for commands that go by the state: broken specs do not keep them from working."""
        from sutazai.wiring import known_project

        project = known_project(self.chdir, self.env, variables or {}, self.environ)
        if project.loaded.diagnostics.errors and not self.json:
            problems = len(project.loaded.diagnostics.errors)
            with heard_or_not(sys.stderr):
                click.echo(
                    f"Warning: the specs have {problems} error(s) (see sutazai validate); going by the newest serial.",
                    err=True,
                )
        return project

    def session(
        self, project: "Project", events: "EventSink | None" = None, parallelism: int | None = None
    ) -> "Session":
        return self.session_at(project.site, events, parallelism)

    def session_at(
        self, site: "Site", events: "EventSink | None" = None, parallelism: int | None = None
    ) -> "Session":
        from sutazai.wiring import open_session, silent

        return open_session(
            site,
            self.environ,
            events=events or silent,
            parallelism=parallelism or self.parallelism,
            capped=parallelism is not None,
            parallel_build=self.parallel_build,
        )

    def print_json(self, value: object) -> None:
        self.document(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))

    def document(self, text: str) -> None:
        """Print the one JSON document of a command: what goes wrong from then on is told on the other stream."""
        self.answered = True
        click.echo(text)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise SutazaiError(
            f"the current directory can't be found: {error.strerror}",
            hint="go to one that is there, or name the project's with --chdir",
        ) from error


def _whole_number(text: str) -> int | None:
    """`str.isdigit` alone would take what `int` does not: ² is a digit too."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _ENDLESS else None


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(context.ensure_object(Globals), name, value)

    return callback


def _directory(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        value = (value if value.is_absolute() else _here() / value).resolve()
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


def command(example: str, **kwargs: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command; its help is the function's docstring."""
    return click.command(cls=Command, example=example, **kwargs)


def variables_option(function: F) -> F:
    """`--var NAME=VALUE`, any number of times, as a dict."""

    def parse(
        _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
    ) -> dict[str, str]:
        for value in values:
            if "=" not in value:
                raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        return {name: text for name, _, text in (value.partition("=") for value in values)}

    return click.option(
        "--var",
        "variables",
        metavar="NAME=VALUE",
        multiple=True,
        callback=parse,
        help="Set a variable; wins over project and environment.",
    )(function)


class _Recorded(click.ParamType[str]):
    """Text that a serial keeps. What the shell hands over need not be text, and then could not be written down when all is
    done."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8", param, ctx)
        return text


RECORDED = _Recorded()


def message_option(function: F) -> F:
    """`-m/--message`, of every command that makes a serial."""
    return click.option("-m", "--message", type=RECORDED, default="", help="Why; kept in the serial.")(
        function
    )


def lock_timeout_option(function: F) -> F:
    """`--lock-timeout DURATION`, as seconds."""

    def parse(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
        if value == "0s":  # what nobody gives loads nothing
            return 0.0
        from sutazai.model.units import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return click.option(
        "--lock-timeout",
        default="0s",
        show_default=True,
        metavar="DURATION",
        callback=parse,
        help="How long to wait for the state's lock.",
    )(function)


def running_options(function: F) -> F:
    """The options of every command that is approved and then changes something."""
    for option in (
        click.option("--auto-approve", is_flag=True, help="Do not ask."),
        click.option(
            "--parallelism",
            type=click.IntRange(1, 256),
            metavar="N",
            help="At most N calls to Docker at a time [default: $MAX_WORKERS, or by the processors of its host].",
        ),
        lock_timeout_option,
    ):
        function = option(function)
    return function


def target_option(function: F) -> F:
    """`--target SELECTOR`, any number of times."""
    return click.option(
        "--target",
        "targets",
        metavar="SELECTOR",
        shell_complete=completing.selectors,
        multiple=True,
        help="Only this and what it depends on.",
    )(function)


def strategy_option(function: F) -> F:
    """`--strategy`, of a rollback; None when it is not given."""
    return click.option(
        "--strategy",
        type=click.Choice(list(MANNERS)),
        default=None,
        help=f"How to go back. {'. '.join(f'{name}: {manner.about}' for name, manner in MANNERS.items())} [default: {DEFAULT}].",
    )(function)


def strategy_for(targets: tuple[str, ...], strategy: Strategy | None) -> Strategy:
    """The one that was asked for, else the default. Raises `UsageError` where it needs a target and there is none."""
    if strategy and MANNERS[strategy].selects and not targets:
        raise click.UsageError(f"--strategy {strategy} needs --target")
    return strategy or DEFAULT


def on_failure_option(function: F) -> F:
    """`--on-failure`, of what is applied from the specs or a plan file."""
    return click.option(
        "--on-failure",
        type=click.Choice(["rollback", "pause", "continue"]),
        default="rollback",
        show_default=True,
        help="When something fails: take back what the run changed, leave it at that, or go on with what does not depend on it.",
    )(function)


def no_canary_option(function: F) -> F:
    """`--no-canary`."""
    return click.option(
        "--no-canary", is_flag=True, help="No fleet canary: everything in dependency order, at once."
    )(function)


def planning_options(function: F) -> F:
    """The options by which a plan is narrowed."""
    for option in (
        target_option,
        click.option(
            "--exclude",
            "excludes",
            metavar="SELECTOR",
            shell_complete=completing.selectors,
            multiple=True,
            help="All but this and what depends on it.",
        ),
        click.option(
            "--replace",
            "replaces",
            metavar="SELECTOR",
            shell_complete=completing.selectors,
            multiple=True,
            help="Replace this even if nothing differs.",
        ),
        variables_option,
    ):
        function = option(function)
    return function
