"""All that a plan is made from, indexed once, so that planning stays linear in the number of resources."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from sutazai.address import Address, Kind
from sutazai.model.base import SpecModel
from sutazai.model.fleet import SWITCH, Fleet, meanings
from sutazai.model.workload import Workload, declared
from sutazai.plan.change import PlanKind
from sutazai.plan.manner import DEFAULT, MANNERS, Manner, Strategy
from sutazai.plan.shares import takers
from sutazai.state.observed import Instance, Observed
from sutazai.state.v2 import ResourceRecord, State

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Edges = Mapping[Address, tuple[Address, ...]]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What narrows or turns a plan. `targets`, `excludes` and `replace` are selectors; `pinned` maps workloads to the
    image IDs that they must run (rollback). `refreshed` False: what is observed is what the state remembers. `no_canary`:
    there is no fleet canary, whatever is declared. `strategy` is how a rollback goes. `only` are the resources that it is about,
    where that is settled before there is a plan. `protection` is what the specs say of `prevent_destroy`, where the plan has
    another body of the workload than they."""

    kind: PlanKind = "apply"
    spec_digest: str = ""
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    destroy_volumes: bool = False
    of_serial: int | None = None
    pinned: Mapping[Address, str] = field(default_factory=dict)
    refreshed: bool = True
    no_canary: bool = False
    strategy: Strategy = DEFAULT
    only: frozenset[Address] | None = None
    protection: Mapping[Address, bool] = field(default_factory=dict)

    @property
    def narrowed(self) -> bool:
        """Whether it may be about less than the whole environment."""
        return bool(self.targets or self.excludes) or self.only is not None

    @property
    def manner(self) -> Manner:
        return MANNERS[self.strategy]


@cache
def stored_options() -> "TypeAdapter[PlanOptions]":
    """How they are kept as plain data, and read again. Made once: it takes milliseconds."""
    from pydantic import TypeAdapter

    return TypeAdapter(PlanOptions)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What unfinished runs left behind. `begun` maps resources to what they had begun to make of them, `unseen` are the
    workloads that they changed and did not see healthy. `owed` maps a workload and what it was to be replaced or restarted with,
    which they came to while they did not come to the workload itself, to the serial that the run was to commit. `unrecorded` is
    what those changed that were cut off before they could record it. `lineages` are those of the histories that they were part
    of."""

    begun: Mapping[Address, SpecModel] = field(default_factory=dict)
    unseen: frozenset[Address] = frozenset()
    owed: Mapping[tuple[Address, Address], int] = field(default_factory=dict)
    unrecorded: frozenset[Address] = frozenset()
    lineages: frozenset[str] = frozenset()


NOTHING_LEFT = Aftermath()


@dataclass(frozen=True, slots=True)
class Situation:
    """`edges` maps every workload that is desired, recorded or there to what it depends on: as declared now, else as it
    was when last applied. `finishing` are those that others wait for to end. `begun` is what unfinished runs had begun to make
    of resources, which no state tells. `taken` are the names of containers of others."""

    desired: Fleet
    observed: Observed
    prior: State | None
    options: PlanOptions
    instances: Mapping[Address, tuple[Instance, ...]]
    records: Mapping[Address, ResourceRecord]
    edges: Edges
    finishing: frozenset[Address]
    aftermath: Aftermath = NOTHING_LEFT
    taken: frozenset[str] = frozenset()

    def applied(self, address: Address) -> SpecModel | None:
        """What was last applied to a resource, None when it is not recorded."""
        record = self.records.get(address)
        if record is None or self.prior is None:
            return None
        return self.prior.applied_of(record)

    def past(self, address: Address) -> SpecModel | None:
        """All that may have been declared of a resource when it was made: what was applied, and what was begun."""
        return declared_in_either(self.applied(address), self.aftermath.begun.get(address))

    def not_outside(self, address: Address) -> str:
        """Why what differs from the state may be no doing of others; empty where it can only be that."""
        if address in self.aftermath.unseen:
            return "the last run had begun to change it"
        return "a run that was cut off had changed it" if address in self.aftermath.unrecorded else ""

    def applied_workload(self, address: Address) -> Workload | None:
        body = self.applied(address)
        return body if isinstance(body, Workload) else None

    def workload(self, address: Address) -> Workload | None:
        """As desired, else as last applied."""
        return self.desired.workload(address) or self.applied_workload(address)

    def past_needs(self, address: Address) -> frozenset[Address]:
        """What a workload depended on and used when it was last applied."""
        body = self.applied_workload(address)
        if body is None or self.prior is None:
            return frozenset()
        switch = {SWITCH} if body.switched is not None else set()
        return used_objects(body) | _past_dependencies(body, self.prior, self.records) | switch


def situation_of(
    desired: Fleet,
    observed: Observed,
    prior: State | None,
    options: PlanOptions,
    aftermath: Aftermath = NOTHING_LEFT,
) -> Situation:
    instances: defaultdict[Address, list[Instance]] = defaultdict(list)
    for instance in observed.instances:
        instances[instance.address].append(instance)
    records = {record.address: record for record in prior.resources} if prior else {}
    return Situation(
        desired,
        observed,
        prior,
        options,
        {address: tuple(sorted(found, key=_place)) for address, found in instances.items()},
        records,
        _edges(desired, prior, records, instances),
        desired.finishing(),
        aftermath,
        frozenset(name for kind, name in observed.taken if kind == "container"),
    )


def used_objects(workload: Workload) -> frozenset[Address]:
    """The networks, volumes, configs and secrets that a workload needs."""
    return frozenset(
        {Address(Kind.NETWORK, name) for name in workload.networks}
        | {Address(Kind.VOLUME, m.source) for m in workload.volumes if m.type == "volume" and m.source}
        | {Address(Kind.CONFIG, grant.source) for grant in workload.configs}
        | {Address(Kind.SECRET, grant.source) for grant in workload.secrets}
    )


def triggers(desired: Fleet, workload: Workload) -> frozenset[Address]:
    """What `lifecycle.replace_triggered_by` of a workload names."""
    found = (_referred(desired, name) for name in workload.lifecycle.replace_triggered_by)
    return frozenset(address for address in found if address is not None)


def _referred(desired: Fleet, reference: str) -> Address | None:
    kind, _, name = reference.partition(".")
    if name and kind in (Kind.NETWORK, Kind.VOLUME, Kind.CONFIG, Kind.SECRET):
        return Address(Kind(kind), name)
    return desired.resolve(reference)


def _place(instance: Instance) -> tuple[str, int, str]:
    return instance.slot, instance.replica, instance.id


def _edges(
    desired: Fleet,
    prior: State | None,
    records: Mapping[Address, ResourceRecord],
    there: Mapping[Address, list[Instance]],
) -> Edges:
    edges = {address: desired.dependencies(address) for address, _ in desired.workloads()}
    for taker, holder in takers(desired, there):
        edges[taker] = tuple(sorted({*edges[taker], holder}))
    for address, record in records.items():
        if prior is None or not address.kind.is_workload or address in edges:
            continue
        body = record.applied if isinstance(record.applied, Workload) else prior.desired.workload(address)
        edges[address] = tuple(sorted(_past_dependencies(body, prior, records))) if body else ()
    for address in there:
        edges.setdefault(address, ())
    return edges


def _past_dependencies(
    body: Workload, prior: State, records: Mapping[Address, ResourceRecord]
) -> frozenset[Address]:
    """What was depended on when `body` was applied: as declared by then, else what is still recorded, as after a run that left
    it out."""
    found = (
        prior.desired.resolve(name) or next((a for a in meanings(name) if a in records), None)
        for name in body.depends_on
    )
    return frozenset(address for address in found if address is not None)


_LISTS_BY_ITEM = frozenset({"aliases", "configs", "expose", "ports"})
"""Lists of which each item that was once declared is looked for in the container."""


def declared_in_either(earlier: SpecModel | None, later: SpecModel | None) -> SpecModel | None:
    """All that one of two bodies of a resource declares; where both do, the later one's word."""
    if earlier is None or later is None or earlier == later:
        return later or earlier
    return type(later).model_validate(_both(declared(earlier), declared(later)))


def _both(applied: Mapping[str, Any], begun: Mapping[str, Any]) -> dict[str, Any]:
    found = {**applied, **begun}
    for key in applied.keys() & begun.keys():
        old, new = applied[key], begun[key]
        if isinstance(old, dict) and isinstance(new, dict):
            found[key] = _both(old, new)
        elif key in _LISTS_BY_ITEM and isinstance(old, list) and isinstance(new, list):
            found[key] = [*new, *(item for item in old if item not in new)]
    return found
