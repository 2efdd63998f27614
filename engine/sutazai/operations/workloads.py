"""Changing one workload: the calls, in an order that leaves something to go on from at every point."""

from collections.abc import Sequence
from contextlib import suppress

from sutazai.errors import NotFound
from sutazai.model.base import Effect
from sutazai.operations.aside import name_aside
from sutazai.operations.deploying import post_deploy
from sutazai.operations.hand import (
    Hand,
    Placed,
    Unhealthy,
    all_healthy,
    call,
    create,
    end_first,
    instance_spec,
    quieten,
    record_of,
    remove_all,
    replicas_of,
    say,
    stop,
    tainted,
)
from sutazai.operations.leading import lead, make_way, open_switch
from sutazai.operations.replacing import replaced, stand_by
from sutazai.operations.starting import start
from sutazai.plan.change import Action
from sutazai.state.observed import Instance
from sutazai.state.v2 import ResourceRecord


async def carry_out(hand: Hand) -> ResourceRecord | None:
    """Do what the change says; what is there afterwards, None when it is gone. Raises `Unhealthy` or `ProviderError`."""
    match hand.change.action:
        case Action.DESTROY:
            await remove_all(hand, hand.instances)
            return None
        case Action.CREATE | Action.REPLACE | Action.REPLACE_START_FIRST:
            return await replaced(hand)
        case Action.UPDATE | Action.ADOPT:
            return await _update(hand)
        case action:
            raise ValueError(f"{hand.address}: a run does not carry out {action}")


async def _update(hand: Hand) -> ResourceRecord:
    current, steps = list(hand.in_slot(hand.slot)), hand.change.steps
    deposed = hand.in_slot(hand.slot.other) if "remove-deposed" in steps else ()
    alone = bool({"start", "scale"} & set(steps)) and not hand.choice.start_first
    if alone:  # of two versions only one may run
        await remove_all(hand, deposed)
    if "update" in steps:
        await _limits(hand, current)
    if "networks" in steps:
        for instance in current:
            await _networks(hand, instance)
    placed, spare = [Placed(instance.id, instance.replica, instance) for instance in current], _spare(hand)
    if "scale" in steps:
        placed = await _scale(hand, current)
    elif "rename" in steps:
        await _rename(hand, current)
    if "start" in steps:
        placed = [await _running(hand, one) for one in placed]
    if "restart" in steps:
        placed = [await _restarted(hand, one) for one in placed]
    await _ready(hand, placed, () if alone else deposed, spare)
    if "post-deploy" in steps and not hand.run.goes_back:
        await _deployed(hand, placed)
    if not alone:
        await end_first(hand, deposed)
    stand_by(hand, (*spare, *(() if alone else deposed)))
    return record_of(hand, placed)


async def _ready(
    hand: Hand, placed: Sequence[Placed], deposed: Sequence[Instance], spare: Sequence[Instance]
) -> None:
    """Healthy where anything was done that could change that, and with their traffic."""
    steps = set(hand.change.steps)
    closed = hand.run.board is not None and hand.run.board.router is None
    if {"start", "restart", "scale"} & steps or ("networks" in steps and closed):
        await open_switch(hand, placed, spare)
    if {"start", "restart", "scale", "wait", "networks"} & steps:
        await all_healthy(hand, placed)
    # the switch asks the network for a container by its name, and so must be told of another one
    if {"start", "restart", "scale", "rename", "wait", "networks", "route", "remove-deposed"} & steps:
        await lead(hand, placed, deposed)


async def _deployed(hand: Hand, placed: Sequence[Placed]) -> None:
    """`post_deploy` in what was made just now, and in everything where the last run did not come so far."""
    fresh = [one for one in placed if one.instance is None]
    try:
        await post_deploy(hand, placed if "wait" in hand.change.steps else fresh)
    except Unhealthy as error:
        raise error.with_record(tainted(hand, placed)) from error


async def _limits(hand: Hand, current: Sequence[Instance]) -> None:
    """The fields that the engine itself changes on a running container; the other steps see to the rest."""
    changed = [field.path for field in hand.change.fields if field.effect is Effect.IN_PLACE]
    paths = [path for path in changed if path[0] == "restart" or path[:2] == ("deploy", "resources")]
    update = hand.run.session.provider.update
    for instance in current:
        say(hand, "updating " + ", ".join(".".join(path) for path in paths))
        await call(hand, "update", {"id": instance.id}, update, instance.id, hand.workload, paths)


async def _running(hand: Hand, one: Placed) -> Placed:
    if one.instance is None or one.instance.status == "running":
        return one
    say(hand, f"starting: its container {one.instance.condition}")
    return await start(hand, one)


async def _restarted(hand: Hand, one: Placed) -> Placed:
    """Stopped and started again, where it ran before; what was made just now has seen the new dependency."""
    if one.instance is None:
        return one
    say(hand, f"restarting {one.instance.name}")
    await quieten(hand, [one.instance])
    await stop(hand, one.instance)
    return await start(hand, one)


async def _networks(hand: Hand, instance: Instance) -> None:
    """Connect what is declared and missing, disconnect what was declared and is no longer, reconnect what differs."""
    provider, wanted = hand.run.session.provider, hand.workload.networks
    hosts = instance_spec(hand, instance.replica).hosts
    changed = {
        field.path[1] for field in hand.change.fields if field.path[0] == "networks" and len(field.path) > 1
    }
    if not changed:
        changed = set(wanted) ^ set(instance.body.networks)
    for name in sorted(changed & set(instance.body.networks)):
        with suppress(NotFound):  # a network that was made anew has it no longer
            await call(
                hand,
                "disconnect",
                {"id": instance.id, "network": name},
                provider.disconnect,
                instance.id,
                name,
            )
    for name in sorted(changed & set(wanted)):
        await call(
            hand,
            "connect",
            {"id": instance.id, "network": name},
            provider.connect,
            instance.id,
            name,
            wanted[name],
            hosts,
        )


def _spare(hand: Hand) -> tuple[Instance, ...]:
    """Containers that are not needed any longer, and harm nobody until the run is done."""
    shares = hand.shares
    return tuple(one for one in shares.spare if one.id not in shares.in_the_way) if shares else ()


async def _scale(hand: Hand, current: list[Instance]) -> list[Placed]:
    wanted, spare = set(replicas_of(hand)), {instance.id for instance in _spare(hand)}
    unwanted = [instance for instance in current if instance.replica not in wanted]
    await remove_all(hand, [instance for instance in unwanted if instance.id not in spare])
    kept = [instance for instance in current if instance.replica in wanted]
    await _rename(hand, kept)
    placed = [Placed(instance.id, instance.replica, instance) for instance in kept]
    missing = sorted(wanted - {instance.replica for instance in kept})
    if missing:
        await make_way(hand)
    return placed + [await start(hand, await create(hand, replica)) for replica in missing]


async def _rename(hand: Hand, instances: Sequence[Instance]) -> None:
    """A name that another of them has is free once that one is renamed; where they have each other's, one steps aside."""
    names = {instance.id: instance_spec(hand, instance.replica).name for instance in instances}
    wrong = {one.name: one for one in instances if one.name != names[one.id]}
    while wrong:
        free = next((name for name, one in wrong.items() if names[one.id] not in wrong), None)
        one = wrong.pop(free) if free else wrong.popitem()[1]
        name = names[one.id] if free else name_aside(one)
        await call(
            hand,
            "rename",
            {"id": one.id, "name": name},
            hand.run.session.provider.rename,
            one.id,
            name,
        )
        if not free:
            wrong[name] = one
