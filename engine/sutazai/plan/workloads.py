"""The change of one workload: which action, why, and by which steps. And its drift: what was done to it outside."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sutazai.diagnostics import and_more
from sutazai.model.base import Effect
from sutazai.model.workload import Workload
from sutazai.plan.change import Action, FieldChange, Reason, ResourceChange, Step
from sutazai.plan.compare import Wanted, compare, is_ignored
from sutazai.plan.differ import Path, with_values
from sutazai.plan.known import Known
from sutazai.plan.ports import chosen_by_docker, host_ports
from sutazai.plan.shares import Shares, named, text_of
from sutazai.plan.strategy import Choice
from sutazai.state.observed import Instance
from sutazai.state.scope import Slot

_MOST_NAMED = 4
_ANSWERS = "aliases"
_REPLICAS: Path = ("deploy", "replicas")
_PORTS: Path = ("ports",)
LISTS = frozenset({"ports", "volumes", "tmpfs", "devices", "configs", "secrets", "image_id"})
"""Fields whose paths do not lead into the declared body, since their normal form is another."""


def change_of(known: Known) -> ResourceChange:
    """What happens to a desired workload."""
    wanted = Wanted(
        known.desired, known.prior, known.configs, known.image, known.pinned, known.past_configs, known.host
    )
    after, slot, current = wanted.form, known.slot, known.current
    if not current and known.desired.deploy.replicas > 0:
        slot = _free_slot(known, slot)
        gone = known.record is not None and bool(known.record.instances)
        none = "" if known.record is None else f"none of {known.desired.deploy.replicas} there"
        return ResourceChange(
            known.address, Action.CREATE, Reason.MISSING if gone else Reason.NEW,
            "its container is gone" if gone else none, None, after, _unknown(known), slot,
            ("remove-deposed",) if known.instances else (), image_id=known.image_id,
        )  # fmt: skip
    fields = _fields(known, wanted, current)
    recorded = after if known.prior is None else wanted.past_form
    before = with_values(recorded, _of_maps(_reported(known, fields)))
    base = ResourceChange(
        known.address,
        Action.NOOP,
        before=before,
        after=after,
        fields=fields,
        slot=slot,
        image_id=known.image_id,
    )
    if any(field.effect is Effect.REPLACE for field in fields) and current:
        change = _replace(base, known)
        return replace(change, imported_id=current[0].id) if _imported(known) else change
    spoilt = next((words for one in current if (words := _spoilt(known, one))), "")
    if spoilt:
        return replacing(base, known.choose(), Reason.TAINTED, f"its container {spoilt}")
    change = _in_place(base, known, current)
    return _adopted(change, current) if _imported(known) and current else change


def _spoilt(known: Known, instance: Instance) -> str:
    """Why a container can't be made to run as it should, as it stands; nothing where it can."""
    if instance.doomed:
        return f"{instance.condition}, and can't be started again"
    if known.is_outlived(instance) and not known.goes_back:
        return "is gone, and one of an earlier version runs"
    unfilled = instance.status == "created" and bool(instance.configs)
    return "was never started, and may be without its configs" if unfilled else ""


def _imported(known: Known) -> bool:
    return known.record is not None and known.record.imported


def _adopted(change: ResourceChange, current: Sequence[Instance]) -> ResourceChange:
    """What was imported becomes as declared without a new container."""
    names = ", ".join(instance.name for instance in current)
    rest = f"; {change.detail}" if change.detail and change.steps else ""
    return replace(
        change, action=Action.ADOPT, reason=Reason.ADOPTED, detail=f"{names} was imported and stays{rest}",
        steps=change.steps or ("record",), imported_id=current[0].id,
    )  # fmt: skip


def _free_slot(known: Known, slot: Slot) -> Slot:
    """The other slot, where containers of others have the names of this one and none has those of the other."""
    replicas = known.desired.deploy.replicas

    def is_free(slot: Slot) -> bool:
        names = (known.scope.instance_name(known.host, slot, n, replicas) for n in range(1, replicas + 1))
        return known.taken.isdisjoint(names)

    return slot.other if not is_free(slot) and is_free(slot.other) else slot


def _unknown(known: Known) -> tuple[FieldChange, ...]:
    """What only Docker can tell of a new container."""
    found = [] if known.image_id else [FieldChange(("image_id",), None, None, Effect.REPLACE, known=False)]
    if chosen_by_docker(known.desired):
        after = [str(port) for port in host_ports(known.desired)]
        found.append(FieldChange(("ports",), None, after, Effect.REPLACE, known=False))
    return tuple(found)


def _fields(known: Known, wanted: Wanted, current: Sequence[Instance]) -> tuple[FieldChange, ...]:
    found: dict[Path, FieldChange] = {}
    for instance in current:
        for field in compare(wanted, instance, known.recorded_image(instance)):
            found.setdefault(field.path, field)
        for field in _unanswered(known.desired, known.host, instance):
            found.setdefault(field.path, field)
    if known.shares is not None:
        found = {path: field for path, field in found.items() if path != _PORTS}
        found |= {field.path: field for field in _shared_out(known, known.shares)}
    replicas = known.desired.deploy.replicas
    if known.shares is None and len(current) != replicas and not _leaves_replicas(known):
        same = known.prior is not None and known.prior.deploy.replicas == replicas
        found[_REPLICAS] = FieldChange(_REPLICAS, len(current), replicas, Effect.IN_PLACE, drift=same)
    # what differs where an unfinished run was at work may be its own doing
    return tuple(replace(found[path], drift=found[path].drift and not known.unseen) for path in sorted(found))


def _shared_out(known: Known, shares: Shares) -> Iterator[FieldChange]:
    """Which ports come and which go. Those that stay published for now, as no container of it can let them go, are only
    recorded."""
    past = {text_of(port) for port in known.prior.ports} if known.prior else set()
    wanted = {text_of(port) for port in known.desired.ports}
    going = sorted(past - wanted if not shares.obstacle else {*shares.left, *(past - wanted)})
    coming = [text_of(port) for port in shares.missing]
    if coming or going or shares.obstacle:
        live = Effect.IN_PLACE if coming or shares.spare else Effect.ENGINE
        effect = Effect.REPLACE if shares.obstacle else live
        yield FieldChange(_PORTS, going or None, coming or None, effect, drift=past == wanted)


def _unanswered(workload: Workload, host: str, instance: Instance) -> Iterator[FieldChange]:
    """Networks in which a container does not answer to the name that others reach the workload by: it was made for
    another address or by others, or was joined to the network by hand."""
    for name in sorted(workload.networks):
        there = instance.answers.get(name)
        if there is not None and host not in there and instance.body.networks.get(name) is not None:
            names = [alias for alias in there if not instance.id.startswith(alias)]
            answers = [host, *workload.networks[name].aliases]
            yield FieldChange(("networks", name, _ANSWERS), names, answers, Effect.IN_PLACE)


def _reported(known: Known, fields: Iterable[FieldChange]) -> list[tuple[Path, object]]:
    """What the container has in place of what was declared, where that is not what was last applied."""
    return [
        (field.path, field.before)
        for field in fields
        if (field.drift or known.unseen or known.prior is None) and field.effect is not Effect.ENGINE
    ]


def _of_maps(values: Iterable[tuple[Path, object]]) -> list[tuple[Path, object]]:
    return [(path, value) for path, value in values if path[0] not in LISTS]


def _words(fields: Sequence[FieldChange]) -> str:
    return and_more([".".join(field.path) for field in fields], _MOST_NAMED)


def _replace(base: ResourceChange, known: Known) -> ResourceChange:
    forcing = [field for field in base.fields if field.effect is Effect.REPLACE]
    moved = [field.path for field in forcing] == [("image_id",)]
    reason = Reason.IMAGE_MOVED if moved else Reason.CANNOT_UPDATE
    words = _words(forcing)
    if known.shares is not None and known.shares.obstacle:
        words += f": {known.shares.obstacle}"
    return replacing(base, known.choose(), reason, words)


def replacing(base: ResourceChange, choice: Choice, reason: Reason, detail: str) -> ResourceChange:
    """A change that leaves the container where it is, as a replacement in the other slot. `detail` says why."""
    return replace(
        base, action=Action.REPLACE_START_FIRST if choice.start_first else Action.REPLACE, reason=reason, detail=detail,
        slot=(base.slot or Slot.BLUE).other, steps=(), strategy=choice.strategy, strategy_reason=choice.reason,
        fresh_baseline=choice.fresh_baseline,
    )  # fmt: skip


def _in_place(base: ResourceChange, known: Known, current: Sequence[Instance]) -> ResourceChange:
    steps = _steps(base, known, current)
    if not steps:
        return base
    reason, detail = _why(base, known, current, steps)
    return replace(base, action=Action.UPDATE, reason=reason, detail=detail, steps=steps)


def _steps(base: ResourceChange, known: Known, current: Sequence[Instance]) -> tuple[Step, ...]:
    """In the order in which they are carried out."""
    live = {field.path for field in base.fields if field.effect is Effect.IN_PLACE}
    stopped = any(not runs(instance, finishes=known.finishes) for instance in current)
    numbers = known.wanted_numbers if known.shares else set(range(1, len(current) + 1))
    renumbered = _numbers(current) != numbers and not _leaves_replicas(known)
    scaled = _REPLICAS in live or renumbered
    tainted = known.unseen or (known.record is not None and known.record.tainted)
    needed: dict[Step, bool] = {
        "update": any(path[:2] == ("deploy", "resources") or path[0] == "restart" for path in live),
        "networks": any(path[0] == "networks" for path in live),
        "route": any(path[0] == "route" for path in live),
        "scale": scaled,
        "rename": any(_misnamed(known, instance) for instance in current),
        "start": stopped,
        "wait": stopped or tainted,
        "post-deploy": _calls_post_deploy(known, current, tainted=tainted),
        "remove-deposed": len(known.instances) > len(current),
        "record": any(field.effect is Effect.ENGINE for field in base.fields),
    }
    if not current and known.record is None:  # no replicas, and never applied
        needed["record"] = True
    return tuple(step for step, wanted in needed.items() if wanted)


def _calls_post_deploy(known: Known, current: Sequence[Instance], *, tainted: bool) -> bool:
    """Where the last run may not have come to it, and in containers that are added."""
    hooks, replicas = known.desired.hooks, known.desired.deploy.replicas
    if hooks.post_deploy is None or known.goes_back or not replicas:
        return False
    return tainted or (replicas > len(current) and not hooks.is_one_off("post_deploy"))


def _misnamed(known: Known, instance: Instance) -> bool:
    """Where it is left as it is how many there are, a name may bear a number though it is the only one, or none."""
    right = {known.name_of(instance)}
    if _leaves_replicas(known):
        right |= {known.scope.instance_name(known.host, instance.slot, instance.replica, of) for of in (1, 2)}
    return instance.replica in known.wanted_numbers and instance.name not in right


def _leaves_replicas(known: Known) -> bool:
    """Those that are there stay, whatever their number and numbers."""
    return is_ignored(_REPLICAS, known.desired.lifecycle.ignore_changes)


def _numbers(current: Sequence[Instance]) -> set[int]:
    return {instance.replica for instance in current}


def _why(
    base: ResourceChange, known: Known, current: Sequence[Instance], steps: Sequence[Step]
) -> tuple[Reason, str]:
    """The weightiest reason, and all of them in words."""
    live = [field for field in base.fields if field.effect is Effect.IN_PLACE]
    engine = [field for field in base.fields if field.effect is Effect.ENGINE]
    found: list[tuple[Reason, str]] = []
    if "start" in steps:
        stopped = next(instance for instance in current if not runs(instance, finishes=known.finishes))
        found.append((Reason.STOPPED, f"its container {stopped.condition}"))
    if known.shares is not None:
        found += _why_shared_out(known, known.shares)
    elif "scale" in steps:
        found.append((Reason.SCALED, f"{_count(len(current))} of {known.desired.deploy.replicas} there"))
    others = [field for field in live if field.path not in (_REPLICAS, _PORTS)]
    if others:
        drifted = all(field.drift for field in others)
        found.append((Reason.DRIFTED if drifted else Reason.CHANGED, _words(others)))
    if "wait" in steps and "start" not in steps:
        unseen = "the last run changed it and did not see it healthy"
        found.append(
            (Reason.TAINTED, unseen if known.unseen else "it was not healthy when the last run ended")
        )
    if "rename" in steps and "scale" not in steps:
        found.append(_renaming(known, current))
    if "remove-deposed" in steps:
        found.append((Reason.DRIFTED, "a container of another version is left over"))
    if engine:
        found.append((Reason.RECORD, _words(engine)))
    if not found:
        return Reason.RECORD, "no replicas"
    return found[0][0], "; ".join(text for _, text in found)


def _why_shared_out(known: Known, shares: Shares) -> Iterator[tuple[Reason, str]]:
    if shares.missing:
        reason = Reason.DRIFTED if _are_applied(known) else Reason.CHANGED
        ports = named(map(text_of, shares.missing))
        yield (
            reason,
            f"another container of it publishes {ports}, beside {_containers(len(shares.ports) - 1)}",
        )
    for instance in shares.spare:
        yield Reason.SCALED, f"{instance.name} publishes nothing that is wanted any longer"


def _are_applied(known: Known) -> bool:
    """The ports are those that were applied last."""
    return known.prior is not None and set(known.prior.ports) == set(known.desired.ports)


def _containers(number: int) -> str:
    return f"the {number} that are there" if number > 1 else "the one that is there"


def _renaming(known: Known, current: Sequence[Instance]) -> tuple[Reason, str]:
    """A container that is called as it was when it was recorded got another address, or was imported."""
    misnamed = [instance for instance in current if _misnamed(known, instance)]
    recorded = {row.name for row in known.record.instances} if known.record else set()
    if any(instance.name not in recorded for instance in misnamed):
        return Reason.DRIFTED, "its container was renamed"
    return Reason.CHANGED, f"its container will be called {known.name_of(misnamed[0])}"


def _count(number: int) -> str:
    return "none" if number == 0 else str(number)


def runs(instance: Instance, *, finishes: bool) -> bool:
    """Whether an instance is as it should be: running, or well ended where it is meant to end."""
    ended = finishes and instance.status == "exited" and instance.exit_code == 0
    return instance.status == "running" or ended


def drift_of(known: Known) -> ResourceChange | None:
    """What was done to a recorded workload outside: `before` is what was applied, `after` what is there now, `detail` what no
    field tells."""
    if known.prior is None or known.record is None or not known.record.instances:
        return None
    before, current = known.prior.form, known.current
    base = ResourceChange(known.address, Action.UPDATE, before=before, after=before, slot=known.slot)
    if not current:
        return replace(
            base, action=Action.DESTROY, reason=Reason.MISSING, detail="its container is gone", after=None
        )
    wanted = Wanted(known.prior, known.prior, known.past_configs, host=known.past_host)
    found: dict[Path, FieldChange] = {}
    for instance in current:
        applied_to_it = replace(wanted, image_id=known.recorded_image(instance))
        for field in (field for field in compare(applied_to_it, instance) if field.known):
            if known.shares is not None and field.path == _PORTS:
                continue
            turned = replace(field, before=field.after, after=field.before, drift=True)
            found.setdefault(field.path, turned)
    applied = len(known.record.instances)
    if len(current) != applied and not _leaves_replicas(known):
        found[_REPLICAS] = FieldChange(_REPLICAS, applied, len(current), Effect.IN_PLACE, drift=True)
    fields = tuple(found[path] for path in sorted(found))
    after = with_values(before, _of_maps([(field.path, field.after) for field in fields]))
    texts = list(_beside_fields(known, current))
    if not fields and not texts:
        return None
    if known.not_outside:
        texts.append(known.not_outside)
    reason = Reason.DRIFTED if all(runs(i, finishes=known.finishes) for i in current) else Reason.STOPPED
    return replace(base, reason=reason, detail="; ".join(texts), fields=fields, after=after)


def _beside_fields(known: Known, current: Sequence[Instance]) -> Iterator[str]:
    """What was done to the containers of a recorded workload that no field tells."""
    names = {(row.slot, row.replica): row.name for row in known.record.instances} if known.record else {}
    stopped = next((i for i in current if not runs(i, finishes=known.finishes)), None)
    if stopped is not None:
        yield f"its container {stopped.condition}"
    renamed = next((i for i in current if names.get((i.slot, i.replica), i.name) != i.name), None)
    if renamed is not None:
        yield f"its container was renamed to {renamed.name}"
    # One that was recorded under another address has never been called by it.
    settled = (i for i in current if names.get((i.slot, i.replica)) == known.name_of(i))
    unanswered = (
        (f.path[1] for i in settled for f in _unanswered(known.prior, known.past_host, i))
        if known.prior
        else ()
    )
    nameless = known.named_in.intersection(unanswered)
    if nameless:
        yield f"it is no longer called {known.past_host} in network {min(nameless)}"
