"""How layers of a spec join: maps key by key, scalars and lists replace, `!append` adds, `!reset` removes.

`merge` is associative, so an environment's chain can be joined before it is laid over a body: what `!append`
and `!reset` ask for stays in the tree until `settle` ends it. Compose's list forms of what are maps are
brought to map form first (`canonical`), so that `depends_on: [a]` and `depends_on: {b: {}}` add up.
"""

from collections.abc import Callable
from dataclasses import replace

from sutazai.specs.nodes import Entry, Mapping, Node, Scalar, Sequence, Tag
from sutazai.specs.report import Report


def merge(base: Node | None, over: Node | None) -> Node | None:
    """`over` laid over `base`."""
    if base is None or over is None:
        return over if base is None else base
    if over.tag in (Tag.RESET, Tag.REPLACE):
        return over
    if base.tag is Tag.RESET:
        if isinstance(over, Mapping):
            return replace(over, tag=Tag.REPLACE)
        return replace(over, tag=None)
    if isinstance(over, Mapping) and isinstance(base, Mapping):
        return Mapping(_entries(base, over), over.mark, base.tag)
    if isinstance(over, Mapping):
        return replace(over, tag=Tag.REPLACE)
    if over.tag is Tag.APPEND and isinstance(over, Sequence):
        if isinstance(base, Sequence):
            return Sequence((*base.items, *over.items), base.mark, base.tag)
        return replace(over, tag=None)
    return over


def _entries(base: Mapping, over: Mapping) -> dict[str, Entry]:
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        below = entries.get(key)
        if below is None:
            entries[key] = entry
            continue
        node = merge(below.node, entry.node)
        if node is not None:
            entries[key] = Entry(entry.key, node, entry.templated and below.templated)
    return entries


def settle(node: Node, report: Report) -> Node | None:
    """The tree without tags: keys that were reset are gone. None when the node itself was."""
    if node.tag is Tag.RESET:
        return None
    if isinstance(node, Scalar):
        return node
    if isinstance(node, Sequence):
        for item in node.items:
            if item.tag is not None:
                report.error(
                    item.mark,
                    f"{item.tag} has no meaning inside of a list",
                    "bad-tag",
                    hint="put it before the whole value",
                )
        items = tuple(found for item in node.items if (found := settle(item, report)) is not None)
        if node.tag is None and len(items) == len(node.items) and all(map(_same, items, node.items)):
            return node
        return Sequence(items, node.mark)
    entries: dict[str, Entry] = {}
    changed = node.tag is not None
    for key, entry in node.entries.items():
        settled = settle(entry.node, report)
        if settled is None:
            changed = True
        elif settled is entry.node:
            entries[key] = entry
        else:
            entries[key] = entry.with_node(settled)
            changed = True
    return Mapping(entries, node.mark) if changed else node


def _same(one: Node, other: Node) -> bool:
    return one is other


def _pair(item: Scalar) -> tuple[str, Node] | None:
    """`KEY=VALUE` of an environment or of labels; a lone KEY has no value. None for what is no text, which the model
    refuses."""
    if not isinstance(item.value, str):
        return None
    key, equals, value = item.value.partition("=")
    return key, Scalar(value if equals else None, item.mark)


def _name(item: Scalar) -> tuple[str, Node] | None:
    return (item.value, Mapping({}, item.mark)) if isinstance(item.value, str) else None


def _host(item: Scalar) -> tuple[str, Node] | None:
    text = item.value if isinstance(item.value, str) else ""
    cut = min((at for at in (text.find("="), text.find(":")) if at > 0), default=0)
    if not cut:
        return None  # the model refuses it, and says how a host is written
    return text[:cut], Scalar(text[cut + 1 :].strip("[]"), item.mark)


_DUAL: dict[str, Callable[[Scalar], tuple[str, Node] | None]] = {
    "environment": _pair,
    "labels": _pair,
    "sysctls": _pair,
    "extra_hosts": _host,
    "networks": _name,
    "depends_on": _name,
}
_LISTS = ("cap_add", "cap_drop", "dns", "env_file", "expose", "security_opt", "tmpfs")
"""Lists that may be written as their one item."""
_NESTED: dict[str, tuple[str, ...]] = {"deploy": ("labels",), "build": ("args", "labels")}


def canonical(body: Mapping) -> Mapping:
    """A service body with maps where Compose also takes lists, lists where it takes their one item, and null-valued networks
    and dependencies as empty maps."""
    entries = dict(body.entries)
    for name, split in _DUAL.items():
        if name in entries:
            node = entries[name].node
            entries[name] = entries[name].with_node(by_name(node) if split is _name else as_map(node, split))
    for name in _LISTS:
        if name in entries:
            entries[name] = entries[name].with_node(_as_list(entries[name].node))
    for name, inner in _NESTED.items():
        if name in entries:
            entries[name] = entries[name].with_node(_nested(name, entries[name].node, inner))
    return Mapping(entries, body.mark, body.tag)


def by_name(node: Node) -> Node:
    """What `networks` or `depends_on` says, as a map from names to what is said of each."""
    return _filled(as_map(node, _name))


def _as_list(node: Node) -> Node:
    """One text as the list of it, so that more can be appended. What an expression gives may be a list itself."""
    if (
        isinstance(node, Scalar)
        and isinstance(node.value, str)
        and "{{" not in node.value
        and node.tag is None
    ):
        return Sequence((node,), node.mark)
    return node


def _nested(name: str, node: Node, inner: tuple[str, ...]) -> Node:
    if (
        name == "build"
        and isinstance(node, Scalar)
        and isinstance(node.value, str)
        and "{{" not in node.value
    ):
        return Mapping({"context": Entry(node.mark, replace(node, tag=None))}, node.mark, node.tag)
    if not isinstance(node, Mapping):
        return node
    entries = dict(node.entries)
    for key in inner:
        if key in entries:
            entries[key] = entries[key].with_node(as_map(entries[key].node, _pair))
    return Mapping(entries, node.mark, node.tag)


def as_map(node: Node, split: Callable[[Scalar], tuple[str, Node] | None]) -> Node:
    """A list of scalars as the map it stands for; any other node, and a list that can't be one, as it is."""
    if not isinstance(node, Sequence):
        return node
    entries: dict[str, Entry] = {}
    for item in node.items:
        pair = split(item) if isinstance(item, Scalar) and item.tag is None else None
        if pair is None:
            return node
        key, value = pair
        if split is _host and key in entries:  # a host has as many addresses as there are items for it
            value = _joined(entries[key].node, value)
        entries[key] = Entry(item.mark, value, templated="{{" in key or "{%" in key)
    return Mapping(entries, node.mark, None if node.tag is Tag.APPEND else node.tag)


def _joined(node: Node, more: Node) -> Node:
    items = node.items if isinstance(node, Sequence) else (node,)
    return Sequence((*items, more), node.mark)


def _filled(node: Node) -> Node:
    if not isinstance(node, Mapping) or not any(map(_says_nothing, node.entries.values())):
        return node
    entries = {
        key: entry.with_node(Mapping({}, entry.node.mark)) if _says_nothing(entry) else entry
        for key, entry in node.entries.items()
    }
    return Mapping(entries, node.mark, node.tag)


def _says_nothing(entry: Entry) -> bool:
    return isinstance(entry.node, Scalar) and entry.node.value is None and entry.node.tag is None
