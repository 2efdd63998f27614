"""What the change of one resource, or a wish of the user, means for others: replaced, restarted or joined again with it."""

from dataclasses import replace

from sutazai.address import Address, Kind
from sutazai.graph.selectors import reachable
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet
from sutazai.plan.change import (
    MADE,
    REPLACED,
    Action,
    FieldChange,
    Reason,
    ResourceChange,
)
from sutazai.plan.known import chosen_for
from sutazai.plan.situation import Situation
from sutazai.plan.targets import chosen, to_be_replaced
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
            fires = _starts_anew(changes[trigger]) if sharing else _fires(changes[trigger])
            if listener is None or not fires or change.action not in UNTOUCHED:
                continue
            if address in situation.instances:
                why = f"it shares a namespace of {trigger}, which is started anew"
                detail = why if sharing else f"{trigger} changes"
                changes[address] = replacing(
                    change, chosen_for(situation, address, listener), Reason.TRIGGERED, detail
                )
                pending.append(address)


def _listeners(desired: Fleet) -> dict[Address, list[tuple[Address, bool]]]:
    """Trigger → those that it replaces, each with whether that is because they share a namespace."""
    found: dict[Address, list[tuple[Address, bool]]] = {}
    for address, workload in desired.workloads():
        named = [(_referred(desired, name), False) for name in workload.lifecycle.replace_triggered_by]
        shared = [(desired.resolve(name), True) for name in workload.shares]
        for trigger, sharing in (*named, *shared):
            if trigger is not None:
                found.setdefault(trigger, []).append((address, sharing))
    return found


def restart(desired: Fleet, changes: Changes) -> None:
    """`depends_on.NAME.restart`: who asked for it starts again when the dependency gets a new container, or starts again
    itself. As in Compose, what the engine restarts by itself does not count."""
    listeners: dict[Address, list[Address]] = {}
    for address, workload in desired.workloads():
        for name, dependency in workload.depends_on.items():
            target = desired.resolve(name) if dependency.restart else None
            if target is not None:
                listeners.setdefault(target, []).append(address)
    new = [address for address in sorted(listeners) if _gets_a_new_container(changes[address])]
    while new:
        dependency_address = new.pop()
        for address in listeners.get(dependency_address, ()):
            change = changes[address]
            if change.action not in UNTOUCHED or {"start", "restart"} & set(change.steps):
                continue
            detail = f"{dependency_address} is made anew, and depends_on asks for a restart"
            changes[address] = replace(
                change, action=Action.UPDATE, steps=(*change.steps, "restart"),
                reason=change.reason if change.reason is not Reason.NONE else Reason.RESTARTED,
                detail=f"{change.detail}; {detail}" if change.detail else detail,
            )  # fmt: skip
            new.append(address)


def _gets_a_new_container(change: ResourceChange) -> bool:
    again = change.action is Action.CREATE and change.reason is Reason.MISSING
    return again or change.action in REPLACED


def _referred(desired: Fleet, reference: str) -> Address | None:
    kind, _, name = reference.partition(".")
    if name and kind in (Kind.NETWORK, Kind.VOLUME, Kind.CONFIG, Kind.SECRET):
        return Address(Kind(kind), name)
    return desired.resolve(reference)


def _fires(change: ResourceChange) -> bool:
    if change.action in (Action.UPDATE, Action.ADOPT):
        return change.address.kind is Kind.CONFIG or bool(
            set(change.steps) - {"record", "remove-deposed", "wait", "post-deploy"}
        )
    return change.action in REPLACED


def _starts_anew(change: ResourceChange) -> bool:
    """Whether its processes are new ones afterwards, and with them its namespaces."""
    made = change.action in MADE
    return made or (change.action is Action.UPDATE and "start" in change.steps)


def reconnect(situation: Situation, changes: Changes) -> None:
    """The members of a network that is made anew join it again: an in-place update of each that stays."""
    made_anew = {address.name for address, c in changes.items() if _is_replaced_network(c)}
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


def _is_replaced_network(change: ResourceChange) -> bool:
    return change.address.kind is Kind.NETWORK and change.action is Action.REPLACE


def members_of_replaced(situation: Situation, changes: Changes) -> frozenset[Address]:
    """With a network that is made anew go its members, targeted or not: they would be left without it. So would those
    that share a namespace of a container that is."""
    going = chosen(situation, changes)
    names = {address.name for address in going if _is_replaced_network(changes[address])}
    members = frozenset(
        instance.address
        for instance in (situation.observed.instances if names else ())
        if names & set(instance.body.networks) and instance.address in changes
    )
    return members | _sharers(situation, changes, going | members)


def _sharers(situation: Situation, changes: Changes, going: frozenset[Address]) -> frozenset[Address]:
    """Those whose namespaces are renewed by what is going to change, and those that share theirs in turn."""
    sharers: dict[Address, list[Address]] = {}
    for address, workload in situation.desired.workloads():
        for owner in map(situation.desired.resolve, workload.shares):
            if owner is not None:
                sharers.setdefault(owner, []).append(address)
    return reachable([address for address in going if _starts_anew(changes[address])], sharers)
