"""Two desired states side by side: `diff SERIAL SERIAL` and `env compare A B`; the one user of deepdiff."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.model.base import Effect
from sutazai.model.fleet import BODIES, Fleet
from sutazai.model.workload import declared
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.differ import Path
from sutazai.views.body import Leaf, leaves
from sutazai.views.differences import Difference
from sutazai.views.groups import SMALLEST
from sutazai.views.plan_created import names
from sutazai.views.plan_groups import difference_lines, generic
from sutazai.views.text import EMPTY, Console, Line, Span, clean, line, plain, plural, wrap

_PORTS = "ports"


@dataclass(frozen=True, slots=True)
class Compared:
    """One resource that is not the same on both sides. `differences` are empty where it is on one side
    only."""

    address: Address
    left: bool
    right: bool
    differences: tuple[Difference, ...] = ()


def compare_fleets(left: Fleet, right: Fleet) -> tuple[Compared, ...]:
    """What differs, in address order."""
    addresses = sorted({*left.addresses(), *right.addresses()})
    found = (_compared(address, left, right) for address in addresses)
    return tuple(item for item in found if item is not None)


def _compared(address: Address, left: Fleet, right: Fleet) -> Compared | None:
    old, new = left.resource(address), right.resource(address)
    if old is None or new is None:
        return Compared(address, old is not None, new is not None)
    model = BODIES[address.kind]
    before, after = dict(leaves(model, declared(old))), dict(leaves(model, declared(new)))
    _without_common(before, after)
    items = []
    for path in _differing(before, after):
        a, b = before.get(path), after.get(path)
        texts = (a.raw or a.text if a else "", b.raw or b.text if b else "")
        several = texts if (a and a.raw) or (b and b.raw) else None
        items.append(
            Difference(path, a.text if a else None, b.text if b else None, Effect.ENGINE, lines=several)
        )
    return Compared(address, True, True, tuple(items)) if items else None


def _without_common(before: dict[Path, Leaf], after: dict[Path, Leaf]) -> None:
    """Take out the ports that both have, whatever their places: one more in front moves all others."""
    common = {leaf.text for path, leaf in before.items() if path[0] == _PORTS}
    common &= {leaf.text for path, leaf in after.items() if path[0] == _PORTS}
    for side in (before, after):
        for path in [path for path, leaf in side.items() if path[0] == _PORTS and leaf.text in common]:
            del side[path]


def _differing(before: Mapping[Path, Leaf], after: Mapping[Path, Leaf]) -> list[Path]:
    """The paths whose leaves are not the same, in the order in which they are shown."""
    from deepdiff import DeepDiff

    paths = list({**before, **after})
    places = {path: place for place, path in enumerate(paths)}
    old, new = (
        {places[path]: (leaf.text, leaf.raw) for path, leaf in side.items()} for side in (before, after)
    )
    return [paths[index] for index in sorted(DeepDiff(old, new).affected_root_keys)]


def render(left: str, right: str, found: tuple[Compared, ...], console: Console) -> None:
    console.print(compare_lines(left, right, found, width=console.width))


def render_plain(left: str, right: str, found: tuple[Compared, ...], *, width: int = 100) -> str:
    return plain(compare_lines(left, right, found, width=width))


def compare_lines(left: str, right: str, found: tuple[Compared, ...], *, width: int = 100) -> Iterator[Line]:
    """`left` and `right` are what the two sides are called (`serial 3`)."""
    if not found:
        yield line(Span(f"{clean(left)} and {clean(right)} declare the same.", "bold green"))
        return
    only_left = [str(item.address) for item in found if not item.right]
    only_right = [str(item.address) for item in found if not item.left]
    changed = [item for item in found if item.left and item.right]
    for title, symbol, there in ((left, "-", only_left), (right, "+", only_right)):
        if there:
            yield line(Span(f"Only in {clean(title)} ({len(there)}):", "bold"))
            lead = f"  {symbol} "
            yield from (line(Span(row, "red" if symbol == "-" else "green"))
                        for row in wrap(", ".join(there), width, first=lead, rest="    "))  # fmt: skip
            yield EMPTY
    if changed:
        yield line(Span(f"From {clean(left)} to {clean(right)} ({len(changed)}):", "bold"))
    for items in _alike(changed):
        first, several = items[0], len(items) > 1
        what = plural(len(items), str(first.address.kind)) if several else str(first.address)
        yield line("  ", Span("~", "yellow"), " ", Span(what, "bold"))
        # A change that does nothing: its differences are shown without a word on what they would do.
        nothing = ResourceChange(first.address, Action.NOOP)
        yield from difference_lines(nothing, _generic(first) if several else first.differences, 6, width)
        if several:
            yield line(" " * 6, Span("each of:", "dim"))
            yield from names((item.address.name for item in items), 8, width)
        yield EMPTY
    yield line(
        Span(
            f"{plural(len(only_right), 'resource')} more, {len(only_left)} fewer, {len(changed)} different.",
            "bold",
        )
    )


def _alike(changed: Sequence[Compared]) -> Iterator[tuple[Compared, ...]]:
    """Those that differ in the same are one, at the place of the first of them; a few are shown one by one."""
    found: dict[object, list[Compared]] = {}
    for item in changed:
        found.setdefault((item.address.kind, _generic(item)), []).append(item)
    groups = [
        (tuple(some),) if len(some) >= SMALLEST else tuple((one,) for one in some) for some in found.values()
    ]
    yield from sorted((group for some in groups for group in some), key=lambda group: group[0].address)


def _generic(item: Compared) -> tuple[Difference, ...]:
    return tuple(generic(difference, item.address.name) for difference in item.differences)


def to_json(left: str, right: str, found: tuple[Compared, ...]) -> str:
    """The comparison as JSON; values are texts as people read them."""
    data = {
        "left": left,
        "right": right,
        "only_left": [str(item.address) for item in found if not item.right],
        "only_right": [str(item.address) for item in found if not item.left],
        "different": [
            {"address": str(item.address),
             "fields": [{"path": list(d.path), "left": d.before, "right": d.after} for d in item.differences]}
            for item in found if item.left and item.right
        ],
    }  # fmt: skip
    return json.dumps(data, indent=2, ensure_ascii=False)
