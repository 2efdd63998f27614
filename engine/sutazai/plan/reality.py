"""What a state would say had it followed what was done outside: the records of a refresh. Docker is not touched by it.

What a record can't hold stays drift: that a container does not run, or has what no spec may say, or what the other replicas
have not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sutazai.address import Address, Kind
from sutazai.model.workload import Workload, without_refused
from sutazai.plan.change import PARTLY_RECORDABLE, UNRECORDABLE, Action, Finding, ResourceChange
from sutazai.plan.differ import Path, with_values
from sutazai.plan.known import current_slot, known_of
from sutazai.plan.objects import key_now, object_drift
from sutazai.plan.ports import port_sides
from sutazai.plan.situation import Situation, used_objects
from sutazai.plan.workloads import LISTS, drift_of
from sutazai.state.observed import Instance
from sutazai.state.v2 import InstanceRecord, ResourceRecord, body_of_kind

Records = Mapping[Address, ResourceRecord | None]
_HELD = "a state holds what specs may say, once for all replicas, and not whether a container runs"


def as_found(situation: Situation, drift: tuple[ResourceChange, ...]) -> Records:
    """The records of what drifted, None for what is gone. Records that stay as they are are left out."""
    found = {change.address: _record(situation, change) for change in drift}
    return {address: record for address, record in found.items() if record != situation.records[address]}


def unrecordable(situation: Situation, drift: tuple[ResourceChange, ...]) -> Iterator[Finding]:
    """What no state can record of what drifted."""
    records = as_found(situation, drift)
    for address in (change.address for change in drift):
        record = records.get(address, situation.records[address])
        left = found_outside(_recorded(situation, record), address) if record is not None else None
        if left is not None:
            names = ", ".join(".".join(field.path) for field in left.fields)
            what = "; ".join(text for text in (names, left.detail) if text)
            code = PARTLY_RECORDABLE if address in records else UNRECORDABLE
            yield Finding("info", code, f"this can't be recorded: {what}", address, _HELD)


def _record(situation: Situation, change: ResourceChange) -> ResourceRecord | None:
    """With what it can hold: what would be drift from the record itself stays as it was applied."""
    if change.action is Action.DESTROY:
        return None
    while True:
        record = _with_fields(situation, change)
        left = found_outside(_recorded(situation, record), change.address)
        paths = {field.path for field in left.fields} if left else set()
        held = tuple(
            field for field in change.fields if not any(_overlap(field.path, path) for path in paths)
        )
        if held == change.fields:
            return record
        after = with_values(dict(change.before or {}), [(field.path, field.after) for field in held])
        change = replace(change, fields=held, after=after)


def _overlap(one: Path, other: Path) -> bool:
    """Whether they are recorded together."""
    if one[0] in LISTS | {"route"}:
        return {one[0], other[0]} <= {"ports", "route"} or one[0] == other[0]
    return all(a == b for a, b in zip(one, other, strict=False))


def _recorded(situation: Situation, record: ResourceRecord) -> Situation:
    """Where this is the record of its resource. No other is asked: a refresh goes by the keys of the state."""
    return replace(situation, records={record.address: record})


def found_outside(situation: Situation, address: Address) -> ResourceChange | None:
    """What was changed of a recorded resource since it was applied."""
    past = situation.applied_workload(address)
    if past is None:
        return object_drift(situation, address)
    past = _with_keys_of_now(situation, past, situation.instances.get(address, ()))
    return drift_of(known_of(situation, address, past, past))


def _with_keys_of_now(situation: Situation, past: Workload, found: Iterable[Instance]) -> Workload:
    """What was applied, with external objects under the keys that its containers are now read by."""
    now = {old: key for old in used_objects(past) if (key := key_now(situation, old)) != old}
    there = {used for instance in found for used in used_objects(instance.body)} if now else ()
    keys = {(old.kind, old.name): key.name for old, key in now.items() if old not in there}
    if not keys:
        return past
    form = dict(past.form)
    if "networks" in form:
        form["networks"] = {keys.get((Kind.NETWORK, k), k): v for k, v in form["networks"].items()}
    if "volumes" in form:
        form["volumes"] = [
            {**mount, "source": keys.get((Kind.VOLUME, mount.get("source")), mount.get("source"))}
            if mount.get("type") == "volume"
            else mount
            for mount in form["volumes"]
        ]
    return Workload.model_validate(form)


def _with_fields(situation: Situation, change: ResourceChange) -> ResourceRecord:
    old = situation.records[change.address]
    found = situation.instances.get(change.address, ())
    slot = current_slot(old, found)
    instances = tuple(instance for instance in found if instance.slot is slot)
    if instances:
        body: Any = as_it_runs(situation.applied_workload(change.address), change, instances[0])
    else:
        body = body_of_kind(change.address.kind, dict(change.after or {}))
    if body == situation.applied(change.address):
        body = old.applied
    return old.model_copy(
        update={
            "applied": body,
            "slot": slot if instances else old.slot,
            "instances": tuple(map(row_of, instances)),
        }
    )


def row_of(instance: Instance) -> InstanceRecord:
    """What a record keeps of a container."""
    return InstanceRecord(
        id=instance.id, name=instance.name, slot=instance.slot, replica=instance.replica, image=instance.image,
        image_id=instance.image_id, spec_hash=instance.spec_hash, adopted=instance.adopted,
        **({"configs": dict(instance.configs)} if instance.configs else {}),
    )  # fmt: skip


def as_it_runs(applied: Workload | None, change: ResourceChange, instance: Instance) -> Workload:
    """What was applied, with what the container has in place of it. Lists are taken over whole. What no spec may say can't be
    recorded either."""
    was, have = applied.form if applied else {}, instance.form
    values = [(field.path, field.after) for field in change.fields]
    body = with_values(
        dict(was), [(path, value) for path, value in values if path[0] not in LISTS | {"route"}]
    )
    heads = {path[0] for path, _ in values}
    if "healthcheck" in heads and body.get("healthcheck"):
        # what there is to test says whether it is disabled
        body["healthcheck"] = {key: value for key, value in body["healthcheck"].items() if key != "disable"}
    if heads & {"ports", "route"}:
        there = port_sides(was, was, have).before
        body["ports"] = there["ports"]
        body["route"] = {**was.get("route", {}), **there["route"]} if "route" in there else None
    for name in heads & LISTS - {"ports", "image_id"}:
        body[name] = have.get(name)
    return without_refused({name: value for name, value in body.items() if value is not None}, was)
