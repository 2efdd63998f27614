"""Files to positioned trees, within limits that no file can exceed.

Whatever the bytes are, the result is a tree or a reported problem.
"""

import re
from collections.abc import Iterable

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from sutazai.specs.nodes import Mark, Node, Source
from sutazai.specs.report import Report
from sutazai.specs.tree import UnreadableError, tree_of
from sutazai.specs.world import MAX_BYTES, Kind, World

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_SHOWN = 1 << 10
"""As much of a file that is too large as its first line may take."""
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def read_file(world: World, file: str, report: Report, module: str | None = None) -> Node | None:
    """The tree in `file`, or None when the file is empty or can't be used; then `report` says why."""
    text = read_text(world, file, report)
    return None if text is None else parse(text, file, report, module)


def read_noting(world: World, file: str, report: Report) -> Node | None:
    """As `read_file`, the text of a file that can't be used noted in `report.unread`."""
    text, before = read_text(world, file, report), report.failed
    tree = None if text is None else parse(text, file, report)
    if text is None or (tree is None and report.failed and not before):
        report.unread.append(text)
    return tree


def one_of(world: World, files: Iterable[str], what: str, report: Report) -> str | None:
    """The one of these files that is there. Of two the second would be passed over in silence, and nobody can tell which is
    meant: that is reported."""
    there = [file for file in files if world.kind(file) != "missing"]
    if there and world.kind(there[0]) == "forbidden":  # as any name would be, whether it is there or not
        return there[0]
    for other in there[1:]:
        top = Mark(Source(other, tuple(_BREAKS.split(read_text(world, other, report) or ""))), 1, 1)
        first = Mark(Source(there[0], ()), 1, 1)
        summary = f"{what} is declared twice"
        report.error(
            top, summary, "duplicate-name", hint="keep one of the two files", related=[("first here", first)]
        )
    return there[0] if there else None


def names_in(world: World, folder: str, report: Report) -> tuple[tuple[str, Kind], ...]:
    """What a folder holds, as `World.names` tells it; one that can't be read is reported, and not taken for an empty one."""
    try:
        return world.names(folder)
    except OSError as error:
        summary = f"the directory {folder} can't be read: {error.strerror or error}"
        hint = "give this user the right to read it, or run the command as its owner"
        report.error(Mark(Source(folder, ()), 1, 1), summary, "unreadable", hint=hint)
        return ()


def read_text(world: World, file: str, report: Report) -> str | None:
    """The text in `file`; None with a reported problem when there is none."""
    top = Mark(Source(file, ()), 1, 1)
    try:
        kind = world.kind(file)
        if kind == "folder":
            report.error(top, f"{file} is a directory", "unreadable", hint="a file is expected here")
            return None
        if kind in ("missing", "other"):
            what = "is not a regular file" if kind == "other" else "does not exist"
            report.error(top, f"{file} {what}", "unreadable")
            return None
        data = world.data(file)
    except OSError as error:
        report.error(top, f"{file} can't be read: {error.strerror or error}", "unreadable")
        return None
    if len(data) > MAX_BYTES:
        first = _BREAKS.split(data[:_SHOWN].decode("utf-8-sig", errors="replace"))[0]
        report.error(
            Mark(Source(file, (first,)), 1, 1, max(len(first), 1)),
            f"{file} is larger than {MAX_BYTES >> 20} MiB and was not read",
            "too-large",
            hint="split it into several files, or move data out of it",
        )
        return None
    return _decode(data, file, report)


def _decode(data: bytes, file: str, report: Report) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8-sig", errors="replace")
        rows = _BREAKS.split(data.decode("utf-8-sig", errors="replace"))
        line, column = len(_BREAKS.split(good)), len(_BREAKS.split(good)[-1]) + 1
        report.error(
            Mark(Source(file, tuple(rows)), line, column),
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            "not-utf8",
            hint="save the file as UTF-8",
        )
        return None


def parse(text: str, file: str, report: Report, module: str | None = None) -> Node | None:
    """The tree that `text` spells; None when it is empty or wrong."""
    source = Source(file, tuple(_BREAKS.split(text)), module)
    control = _CONTROL.search(text)
    if control:
        rows = _BREAKS.split(text[: control.start()])
        report.error(
            Mark(source, len(rows), len(rows[-1]) + 1),
            f"the character U+{ord(control[0]):04X} is not allowed in YAML",
            "yaml-syntax",
            hint="remove it, or write it as an escape in double quotes",
        )
        return None
    try:
        return tree_of(text, source, report)
    except UnreadableError as problem:
        report.error(problem.mark, problem.summary, problem.code, hint=problem.hint, related=problem.related)
    except MarkedYAMLError as error:
        _report_syntax(error, source, report)
    except (YAMLError, ValueError, OverflowError, IndexError) as error:
        # ruamel.yaml lets these out of bad escapes and directives.
        report.error(Mark(source, 1, 1), f"this is not YAML: {error}", "yaml-syntax")
    return None


_HINTS = (
    ("found character '\\t'", "YAML is indented with spaces: replace the tab"),
    (
        "mapping values are not allowed here",
        "a colon followed by a space begins a value: put the text in quotes, or check the indentation",
    ),
    ("could not find expected ':'", "a key is followed by a colon and a space"),
    ("did not find expected", "check the indentation and the brackets above"),
    ("expected <block end>", "this line is indented differently from those it belongs to"),
    ("expected ',' or", "a bracket or a comma is missing above"),
    ("found unexpected end of stream", "a quote or a bracket is not closed"),
    ("found undefined alias", "an anchor is declared with & before it is used with *"),
    ("while scanning a simple key", "a key is followed by a colon and a space"),
    ("cannot start any token", "put the text in quotes"),
)


def _report_syntax(error: MarkedYAMLError, source: Source, report: Report) -> None:
    at = error.problem_mark or error.context_mark
    line, column = (at.line + 1, at.column + 1) if at else (1, 1)
    while line > 1 and not (source.line(line) or "").strip():  # the end of the file: show where its text ends
        line -= 1
        column = len(source.line(line) or "") + 1
    problem = str(error.problem or error.context or "it can't be read")
    hint = next((hint for word, hint in _HINTS if word in problem), None)
    related: tuple[tuple[str, Mark], ...] = ()
    if error.context_mark and at and error.context_mark.line != at.line:
        related = (
            (str(error.context), Mark(source, error.context_mark.line + 1, error.context_mark.column + 1)),
        )
    report.error(
        Mark(source, line, column), f"this is not YAML: {problem}", "yaml-syntax", hint=hint, related=related
    )
