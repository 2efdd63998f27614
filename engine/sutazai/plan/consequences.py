"""What the change of one resource, or a wish of the user, means for others: replaced, restarted or joined again with it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sutazai.address import Address, Kind
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet
from sutazai.plan.along import is_replaced_network, starts_anew
from sutazai.plan.change import (
    REPLACED,
    Action,
    FieldChange,
    Plan,
    Reason,
    ResourceChange,
)
from sutazai.plan.known import chosen_for, current_slot
from sutazai.plan.situation import Situation, triggers
from sutazai.plan.targets import to_be_replaced
from sutazai.plan.workloads import replacing

Changes = dict[Address, ResourceChange]
UNTOUCHED = (Action.NOOP, Action.UPDATE, Action.ADOPT)


def request(situation: Situation, changes: Changes) -> None:
    """`--replace`: a new container, whether or not anything differs."""
    for address in to_be_replaced(situation, changes):
        wanted = situation.desired.workload(address)
        if wanted is None or address not in situation.instances:
            continue
        change = changes[address]
        if change.action in UNTOUCHED:
            changes[address] = replacing(
                change, chosen_for(situation, address, wanted), Reason.REQUESTED, "asked for by --replace"
            )


def trigger(situation: Situation, changes: Changes) -> None:
    """`lifecycle.replace_triggered_by`: a trigger that is updated or replaced replaces those who name it. Likewise a new
    container replaces those that share a namespace of the old one, which is gone with it. And these may be triggers
    themselves."""
    listeners = _listeners(situation.desired)
    pending = sorted(address for address in listeners if address in changes)
    while pending:
        trigger = pending.pop()
        for address, sharing in listeners.get(trigger, ()):
            listener, change = situation.desired.workload(address), changes[address]
            fires = _takes_along(changes[trigger], sharing=sharing)
            if listener is None or change.action not in UNTOUCHED:
                continue
            if not fires and not _is_owed(situation, address, trigger):
                continue
            if address in situation.instances:
                why = f"it shares a namespace of {trigger}, which is started anew"
                detail = why if sharing else f"{trigger} changes"
                if not fires:
                    detail = f"an earlier run changed {trigger} and did not come to what follows"
                changes[address] = replacing(
                    change, chosen_for(situation, address, listener), Reason.TRIGGERED, detail
                )
                pending.append(address)


def _listeners(desired: Fleet) -> dict[Address, list[tuple[Address, bool]]]:
    """Trigger → those that it replaces, each with whether that is because they share a namespace."""
    found: dict[Address, list[tuple[Address, bool]]] = {}
    for address, workload in desired.workloads():
        named = [(trigger, False) for trigger in sorted(triggers(desired, workload))]
        shared = [(desired.resolve(name), True) for name in workload.shares]
        for trigger, sharing in (*named, *shared):
            if trigger is not None:
                found.setdefault(trigger, []).append((address, sharing))
    return found


def restart(situation: Situation, changes: Changes) -> None:
    """`depends_on.NAME.restart`: who asked for it starts again when the dependency gets a new container, or starts again
    itself. As in Compose, what the engine restarts by itself does not count."""
    asked = _asked_to_restart(situation.desired)
    pending = [
        (target, address)
        for target in sorted(asked)
        for address in asked[target]
        if _gets_a_new_container(changes[target]) or _is_owed(situation, address, target)
    ]
    while pending:
        target, address = pending.pop()
        change = changes[address]
        if change.action not in UNTOUCHED or {"start", "restart"} & set(change.steps):
            continue
        made = "is" if changes[target].changes else "was"
        detail = f"{target} {made} made anew, and depends_on asks for a restart"
        changes[address] = replace(
            change, action=Action.UPDATE, steps=(*change.steps, "restart"),
            reason=change.reason if change.reason is not Reason.NONE else Reason.RESTARTED,
            detail=f"{change.detail}; {detail}" if change.detail else detail,
        )  # fmt: skip
        pending += [(address, other) for other in asked.get(address, ())]


def _asked_to_restart(desired: Fleet) -> dict[Address, list[Address]]:
    """Dependency → those that start again with it."""
    found: dict[Address, list[Address]] = {}
    for address, workload in desired.workloads():
        for name, dependency in workload.depends_on.items():
            target = desired.resolve(name) if dependency.restart else None
            if target is not None:
                found.setdefault(target, []).append(address)
    return found


def followed(plan: Plan) -> Iterator[tuple[Address, Address]]:
    """What is replaced or restarted with another, each with that other. A run that is not done may come to the one and not to
    the other, and then nothing that can be looked at tells what is left to do."""
    changes = {change.address: change for change in plan.actions}
    yield from triggered(plan.desired, changes)
    for target, dependents in _asked_to_restart(plan.desired).items():
        change = changes.get(target)
        if change is not None and (_gets_a_new_container(change) or "restart" in change.steps):
            yield from ((address, target) for address in dependents if address in changes)


def triggered(desired: Fleet, changes: Mapping[Address, ResourceChange]) -> Iterator[tuple[Address, Address]]:
    """Each that changes together with what replaces it, and that."""
    for trigger, listeners in _listeners(desired).items():
        for address, sharing in listeners if trigger in changes else ():
            if address in changes and _takes_along(changes[trigger], sharing=sharing):
                yield address, trigger


def _is_owed(situation: Situation, address: Address, cause: Address) -> bool:
    """Whether an unfinished run changed `cause` and did not come to what follows from it: the container is an older one."""
    serial = situation.aftermath.owed.get((address, cause))
    there = situation.instances.get(address, ())
    slot = current_slot(situation.records.get(address), there)
    return serial is not None and any(one.serial < serial for one in there if one.slot is slot)


def _takes_along(change: ResourceChange, *, sharing: bool) -> bool:
    return starts_anew(change) if sharing else _fires(change)


def _gets_a_new_container(change: ResourceChange) -> bool:
    again = change.action is Action.CREATE and change.reason is Reason.MISSING
    return again or change.action in REPLACED


def _fires(change: ResourceChange) -> bool:
    if change.action in (Action.UPDATE, Action.ADOPT):
        return change.address.kind is Kind.CONFIG or bool(
            set(change.steps) - {"record", "remove-deposed", "wait", "post-deploy"}
        )
    return change.action in REPLACED


def reconnect(situation: Situation, changes: Changes) -> None:
    """The members of a network that is made anew join it again: an in-place update of each that stays."""
    made_anew = {address.name for address, c in changes.items() if is_replaced_network(c)}
    for address, workload in situation.desired.workloads() if made_anew else ():
        change = changes[address]
        names = sorted(made_anew & {n for i in situation.instances.get(address, ()) for n in i.body.networks})
        if not names or change.action not in UNTOUCHED:
            continue
        attachments = workload.form.get("networks", {})
        known = {field.path[:2] for field in change.fields}
        joins = tuple(
            FieldChange(("networks", name), None, attachments[name], Effect.IN_PLACE)
            for name in names
            if name in attachments and ("networks", name) not in known
        )
        detail = f"network.{names[0]} is made anew"
        changes[address] = replace(
            change, action=Action.UPDATE if change.action is Action.NOOP else change.action, fields=(*change.fields, *joins),
            reason=change.reason if change.reason is not Reason.NONE else Reason.CHANGED,
            detail=f"{change.detail}; {detail}" if change.detail else detail,
            steps=change.steps if "networks" in change.steps else ("networks", *change.steps),
        )  # fmt: skip
