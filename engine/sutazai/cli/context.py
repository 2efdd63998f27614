"""What every command is given: the global options, the console, and the way to the project and its session."""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sutazai.cli.streams import heard_or_not
from sutazai.errors import InvalidInput, SutazaiError

if TYPE_CHECKING:
    from sutazai.diagnostics import Diagnostic
    from sutazai.operations.session import Session
    from sutazai.ports import EventSink
    from sutazai.views.text import Console
    from sutazai.wiring import Project, Site

_ENDLESS = 10
"""So many digits nobody means."""


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
        return self.directory or here()

    def read(self, name: str) -> bytes:
        """A file that the user named, relative to `chdir`; `-` is stdin. Raises `UsageError`."""
        if name == "-":
            return sys.stdin.buffer.read()
        try:
            return (self.chdir / name).read_bytes()
        except OSError as error:
            raise click.UsageError(f"can't read {name}: {error.strerror}") from error

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
        if not (workers := whole_number(text)):
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
        width = whole_number(self.environ.get("COLUMNS", "")) or 100
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
            hint = f"there is one in {above}: sutazai --chdir {shlex.quote(str(above))} …" if above else hint
            raise InvalidInput([Diagnostic(NO_PROJECT, "no-project", hint=hint)])

    def known_project(self, variables: Mapping[str, str] | None = None) -> "Project":
        """The project for commands that go by the state: broken specs do not keep them from working."""
        from sutazai.wiring import known_project

        try:
            project = known_project(self.chdir, self.env, variables or {}, self.environ)
        except InvalidInput:
            self.require_project()  # where there is none and no state either, it may be in a folder above
            raise
        if project.loaded.diagnostics.errors and not self.json:
            from sutazai.views.text import plural

            errors = plural(len(project.loaded.diagnostics.errors), "error")
            with heard_or_not(sys.stderr):
                click.echo(
                    f"Warning: the specs have {errors} (see sutazai validate); going by the newest serial.",
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


def here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise SutazaiError(
            f"the current directory can't be found: {error.strerror}",
            hint="go to one that is there, or name the project's with --chdir",
        ) from error


def whole_number(text: str) -> int | None:
    """`str.isdigit` alone would take what `int` does not: ² is a digit too."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _ENDLESS else None
