"""A merged Compose project as the parts of a spec: what belongs to the project, its services, and what this machine
leaves out."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from sutazai.model.fleet import Config, Network, Secret, Volume
from sutazai.specs.compose_import.fit import fit_field
from sutazai.specs.compose_import.merge import long_form
from sutazai.specs.compose_import.nodes import Mapping, Node, Scalar, Sequence, problem, scalar
from sutazai.specs.compose_import.notes import Notes
from sutazai.specs.compose_import.services import (
    Service,
    add_aliases,
    add_docker_check,
    fitted,
    has_healthcheck,
    open_service,
)

_TABLES: dict[str, type[BaseModel]] = {
    "networks": Network,
    "volumes": Volume,
    "configs": Config,
    "secrets": Secret,
}
_TOPS = {*_TABLES, "services", "name", "version", "include"}


@dataclass(frozen=True, slots=True)
class Converted:
    """`tables` are the networks, volumes, configs and secrets; `excluded` the services that only a profile starts."""

    name: str | None
    tables: dict[str, Mapping]
    services: dict[str, Mapping]
    excluded: tuple[str, ...]


def convert(merged: Mapping, root: Path, profiles: frozenset[str], notes: Notes) -> Converted:
    """Everything that the model takes; the rest is in `notes`. Raises InvalidInput when there is no service."""
    for key in merged.items:
        if key not in _TOPS and not key.startswith("x-"):
            notes.dropped("the project", key, merged.where(key))
    tables = {name: _table(name, model, merged, notes) for name, model in _TABLES.items()}
    declared = merged.get("services")
    if not isinstance(declared, Mapping) or not declared.items:
        raise problem("there are no services", merged.at, "is this a Compose file?")
    services = [
        open_service(name, node, notes, root)
        for name, node in declared.items.items()
        if isinstance(node, Mapping)
    ]
    _name_links(services)
    bodies = {service.name: _body(service, tables) for service in services}
    _check_healthy(bodies)
    name = merged.get("name")
    return Converted(
        str(name.resolved) if isinstance(name, Scalar) else None,
        tables,
        bodies,
        _excluded(services, bodies, profiles, notes),
    )


def _name_links(services: list[Service]) -> None:
    named = {service.name: service for service in services}
    for service in services:
        for target, alias in service.links:
            if target in named and alias not in ("", target):
                named[target].aliases.append(alias)
    for service in services:
        add_aliases(service)


def _body(service: Service, tables: dict[str, Mapping]) -> Mapping:
    for kind in ("configs", "secrets"):
        granted = service.items.get(kind)
        if isinstance(granted, Sequence):
            kept = tuple(grant for grant in granted.items if _source(grant) in tables[kind].items)
            for grant in granted.items:
                if grant not in kept:
                    service.notes.dropped(
                        service.owner, f"{kind} {_source(grant)}", grant.at, "it is not carried over itself"
                    )
            service.items[kind] = Sequence(kept, granted.at)
            if not kept:
                del service.items[kind]
    body = fitted(service)
    return add_docker_check(body) if has_healthcheck(body) else body


def _source(grant: Node) -> str:
    source = grant.get("source") if isinstance(grant, Mapping) else grant
    return str(source.resolved) if isinstance(source, Scalar) else ""


def _check_healthy(bodies: dict[str, Mapping]) -> None:
    """What others wait for to be healthy has a check, be it the one in its image."""
    for body in list(bodies.values()):
        depends = body.get("depends_on")
        for name, dependency in depends.items.items() if isinstance(depends, Mapping) else ():
            condition = dependency.get("condition") if isinstance(dependency, Mapping) else None
            healthy = isinstance(condition, Scalar) and condition.resolved == "service_healthy"
            if healthy and name in bodies and "checks" not in bodies[name].items:
                bodies[name] = add_docker_check(bodies[name])


def _excluded(
    services: list[Service], bodies: dict[str, Mapping], active: frozenset[str], notes: Notes
) -> tuple[str, ...]:
    """Services of profiles that are not active, unless one that runs needs them."""
    if "*" in active:
        return ()
    left_out = {s.name: s for s in services if s.profiles and not active.intersection(s.profiles)}
    while (
        needed := {name for runs in bodies.keys() - left_out.keys() for name in _needs(bodies[runs])}
        & left_out.keys()
    ):
        for name in sorted(needed):
            notes.add(
                f"service {name}: kept in environments/local.yaml",
                "a service without a profile depends on it",
                left_out[name].at,
            )
            del left_out[name]
    return tuple(left_out)


def _needs(body: Mapping) -> tuple[str, ...]:
    depends = long_form(body.get("depends_on") or Mapping({}, body.at), "depends_on", "service")
    if not isinstance(depends, Mapping):
        return ()
    return tuple(name for name, item in depends.items.items() if not _optional(item))


def _optional(dependency: Node) -> bool:
    required = dependency.get("required") if isinstance(dependency, Mapping) else None
    return isinstance(required, Scalar) and required.resolved is False


# --- networks, volumes, configs, secrets


def _table(kind: str, model: type[BaseModel], merged: Mapping, notes: Notes) -> Mapping:
    table = merged.get(kind)
    if not isinstance(table, Mapping):
        return Mapping({}, merged.at)
    kept: dict[str, Node] = {}
    for name, node in table.items.items():
        owner = f"{kind[:-1]} {name}"
        entry = _entry(kind, owner, node, notes)
        if entry is None:
            continue
        if kind == "configs" and _true(entry.get("external")):
            notes.dropped(
                owner,
                "external",
                table.where(name),
                "an engine without Swarm has no configs of its own: give its content or file",
            )
            continue
        items = {
            key: item
            for key, part in entry.items.items()
            if (item := _fit(model, key, part, owner, entry, notes)) is not None
        }
        kept[name] = entry.with_items(items)
    return table.with_items(kept)


def _fit(
    model: type[BaseModel], key: str, part: Node, owner: str, entry: Mapping, notes: Notes
) -> Node | None:
    if key.startswith("x-"):
        return None
    if key not in model.model_fields:
        notes.dropped(owner, key, entry.where(key))
        return None
    return fit_field(model, key, part, owner, notes)


def _entry(kind: str, owner: str, node: Node, notes: Notes) -> Mapping | None:
    if not isinstance(node, Mapping):
        if isinstance(node, Scalar) and node.value is None:
            return Mapping({}, node.at)
        notes.dropped(owner, "its value", node.at, "it is not a map")
        return None
    external, name = node.get("external"), node.get("name")
    items = dict(node.items)
    if isinstance(external, Mapping):
        items["external"] = scalar(True, external.at)
        items.setdefault("name", external.get("name") or scalar(None, external.at))
    elif name is not None and not _true(external):
        del items["name"]
        data = (
            "; what the old one holds stays there: `external: true` keeps using it"
            if kind == "volumes"
            else ""
        )
        notes.dropped(owner, "name", node.where("name"), f"objects are named PROJECT-ENV-NAME{data}")
    return node.with_items(items)


def _true(node: Node | None) -> bool:
    return isinstance(node, Mapping) or (isinstance(node, Scalar) and node.resolved in (True, "true"))
