"""Changing one workload: the calls, in an order that leaves something to go on from at every point.

A replacement uses the other slot: the new containers are made there, the old ones stopped, the new ones started and
checked. The old ones stay until the whole run has done well (`retire`): whoever takes the run back has only to start them
again. What stands in a slot that is about to be used is a leftover of an earlier run: a container that is just what is
wanted is used again, any other goes first.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from sutazai.address import Address
from sutazai.errors import NotFound, ProviderError
from sutazai.events import Progress
from sutazai.model.base import Effect
from sutazai.model.workload import Workload
from sutazai.operations.anonymous import has_those_of, left_behind
from sutazai.operations.healthy import Verdict, wait_healthy
from sutazai.operations.session import Run, together
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.compare import Wanted, compare
from sutazai.ports import InstanceSpec
from sutazai.state.observed import Instance
from sutazai.state.scope import PREFIX, Slot, digest_of, host_name, spec_hash
from sutazai.state.v2 import InstanceRecord, ResourceRecord

LOG_LINES = 15
T = TypeVar("T")


class Unhealthy(Exception):
    """An instance did not become healthy: the workload's own, or one of what it depends on. `record` is what is there
    nevertheless, None when the change had not begun; `logs` are the instance's last lines."""

    def __init__(
        self, cause: str, record: ResourceRecord | None, logs: tuple[str, ...], *, interrupted: bool
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.record = record
        self.logs = logs
        self.interrupted = interrupted


@dataclass(frozen=True, slots=True)
class Hand:
    """One workload in the hand of a run: what it should be and the containers it has."""

    run: Run
    change: ResourceChange
    workload: Workload
    image: str
    image_id: str
    image_digest: str | None
    instances: tuple[Instance, ...]

    @property
    def address(self) -> Address:
        return self.change.address

    @property
    def slot(self) -> Slot:
        return self.change.slot or Slot.BLUE

    def in_slot(self, slot: Slot) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.instances if instance.slot is slot)


@dataclass(frozen=True, slots=True)
class Placed:
    """A container of the workload's slot; `instance` is None for one made just now."""

    id: str
    replica: int
    instance: Instance | None = None


def config_digests(run: Run, workload: Workload) -> dict[str, str]:
    return {grant.source: digest_of(run.configs[grant.source]) for grant in workload.configs}


def instance_spec(hand: Hand, replica: int) -> InstanceSpec:
    """The container for one replica, with every label of the contract."""
    run, workload, address = hand.run, hand.workload, hand.address
    shared = address.name in run.desired.agents and address.name in run.desired.services
    host = host_name(address, shared=shared)
    digests = config_digests(run, workload)
    labels = {
        **run.session.scope.labels(address),
        PREFIX + "lineage": run.lineage,
        PREFIX + "serial": str(run.serial),
        PREFIX + "slot": hand.slot.value,
        PREFIX + "replica": str(replica),
        PREFIX + "spec-hash": spec_hash(workload, hand.image_id, digests),
        PREFIX + "image": workload.image or hand.image,
        **({PREFIX + "tier": workload.tier} if workload.tier else {}),
        **({PREFIX + "category": workload.category} if workload.category else {}),
        **{f"{PREFIX}config.{name}": digest for name, digest in digests.items()},
    }
    name = run.session.scope.instance_name(host, hand.slot, replica, workload.deploy.replicas)
    contents = {name: run.configs[name] for name in digests}
    return InstanceSpec(name, address, workload, hand.slot, replica, hand.image, labels, (host,), contents)


async def carry_out(hand: Hand) -> ResourceRecord | None:
    """Do what the change says; what is there afterwards, None when it is gone. Raises `Unhealthy` or `ProviderError`."""
    match hand.change.action:
        case Action.DESTROY:
            await _remove_all(hand, hand.instances)
            return None
        case Action.CREATE | Action.REPLACE:
            return await _replace(hand)
        case Action.UPDATE | Action.ADOPT:
            return await _update(hand)
        case action:
            raise ValueError(f"{hand.address}: a run does not carry out {action}")


async def _replace(hand: Hand) -> ResourceRecord:
    old, there = hand.in_slot(hand.slot.other), hand.in_slot(hand.slot)
    kept = {instance.replica: instance for instance in there if _is_as_wanted(hand, instance)}
    await _remove_all(hand, [instance for instance in there if instance not in kept.values()])
    made = [
        Placed(kept[replica].id, replica, kept[replica]) if replica in kept else await _create(hand, replica)
        for replica in _replicas(hand)
    ]
    if any(instance.status == "running" for instance in old):
        _say(hand, "stopping the old version")
    await together(_stop(hand, instance) for instance in old)
    for placed in made:
        if placed.instance is None or placed.instance.status != "running":
            await _start(hand, placed.id)
    await _all_healthy(hand, made)
    _stand_by(hand, old)
    return _record(hand, made)


def _is_as_wanted(hand: Hand, instance: Instance) -> bool:
    """Whether a leftover is what would be made anew: of the same body and image, as it says of itself and as it is found.
    One that never ran may have been left before it was complete."""
    if instance.status not in ("running", "exited") or instance.replica not in _replicas(hand):
        return False
    spec = instance_spec(hand, instance.replica)
    wanted = Wanted(
        hand.workload, hand.workload, config_digests(hand.run, hand.workload), image_id=hand.image_id,
        past_digests=instance.configs,
    )  # fmt: skip
    said = (instance.name, instance.lineage, instance.spec_hash)
    same = said == (spec.name, hand.run.lineage, spec.labels[PREFIX + "spec-hash"])
    holds = has_those_of(instance, hand.instances)
    return same and holds and not compare(wanted, instance, instance.image_id)


def _stand_by(hand: Hand, old: Sequence[Instance]) -> None:
    """Leave containers where they are until the run is done."""
    if old:
        hand.run.replaced[hand.address] = partial(_remove_all, hand, old)


async def retire(run: Run, change: ResourceChange) -> None:
    """Remove what a replacement left for the case that it had to be taken back."""
    remove = run.replaced.get(change.address)
    if remove is not None:
        await remove()
        del run.replaced[change.address]


def _replicas(hand: Hand) -> range:
    return range(1, hand.workload.deploy.replicas + 1)


async def _create(hand: Hand, replica: int) -> Placed:
    spec = replace(instance_spec(hand, replica), inherits=left_behind(hand.instances, hand.slot, replica))
    _say(hand, f"creating replica {replica}" if hand.workload.deploy.replicas > 1 else "creating")
    provider = hand.run.session.provider
    made = await _call(
        hand, "create_instance", {"name": spec.name, "slot": hand.slot.value}, provider.create_instance, spec
    )
    return Placed(made, replica)


async def _start(hand: Hand, instance_id: str) -> None:
    await _call(hand, "start", {"id": instance_id}, hand.run.session.provider.start, instance_id)


async def _stop(hand: Hand, instance: Instance) -> None:
    if instance.status in ("running", "restarting", "paused"):
        grace = instance.body.stop_grace_period
        await _call(
            hand,
            "stop",
            {"id": instance.id, "name": instance.name},
            hand.run.session.provider.stop,
            instance.id,
            grace,
        )


async def _remove_all(hand: Hand, instances: Sequence[Instance]) -> None:
    async def remove(instance: Instance) -> None:
        try:
            await _stop(hand, instance)
            await _call(
                hand,
                "remove",
                {"id": instance.id, "name": instance.name},
                hand.run.session.provider.remove,
                instance.id,
            )
        except NotFound:
            return  # somebody removed it meanwhile, which is what was wanted

    await together(remove(instance) for instance in instances)


async def _call(hand: Hand, call: str, data: dict[str, str], function: Callable[..., T], *args: Any) -> T:
    """A journalled call of this workload, when its turn comes."""
    async with hand.run.gate.turn(call):
        return await hand.run.change(hand.address, call, data, function, *args)


def _say(hand: Hand, message: str) -> None:
    hand.run.emit(Progress(hand.run.now, hand.address, message))


async def _update(hand: Hand) -> ResourceRecord:
    current, steps = list(hand.in_slot(hand.slot)), hand.change.steps
    deposed = hand.in_slot(hand.slot.other) if "remove-deposed" in steps else ()
    starting = bool({"start", "scale"} & set(steps))
    if starting:  # of two versions only one may run
        await _remove_all(hand, deposed)
    if "update" in steps:
        await _limits(hand, current)
    if "networks" in steps:
        for instance in current:
            await _networks(hand, instance)
    placed = [Placed(instance.id, instance.replica, instance) for instance in current]
    if "scale" in steps:
        placed = await _scale(hand, current)
    elif "rename" in steps:
        await _rename(hand, current)
    if "start" in steps:
        await _start_stopped(hand, placed)
    if "restart" in steps:
        await _restart(hand, placed)
    if {"start", "restart", "scale", "wait", "networks"} & set(steps):
        await _all_healthy(hand, placed)
    if not starting:
        _stand_by(hand, deposed)
    return _record(hand, placed)


async def _limits(hand: Hand, current: Sequence[Instance]) -> None:
    """The fields that the engine itself changes on a running container; the other steps see to the rest."""
    changed = [field.path for field in hand.change.fields if field.effect is Effect.IN_PLACE]
    paths = [path for path in changed if path[0] == "restart" or path[:2] == ("deploy", "resources")]
    update = hand.run.session.provider.update
    for instance in current:
        _say(hand, "updating " + ", ".join(".".join(path) for path in paths))
        await _call(hand, "update", {"id": instance.id}, update, instance.id, hand.workload, paths)


async def _start_stopped(hand: Hand, placed: Sequence[Placed]) -> None:
    for instance in (one.instance for one in placed if one.instance is not None):
        if instance.status != "running":
            _say(hand, f"starting: its container {instance.condition}")
            await _start(hand, instance.id)


async def _restart(hand: Hand, placed: Sequence[Placed]) -> None:
    """Stop and start again what ran before; what was made just now has seen the new dependency."""
    for instance in (one.instance for one in placed if one.instance is not None):
        _say(hand, f"restarting {instance.name}")
        await _stop(hand, instance)
        await _start(hand, instance.id)


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
            await _call(
                hand,
                "disconnect",
                {"id": instance.id, "network": name},
                provider.disconnect,
                instance.id,
                name,
            )
    for name in sorted(changed & set(wanted)):
        await _call(
            hand,
            "connect",
            {"id": instance.id, "network": name},
            provider.connect,
            instance.id,
            name,
            wanted[name],
            hosts,
        )


async def _scale(hand: Hand, current: list[Instance]) -> list[Placed]:
    wanted = set(_replicas(hand))
    await _remove_all(hand, [instance for instance in current if instance.replica not in wanted])
    kept = [instance for instance in current if instance.replica in wanted]
    await _rename(hand, kept)
    placed = [Placed(instance.id, instance.replica, instance) for instance in kept]
    for replica in sorted(wanted - {instance.replica for instance in kept}):
        made = await _create(hand, replica)
        await _start(hand, made.id)
        placed.append(made)
    return placed


async def _rename(hand: Hand, instances: Sequence[Instance]) -> None:
    for instance in instances:
        name = instance_spec(hand, instance.replica).name
        if name != instance.name:
            await _call(
                hand,
                "rename",
                {"id": instance.id, "name": name},
                hand.run.session.provider.rename,
                instance.id,
                name,
            )


async def _all_healthy(hand: Hand, placed: Sequence[Placed]) -> None:
    """Wait for every instance. Raises `Unhealthy` with the first cause."""
    verdicts = await together(_settle(hand, one.id) for one in placed)
    for one, verdict in zip(placed, verdicts, strict=True):
        if not verdict.healthy:
            logs = await last_lines(hand.run, one.id)
            record = _record(hand, placed).model_copy(update={"tainted": True})
            raise Unhealthy(verdict.waiting, record, logs, interrupted=not verdict.final)


async def _settle(hand: Hand, instance_id: str) -> Verdict:
    if hand.address in hand.run.finishing:
        return await _wait_completed(hand, instance_id)
    return await wait_healthy(hand.run, hand.workload, instance_id)


async def _wait_completed(hand: Hand, instance_id: str) -> Verdict:
    session, deadline = hand.run.session, hand.run.desired.rollout_of(hand.workload).healthy_deadline
    began = session.clock.monotonic()
    while True:
        instance = await session.calls(session.provider.inspect, instance_id)
        if instance.status in ("exited", "dead"):
            return Verdict(instance.exit_code == 0, f"its container {instance.condition}", final=True)
        if hand.run.stop.interrupted.is_set():
            return Verdict(False, "interrupted before it ended")
        if session.clock.monotonic() - began > deadline:
            return Verdict(
                False, f"still running after {deadline:g}s, but others wait for it to end", final=True
            )
        await session.clock.sleep(0.2)


async def last_lines(run: Run, instance_id: str) -> tuple[str, ...]:
    """What a container wrote last, or why nobody can tell."""
    try:
        return await run.session.calls(run.session.provider.logs, instance_id, LOG_LINES)
    except ProviderError as error:
        return (f"(no logs: {error.message})",)


def _record(hand: Hand, placed: Sequence[Placed]) -> ResourceRecord:
    """What the state says of the workload now. Containers that were there before keep their own image and hash."""
    rows: list[InstanceRecord] = []
    renamed = bool({"rename", "scale"} & set(hand.change.steps))
    for one in placed:
        spec = instance_spec(hand, one.replica)
        rows.append(
            InstanceRecord(
                id=one.id,
                name=one.instance.name if one.instance and not renamed else spec.name,
                slot=hand.slot,
                replica=one.replica,
                image=spec.labels[PREFIX + "image"],
                image_id=one.instance.image_id if one.instance else hand.image_id,
                image_digest=hand.image_digest,
                spec_hash=one.instance.spec_hash if one.instance else spec.labels[PREFIX + "spec-hash"],
                adopted=one.instance is not None and one.instance.adopted,
            )
        )
    return ResourceRecord(address=hand.address, slot=hand.slot, instances=tuple(rows))
