"""Replacing a workload: its next version in the other slot, and its traffic led there.

Stop-first stops the old version before the new one starts. Start-first has both run: the new one becomes healthy, its traffic
moves (in steps, for a canary), the old one gets nothing new and is done with what it has. `rolling` does either with a few
replicas at a time.

`pre_deploy` runs before anything of it changes, `post_deploy` at its end: but neither where the way back only leads to containers
that still stand by.

The old containers stay until the whole run has done well (`retire`): whoever takes the run back has only to start them again,
or only to lead the traffic back. What stands in a slot that is about to be used is a leftover of an earlier run: a container that
is just what is wanted is used again, any other goes first.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from sutazai.model.compose import NetworkAttachment
from sutazai.model.workload import Deploy, Workload, declared
from sutazai.operations.anonymous import has_those_of
from sutazai.operations.baseline import begun, removed
from sutazai.operations.canary import through_steps, withdraw
from sutazai.operations.deploying import post_deploy, pre_deploy
from sutazai.operations.hand import (
    Hand,
    Placed,
    Unhealthy,
    all_healthy,
    config_digests,
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
from sutazai.operations.session import Run, together
from sutazai.operations.starting import start
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.compare import Wanted, compare
from sutazai.plan.situation import declared_in_either
from sutazai.state.observed import Instance
from sutazai.state.scope import PREFIX
from sutazai.state.v2 import ResourceRecord


async def replaced(hand: Hand) -> ResourceRecord:
    """The workload as new containers. Raises `Unhealthy`, `TrafficError` or `ProviderError`."""
    old, there = hand.in_slot(hand.slot.other), hand.in_slot(hand.slot)
    kept = {instance.replica: instance for instance in there if is_as_wanted(hand, instance)}
    leftovers = [instance for instance in there if instance not in kept.values()]
    warm = hand.run.goes_back and kept.keys() == set(replicas_of(hand))
    deploys = hand.run.manner.gated and not warm
    if deploys:
        await pre_deploy(hand, old)
    await remove_all(hand, leftovers)
    start_first = hand.change.action is Action.REPLACE_START_FIRST
    size = hand.workload.deploy.replicas
    if hand.choice.strategy == "rolling" and old:
        size = hand.run.desired.rollout_of(hand.workload).max_parallel or 1
    placed: list[Placed] = []
    for replicas in _groups(replicas_of(hand), size):
        away = [one for one in old if one.replica in replicas or one.replica > hand.workload.deploy.replicas]
        if start_first:
            placed += await _beside(hand, replicas, kept, away)
        else:
            placed += await _one_after_the_other(hand, replicas, kept, away)
    if deploys:
        beside = start_first and hand.run.manner.drains != "first"
        await _deployed(hand, placed, old if beside else ())
    stand_by(hand, old)
    return record_of(hand, placed)


async def _deployed(hand: Hand, placed: Sequence[Placed], beside: Sequence[Instance]) -> None:
    """`post_deploy`. Where it fails and the old version still runs `beside`, that has all traffic again."""
    try:
        await post_deploy(hand, placed)
    except Unhealthy as error:
        if not beside:
            raise error.with_record(tainted(hand, placed)) from error
        if not error.interrupted:
            await withdraw(hand, placed, [one for one in beside if one.status == "running"])
        raise


def _groups(replicas: Sequence[int], size: int) -> list[Sequence[int]]:
    return [replicas[first : first + size] for first in range(0, len(replicas), max(size, 1))] or [replicas]


async def _made(hand: Hand, replicas: Sequence[int], kept: Mapping[int, Instance]) -> list[Placed]:
    return [
        Placed(kept[replica].id, replica, kept[replica]) if replica in kept else await _new(hand, replica)
        for replica in replicas
    ]


async def _new(hand: Hand, replica: int) -> Placed:
    return await hand.run.ahead.take(hand, replica) or await create(hand, replica)


async def _started(hand: Hand, placed: Sequence[Placed]) -> list[Placed]:
    return [
        one if one.instance is not None and one.instance.status == "running" else await start(hand, one)
        for one in placed
    ]


async def _one_after_the_other(
    hand: Hand, replicas: Sequence[int], kept: Mapping[int, Instance], old: Sequence[Instance]
) -> list[Placed]:
    placed = await _made(hand, replicas, kept)
    if any(instance.status == "running" for instance in old):
        say(hand, "stopping the old version")
    await quieten(hand, old)
    await together(stop(hand, instance) for instance in old)
    await make_way(hand)
    placed = await _started(hand, placed)
    await open_switch(hand, placed)
    seen = await all_healthy(hand, placed)
    await lead(hand, placed, seen=seen, patient=not old and not hand.run.goes_back)
    return placed


async def _beside(
    hand: Hand, replicas: Sequence[int], kept: Mapping[int, Instance], old: Sequence[Instance]
) -> list[Placed]:
    """The old version answers until the new one does. So where that does not come to be, the old one is still what there is."""
    placed = await _made(hand, replicas, kept)
    baseline = await begun(hand, old)
    placed = await _started(hand, placed)
    try:
        await all_healthy(hand, placed)
        await through_steps(hand, placed, old, baseline)
    except Unhealthy as error:
        await removed(baseline)
        raise error.without_record() from error
    await removed(baseline)
    await end_first(hand, old)
    return placed


def is_as_wanted(hand: Hand, instance: Instance) -> bool:
    """Whether a leftover is what would be made anew: of the same body and image, as it says of itself and as it is found.
    One that never ran may have been left before it was complete, and one whose network was made anew is in it no longer. What can
    be changed in place is in no hash: all that it has of that counts as declared once, so that a limit does not stay which nobody
    declares any longer."""
    if instance.status not in ("running", "exited") or instance.replica not in replicas_of(hand):
        return False
    if not hand.run.renewed.isdisjoint(instance.body.networks):
        return False
    spec = instance_spec(hand, instance.replica)
    body = instance.body
    changeable = Workload(
        restart=body.restart, networks=_changeable(body), deploy=Deploy(resources=body.deploy.resources)
    )
    past = declared_in_either(changeable, hand.workload)
    wanted = Wanted(
        hand.workload, past if isinstance(past, Workload) else None, config_digests(hand.run, hand.workload),
        image_id=hand.image_id, past_digests=instance.configs,
    )  # fmt: skip
    said = (instance.name, instance.lineage, instance.spec_hash)
    same = said == (spec.name, hand.run.lineage, spec.labels[PREFIX + "spec-hash"])
    return (
        same and has_those_of(instance, hand.instances) and not compare(wanted, instance, instance.image_id)
    )


def _changeable(body: Workload) -> dict[str, NetworkAttachment]:
    """Its networks without the engine's own choice: what runs has a MAC address, though nobody declared one."""
    shown = {name: declared(attachment) for name, attachment in body.networks.items()}
    return {
        name: NetworkAttachment.model_validate(
            {key: value for key, value in fields.items() if key != "mac_address"}
        )
        for name, fields in shown.items()
    }


def stand_by(hand: Hand, old: Sequence[Instance]) -> None:
    """Leave containers where they are until the run is done."""
    if old:
        hand.run.replaced[hand.address] = partial(remove_all, hand, old)


async def retire(run: Run, change: ResourceChange) -> None:
    """Remove what a replacement left for the case that it had to be taken back."""
    remove = run.replaced.get(change.address)
    if remove is not None:
        await remove()
        del run.replaced[change.address]
