"""What a serial records against what is there: whether they speak of the same objects. What those look like is a plan's
business."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sutazai.address import Address, Kind
from sutazai.state.observed import Instance, Observed
from sutazai.state.v2 import InstanceRecord, ResourceRecord, State


@dataclass(frozen=True, slots=True)
class Deviation:
    """`missing`: recorded, not there. `other`: another object is in its place. `extra`: ours, and not recorded."""

    address: Address
    kind: Literal["missing", "other", "extra"]
    detail: str


def deviations(state: State | None, observed: Observed) -> tuple[Deviation, ...]:
    """Every way in which they differ, in address order."""
    records = {record.address: record for record in state.resources} if state else {}
    found = [
        *(one for record in records.values() for one in _of(record, observed)),
        *_extra(records, observed),
    ]
    return tuple(sorted(found, key=lambda one: (one.address, one.kind, one.detail)))


def _of(record: ResourceRecord, observed: Observed) -> Iterator[Deviation]:
    address = record.address
    if address.kind.is_workload:
        there = {instance.id: instance for instance in observed.of(address)}
        for row in (row for row in record.instances if row.id not in there):
            yield _gone(address, row, list(there.values()))
        return
    tables: Mapping[Kind, Mapping[str, str]] = {
        Kind.NETWORK: {name: network.id for name, network in observed.networks.items()},
        Kind.VOLUME: {name: volume.name for name, volume in observed.volumes.items()},
    }
    if address.kind not in tables or record.object_id is None:
        return
    found = tables[address.kind].get(address.name)
    if found is None:
        yield Deviation(address, "missing", f"recorded as {_short(record.object_id)}")
    elif found != record.object_id:
        yield Deviation(address, "other", f"recorded as {_short(record.object_id)}, there is {_short(found)}")


def _gone(address: Address, row: InstanceRecord, there: list[Instance]) -> Deviation:
    in_place = [one for one in there if (one.slot, one.replica) == (row.slot, row.replica)]
    if in_place:
        detail = f"{row.name} is recorded as {_short(row.id)}, there is {_short(in_place[0].id)}"
        return Deviation(address, "other", detail)
    return Deviation(address, "missing", f"{row.name} is recorded as {_short(row.id)}")


def _extra(records: Mapping[Address, ResourceRecord], observed: Observed) -> Iterator[Deviation]:
    recorded = {row.id for record in records.values() for row in record.containers}
    places = {
        (record.address, row.slot, row.replica) for record in records.values() for row in record.instances
    }
    for one in observed.instances:
        if one.id not in recorded and (one.address, one.slot, one.replica) not in places:
            yield Deviation(one.address, "extra", f"{one.name} ({_short(one.id)}) is not recorded")
    for network in observed.networks.values():
        if network.owned and network.address not in records:
            yield Deviation(network.address, "extra", f"{network.name} is not recorded")
    for volume in observed.volumes.values():
        if volume.owned and volume.address not in records:
            yield Deviation(volume.address, "extra", f"{volume.name} is not recorded")


def _short(identity: str) -> str:
    """An ID as Docker shows it; a name as it is."""
    is_id = len(identity) == 64 and all(letter in "0123456789abcdef" for letter in identity)
    return identity[:12] if is_id else identity
