"""Problems with what the user wrote, as data.

A problem never stops the search for the next one: functions that read user input return or collect `Diagnostic`s, and
the command line shows all of them at once. Exceptions are for bugs and the outside world (`errors`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a source file. `file` is relative to the project root; `line` and `column` count from 1;
    `length` is how many columns the mark covers."""

    file: str
    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: what is wrong (`summary`), what to do about it (`hint`), and where.

    `source` is the text of the line at `position`, for the mark. `related` are further places that belong to it (the
    first declaration of a duplicate). `code` is a stable word for tools, such as `unknown-key`.
    """

    summary: str
    code: str
    severity: Severity = Severity.ERROR
    position: Position | None = None
    source: str | None = None
    hint: str | None = None
    path: tuple[str | int, ...] = ()
    related: tuple[tuple[str, Position], ...] = ()

    def sort_key(self) -> tuple[str, int, int, str]:
        at = self.position
        return (at.file, at.line, at.column, self.summary) if at else ("", 0, 0, self.summary)


@dataclass(slots=True)
class Diagnostics:
    """A growing list of diagnostics. Iterates in source order, each distinct problem once."""

    _items: list[Diagnostic] = field(default_factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        self._items.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        self._items.extend(diagnostics)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(sorted(dict.fromkeys(self._items), key=Diagnostic.sort_key))

    def __len__(self) -> int:
        return len(set(self._items))

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self if d.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self if d.severity is Severity.WARNING)


def some_of(names: Sequence[object], most: int) -> str:
    """The first of them, at most so many, and whether there are more."""
    return ", ".join(map(str, names[:most])) + ", …" * (len(names) > most)


def and_more(names: Sequence[object], most: int) -> str:
    """The first of them, at most so many, and how many more there are: `a, b and 7 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean "memory"?` for the known word nearest to `word`, or None when none is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else None
