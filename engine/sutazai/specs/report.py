"""Where the reading of specs puts its problems, by the mark of what is wrong."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sutazai.diagnostics import Diagnostic, Diagnostics, Position, Severity
from sutazai.model.backend import without_passwords
from sutazai.specs.nodes import Mark

_USERS_SHOWN = 3
_LONG = re.compile(r"\S{120,}")


@dataclass(slots=True)
class Report:
    """Problems found so far. What is wrong in a module is found once per workload that uses it, and reported
    once, with the first of those workloads beside it."""

    _found: dict[tuple[Mark | None, str, str], list[tuple[str, Mark]]] = field(default_factory=dict)
    _details: dict[tuple[Mark | None, str, str], tuple[Severity, str | None]] = field(default_factory=dict)
    _unknown: set[Mark] = field(default_factory=set)
    failed: bool = False
    unread: list[str | None] = field(default_factory=list)
    """The texts of the spec files that are no YAML; None for one of which not even that is known."""

    def may_be_declared(self, name: str) -> bool:
        """Whether a name that no file declares may be one that a file which could not be read does: of that is said only what
        is wrong with the file."""
        return is_in(name, self.unread)

    def error(
        self,
        mark: Mark | None,
        summary: str,
        code: str,
        *,
        hint: str | None = None,
        related: Iterable[tuple[str, Mark]] = (),
    ) -> None:
        self.failed = True
        self._add(mark, summary, code, Severity.ERROR, hint, related)

    def warning(
        self,
        mark: Mark | None,
        summary: str,
        code: str,
        *,
        hint: str | None = None,
        related: Iterable[tuple[str, Mark]] = (),
    ) -> None:
        self._add(mark, summary, code, Severity.WARNING, hint, related)

    def _add(
        self,
        mark: Mark | None,
        summary: str,
        code: str,
        severity: Severity,
        hint: str | None,
        related: Iterable[tuple[str, Mark]],
    ) -> None:
        summary, hint = _cut(summary), _cut(hint) if hint else hint
        if code == "unknown-key" and mark in self._unknown:
            return
        if code == "unknown-key" and mark is not None:
            self._unknown.add(mark)
        key = (mark, summary, code)
        self._details.setdefault(key, (severity, hint))
        places = self._found.setdefault(key, [])
        places.extend(place for place in related if place not in places)

    def include(self, other: "Report") -> None:
        """Take over what another report found."""
        for key, places in other._found.items():
            self._found.setdefault(key, []).extend(places)
            self._details.setdefault(key, other._details[key])
        self.failed = self.failed or other.failed

    def collect(self) -> Diagnostics:
        """Everything found, as diagnostics with their source lines."""
        found = Diagnostics()
        for (mark, summary, code), places in self._found.items():
            severity, hint = self._details[mark, summary, code]
            position = mark.position if mark else None
            line = mark.source.line(mark.line) if mark else None
            source = without_passwords(line) if line else line
            found.add(Diagnostic(summary, code, severity, position, source, hint, related=_shown(places)))
        return found


def is_in(name: str, unread: Iterable[str | None]) -> bool:
    return any(text is None or name in text for text in unread)


def _cut(text: str) -> str:
    """The text with what nobody would read of a very long word left out."""
    return _LONG.sub(lambda word: f"{word[0][:60]}…{word[0][-20:]}", text)


def _shown(places: list[tuple[str, Mark]]) -> tuple[tuple[str, Position], ...]:
    """All places of a cycle or a duplicate; of the users of a module the first few, with how many there
    are."""
    users = [place for place in places if place[0].startswith("used by ")]
    others = [place for place in places if place not in users]
    shown = [(label, mark.position) for label, mark in others + users[:_USERS_SHOWN]]
    if len(users) > _USERS_SHOWN:
        label, position = shown[-1]
        shown[-1] = (f"{label} and {len(users) - _USERS_SHOWN} more", position)
    return tuple(shown)
