"""The change of one workload: which action, why, and by which steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.model.base import Effect
from sutazai.model.workload import Workload, declared, effect_of
from sutazai.plan.change import Action, FieldChange, Reason, ResourceChange, Step
from sutazai.plan.compare import Wanted, compare
from sutazai.state.observed import Image, Instance
from sutazai.state.scope import Slot
from sutazai.state.v1 import ResourceRecord


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one workload. `configs` maps the configs it should have to digests of their content;
    `finishes`: others wait for it to end, so an exit with code 0 is how it should be; `expected_name` gives the name
    that a replica of a slot should bear."""

    address: Address
    desired: Workload
    prior: Workload | None
    record: ResourceRecord | None
    instances: tuple[Instance, ...]
    image: Image | None
    pinned: str | None
    configs: Mapping[str, str]
    finishes: bool
    names: Mapping[tuple[Slot, int], str]


def current_slot(record: ResourceRecord | None, instances: Sequence[Instance]) -> Slot:
    """The slot in use: the recorded one if something is there, else the one that runs, else the newest, else blue."""
    slots = {instance.slot for instance in instances}
    if record and record.slot in slots:
        return record.slot
    running = [instance for instance in instances if instance.status == "running"]
    newest = max(running or instances, key=lambda instance: (instance.created_at, instance.slot), default=None)
    return newest.slot if newest else Slot.BLUE


def view(workload: Workload) -> dict[str, object]:
    """The declared body for the plan's `before` and `after`."""
    return {name: value for name, value in declared(workload).items() if effect_of((name,)) is not Effect.INPUT}


def _words(fields: Sequence[FieldChange]) -> str:
    names = [".".join(field.path) for field in fields]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def change_of(known: Known) -> ResourceChange:
    """What happens to a desired workload."""
    after = view(known.desired)
    before = view(known.prior) if known.prior is not None else None
    image_id = known.pinned or (known.image.id if known.image else None)
    slot = current_slot(known.record, known.instances)
    current = tuple(instance for instance in known.instances if instance.slot is slot)
    if not current and known.desired.deploy.replicas > 0:
        gone = known.record is not None
        return ResourceChange(known.address, Action.CREATE, Reason.MISSING if gone else Reason.NEW,
                              "its container is gone" if gone else "", None, after, (), slot, image_id=image_id)  # fmt: skip
    fields = _fields(known, current)
    base = ResourceChange(known.address, Action.NOOP, before=before or after, after=after, fields=fields, slot=slot, image_id=image_id)
    if any(field.effect is Effect.REPLACE for field in fields):
        return _replace(base, known)
    return _in_place(base, known, current)


def _fields(known: Known, current: Sequence[Instance]) -> tuple[FieldChange, ...]:
    found: dict[tuple[str, ...], FieldChange] = {}
    wanted_body = Wanted(known.desired, known.prior, known.configs, known.image, known.pinned)
    for instance in current:
        for field in compare(wanted_body, instance):
            if field.path != ("deploy", "replicas"):
                found.setdefault(field.path, field)
    wanted = known.desired.deploy.replicas
    if len(current) != wanted:
        replicas: tuple[str, ...] = ("deploy", "replicas")
        found[replicas] = FieldChange(replicas, len(current), wanted, Effect.IN_PLACE,
                                  drift=known.prior is not None and known.prior.deploy.replicas == wanted)  # fmt: skip
    return tuple(found[path] for path in sorted(found))


def _replace(base: ResourceChange, known: Known) -> ResourceChange:
    forcing = [field for field in base.fields if field.effect is Effect.REPLACE]
    moved = [field.path for field in forcing] == [("image_id",)]
    reason = Reason.IMAGE_MOVED if moved else Reason.CANNOT_UPDATE
    return replacing(base, known.desired, reason, _words(forcing))


def replacing(base: ResourceChange, desired: Workload, reason: Reason, detail: str) -> ResourceChange:
    """The change as a replacement in the other slot, with the strategy and why it is that one."""
    slot = (base.slot or Slot.BLUE).other
    return ResourceChange(base.address, Action.REPLACE, reason, detail, base.before, base.after, base.fields, slot, (),
                          "recreate", stop_first_because(desired), base.image_id)  # fmt: skip


def stop_first_because(workload: Workload) -> str:
    """Why the old version stops before the new one starts."""
    if workload.route:
        return f"stop first: port {workload.route.port} is published directly until the traffic switch exists"
    if any(port.published for port in workload.ports):
        return "stop first: a published port can have one owner only"
    writable = [mount.source for mount in workload.volumes if mount.type == "volume" and not mount.read_only and mount.source]
    if writable:
        return f"stop first: volume {writable[0]} may have one writer only"
    return "stop first"


def _in_place(base: ResourceChange, known: Known, current: Sequence[Instance]) -> ResourceChange:
    steps: list[Step] = []
    reason, detail = Reason.NONE, ""
    engine = [field for field in base.fields if field.effect is Effect.ENGINE]
    if engine:
        steps.append("record")
        reason, detail = Reason.RECORD, _words(engine)
    paths = {field.path[:2] for field in base.fields if field.effect is Effect.IN_PLACE}
    if paths & {("deploy", "resources"), ("restart",)}:
        steps.append("update")
    if any(path[0] == "networks" for path in paths):
        steps.append("networks")
    if paths:
        live = [field for field in base.fields if field.effect is Effect.IN_PLACE]
        drifted = all(field.drift for field in live)
        reason, detail = Reason.DRIFTED if drifted else Reason.CHANGED, _words(live)
    if ("deploy", "replicas") in paths:
        steps.append("scale")
        reason = Reason.SCALED
    stopped = [instance for instance in current if not _runs(instance, finishes=known.finishes)]
    if stopped:
        steps.append("start")
        reason, detail = Reason.STOPPED, _why_stopped(stopped[0])
    elif known.record is not None and known.record.tainted:
        steps.append("wait")
        reason, detail = reason if reason is not Reason.NONE else Reason.TAINTED, detail or "it did not become healthy last time"
    if any(known.names.get((instance.slot, instance.replica)) not in (None, instance.name) for instance in current):
        steps.append("rename")
        reason, detail = (reason, detail) if detail else (Reason.DRIFTED, "its container was renamed")
    if len(known.instances) > len(current):
        steps.append("remove-deposed")
        reason, detail = (reason, detail) if detail else (Reason.DRIFTED, "a container of an earlier version is left over")
    if not steps:
        return base
    return ResourceChange(base.address, Action.UPDATE, reason, detail, base.before, base.after, base.fields, base.slot, tuple(steps),
                          image_id=base.image_id)  # fmt: skip


def _runs(instance: Instance, *, finishes: bool) -> bool:
    return instance.status == "running" or (finishes and instance.status == "exited" and instance.exit_code == 0)


def _why_stopped(instance: Instance) -> str:
    if instance.status == "created":
        return "its container was never started"
    if instance.status != "exited":
        return f"its container is {instance.status}"
    memory = ", out of memory" if instance.oom_killed else ""
    return f"its container exited with code {instance.exit_code}{memory}"
