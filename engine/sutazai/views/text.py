"""Styled text as a value: lines of spans, and the two ways to print them.

A view builds lines and knows nothing of terminals; `plain` and `ansi` turn the same lines into the same
characters, with and without colour, so that a golden file of one proves the other. Nothing here loads rich:
a plan that is printed costs no import. Whatever comes from outside (specs, logs, Docker) goes through
`clean`, so that no escape sequence reaches a terminal.
"""

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TextIO
from unicodedata import category, combining, east_asian_width

Style = Literal["", "bold", "dim", "red", "green", "yellow", "blue", "magenta", "cyan",
                "bold red", "bold green", "bold yellow", "bold blue", "bold cyan"]  # fmt: skip

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35",
        "cyan": "36"}  # fmt: skip
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""What a terminal obeys, and what nobody sees or can tell from a space."""


@dataclass(frozen=True, slots=True)
class Span:
    text: str
    style: Style = ""


Line = tuple[Span, ...]
EMPTY: Line = ()


@dataclass(frozen=True, slots=True)
class Console:
    """Where a view prints. `width` in columns; `colour` only when the stream is a terminal that wants it;
    `live` when lines already printed can be redrawn. The command line decides all three."""

    stream: TextIO
    width: int = 80
    colour: bool = False
    live: bool = False

    @property
    def table_width(self) -> int:
        """The widest a table may be: a pipe or a log has no edge at which a name would have to be cut."""
        return self.width if self.live else sys.maxsize

    def print(self, lines: Iterable[Line]) -> None:
        self.stream.write(ansi(lines) if self.colour else plain(lines))
        self.stream.flush()


def line(*parts: str | Span) -> Line:
    """A line of spans; plain strings have no style."""
    return tuple(Span(part) if isinstance(part, str) else part for part in parts if part)


def plain(lines: Iterable[Line]) -> str:
    """The lines without colour, each ended by a newline and without trailing spaces."""
    return "".join("".join(span.text for span in row).rstrip() + "\n" for row in lines)


def ansi(lines: Iterable[Line]) -> str:
    """The lines with colours as ANSI escape sequences."""
    return "".join("".join(_coloured(span) for span in row).rstrip() + "\n" for row in lines)


def _coloured(span: Span) -> str:
    if not span.style or not span.text:
        return span.text
    codes = ";".join(_SGR[word] for word in span.style.split())
    return f"\x1b[{codes}m{span.text}\x1b[0m"


def clean(text: str) -> str:
    """`text` on one line and harmless to a terminal: control, direction and invisible characters are written
    out, tabs are spaces."""
    if not _UNSAFE.search(text):
        return text
    return _UNSAFE.sub(_written_out, text.replace("\t", "    "))


def _written_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(char: str) -> int:
    if combining(char) or category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(char) in ("W", "F") else 1


def fit(text: str, width: int) -> str:
    """`text` in at most `width` columns, the end replaced by `…` where it is longer."""
    if cells(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        used += _cell(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def pad(text: str, width: int) -> str:
    """`text` filled with spaces to `width` columns."""
    return text + " " * (width - cells(text))


def wrap(text: str, width: int, *, first: str = "", rest: str = "") -> Iterator[str]:
    """`text` in lines of at most `width` columns, broken between words. `first` and `rest` stand before the
    first line and the others. Words that are longer than a line stay whole, so that they can be copied."""
    room = max(width, len(rest) + 20)
    rows = textwrap.wrap(text, room, initial_indent=first, subsequent_indent=rest,
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip
    yield from rows or [first.rstrip()]


def plural(count: int, word: str, many: str = "") -> str:
    """`1 error`, `3 errors`."""
    return f"{count} {word if count == 1 else many or word + 's'}"
