"""Entry point: the table of commands, loaded when they are called, and the one place that turns errors into exit codes."""

import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import Group
from sutazai.cli.streams import could_not_be_written, forbidden, heard_or_not, make_usable, silence
from sutazai.errors import ExitCode, Interrupted, InvalidInput, NotCarriedOut, SutazaiError

COMMANDS: dict[str, str] = {
    "init": "Scaffold a project, or write one from Compose files.",
    "validate": "Check the specs without Docker.",
    "fmt": "Rewrite spec files in the canonical format; keeps comments.",
    "plan": "Show what apply would change, and why.",
    "apply": "Carry out the plan, after approval.",
    "rollback": "Bring back what a serial recorded.",
    "emergency": "Go back, at any cost, to the last serial that was healthy.",
    "destroy": "Remove everything of the environment.",
    "deploy": "Plan, apply and verify in one go.",
    "drift": "Show what was changed outside.",
    "status": "Show what runs and how healthy it is.",
    "history": "List the serials.",
    "show": "Show a serial or a plan file.",
    "diff": "Compare two serials.",
    "state": "Look into the state, and change what it records.",
    "graph": "Draw the dependency graph with its waves.",
    "env": "List, show, compare and create environments.",
    "build": "Build the images that the specs build.",
    "cleanup": "Remove leftovers: images no serial needs, volumes that no container has.",
    "doctor": "Find what would make a deployment fail, and say how to mend it.",
    "schema": "Print the JSON Schema of spec files, for editors.",
    "completion": "Print the completion script of a shell.",
    "version": "Print the version.",
}
LATER = ("secrets", "health", "monitor", "snapshot", "dashboard", "serve", "audit")
"""Commands of the contract that this version does not carry out yet."""
_AGAIN_AFTER = 0.01
"""Seconds, by when a callback is over."""


class LazyGroup(Group):
    """Loads a command's module when the command is called, so that `--help` costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LATER:
            raise NotCarriedOut(f"sutazai {cmd_name} is not carried out yet")
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"sutazai.cli.{cmd_name}")
        found: click.Command = module.command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in (*COMMANDS, *LATER):
            from sutazai.diagnostics import did_you_mean

            hint = did_you_mean(args[0], (*COMMANDS, *LATER)) or "sutazai --help lists the commands"
            raise SutazaiError(f"there is no command {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: sutazai plan -e production",
)
def cli() -> None:
    """Declare a fleet of containers in YAML; plan, apply and roll it back on Docker."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the contract's exit code."""
    # A large fleet is millions of objects that stay, and nothing before a run leaves garbage behind that counting references
    # does not find: looking through them again and again would take a tenth of the time. `run_async` turns it on.
    gc.disable()
    # pydantic would read the metadata of every installed package, to let others change what our models accept.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    make_usable()
    options = Globals()
    given = list(sys.argv[1:] if arguments is None else arguments)
    heed_signals()
    try:
        with _json_wherever_it_stands(given, options):
            code = cli.main(args=given, obj=options, standalone_mode=False)
        sys.stdout.flush()
    except Interrupted as error:
        _heed_no_more_signals()
        _report(error, options)
        _exit_at_once(error.exit_code)
    except SutazaiError as error:
        _report(error, options)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        _heed_no_more_signals()
        if options.json:
            _report(Interrupted("interrupted"), options)
        else:
            with heard_or_not(sys.stderr):
                click.echo("Interrupted.", err=True)
        _exit_at_once(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        if options.json:
            _report(SutazaiError(error.format_message()), options)
        else:
            with heard_or_not(sys.stderr):
                error.show()
        sys.exit(ExitCode.ERROR)
    except BrokenPipeError:
        silence(sys.stdout)
        sys.exit(ExitCode.ERROR)
    except Exception as error:  # noqa: BLE001 - the last resort: a user is told, and not shown a traceback
        if isinstance(error, OSError) and could_not_be_written(error):
            silence(sys.stdout)
            _report(SutazaiError(f"not all could be written: {error.strerror}"), options)
        else:
            _report((isinstance(error, OSError) and forbidden(error)) or _bug(error), options)
        sys.exit(ExitCode.ERROR)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


@contextmanager
def _json_wherever_it_stands(given: Sequence[str], options: Globals) -> Iterator[None]:
    """A command line that was not understood may have ended before its `--json` was come to."""
    try:
        yield
    except (click.ClickException, click.exceptions.Abort, SutazaiError):
        options.json = options.json or "--json" in given
        raise


def heed_signals() -> None:
    """Have SIGINT and SIGTERM interrupt what is under way, wherever they come. In a callback, as of the lock of an import, Python
    lets go of what is raised: the command would go on as if nobody had stopped it. So one that was lost there comes once more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = partial(_unraised, sys.unraisablehook)


def _unraised(others: Callable[[Any], Any], lost: "sys.UnraisableHookArgs") -> None:
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        others(lost)
        return
    import threading  # hardly ever needed

    number = next(iter(lost.exc_value.args), signal.SIGINT)
    again = threading.Timer(_AGAIN_AFTER, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _interrupt(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(number)


def _heed_no_more_signals() -> None:
    """It ends already: another one would only cut off what is said of it, or change how it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _exit_at_once(code: ExitCode) -> NoReturn:
    """Interrupted twice, a call to the engine may still be under way, for minutes where an image is built. Python would wait
    for its thread; whoever pressed Ctrl-C twice does not."""
    for stream in (sys.stdout, sys.stderr):
        with heard_or_not(stream):
            stream.flush()
    os._exit(code)


def _bug(error: Exception) -> SutazaiError:
    found = SutazaiError(
        f"this is a bug in sutazai: {type(error).__name__}: {error}",
        hint="please report it with what DEBUG=true shows",
    )
    found.__cause__ = error
    return found


def _report(error: SutazaiError, options: Globals) -> None:
    """Say how it ended, where that can be said: the exit code says it in any case."""
    with heard_or_not(sys.stdout if options.json and not options.answered else sys.stderr):
        _say(error, options)


def _say(error: SutazaiError, options: Globals) -> None:
    if options.json:
        click.echo(
            json.dumps(
                {"type": "error", "exit_code": int(error.exit_code), **_as_data(error)}, ensure_ascii=False
            ),
            err=options.answered,
        )
        return
    if isinstance(error, InvalidInput):
        from sutazai.views.diagnostics import render_plain

        click.echo(render_plain(error.diagnostics), err=True)
        return
    click.echo(f"Error: {error.message}", err=True)
    if error.hint:
        click.echo(f"  help: {error.hint}", err=True)
    if options.debug and error.__cause__ is not None:
        import traceback

        click.echo("".join(traceback.format_exception(error.__cause__)), err=True)


def _as_data(error: SutazaiError) -> dict[str, Any]:
    data: dict[str, Any] = {"message": error.message, "hint": error.hint}
    if isinstance(error, InvalidInput):
        data["diagnostics"] = [
            {
                "severity": d.severity.value,
                "code": d.code,
                "summary": d.summary,
                "hint": d.hint,
                "file": d.position.file if d.position else None,
                "line": d.position.line if d.position else None,
                "column": d.position.column if d.position else None,
            }
            for d in error.diagnostics
        ]
    return data
