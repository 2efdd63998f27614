"""One Compose file over another: Compose Specification, chapter 13-merge.

Maps merge key by key, lists are added together, scalars replace. Some lists are maps or sets in disguise: environment
by name, ports by where they are published, mounts by their place in the container. As in Compose, items are told apart by
what their variables are today, and a host has the addresses of both files. `!reset` removes, `!override` replaces.
"""

from collections.abc import Callable
from dataclasses import replace

from sutazai.specs.compose_import.nodes import Mapping, Node, Scalar, Sequence, scalar

_REPLACED = {"command", "entrypoint"}
_PAIRS = {
    "environment",
    "labels",
    "args",
    "annotations",
    "sysctls",
    "driver_opts",
    "options",
    "extra_hosts",
    "additional_contexts",
}
_KEYED = {"depends_on", "networks"}
_SETS = {
    "expose",
    "dns",
    "dns_search",
    "cap_add",
    "cap_drop",
    "tmpfs",
    "security_opt",
    "profiles",
    "env_file",
    "links",
    "group_add",
}


def merge(base: Node, over: Node, key: str = "", parent: str = "") -> Node:
    """`over` over `base`; `key` is the name both stand under, `parent` the one above it."""
    if over.tag == "!override" or (
        isinstance(over, Scalar) and over.value is None and not isinstance(base, Scalar)
    ):
        return base if over.tag != "!override" else replace(over, tag=None)
    if key in _REPLACED or (key == "test" and parent == "healthcheck"):
        return over
    base, over = long_form(base, key, parent), long_form(over, key, parent)
    if parent == "extra_hosts":
        unique = {_itself(item): item for item in (*_each(base), *_each(over))}
        return over if len(unique) == 1 else Sequence(tuple(unique.values()), over.at)
    match base, over:
        case Mapping(), Mapping():
            return _maps(base, over, key)
        case Sequence(), Sequence():
            identity = _IDENTITIES.get(key)
            return (
                _by_identity(base, over, identity)
                if identity
                else replace(over, items=base.items + over.items)
            )
        case _:
            return over


def _maps(base: Mapping, over: Mapping, key: str) -> Mapping:
    if (
        key == "logging"
        and _text(base, "driver") != _text(over, "driver")
        and "driver" in base.items
        and "driver" in over.items
    ):
        return over
    items = dict(base.items)
    for name, item in over.items.items():
        if item.tag == "!reset":
            items.pop(name, None)
        else:
            items[name] = merge(items[name], item, name, key) if name in items else item
    return replace(over, items=items, key_at={**base.key_at, **over.key_at})


def long_form(node: Node, key: str, parent: str) -> Node:
    """Short forms that have to become maps before two of them can be merged."""
    if key == "build" and isinstance(node, Scalar):
        return Mapping({"context": node}, node.at, node.tag)
    if key == "extends" and isinstance(node, Scalar):
        return Mapping({"service": node}, node.at)
    if isinstance(node, Sequence):
        if key in _PAIRS and not (key == "options" and parent not in ("logging", "devices")):
            return _pairs(node, key)
        if key in _KEYED and parent not in ("", "build"):
            entries = {item.text: Mapping({}, item.at) for item in node.items if isinstance(item, Scalar)}
            return Mapping(
                dict(entries), node.at, node.tag, {name: item.at for name, item in entries.items()}
            )
    if isinstance(node, Scalar) and key in _SETS and node.value is not None:
        return Sequence((node,), node.at, node.tag)
    return node


def _pairs(node: Sequence, key: str) -> Mapping:
    items: dict[str, Node] = {}
    separators = "=:" if key == "extra_hosts" else "="
    for item in node.items:
        text = item.text if isinstance(item, Scalar) else ""
        cut = min((found for mark in separators if (found := text.find(mark)) >= 0), default=len(text))
        if cut == len(text):
            items[text] = scalar(None, item.at)
        else:
            resolved = str(item.resolved) if isinstance(item, Scalar) else ""
            # The name has no variable in it, or the cut would differ in the two.
            name, value = (
                text[:cut],
                Scalar(
                    text[cut + 1 :],
                    item.at,
                    '"' if isinstance(item, Scalar) and item.style == '"' else None,
                    resolved=resolved[cut + 1 :] if resolved[:cut] == text[:cut] else text[cut + 1 :],
                ),
            )
            earlier = items.get(name) if key == "extra_hosts" else None
            if earlier is not None:  # a host has as many addresses as there are items for it
                items[name] = Sequence((*_each(earlier), value), earlier.at)
            else:
                items[name] = value
    return Mapping(items, node.at, node.tag, {name: item.at for name, item in items.items()})


def _by_identity(base: Sequence, over: Sequence, identity: Callable[[Node], str]) -> Sequence:
    items = {identity(item): item for item in base.items}
    items.update((identity(item), item) for item in over.items)
    return replace(over, items=tuple(items.values()))


def _each(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else (node,)


def _text(node: Node, key: str) -> str:
    return _today(node.get(key)) if isinstance(node, Mapping) else ""


def _today(node: Node | None) -> str:
    return str(node.resolved) if isinstance(node, Scalar) else ""


def _port(node: Node) -> str:
    if isinstance(node, Mapping):
        return ":".join(
            _text(node, key) or {"protocol": "tcp"}.get(key, "")
            for key in ("host_ip", "published", "target", "protocol")
        )
    address, _, protocol = _today(node).partition("/")
    host, _, target = address.rpartition(":")
    ip, _, published = host.rpartition(":")
    return ":".join((ip, published, target, protocol or "tcp"))


def _mount(node: Node) -> str:
    if isinstance(node, Mapping):
        place = _text(node, "target")
    else:
        parts = _today(node).split(":")
        place = parts[0] if len(parts) == 1 else parts[-2] if len(parts) > 2 else parts[1]
    return place.rstrip("/") or place


def _grant(node: Node) -> str:
    return (_text(node, "target") or _text(node, "source")) if isinstance(node, Mapping) else _today(node)


def _itself(node: Node) -> str:
    return _today(node) if isinstance(node, Scalar) else repr(node)


_IDENTITIES: dict[str, Callable[[Node], str]] = {
    "ports": _port,
    "volumes": _mount,
    "devices": _mount,
    "configs": _grant,
    "secrets": _grant,
    **dict.fromkeys(_SETS, _itself),
}
