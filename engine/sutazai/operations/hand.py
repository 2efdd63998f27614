"""One workload in the hand of a run: the calls that change its containers, and what is recorded of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sutazai.address import Address
from sutazai.errors import NotFound, ProviderError
from sutazai.events import Progress
from sutazai.model.workload import Workload
from sutazai.operations.anonymous import left_behind
from sutazai.operations.healthy import Verdict, wait_completed, wait_healthy
from sutazai.operations.hooks import LOG_LINES, before_stop
from sutazai.operations.images import built_name
from sutazai.operations.session import Run, together
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.shares import Shares, counted_in_name, numbers_of, shares_after
from sutazai.plan.strategy import Choice, choice_for
from sutazai.ports import InstanceSpec
from sutazai.state.observed import Image, Instance, Observed
from sutazai.state.scope import PREFIX, Slot, digest_of, host_in, spec_hash
from sutazai.state.v2 import InstanceRecord, ResourceRecord

T = TypeVar("T")


class Unhealthy(Exception):
    """An instance did not become healthy: the workload's own, or one of what it depends on. `record` is what is there
    nevertheless, None when the old version is still what there is, or the change had not begun; `logs` are the instance's last
    lines. `held`: nobody can tell whether it is, and it waits for a person as it is."""

    def __init__(
        self,
        cause: str,
        record: ResourceRecord | None,
        logs: tuple[str, ...],
        *,
        interrupted: bool,
        held: bool = False,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.record = record
        self.logs = logs
        self.interrupted = interrupted
        self.held = held

    def with_record(self, record: ResourceRecord | None) -> "Unhealthy":
        return Unhealthy(self.cause, record, self.logs, interrupted=self.interrupted, held=self.held)

    def without_record(self) -> "Unhealthy":
        return self.with_record(None)


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

    @property
    def choice(self) -> Choice:
        """How it is replaced, and what may run beside what."""
        return choice_for(
            self.workload,
            self.run.desired.rollout,
            self.instances,
            finishes=self.address in self.run.finishing,
            goes_back=self.run.goes_back,
        )

    @property
    def shares(self) -> Shares | None:
        """Which ports each of its containers publishes, where they share them out."""
        return shares_after(self.change, self.workload, self.instances, self.run.desired)

    def in_slot(self, slot: Slot) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.instances if instance.slot is slot)


@dataclass(frozen=True, slots=True)
class Placed:
    """A container of the workload's slot; `instance` is None for one made just now, whose start is foreseen in the journal; then
    there is the `spec` that it was made from."""

    id: str
    replica: int
    instance: Instance | None = None
    spec: InstanceSpec | None = None


def hand_of(run: Run, change: ResourceChange, observed: Observed, images: Mapping[str, Image | None]) -> Hand:
    """`images` are those that were got for the run, by reference."""
    workload, instances = run.desired.workload(change.address), observed.of(change.address)
    if workload is None or change.action is Action.DESTROY:
        return Hand(run, change, workload or Workload(), "", "", None, instances)
    reference = built_name(run.desired.project, change.address, workload)
    image = images.get(reference) or observed.images.get(reference)
    image_id = change.image_id or (image.id if image else "")
    runs = reference if image is not None and image.id == image_id else image_id or reference
    return Hand(run, change, workload, runs, image_id, image.digest if image else None, instances)


def config_digests(run: Run, workload: Workload) -> dict[str, str]:
    return {grant.source: digest_of(run.configs[grant.source]) for grant in workload.configs}


def instance_spec(hand: Hand, replica: int) -> InstanceSpec:
    """The container for one replica, with every label of the contract."""
    run, workload, address = hand.run, hand.workload, hand.address
    if (shares := hand.shares) is not None:
        workload = workload.model_copy(update={"ports": shares.ports.get(replica, ())})
    host = host_in(run.desired, address)
    digests = config_digests(run, workload)
    labels = {
        **run.labels(address),
        PREFIX + "slot": hand.slot.value,
        PREFIX + "replica": str(replica),
        PREFIX + "spec-hash": spec_hash(workload, hand.image_id, digests),
        PREFIX + "image": workload.image or hand.image,
        **({PREFIX + "tier": workload.tier} if workload.tier else {}),
        **({PREFIX + "category": workload.category} if workload.category else {}),
        **{f"{PREFIX}config.{name}": digest for name, digest in digests.items()},
    }
    of = max(counted_in_name(address, workload, replica), replica)
    name = run.session.scope.instance_name(host, hand.slot, replica, of)
    contents = {name: run.configs[name] for name in digests}
    return InstanceSpec(name, address, workload, hand.slot, replica, hand.image, labels, (host,), contents)


def replicas_of(hand: Hand) -> tuple[int, ...]:
    return numbers_of(hand.workload, hand.shares)


async def create(
    hand: Hand, replica: int, *, has_turn: bool = False, inherits: Mapping[str, str] | None = None
) -> Placed:
    """`has_turn`: it has its turn at the gate already, and nobody watches it. `inherits`: place → name of volumes
    without a name that it takes over, instead of those of the containers before it."""
    if inherits is None:
        inherits = left_behind(hand.instances, hand.slot, replica)
    spec = replace(instance_spec(hand, replica), inherits=inherits)
    data, make, run = {"name": spec.name}, hand.run.session.provider.create_instance, hand.run
    await run.foresee(hand.address, "start", data)
    data = {**data, "slot": hand.slot.value}
    if has_turn:
        made = await run.change(hand.address, "create_instance", data, make, spec)
    else:
        say(hand, f"creating replica {replica}" if hand.workload.deploy.replicas > 1 else "creating")
        made = await call(hand, "create_instance", data, make, spec)
    return Placed(made, replica, spec=spec)


async def stop(hand: Hand, instance: Instance) -> None:
    await before_stop(hand.run, instance)
    if instance.status in ("running", "restarting", "paused"):
        grace = instance.body.stop_grace_period
        await call(
            hand,
            "stop",
            {"id": instance.id, "name": instance.name},
            hand.run.session.provider.stop,
            instance.id,
            grace,
        )


async def quieten(hand: Hand, instances: Sequence[Instance]) -> None:
    """Before containers are stopped: nothing new comes to them, and what they have ends, within `drain_timeout`."""
    board = hand.run.board
    if board is not None:
        await board.leave({instance.id for instance in instances})
    running = [instance for instance in instances if instance.status == "running"]
    if board is not None and running:
        waits = hand.run.manner.drains != "never"
        with hand.run.pulse.declared():
            await board.drain(
                running, hand.run.desired.rollout_of(hand.workload).drain_timeout if waits else None
            )


async def end_first(hand: Hand, old: Sequence[Instance]) -> None:
    """Where the old version is to end what it has before anything else is done: wait for that, and stop it."""
    if hand.run.manner.drains == "first":
        await quieten(hand, old)
        await together(stop(hand, instance) for instance in old)


async def remove_all(hand: Hand, instances: Sequence[Instance]) -> None:
    await quieten(hand, instances)

    async def remove(instance: Instance) -> None:
        try:
            await stop(hand, instance)
            await call(
                hand,
                "remove",
                {"id": instance.id, "name": instance.name},
                hand.run.session.provider.remove,
                instance.id,
            )
        except NotFound:
            pass  # somebody removed it meanwhile, which is what was wanted
        hand.run.removed.add(instance.id)

    await together(remove(instance) for instance in instances)


async def call(
    hand: Hand,
    call: str,
    data: dict[str, str],
    function: Callable[..., T],
    *args: Any,
    foreseen: bool = False,
) -> T:
    """A journalled call of this workload, when its turn comes."""
    async with hand.run.gate.turn(call):
        return await hand.run.change(hand.address, call, data, function, *args, foreseen=foreseen)


def say(hand: Hand, message: str) -> None:
    hand.run.emit(Progress(hand.run.now, hand.address, message))


async def all_healthy(hand: Hand, placed: Sequence[Placed]) -> Mapping[str, Instance]:
    """Wait for every instance, unless the run's manner is to go on without. Raises `Unhealthy` with the first cause. How they
    were last seen, by ID."""
    if not hand.run.manner.gated:
        return {}
    verdicts = await together(_settle(hand, one) for one in placed)
    for one, verdict in zip(placed, verdicts, strict=True):
        if not verdict.healthy:
            logs = await last_lines(hand.run, one.id)
            raise Unhealthy(verdict.waiting, tainted(hand, placed), logs, interrupted=not verdict.final)
    hand.run.pulse.beat()
    return {verdict.instance.id: verdict.instance for verdict in verdicts if verdict.instance is not None}


async def _settle(hand: Hand, one: Placed) -> Verdict:
    if hand.address in hand.run.finishing:
        return await wait_completed(hand.run, hand.workload, one.id)
    fresh, patient = one.instance is None, not hand.instances
    return await wait_healthy(hand.run, hand.workload, one.id, fresh=fresh, patient=patient)


async def last_lines(run: Run, instance_id: str) -> tuple[str, ...]:
    """What a container wrote last, or why nobody can tell."""
    try:
        return await run.session.calls(run.session.provider.logs, instance_id, LOG_LINES)
    except ProviderError as error:
        return (f"(no logs: {error.message})",)


def tainted(hand: Hand, placed: Sequence[Placed]) -> ResourceRecord:
    """What the state says of the workload when it is there, and not well."""
    return record_of(hand, placed).model_copy(update={"tainted": True})


def record_of(hand: Hand, placed: Sequence[Placed]) -> ResourceRecord:
    """What the state says of the workload now. Containers that were there before keep their own image and hash."""
    rows: list[InstanceRecord] = []
    renamed = bool({"rename", "scale"} & set(hand.change.steps))
    for one in placed:
        spec = one.spec or instance_spec(hand, one.replica)
        configs = dict(one.instance.configs) if one.instance else config_digests(hand.run, hand.workload)
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
                **({"configs": configs} if configs else {}),
            )
        )
    return ResourceRecord(address=hand.address, slot=hand.slot, instances=tuple(rows))
