"""One merged Compose service as a service body of the spec language.

Fields that both languages have go over unchanged. Compose's older spellings (`mem_limit`, `scale`, `links`, `gpus`) become
the present ones; what is left is named.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from sutazai.diagnostics import Position
from sutazai.model.compose import Mount
from sutazai.model.workload import Workload
from sutazai.specs.body import IMPLICIT_NETWORK
from sutazai.specs.compose_import.fit import fit_field
from sutazai.specs.compose_import.merge import long_form
from sutazai.specs.compose_import.nodes import Mapping, Node, Scalar, Sequence, scalar
from sutazai.specs.compose_import.notes import Notes

_OWN = {"module", "inputs", "category", "tier", "route", "checks", "rollout", "lifecycle", "hooks", "backup"}
FIELDS = frozenset(Workload.model_fields) - _OWN
_MOVED = {
    "mem_limit": ("resources", "limits", "memory"),
    "cpus": ("resources", "limits", "cpus"),
    "pids_limit": ("resources", "limits", "pids"),
    "mem_reservation": ("resources", "reservations", "memory"),
    "scale": ("replicas",),
}
_RESTARTS = {"any": "always", "none": "no"} | {
    word: word for word in ("always", "unless-stopped", "on-failure", "no")
}
"""The conditions of `deploy.restart_policy`."""


@dataclass(slots=True)
class Service:
    """A service under conversion. `aliases` are further names that others reach it by."""

    name: str
    at: Position
    items: dict[str, Node]
    places: dict[str, Position]
    notes: Notes
    root: Path
    aliases: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    profiles: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        return f"service {self.name}"

    def where(self, name: str) -> Position:
        return self.places.get(name, self.at)

    def drop(self, name: str, why: str = "") -> Node | None:
        """Take a field out and name it."""
        node = self.items.pop(name, None)
        if node is not None:
            self.notes.dropped(self.owner, name, self.where(name), why)
        return node


def open_service(name: str, node: Mapping, notes: Notes, root: Path) -> Service:
    """A service with its old spellings made new; what only makes sense among all services is kept aside in it."""
    items = {
        key: item
        for key, item in node.items.items()
        if not key.startswith("x-")
        and item.tag != "!reset"
        and not (isinstance(item, Scalar) and item.value is None)
    }
    service = Service(name, node.at, items, dict(node.key_at), notes, root)
    for step in _STEPS:
        step(service)
    return service


def fitted(service: Service) -> Mapping:
    """The body that the model accepts. Call it when all services are open and their names settled."""
    body: dict[str, Node] = {}
    for key, node in service.items.items():
        if key not in FIELDS:
            service.notes.dropped(service.owner, key, service.where(key))
            continue
        kept = fit_field(Workload, key, node, service.owner, service.notes)
        if kept is not None:
            body[key] = kept
    return Mapping(body, service.at, key_at=service.places)


def add_docker_check(body: Mapping) -> Mapping:
    """Let the image's or the service's own HEALTHCHECK decide when it counts as healthy."""
    at = body.at
    check = Mapping({"name": scalar("healthcheck", at), "kind": scalar("docker", at)}, at)
    return body.with_items({**body.items, "checks": Sequence((check,), at)})


def has_healthcheck(body: Mapping) -> bool:
    check = body.get("healthcheck")
    if not isinstance(check, Mapping):
        return False
    test, disable = check.get("test"), check.get("disable")
    first = test.items[0] if isinstance(test, Sequence) and test.items else test
    return not (isinstance(disable, Scalar) and disable.resolved in (True, "true")) and not (
        isinstance(first, Scalar) and first.resolved == "NONE"
    )


# --- the steps


def _limits(service: Service) -> None:
    for old, path in _MOVED.items():
        node = service.items.pop(old, None)
        if node is None:
            continue
        there = _at(service.items.get("deploy"), path)
        if there is None:
            service.items["deploy"] = _put(service.items.get("deploy"), path, node)
        elif not isinstance(there, Scalar) or str(there.resolved) != str(getattr(node, "resolved", "")):
            where = ".".join(("deploy", *path))
            service.notes.dropped(service.owner, old, service.where(old), f"{where} says something else")


def _gpus(service: Service) -> None:
    node = service.items.pop("gpus", None)
    if node is None:
        return
    at = node.at
    capabilities = Sequence((scalar("gpu", at),), at)
    requests = node.items if isinstance(node, Sequence) else (Mapping({"count": node}, at),)
    devices = tuple(
        r.with_items({"capabilities": capabilities, **r.items}) if isinstance(r, Mapping) else r
        for r in requests
    )
    path, deploy = ("resources", "reservations", "devices"), service.items.get("deploy")
    there = _at(deploy, path)
    before = there.items if isinstance(there, Sequence) else ()
    service.items["deploy"] = _put(deploy, path, Sequence((*before, *devices), at))


def _restart(service: Service) -> None:
    """As in Compose, the policy under `deploy` counts where there are both."""
    policy = _at(service.items.get("deploy"), ("restart_policy",))
    condition, attempts = _at(policy, ("condition",)), _at(policy, ("max_attempts",))
    if not isinstance(condition, Scalar) or str(condition.resolved) not in _RESTARTS:
        return
    word = _RESTARTS[str(condition.resolved)]
    if word == "on-failure" and isinstance(attempts, Scalar) and attempts.resolved is not None:
        word = f"{word}:{attempts.resolved}"
    service.items["restart"] = scalar(word, condition.at)


def _container_name(service: Service) -> None:
    node = service.drop("container_name")
    if isinstance(node, Scalar) and str(node.resolved) != service.name:
        service.aliases.append(node.text)


def _links(service: Service) -> None:
    node = service.drop("links")
    for item in node.items if isinstance(node, Sequence) else ():
        target, _, alias = item.text.partition(":") if isinstance(item, Scalar) else ("", "", "")
        if not target:
            continue
        service.links.append((target, alias))
        at = item.at
        depends = long_form(service.items.get("depends_on") or Mapping({}, at), "depends_on", "service")
        if isinstance(depends, Mapping) and target not in depends.items:
            service.items["depends_on"] = depends.with_items({**depends.items, target: Mapping({}, at)})


def _profiles(service: Service) -> None:
    node = service.drop("profiles")
    items = node.items if isinstance(node, Sequence) else (node,) if node else ()
    service.profiles = tuple(str(item.resolved) for item in items if isinstance(item, Scalar))


def _env_files(service: Service) -> None:
    node = service.items.get("env_file")
    if node is None:
        return
    kept: list[Node] = []
    for item in node.items if isinstance(node, Sequence) else (node,):
        path = item
        if isinstance(item, Mapping):
            path = item.get("path") or item
            for key in item.items.keys() - {"path", "required"}:
                service.notes.dropped(service.owner, f"env_file.{key}", item.where(key))
        required = item.get("required") if isinstance(item, Mapping) else None
        if isinstance(item, Mapping) and isinstance(required, Scalar) and required.resolved is False:
            kept.append(item.with_items({key: item.items[key] for key in ("path", "required")}))
        elif isinstance(path, Scalar) and not (service.root / str(path.resolved)).is_file():
            service.notes.dropped(service.owner, f"env_file {path.text}", path.at, "there is no such file")
        else:
            kept.append(path)
    service.items.pop("env_file")
    if kept:
        service.items["env_file"] = Sequence(tuple(kept), node.at)


def _mounts(service: Service) -> None:
    """A mount stays even where one of its options (`:cached`) does not."""
    node = service.items.get("volumes")
    if isinstance(node, Sequence):
        service.items["volumes"] = replace(node, items=tuple(_mount(service, item) for item in node.items))


def _mount(service: Service, node: Node) -> Node:
    source, colon, options = node.text.rpartition(":") if isinstance(node, Scalar) else ("", "", "")
    today, _, wanted = str(node.resolved).rpartition(":") if isinstance(node, Scalar) else ("", "", "")
    if not colon or ":" not in source or options != wanted:
        return node
    kept = [option for option in options.split(",") if _accepted(f"{today}:{option}")]
    if len(kept) == len(options.split(",")) or not _accepted(today):
        return node
    lost = ", ".join(option for option in options.split(",") if option not in kept)
    service.notes.dropped(
        service.owner, f"the option {lost} of {today}", node.at, "the mount stays without it"
    )
    tail = f":{','.join(kept)}" if kept else ""
    return Scalar(
        source + tail, node.at, node.style if isinstance(node, Scalar) else None, resolved=today + tail
    )


def _accepted(mount: str) -> bool:
    try:
        Mount.model_validate(mount)
    except ValidationError:
        return False
    return True


def add_aliases(service: Service) -> None:
    """Give the service its further names in every network it is in."""
    if not service.aliases or "network_mode" in service.items:
        return
    networks = service.items.get("networks") or Sequence((scalar(IMPLICIT_NETWORK, service.at),), service.at)
    long = long_form(networks, "networks", "service")
    if not isinstance(long, Mapping):
        return
    items: dict[str, Node] = {}
    for name, attachment in long.items.items():
        held = attachment if isinstance(attachment, Mapping) else Mapping({}, attachment.at)
        old = held.get("aliases")
        have = old.items if isinstance(old, Sequence) else ()
        known = {item.text for item in have if isinstance(item, Scalar)}
        new = tuple(scalar(a, held.at) for a in dict.fromkeys(service.aliases) if a not in known)
        items[name] = held.with_items({**held.items, "aliases": Sequence((*have, *new), held.at)})
    service.items["networks"] = long.with_items(items)


def _at(node: Node | None, path: tuple[str, ...]) -> Node | None:
    for name in path:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _put(node: Node | None, path: tuple[str, ...], value: Node) -> Node:
    """`node` with `value` at `path`."""
    held = node if isinstance(node, Mapping) else Mapping({}, value.at)
    first, rest = path[0], path[1:]
    found = _put(held.get(first), rest, value) if rest else value
    return replace(held, items={**held.items, first: found})


_STEPS: tuple[Callable[[Service], None], ...] = (
    _limits,
    _gpus,
    _restart,
    _container_name,
    _links,
    _profiles,
    _env_files,
    _mounts,
)
