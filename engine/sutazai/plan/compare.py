"""What differs between a desired workload and a container, in one normal form.

A field counts when it is declared now, or was declared when it was last applied (three-way). A declared field is compared
with what the provider reports; one that is no longer declared, with what the image and the engine would fill in. What
nobody ever declared is nobody's difference. Lists in which order means nothing are sorted, ports and mounts are keyed.
"""

from collections.abc import Mapping
from typing import Any

from sutazai.model.base import Effect
from sutazai.model.workload import Workload, declared, effect_of
from sutazai.plan.change import FieldChange
from sutazai.state.observed import Image, Instance

Tree = dict[str, Any]

_SETS = ("cap_add", "cap_drop", "security_opt", "tmpfs", "expose")
_OPEN = {("environment",), ("labels",), ("sysctls",), ("extra_hosts",), ("ulimits",), ("networks",), ("volumes",), ("logging", "options")}
"""Maps that are compared whole: a key that only Docker has is a difference, unless it is at its default."""


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _port_key(port: Mapping[str, Any]) -> str:
    protocol = port.get("protocol", "tcp")
    if port.get("published") is None:
        return f"{port['target']}/{protocol}"
    host = "" if port.get("host_ip") in (None, "", "0.0.0.0", "::") else f"{port['host_ip']}:"  # noqa: S104 - compared
    return f"{host}{port['published']}:{port['target']}/{protocol}"


def _mount(mount: Mapping[str, Any]) -> Tree:
    row: Tree = {"type": mount["type"], "read_only": mount.get("read_only", False)}
    if mount.get("source"):
        row["source"] = mount["source"]
    for key in ("bind", "volume", "tmpfs"):
        options = {k: v for k, v in (mount.get(key) or {}).items() if k in ("propagation", "nocopy", "subpath", "size", "mode") and v}
        if options:
            row[key] = options
    return row


def normal(workload: Workload) -> Tree:
    """The declared fields as plain data in normal form; a route stands among the ports that it publishes."""
    tree = {name: value for name, value in declared(workload).items() if effect_of((name,)) is not Effect.INPUT}
    for name in _SETS:
        if name in tree:
            words = [_capability(word) for word in tree[name]] if name.startswith("cap_") else tree[name]
            tree[name] = sorted(set(words))
    if "expose" in tree:
        tree["expose"] = sorted(word if "/" in word else f"{word}/tcp" for word in tree["expose"])
    route = tree.get("route")
    if "ports" in tree or route:
        ports = [_port_key(port) for port in tree.get("ports", ())]
        if route:
            ports.append(_port_key({"target": route["target"], "published": route["port"], "host_ip": route.get("bind", "127.0.0.1")}))
        tree["ports"] = sorted(set(ports))
    if "volumes" in tree:
        tree["volumes"] = {mount["target"].rstrip("/") or "/": _mount(mount) for mount in tree["volumes"]}
    for name, key in (("devices", "target"), ("configs", "source"), ("secrets", "source")):
        if name in tree:
            tree[name] = {item[key]: item for item in tree[name]}
    if "environment" in tree:
        tree["environment"] = {key: value or "" for key, value in tree["environment"].items()}
    return tree


def _view(path: tuple[str, ...], want: Any, was: Any, have: Any, default: Any) -> tuple[Any, Any]:
    """(before, after) of one declared field, each without what does not count."""
    if not isinstance(want, dict) or not isinstance(have, dict | None):
        return have, want
    have, default = have or {}, default if isinstance(default, dict) else {}
    was = was if isinstance(was, dict) else {}
    before: Tree = {}
    after: Tree = {}
    whole = path in _OPEN
    for key in sorted({*want, *was, *(have if whole else ())}):
        inner = (*path, key)
        if key in want:
            old, new = _view(inner, want[key], was.get(key), have.get(key), default.get(key))
            after[key] = new
            if key in have:
                before[key] = old
        elif key in have and have[key] != default.get(key):
            before[key] = have[key]
    return before, after


def views(desired: Workload, prior: Workload | None, instance: Instance) -> tuple[Tree, Tree]:
    """(before, after): what the container has and what it should have, of every field that counts, in normal form."""
    want, was = normal(desired), normal(prior) if prior is not None else {}
    have, default = normal(instance.body), normal(instance.defaults)
    before: Tree = {}
    after: Tree = {}
    for name in sorted({*want, *was}):
        if name == "route":
            continue
        if effect_of((name,)) is Effect.ENGINE:
            if prior is not None and want.get(name) != was.get(name):
                before[name], after[name] = was.get(name), want.get(name)
            continue
        if name in want:
            if name == "ports":
                have["ports"] = _with_chosen_ports(want["ports"], have.get("ports", []))
            if name == "expose":
                have["expose"] = [port for port in have.get("expose", []) if port in want["expose"]]
            old, after[name] = _view((name,), want[name], was.get(name), have.get(name), default.get(name))
            if name in have:
                before[name] = old
        elif name in have and have[name] != default.get(name):
            before[name] = have[name]
    return _without(before, desired.lifecycle.ignore_changes), _without(after, desired.lifecycle.ignore_changes)


def _with_chosen_ports(want: list[str], have: list[str]) -> list[str]:
    """Where any host port will do, the one Docker chose is shown as the declaration that it fulfils."""
    free = [port for port in want if ":" not in port]
    return sorted({next((f for f in free if port.endswith(f":{f}")), port) if port not in want else port for port in have})


def _without(tree: Tree, ignored: tuple[str, ...]) -> Tree:
    for dotted in ignored:
        first, _, rest = dotted.partition(".")
        if first not in tree:
            continue
        if rest and isinstance(tree[first], dict):
            tree = {**tree, first: _without(tree[first], (rest,))}
        elif not rest:
            tree = {key: value for key, value in tree.items() if key != first}
    return tree


def changed_paths(before: Tree, after: Tree) -> list[tuple[tuple[str, ...], Any, Any]]:
    """(path, old, new) of every leaf that differs, sorted; lists and numbers are leaves."""
    if before == after:
        return []
    from deepdiff import DeepDiff

    found = DeepDiff(before, after, view="tree", ignore_order=False)
    paths: dict[tuple[str, ...], tuple[Any, Any]] = {}
    for group in found.values():
        for level in group:
            words = tuple(word for word in level.path(output_format="list"))
            named = tuple(_until_list(words))
            paths[named] = (_at(before, named), _at(after, named))
    return [(path, old, new) for path, (old, new) in sorted(paths.items()) if not _same(old, new)]


def _until_list(words: tuple[Any, ...]) -> list[str]:
    named: list[str] = []
    for word in words:
        if not isinstance(word, str):
            break
        named.append(word)
    return named


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for word in path:
        tree = tree.get(word) if isinstance(tree, dict) else None
    return tree


def _same(old: Any, new: Any) -> bool:
    """Numbers that differ by less than Docker can tell apart are the same; so are nothing and emptiness."""
    if isinstance(old, (int, float)) and isinstance(new, (int, float)) and not isinstance(old, bool):
        return abs(old - new) < 1e-6
    return old == new or (old in (None, [], "") and new in (None, [], "") and old is not False and new is not False)


def differing_fields(desired: Workload, prior: Workload | None, instance: Instance) -> tuple[FieldChange, ...]:
    """Every field of one container that is not as it should be."""
    before, after = views(desired, prior, instance)
    was = normal(prior) if prior is not None else {}
    want = normal(desired)
    changes = []
    for path, old, new in changed_paths(before, after):
        if path == ("image",):
            continue
        effect = effect_of(tuple(path))
        drift = prior is not None and effect is not Effect.ENGINE and _at(was, path) == _at(want, path)
        changes.append(FieldChange(path, old, new, effect, drift=drift))
    return tuple(changes)


def image_change(
    desired: Workload, prior: Workload | None, instance: Instance, image: Image | None, pinned: str | None
) -> FieldChange | None:
    """The image as a changed field: by ID where the new one is known, by reference otherwise."""
    reference = desired.image or ""
    wanted_id = pinned or (image.id if image else None)
    if wanted_id is not None and wanted_id == instance.image_id and (instance.image == reference or pinned):
        return None
    if wanted_id is None and instance.image == reference:
        return None  # not here to compare with, and the container was made from this very reference
    before, after = instance.image, reference
    if before == after and wanted_id:
        before, after = f"{before} ({instance.image_id[7:19]})", f"{after} ({wanted_id[7:19]})"
    drift = prior is not None and prior.image == desired.image
    return FieldChange(("image",), before, after, Effect.REPLACE, drift=drift)
