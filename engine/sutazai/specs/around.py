"""The variables around a project, as Compose resolves them: those of the process, else those of the `.env` file beside it.

Both are asked of `World`, so that a remembered load is asked anew when they change.
"""

from sutazai.specs.dotenv import DotenvError, read
from sutazai.specs.nodes import Mark, Source
from sutazai.specs.read import read_text
from sutazai.specs.report import Report
from sutazai.specs.world import World

FILE = ".env"


class Around:
    """`.env` is read when something is first looked for that the process does not have."""

    def __init__(self, world: World, report: Report) -> None:
        self._world = world
        self._report = report
        self._file: dict[str, str] | None = None

    def variable(self, name: str) -> str | None:
        value = self._world.variable(name) if "\0" not in name else None
        if value is None:
            return self._of_file().get(name)
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            hint = f"export {name}=… with a text, or take it out of the specs"
            self._report.error(
                None, f"the variable {name} of the process is not UTF-8", "not-utf8", hint=hint
            )
            return ""
        return value

    def _of_file(self) -> dict[str, str]:
        if self._file is None:
            self._file = {}
            if self._world.kind(FILE) == "file":
                text = read_text(self._world, FILE, self._report) or ""
                try:
                    self._file = read(text, self._world.variable)
                except DotenvError as error:
                    mark = Mark(Source(FILE, tuple(text.splitlines())), error.line, 1)
                    self._report.error(mark, str(error), "bad-env-file", hint=NAME_VALUE)
        return self._file


NAME_VALUE = "write NAME=VALUE; a value with spaces or quotes goes into quotes"
