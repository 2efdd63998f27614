"""What `lifecycle.ignore_changes` names stays as it is when something else changes: the desired model with what runs in place of
what is declared there.

So a container that is made anew for another reason has it too, and it is recorded and never planned again. What is not there yet
is made as declared.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sutazai.address import Address, Kind
from sutazai.model.fleet import Config, Fleet
from sutazai.model.places import path_of
from sutazai.model.workload import NAMESPACES, Lifecycle, Workload
from sutazai.plan.compare import is_ignored
from sutazai.plan.differ import with_values
from sutazai.plan.known import known_of
from sutazai.plan.reality import as_it_runs
from sutazai.plan.situation import Situation, used_objects
from sutazai.plan.unreported import RECORDED_ONLY
from sutazai.plan.workloads import drift_of

_REFERRING = (*NAMESPACES, "configs", "networks", "secrets", "volumes")
"""Fields that name other resources."""
_NAMED: Mapping[str, Callable[[Any], str]] = {
    "volumes": lambda mount: path_of(mount["target"]),
    "tmpfs": lambda text: path_of(text.partition(":")[0]),
    "configs": lambda grant: grant["source"],
}
"""Lists whose items `ignore_changes` names one by one, and by what: as their normal forms are keyed."""


def kept(situation: Situation) -> Fleet:
    """The desired model with what is ignored as it runs, and no more networks, volumes and configs than that uses. A rollback
    brings back what was, whatever became of it since."""
    desired = situation.desired
    ignoring = [(address, body) for address, body in desired.workloads() if body.lifecycle.ignore_changes]
    if situation.options.kind != "apply" or not ignoring:
        return desired
    found = {
        address: body
        for address, workload in ignoring
        if (body := _kept(situation, address, workload)) != workload
    }
    used = {name for address, body in desired.workloads() for name in used_objects(found.get(address, body))}
    tables: dict[str, dict[str, Any]] = {}
    for kind in (Kind.NETWORK, Kind.VOLUME, Kind.CONFIG):
        table = getattr(desired, f"{kind}s")
        tables[f"{kind}s"] = {name: body for name, body in table.items() if Address(kind, name) in used}
    tables["configs"] |= _contents(situation, found, tables["configs"])
    for kind in (Kind.AGENT, Kind.SERVICE):
        tables[f"{kind}s"] = getattr(desired, f"{kind}s") | {
            a.name: found[a] for a in found if a.kind is kind
        }
    if all(table == getattr(desired, name) for name, table in tables.items()):
        return desired
    return desired.model_copy(update=tables)


def _contents(
    situation: Situation, found: Mapping[Address, Workload], configs: Iterable[str]
) -> dict[str, Config]:
    """The configs whose content nobody follows: all that are given them have them, and ignore what else is in them now."""
    users: dict[str, list[bool]] = {}
    for address, told in situation.desired.workloads():
        past = situation.applied_workload(address)
        given = {grant.source for grant in past.configs} if past else set()
        for name in {grant.source for grant in found.get(address, told).configs}:
            ignored = is_ignored(("configs", name, "content"), told.lifecycle.ignore_changes)
            users.setdefault(name, []).append(ignored and name in given)
    applied = {
        name: situation.applied(Address(Kind.CONFIG, name))
        for name in configs
        if all(users.get(name, [False]))
    }
    return {name: body for name, body in applied.items() if isinstance(body, Config)}


def _kept(situation: Situation, address: Address, workload: Workload) -> Workload:
    past = situation.applied_workload(address)
    if past is None:
        return workload
    known = known_of(situation, address, past, past)
    if not known.current:
        return workload
    drift = drift_of(replace(known, prior=past.model_copy(update={"lifecycle": Lifecycle()})))
    there = as_it_runs(past, drift, known.current[0]) if drift is not None else past
    form = there.form
    if there.deploy.replicas != len(known.current):
        form = with_values(form, [(("deploy", "replicas"), len(known.current))])
    ignored = workload.lifecycle.ignore_changes
    if "all" in ignored:
        ignored = tuple(name for name in Workload.model_fields if name not in RECORDED_ONLY)
    body = Workload.model_validate(_laid_over(workload.form, form, ignored))
    if not _is_complete(situation.desired, body):
        ignored = tuple(name for name in ignored if name.partition(".")[0] not in _REFERRING)
        body = Workload.model_validate(_laid_over(workload.form, form, ignored))
    return body


def _laid_over(
    told: Mapping[str, Any], there: Mapping[str, Any], ignored: Sequence[str], above: str = ""
) -> dict[str, Any]:
    """What is declared, but for what is ignored."""
    found: dict[str, Any] = {}
    for key in {**told, **there}:
        here = above + key
        source = there if is_ignored((here,), ignored) else told
        inner = (told.get(key) or {}, there.get(key) or {})
        name_of = _NAMED.get(here)
        if name_of is not None:
            inner = (_by(name_of, inner[0]), _by(name_of, inner[1]))
        if source is told and any(n.startswith(here + ".") for n in ignored) and _are_maps(inner):
            value = _laid_over(*inner, ignored, here + ".")
            if value or key in told:
                found[key] = value if name_of is None else _items(value)
        elif key in source:
            found[key] = source[key]
    return found


def _by(name_of: Callable[[Any], str], items: Iterable[Any]) -> dict[str, Any]:
    """Items by name; where several have one name, as a config has that is given at several places, they are a list."""
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(name_of(item), []).append(item)
    return {name: same if len(same) > 1 else same[0] for name, same in found.items()}


def _items(named: Mapping[str, Any]) -> list[Any]:
    return [item for value in named.values() for item in (value if isinstance(value, list) else [value])]


def _are_maps(values: Sequence[object]) -> bool:
    return all(isinstance(value, dict) for value in values)


def _is_complete(desired: Fleet, workload: Workload) -> bool:
    """Whether all that it names is still declared."""
    objects = all(desired.resource(used) is not None for used in used_objects(workload))
    return objects and all(desired.resolve(name) is not None for name in workload.shares)
