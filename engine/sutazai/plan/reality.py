"""What a state would say had it followed what was done outside: the records of a refresh. Docker is not touched by it.

What a record can't hold stays drift: that a container does not run, or has what no spec may say.
"""

from collections.abc import Mapping
from typing import Any

from sutazai.address import Address
from sutazai.model.workload import Workload, without_refused
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.differ import with_values
from sutazai.plan.known import current_slot
from sutazai.plan.ports import port_sides
from sutazai.plan.situation import Situation
from sutazai.plan.workloads import LISTS
from sutazai.state.observed import Instance
from sutazai.state.v2 import InstanceRecord, ResourceRecord, body_of_kind

Records = Mapping[Address, ResourceRecord | None]


def as_found(situation: Situation, drift: tuple[ResourceChange, ...]) -> Records:
    """The records of what drifted, None for what is gone. Records that stay as they are are left out."""
    found = {change.address: _record(situation, change) for change in drift}
    return {address: record for address, record in found.items() if record != situation.records[address]}


def _record(situation: Situation, change: ResourceChange) -> ResourceRecord | None:
    old = situation.records[change.address]
    if change.action is Action.DESTROY:
        return None
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
