"""Changes of what is recorded that touch no object: the serial before in, the content of the next one out.

Each gives a state whose `operation`, hashes and times are still those of the serial before; whoever commits it says who,
when and why.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sutazai.address import Address, Kind
from sutazai.errors import Refused
from sutazai.model.fleet import Fleet, Network, Volume, is_name
from sutazai.model.workload import NAMESPACES, Workload
from sutazai.state.observed import Instance
from sutazai.state.scope import Scope
from sutazai.state.v2 import Released, ResourceRecord, State

Edit = Literal["mv", "rm", "import", "push"]
EDITS: tuple[Edit, ...] = get_args(Edit)
"""What the commands that change what is recorded, and no container, are called in the serials that they make."""


def known(state: State | None, address: Address) -> ResourceRecord:
    """The record of a resource. Raises `Refused` when there is none."""
    record = state.record(address) if state else None
    if record is None:
        raise Refused(f"the state does not know {address}", hint="see sutazai state list")
    return record


def moved(state: State, source: Address, target: Address) -> State:
    """`source` under the address `target`, in what is desired and was applied too, where others that name it follow. What is
    desired of `target` already, but no run came to it, stays so. Raises `Refused`."""
    if not (source.kind.is_workload and target.kind.is_workload):
        raise Refused(
            f"{source} can't become {target}: only agents and services can be renamed",
            hint=_instead(state, source, target),
        )
    if not is_name(target.name):
        raise Refused(
            f"{target.name!r} is not a name",
            hint="a name is at most 63 letters, digits, _, . and -, the first a letter or digit",
        )
    record = known(state, source)
    if state.record(target) is not None:
        raise Refused(f"the state knows {target} already", hint="see sutazai state list")
    others = (other for other in state.resources if other.address != source)
    desired = _renamed(state.desired, source, target)
    naming = _Naming(_knowing(state.desired, source), desired, source, target)
    update: dict[str, object] = {"address": target}
    if state.desired.workload(target) is not None:
        update["applied"] = state.applied_of(record)
    records = (_renamed_in(r, naming) for r in (*others, record.model_copy(update=update)))
    return state.model_copy(update={"resources": _sorted(records), "desired": desired})


def _instead(state: State, source: Address, target: Address) -> str | None:
    """Docker can't rename a network or volume, and gives it no other labels: under another key it is used as one that was let
    go, and no container has to be made anew for it."""
    if source.kind not in (Kind.NETWORK, Kind.VOLUME) or source.kind is not target.kind:
        return None
    record = known(state, source)
    body = state.applied_of(record)
    called = body.name if isinstance(body, (Network, Volume)) else None
    name = called or Scope(state.project, state.environment).object_name(source.name)
    declared = f"{target.name}: {{external: true, name: {name}}}"
    return f"to use it as {target.name} all the same: state rm {source}, and declare {declared}"


def forgotten(state: State, address: Address, scope_name: str) -> State:
    """The state without a resource. What it has in Docker is let go: it is left alone from now on. `scope_name` is the
    Docker name of a network or volume."""
    record = known(state, address)
    objects = [
        Released(address=address, id=row.id, name=row.name) for row in record.instances if not row.adopted
    ]
    if record.object_id is not None:
        objects.append(Released(address=address, id=record.object_id, name=scope_name))
    already = {one.id for one in state.released}
    return state.model_copy(
        update={
            "resources": tuple(other for other in state.resources if other.address != address),
            "released": (*state.released, *(one for one in objects if one.id not in already)),
            "desired": state.desired
            if _is_still_given(state, address)
            else without(state.desired, {address}),
        }
    )


def let_go(state: State, containers: Iterable[Instance]) -> State:
    """The state that leaves some more containers alone, which it never knew."""
    more = tuple(Released(address=one.address, id=one.id, name=one.name) for one in containers)
    return state.model_copy(update={"released": (*state.released, *more)}) if more else state


def _is_still_given(state: State, address: Address) -> bool:
    """Whether it is a config or secret of a workload, which can't be made again without what is in it."""
    tables = {Kind.CONFIG: "configs", Kind.SECRET: "secrets"}
    kind = tables.get(address.kind)
    return kind is not None and any(address.name in _used(w, kind) for _, w in state.desired.workloads())


def taken_over(state: State, desired: Fleet, record: ResourceRecord) -> State:
    """The state with containers that others made, under an address that `desired` declares. Nothing was applied to them
    yet; what they need of networks, volumes and the like is desired with them."""
    wanted = desired.workload(record.address)
    if wanted is None:
        raise ValueError(f"{record.address} is not declared")
    tables: dict[str, dict[str, Any]] = {}
    for kind in ("networks", "volumes", "configs", "secrets"):
        here, there = getattr(state.desired, kind), getattr(desired, kind)
        tables[kind] = {**{name: there[name] for name in there if name in _used(wanted, kind)}, **here}
    own = f"{record.address.kind.value}s"
    tables[own] = {**getattr(state.desired, own), record.address.name: wanted}
    others = (other for other in state.resources if other.address != record.address)
    records = _sorted((*others, record))
    return state.model_copy(
        update={
            "desired": state.desired.model_copy(update=tables),
            "resources": records,
            "released": still_released(state.released, records),
        }
    )


def pushed(given: State, newest: State | None, *, force: bool) -> State:
    """What a file that was pushed becomes, by Terraform's rules: it must be of the same lineage and newer than what is
    there. `force` overrules both; the lineage stays the one that is there, since the objects in Docker and the serials
    before bear it. What says two things of one resource or container is taken in no case. Raises `Refused`."""
    contradictions = _contradictions(given)
    if contradictions:
        raise Refused("\n  - ".join(("the file contradicts itself:", *contradictions)))
    if newest is None:
        return given
    if not force and given.lineage != newest.lineage:
        raise Refused(
            f"the file has lineage {given.lineage}, the state {newest.lineage}: they are not of one history",
            hint="--force takes over what the file records all the same",
        )
    if not force and given.serial <= newest.serial:
        raise Refused(
            f"the file is serial {given.serial}, the state is at {newest.serial} already",
            hint="pull again, and raise `serial` above it when you edit; --force overrules this",
        )
    return given.model_copy(update={"lineage": newest.lineage})


def _contradictions(state: State) -> list[str]:
    """What is written twice of what there is once: as whose it counts would be left to chance."""
    addresses = Counter(str(record.address) for record in state.resources)
    owners = defaultdict[str, list[str]](list)
    for record in state.resources:
        for row in record.containers:
            owners[row.id].append(str(record.address))
    for one in state.released:
        if one.id in owners:
            owners[one.id].append("what was let go of")
    return [
        *(f"{address} is there {count} times" for address, count in addresses.items() if count > 1),
        *(
            f"container {identity} is of {' and of '.join(of)}"
            for identity, of in owners.items()
            if len(of) > 1
        ),
    ]


def still_released(released: Sequence[Released], records: Iterable[ResourceRecord]) -> tuple[Released, ...]:
    """What was let go and is not recorded again."""
    there = {row.id for record in records for row in record.containers} | {
        record.object_id for record in records if record.object_id
    }
    return tuple(one for one in released if one.id not in there)


def without(desired: Fleet, gone: Iterable[Address]) -> Fleet:
    """The desired model less some addresses."""
    names: dict[str, set[str]] = {}
    for address in gone:
        names.setdefault(f"{address.kind.value}s", set()).add(address.name)
    tables = {
        table: {name: body for name, body in getattr(desired, table).items() if name not in left_out}
        for table, left_out in names.items()
    }
    return desired.model_copy(update=tables)


def _used(workload: Workload, kind: str) -> frozenset[str]:
    names: Mapping[str, Iterable[str | None]] = {
        "networks": workload.networks,
        "volumes": (mount.source for mount in workload.volumes if mount.type == "volume"),
        "configs": (grant.source for grant in workload.configs),
        "secrets": (grant.source for grant in workload.secrets),
    }
    return frozenset(name for name in names[kind] if name)


def _renamed(desired: Fleet, source: Address, target: Address) -> Fleet:
    body = desired.workload(source)
    if body is None:
        return desired
    left = without(desired, {source})
    joined = left if left.workload(target) else _joined(left, target, body)
    naming = _Naming(desired, joined, source, target)
    following = {address: _following(workload, naming) for address, workload in joined.workloads()}
    return joined.model_copy(
        update={
            "agents": {a.name: w for a, w in following.items() if a.kind.value == "agent"},
            "services": {a.name: w for a, w in following.items() if a.kind.value == "service"},
        }
    )


def _joined(desired: Fleet, address: Address, body: Workload) -> Fleet:
    table = f"{address.kind.value}s"
    return desired.model_copy(update={table: {**getattr(desired, table), address.name: body}})


def _knowing(desired: Fleet, address: Address) -> Fleet:
    """The desired model in which a name that was once applied means something, though it is no longer desired."""
    return desired if desired.workload(address) else _joined(desired, address, Workload())


@dataclass(frozen=True, slots=True)
class _Naming:
    """What workloads are called once `source` is `target`."""

    before: Fleet
    after: Fleet
    source: Address
    target: Address

    def of(self, name: str) -> str:
        """The name of what was called so; as it was where that still means it."""
        now = self._now(name)
        return name if now is None or self.after.resolve(name) == now else str(now)

    def shortest(self, name: str) -> str:
        """As the specs write it where a namespace is shared, and as it is found again in Docker."""
        now = self._now(name)
        if now is None:
            return name
        alike = sum(
            self.after.workload(Address(kind, now.name)) is not None for kind in (Kind.AGENT, Kind.SERVICE)
        )
        return str(now) if alike > 1 else now.name

    def _now(self, name: str) -> Address | None:
        meant = self.before.resolve(name)
        return self.target if meant == self.source else meant


def _following(workload: Workload, naming: _Naming) -> Workload:
    """The workload, naming others as they are called now: those that it depends on, whose namespaces it shares, which could
    not be joined again by a name that is gone, and that it is replaced with."""
    update: dict[str, object] = {}
    depends_on = {naming.of(name): dependency for name, dependency in workload.depends_on.items()}
    if list(depends_on) != list(workload.depends_on):
        update["depends_on"] = depends_on
    for field in NAMESPACES:
        kind, _, owner = (getattr(workload, field) or "").partition(":")
        if kind == "service" and (name := naming.shortest(owner)) != owner:
            update[field] = f"service:{name}"
    triggers = workload.lifecycle.replace_triggered_by
    if (named := tuple(map(naming.of, triggers))) != triggers:
        update["lifecycle"] = workload.lifecycle.model_copy(update={"replace_triggered_by": named})
    return workload.model_copy(update=update) if update else workload


def _renamed_in(record: ResourceRecord, naming: _Naming) -> ResourceRecord:
    """What was applied to it, where that is not what is desired, names others too."""
    if not isinstance(record.applied, Workload):
        return record
    return record.model_copy(update={"applied": _following(record.applied, naming)})


def _sorted(records: Iterable[ResourceRecord]) -> tuple[ResourceRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.address))
