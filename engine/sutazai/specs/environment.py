"""Environments: `environments/NAME.yaml`, joined along `extends`."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from sutazai.diagnostics import did_you_mean
from sutazai.specs.merge import canonical, merge
from sutazai.specs.nodes import Entry, Mapping, Mark, Node, Scalar, Sequence, Source, Tag, kind_of
from sutazai.specs.read import names_in, one_of, read_noting
from sutazai.specs.report import Report
from sutazai.specs.shape import as_mapping, check_keys, workload_keys
from sutazai.specs.world import World

KEYS = (
    "extends",
    "variables",
    "provider",
    "state",
    "traffic",
    "defaults",
    "overrides",
    "exclude",
    "rollout",
    "policies",
)
SUFFIXES = (".yaml", ".yml")
_TOP = Mark(Source("", ()), 0, 0)


def environments(world: World, report: Report | None = None) -> tuple[str, ...]:
    """The environments that can be named, sorted. A project without any has `local`. That they can't be read is reported."""
    if world.kind("environments") != "folder":
        return ("local",)
    paths = (PurePosixPath(name) for name, _ in names_in(world, "environments", report or Report()))
    names = {path.stem for path in paths if path.suffix in SUFFIXES and not path.stem.endswith(".secrets")}
    return tuple(sorted(names))


@dataclass(frozen=True, slots=True, eq=False)
class Override:
    """A body laid over the workloads that `select` names."""

    select: Scalar
    body: Mapping


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """One environment with everything it extends, not rendered yet. `chain` is its name and those of what it extends;
    `whole`: all of these could be read, and nothing at their top is unknown. `unread` are the texts of those that are no
    YAML, None for one of which not even that is known."""

    name: str
    chain: tuple[str, ...] = ()
    variables: Mapping | None = None
    provider: Node | None = None
    state: Node | None = None
    traffic: Node | None = None
    defaults: Mapping | None = None
    overrides: tuple[Override, ...] = ()
    exclude: tuple[Scalar, ...] = ()
    rollout: Node | None = None
    policies: Node | None = None
    whole: bool = True
    unread: tuple[str | None, ...] = ()


def read_environment(world: World, name: str, report: Report) -> Environment:
    """The environment `name`. What is wrong is reported, and left out of the result."""
    if world.kind("environments") != "folder":
        if name != "local":
            report.error(
                None,
                f"there is no environment {name!r}: the project has no environments directory",
                "unknown-environment",
                hint=f"write environments/{name}.yaml, or run `sutazai env create {name}`",
            )
        local = name == "local"
        return Environment(name, whole=local, unread=() if local else (None,))
    if _file(world, name) is None:
        known = environments(world)
        hint = did_you_mean(name, known) or (f"the environments are {', '.join(known)}" if known else None)
        report.error(
            None,
            f"there is no environment {name!r}: environments/{name}.yaml does not exist",
            "unknown-environment",
            hint=hint or f"run `sutazai env create {name}`",
        )
        return Environment(name, whole=False, unread=(None,))
    reading = Report()
    chain, tree = _chain(world, name, reading)
    report.include(reading)
    found = _environment(name, chain, tree, report)
    return replace(found, whole=not reading.failed, unread=tuple(reading.unread))


def _files(name: str) -> tuple[str, ...]:
    if not name or name.startswith(".") or "/" in name or "\0" in name or name.endswith(".secrets"):
        return ()
    return tuple(f"environments/{name}{suffix}" for suffix in SUFFIXES)


def _file(world: World, name: str) -> str | None:
    return next((file for file in _files(name) if world.kind(file) != "missing"), None)


def _chain(world: World, name: str, report: Report) -> tuple[tuple[str, ...], Mapping]:
    """The trees along `extends`, joined, the furthest weakest."""
    layers: list[Mapping] = []
    seen: dict[str, Mark] = {}
    current: str | None = name
    while current is not None:
        file = one_of(world, _files(current), f"the environment {current}", report)
        own = Report()
        tree = as_mapping(read_noting(world, file, own) if file else None, "an environment", own)
        report.include(own)
        report.unread += own.unread
        if tree is None:
            seen.setdefault(current, _TOP)
            break
        check_keys(tree, KEYS, "an environment", report)
        layers.append(_canonical(tree))
        seen.setdefault(current, tree.mark)
        current = _next(world, current, tree, seen, report)
    joined: Node = Mapping({}, _TOP)
    for layer in reversed(layers):
        joined = merge(joined, layer) or joined
    return tuple(seen), joined if isinstance(joined, Mapping) else Mapping({}, _TOP)


def _next(world: World, current: str, tree: Mapping, seen: dict[str, Mark], report: Report) -> str | None:
    node = tree.get("extends")
    if node is None:
        return None
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        report.error(node.mark, f"extends is the name of an environment, not {kind_of(node)}", "wrong-type")
        return None
    if node.value in seen:
        names = list(seen)
        path = " → ".join([*names[names.index(node.value) :], node.value])
        report.error(
            node.mark,
            f"environments extend each other in a cycle: {path}",
            "cycle",
            hint=f"remove extends from one of them; {current} closes the cycle",
        )
        return None
    if _file(world, node.value) is None:
        known = [name for name in environments(world) if name != current]
        report.error(
            node.mark,
            f"there is no environment {node.value!r} to extend",
            "unknown-environment",
            hint=did_you_mean(node.value, known) or f"the environments are {', '.join(known)}",
        )
        report.unread.append(None)
        return None
    return node.value


def _canonical(tree: Mapping) -> Mapping:
    entry = tree.entries.get("defaults")
    if entry and isinstance(entry.node, Mapping):
        tree = tree.with_entry("defaults", Entry(entry.key, canonical(entry.node)))
    return tree


def _environment(name: str, chain: tuple[str, ...], tree: Mapping, report: Report) -> Environment:
    defaults = as_mapping(_left(tree, "defaults"), "defaults", report)
    if defaults:
        _check_body(defaults, "defaults", report)
    return Environment(
        name,
        chain,
        as_mapping(tree.get("variables"), "variables", report),
        tree.get("provider"),
        tree.get("state"),
        tree.get("traffic"),
        defaults,
        _overrides(_left(tree, "overrides"), report),
        _selectors(_left(tree, "exclude"), report),
        tree.get("rollout"),
        tree.get("policies"),
    )


def _left(tree: Mapping, key: str) -> Node | None:
    """What the chain of environments leaves of a key that nothing lies below: what was reset is gone."""
    node = tree.get(key)
    return None if node is None or node.tag is Tag.RESET else replace(node, tag=None)


def _check_body(body: Mapping, what: str, report: Report) -> None:
    check_keys(body, workload_keys("module"), what, report)


def _items(node: Node | None, what: str, report: Report) -> tuple[Node, ...]:
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return ()
    if not isinstance(node, Sequence):
        report.error(
            node.mark,
            f"{what} is a list, not {kind_of(node)}",
            "wrong-type",
            hint="begin each item with a dash",
        )
        return ()
    return node.items


def _overrides(node: Node | None, report: Report) -> tuple[Override, ...]:
    found: list[Override] = []
    for item in _items(node, "overrides", report):
        tree = as_mapping(item, "an override", report)
        if tree is None:
            continue
        check_keys(tree, ("select", "set"), "an override", report)
        select, body = tree.get("select"), as_mapping(tree.get("set"), "set", report)
        if not isinstance(select, Scalar) or not isinstance(select.value, str):
            report.error(
                select.mark if select else tree.mark,
                "an override needs select, a selector",
                "missing-key",
                hint='write select: "tier:critical"',
            )
        elif body is None:
            if tree.get("set") is None:
                report.error(tree.mark, "an override needs set, the body to lay over", "missing-key")
        elif body.tag is not None:
            hint = "put it before the keys that are to be removed"
            report.error(
                body.mark, f"{body.tag} has no meaning before the whole of set", "bad-tag", hint=hint
            )
        else:
            _check_body(body, "set", report)
            found.append(Override(select, canonical(body)))
    return tuple(found)


def _selectors(node: Node | None, report: Report) -> tuple[Scalar, ...]:
    found: list[Scalar] = []
    for item in _items(node, "exclude", report):
        if isinstance(item, Scalar) and isinstance(item.value, str):
            found.append(item)
        else:
            report.error(item.mark, f"a selector is a text, not {kind_of(item)}", "wrong-type")
    return tuple(found)
