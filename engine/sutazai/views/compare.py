"""Two desired states side by side: `diff SERIAL SERIAL` and `env compare A B`; the one user of deepdiff."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.model.base import Effect
from sutazai.model.fleet import BODIES, Fleet
from sutazai.model.workload import declared
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.differ import Path
from sutazai.views.body import Leaf, leaves
from sutazai.views.differences import Difference
from sutazai.views.plan_groups import difference_lines
from sutazai.views.text import EMPTY, Console, Line, Span, clean, line, plain, plural, wrap


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
    before, after = leaves(model, declared(old)), leaves(model, declared(new))
    items = []
    for path in _differing(before, after):
        a, b = before.get(path), after.get(path)
        texts = (a.raw or a.text if a else "", b.raw or b.text if b else "")
        several = texts if (a and a.raw) or (b and b.raw) else None
        items.append(
            Difference(path, a.text if a else None, b.text if b else None, Effect.ENGINE, lines=several)
        )
    return Compared(address, True, True, tuple(items)) if items else None


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
    for title, symbol, names in ((left, "-", only_left), (right, "+", only_right)):
        if names:
            yield line(Span(f"Only in {clean(title)} ({len(names)}):", "bold"))
            lead = f"  {symbol} "
            yield from (line(Span(row, "red" if symbol == "-" else "green"))
                        for row in wrap(", ".join(names), width, first=lead, rest="    "))  # fmt: skip
            yield EMPTY
    if changed:
        yield line(Span(f"From {clean(left)} to {clean(right)} ({len(changed)}):", "bold"))
    for item in changed:
        yield line("  ", Span("~", "yellow"), " ", Span(str(item.address), "bold"))
        # A change that does nothing: its differences are shown without a word on what they would do.
        nothing = ResourceChange(item.address, Action.NOOP)
        yield from difference_lines(nothing, item.differences, 6, width)
        yield EMPTY
    yield line(
        Span(
            f"{plural(len(only_right), 'resource')} more, {len(only_left)} fewer, {len(changed)} different.",
            "bold",
        )
    )


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
