"""One block of the plan: a resource by itself, or a group of like ones as what they share and a line for
each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import unified_diff

from sutazai.address import Kind
from sutazai.model.base import Effect
from sutazai.plan.change import REPLACED, Action, ResourceChange
from sutazai.views.body import Leaf, block, hanging, label
from sutazai.views.differences import Difference, forces_replacement
from sutazai.views.groups import Group, named
from sutazai.views.plan_created import created, names
from sutazai.views.plan_words import MARK_STYLES, STYLES, WHY, verb, why
from sutazai.views.shown import Shown
from sutazai.views.text import Line, Span, cells, clean, line, pad, plural, wrap
from sutazai.views.values import Path

_ESSENTIAL = frozenset({"image", "route", "ports", "volumes", "driver", "name"})
_LONGEST_DIFF = 40
_WORTH_HOISTING = 4
NOTHING: Mapping[Path, Leaf] = {}


def change_block(
    shown: Shown, width: int, verbose: bool = False, said: Mapping[Path, Leaf] = NOTHING
) -> Iterator[Line]:
    """One resource: why, its symbol and address, and the fields that differ, or its body without the leaves
    that were `said` before."""
    change = shown.change
    yield from _comment(f"{change.address} {verb(change)}", why(change), width)
    yield _head(change.action, str(change.address))
    if change.action in (Action.CREATE, Action.DESTROY):
        found = {path: leaf for path, leaf in shown.body.items() if said.get(path) != leaf}
        if change.action is not Action.CREATE and not verbose:
            found = {path: leaf for path, leaf in found.items() if path[0] in _ESSENTIAL}
        yield from block(found, 8, width)
        if verbose:
            yield from _whole_texts(found.values())
    yield from _loss(change)
    if change.action in (Action.UPDATE, Action.ADOPT, *REPLACED):
        yield from difference_lines(change, shown.differences, 6, width)


def common_block(creations: Sequence[Shown], width: int) -> tuple[dict[Path, Leaf], list[Line]]:
    """What all of several unlike creations of one kind have, and the lines that say so; nothing for a few."""
    if len(creations) < _WORTH_HOISTING:
        return {}, []
    first, *others = (shown.body for shown in creations)
    shared = {path: leaf for path, leaf in first.items() if all(other.get(path) == leaf for other in others)}
    if not shared:
        return {}, []
    kind = plural(len(creations), str(creations[0].change.address.kind))
    text = f"each of the {kind} that follow one by one has this, which is not repeated:"
    lines = [line(Span(row, "bold")) for row in wrap(text, width, first="  # ", rest="  #   ")]
    return shared, [*lines, *block(shared, 8, width), ()]


def group_block(group: Group, width: int) -> Iterator[Line]:
    """Many resources as one: what they share, then each with what sets it apart."""
    first = group.members[0].change
    reasons = {why(member.change) for member in group.members}
    reason = reasons.pop() if len(reasons) == 1 else ""
    kind = plural(len(group.members), str(first.address.kind))
    yield from _comment(f"{kind} {verb(first)}", reason or why_of(first), width)
    yield _head(first.action, kind)
    yield from _loss(first)
    if first.action is Action.CREATE:
        yield from created(group, width)
    elif first.action is Action.DESTROY:
        yield from names(group.names, 8, width)
    else:
        yield from changed(group, width)


def why_of(change: ResourceChange) -> str:
    """The reason without the words that are about one resource only."""
    return WHY[change.reason]


def _comment(what: str, reason: str, width: int) -> Iterator[Line]:
    text = f"{what} ({clean(reason)})" if reason else what
    for row in wrap(text, width, first="  # ", rest="  #   "):
        yield line(Span(row, "bold"))


def _head(action: Action, text: str) -> Line:
    return line(Span(f"{action.symbol:>3}", STYLES[action]), " ", Span(text, "bold"))


def _loss(change: ResourceChange) -> Iterator[Line]:
    goes = change.action in (Action.DESTROY, *REPLACED) and "record" not in change.steps
    if change.address.kind is Kind.VOLUME and goes:
        yield line("        ", Span("the data in it is lost", "bold red"))


def _whole_texts(found: Iterable[Leaf]) -> Iterator[Line]:
    for leaf in found:
        if leaf.raw:
            yield line(" " * 8, f"{label(leaf.path)}:")
            yield from (line(" " * 10, clean(row)) for row in _rows(leaf.raw, ""))


def difference_lines(
    change: ResourceChange, items: Iterable[Difference], indent: int, width: int
) -> Iterator[Line]:
    """Differing leaves; those that share a place stand under it, with their names aligned."""
    places: dict[Path, list[Difference]] = {}
    for item in items:
        places.setdefault(item.path[:-1], []).append(item)
    for place, members in places.items():
        if len(members) == 1:
            yield from _difference(change, members[0], label(members[0].path), 0, indent, width)
            continue
        outer = "~" if any(item.symbol == "~" for item in members) or place else members[0].symbol
        inner = indent
        if place:
            yield line(" " * indent, Span(outer, MARK_STYLES[outer]), f" {clean('.'.join(place))}:")
            inner += 4
        column = min(max(cells(clean(item.path[-1])) for item in members), 28)
        for item in members:
            name = clean(item.path[-1]) if place else label(item.path)
            yield from _difference(change, item, name, column, inner, width)


def _difference(
    change: ResourceChange, item: Difference, name: str, column: int, indent: int, width: int
) -> Iterator[Line]:
    head = f"{' ' * indent}{item.symbol} {pad(name + ':', column + 1)} "
    if item.lines:
        yield _marked(head + note(change, item).strip(), indent, item.symbol)
        yield from _text_diff(*item.lines, indent + 4)
        return
    if item.before is not None and item.after is not None:
        text = f"{item.before} -> {item.after}"
        if cells(head) + cells(text) > width:
            yield _marked(head + note(change, item).strip(), indent, item.symbol)
            yield from hanging(" " * (indent + 4), item.before, width, "red")
            yield from hanging(f"{' ' * (indent + 1)}-> ", item.after, width, "green")
            return
    else:
        text = item.after if item.after is not None else item.before or ""
    text += note(change, item) if cells(head + text + note(change, item)) <= width else ""
    shown = list(hanging(head, text, width))
    if note(change, item) and not text.endswith(note(change, item)):
        shown.append(line(" " * (indent + 4), note(change, item).strip()))
    for number, row in enumerate(shown):
        yield _marked("".join(span.text for span in row), indent, item.symbol) if number == 0 else row


def _marked(text: str, indent: int, symbol: str) -> Line:
    """A line with its mark and its note coloured."""
    body, found, comment = text[indent + 1 :].partition("  # ")
    return line(text[:indent], Span(symbol, MARK_STYLES[symbol]), body,
                Span(found + comment, "red" if comment.startswith("forces") else "dim"))  # fmt: skip


def note(change: ResourceChange, item: Difference) -> str:
    """What the reader must know of one difference."""
    notes = []
    if forces_replacement(change, item):
        notes.append("forces replacement")
    elif item.effect is Effect.ENGINE and change.action is Action.UPDATE:
        notes.append("recorded only")
    if item.drift:
        notes.append("changed outside")
    return f"  # {', '.join(notes)}" if notes else ""


def _text_diff(before: str, after: str, indent: int) -> Iterator[Line]:
    """Two texts line by line, with two lines around each change."""
    rows = list(unified_diff(_rows(before, after), _rows(after, before), lineterm="", n=2))[3:]
    for row in rows[:_LONGEST_DIFF]:
        mark = row[0] if row[0] in "+-" else " "
        text = "..." if row.startswith("@@") else clean(row[1:].removesuffix("\n"))
        yield line(" " * indent, Span(f"{mark} {text}", MARK_STYLES.get(mark, "dim")))
        if row.endswith("\n"):
            yield line(" " * indent, Span("\\ no newline at the end", "dim"))
    if len(rows) > _LONGEST_DIFF:
        yield line(" " * indent, Span(f"  ... {len(rows) - _LONGEST_DIFF} lines more", "dim"))


def _rows(text: str, other: str) -> list[str]:
    """The lines of one of two texts. Where both have several and only the other ends with a newline, the last one bears one."""
    rows = text.split("\n")
    if rows[-1] == "":
        return rows[:-1]
    return [*rows[:-1], rows[-1] + "\n"] if len(rows) > 1 and other.endswith("\n") else rows


def changed(group: Group, width: int) -> Iterator[Line]:
    """What the members of a group have changed alike, then what each has changed by itself."""
    first, found = group.members[0].change, group.members[0].differences
    shared = tuple(item for item in found if item.path in group.shared)
    alike = (generic(item, first.address.name) for item in shared)
    yield from difference_lines(first, alike, 6, width)
    varying = [item for item in found if item.path not in group.shared]
    for item in varying:
        yield _marked(f"{' ' * 6}{item.symbol} {label(item.path)}:{note(first, item)}", 6, item.symbol)
        for member in group.members:
            own = next(d for d in member.differences if d.path == item.path)
            text = f"{own.before} -> {own.after}" if own.symbol == "~" else own.after or own.before or ""
            yield from hanging(f"{' ' * 10}{member.change.address.name}: ", text, width)
    if not varying:
        yield line(" " * 6, Span("each of:", "dim"))
        yield from names(group.names, 8, width)


def generic(item: Difference, name: str) -> Difference:
    """A shared difference with NAME for the member's name, where the name is part of it."""
    return replace(item, before=None if item.before is None else named(item.before, name),
                   after=None if item.after is None else named(item.after, name))  # fmt: skip
