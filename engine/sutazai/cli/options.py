"""Options that several commands have."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from sutazai.cli import completing
from sutazai.plan.manner import DEFAULT, MANNERS, Strategy

F = TypeVar("F", bound=Callable[..., Any])


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

    def __init__(self, *, needed: bool = False) -> None:
        self._needed = needed

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8", param, ctx)
        if self._needed and not text.strip():
            self.fail("it is empty", param, ctx)
        return text


RECORDED = _Recorded()
NAMED = _Recorded(needed=True)
"""A variable of a pipeline that is not set names nobody, and must not become the one who runs it."""


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


def selector_option(flag: str, name: str, about: str) -> Callable[[F], F]:
    """An option that takes selectors, once or several times."""
    return click.option(
        flag, name, metavar="SELECTOR", shell_complete=completing.selectors, multiple=True, help=about
    )


def target_option(function: F) -> F:
    """`--target`, of what is made or looked at."""
    return selector_option("--target", "targets", "Only this and what it depends on.")(function)


def exclude_option(function: F) -> F:
    """`--exclude`, likewise."""
    return selector_option("--exclude", "excludes", "All but this and what depends on it.")(function)


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
        exclude_option,
        selector_option("--replace", "replaces", "Replace this even if nothing differs."),
        variables_option,
    ):
        function = option(function)
    return function
