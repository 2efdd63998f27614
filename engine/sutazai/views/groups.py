"""Many changes that are one: a fleet's plan is read by what its members share, then by what sets each apart.

Members of a group have the same kind, action and reason, and differ in a few fields at most; those are
shown for each member, the rest once. Nothing is left out that a reader could not infer: what is not shown
is named.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sutazai.plan.change import Action, ResourceChange
from sutazai.views.body import Leaf
from sutazai.views.differences import Difference
from sutazai.views.shown import Shown
from sutazai.views.values import Path

SMALLEST = 3
_ROW_FIELDS = frozenset({"category", "tier", "route", "depends_on"})
_ROW_PATHS = frozenset({("deploy", "resources", "limits")})
_TERSE = frozenset({"environment", "labels"})
_MOST_VARYING = 2

Facts = Mapping[Path, str]


@dataclass(frozen=True, slots=True)
class Group:
    """`shared` are the paths whose value is the same for every member, the name of the member aside."""

    members: tuple[Shown, ...]
    shared: frozenset[Path] = frozenset()

    @property
    def names(self) -> Iterator[str]:
        return (member.change.address.name for member in self.members)


def named(text: str, name: str) -> str:
    """`text` with the resource's own name as NAME where it is a word, so that equal patterns are equal
    texts."""
    shown, start, at = "", 0, text.find(name)
    while at >= 0:
        end = at + len(name)
        if _goes_on(text[at - 1 : at]) or _goes_on(text[end : end + 1]):
            at = text.find(name, at + 1)
        else:
            shown, start, at = f"{shown}{text[start:at]}NAME", end, text.find(name, end)
    return shown + text[start:]


def _goes_on(char: str) -> bool:
    """Whether a word does with what stands before or after it; nothing does at either end of a text."""
    return char.isascii() and char.isalnum()


def grouped(changes: Iterable[ResourceChange]) -> Iterator[Group]:
    """The changes in their order, those that belong together at the place of the first of them."""
    buckets: dict[object, list[Shown]] = {}
    for change in changes:
        member = Shown(change)
        buckets.setdefault(_shape(member), []).append(member)
    found = [group for members in buckets.values() for group in _split(members)]
    yield from sorted(found, key=lambda group: group.members[0].change.address)


def _shape(member: Shown) -> object:
    change = member.change
    start = (change.address.kind, change.action, change.reason)
    if change.action is Action.DESTROY:
        return start
    if change.action is Action.CREATE:
        name = change.address.name
        return (*start, frozenset((path, _pattern(path, leaf, name)) for path, leaf in member.body.items()
                                  if path[0] not in _ROW_FIELDS))  # fmt: skip
    if not member.differences:  # the words say it all
        return (*start, change.steps, change.detail)
    return (*start, change.steps, *((d.path, d.effect, d.symbol, d.drift) for d in member.differences))


def _pattern(path: Path, leaf: Leaf, name: str) -> str:
    if path[0] in _TERSE or path in _ROW_PATHS:
        return ""
    return named(leaf.raw or leaf.text, name)


def _split(members: list[Shown]) -> Iterator[Group]:
    if len(members) < SMALLEST:
        yield from (Group((member,)) for member in members)
        return
    action = members[0].change.action
    if action is Action.DESTROY:
        yield Group(tuple(members))
        return
    shared = _shared(members)
    if action is Action.CREATE:
        yield Group(tuple(members), shared)
        return
    paths = {d.path for d in members[0].differences}
    if len(paths - shared) <= _MOST_VARYING and not any(d.lines for m in members for d in m.differences):
        yield Group(tuple(members), shared)
        return
    alike: dict[object, list[Shown]] = {}
    for member in members:
        values = tuple(sorted(_facts(member).items()))
        alike.setdefault(values, []).append(member)
    for some in alike.values():
        if len(some) < SMALLEST:
            yield from (Group((member,)) for member in some)
        else:
            yield Group(tuple(some), frozenset(_facts(some[0])))


def _shared(members: list[Shown]) -> frozenset[Path]:
    shared = _facts(members[0])
    for member in members[1:]:
        facts = _facts(member)
        shared = {path: text for path, text in shared.items() if facts.get(path) == text}
    return frozenset(shared)


def _facts(member: Shown) -> Facts:
    name = member.change.address.name
    if member.change.action is Action.CREATE:
        return {path: named(leaf.raw or leaf.text, name) for path, leaf in member.body.items()}
    return {item.path: _both(item, name) for item in member.differences}


def _both(item: Difference, name: str) -> str:
    old, new = item.lines or (item.before, item.after)
    return named(f"{old}\x00{new}", name)
