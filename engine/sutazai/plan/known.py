"""All that is known of one workload when its change is decided."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sutazai.address import Address
from sutazai.model.base import SpecModel
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.plan.compare import is_ignored
from sutazai.plan.shares import Shares, counted_in_name, numbers_of, share_out
from sutazai.plan.situation import Situation
from sutazai.plan.strategy import Choice, choice_for
from sutazai.state.observed import Image, Instance
from sutazai.state.scope import Scope, Slot, digest_of, host_in
from sutazai.state.v2 import ResourceRecord


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one workload. `configs` maps the configs it should have to digests of their content and
    `past_configs` those it had. `finishes`: others wait for it to end, so an exit with code 0 is how it should be.
    `not_outside`: as `Situation.not_outside`. `choose` tells how it would be replaced. `serial` is that of the state, 0 without
    one. `host` is the name that others reach it by, `past_host` what it was when last applied, in the networks `named_in`.
    `shares`: its containers share its ports out among themselves."""

    address: Address
    desired: Workload
    prior: Workload | None
    record: ResourceRecord | None
    instances: tuple[Instance, ...]
    image: Image | None
    pinned: str | None
    configs: Mapping[str, str]
    past_configs: Mapping[str, str]
    finishes: bool
    choose: Callable[[], Choice]
    serial: int
    unseen: bool
    not_outside: str
    scope: Scope
    host: str
    past_host: str
    named_in: frozenset[str]
    taken: frozenset[str] = frozenset()
    """Names that containers of others have."""
    goes_back: bool = False
    """To a version that ran before."""
    shares: Shares | None = None

    def name_of(self, instance: Instance) -> str:
        """The name that an instance should bear."""
        of = counted_in_name(self.address, self.desired, instance.replica)
        return self.scope.instance_name(self.host, instance.slot, instance.replica, of)

    @property
    def wanted_numbers(self) -> frozenset[int]:
        """Its replicas as they are to be, where they are not left as they are."""
        return frozenset(numbers_of(self.desired, self.shares))

    @property
    def slot(self) -> Slot:
        if (
            self.record
            and self.record.slot
            and self.instances
            and all(one.status != "running" and self.is_outlived(one) for one in self.instances)
        ):
            return self.record.slot
        return current_slot(self.record, self.instances)

    def is_outlived(self, instance: Instance) -> bool:
        """It was there before the version that the state knows: nobody knows any more all that was declared when it was made. One
        that runs was not stopped yet when somebody removed the containers of that version."""
        known = (
            self.record is not None and bool(self.record.instances) and instance.slot is not self.record.slot
        )
        return known and 0 < instance.serial <= self.serial

    @property
    def current(self) -> tuple[Instance, ...]:
        slot = self.slot
        return tuple(instance for instance in self.instances if instance.slot is slot)

    def recorded_image(self, instance: Instance) -> str | None:
        """The ID of the image that an instance ran when it was last recorded."""
        place = (instance.slot, instance.replica)
        rows = self.record.instances if self.record else ()
        return next((row.image_id or None for row in rows if (row.slot, row.replica) == place), None)

    @property
    def image_id(self) -> str | None:
        return self.pinned or (self.image.id if self.image else None)


def current_slot(record: ResourceRecord | None, instances: Sequence[Instance]) -> Slot:
    """The slot in use: the recorded one if something is there, else where something runs, else the newest, else blue."""
    if record and record.slot in {instance.slot for instance in instances}:
        return record.slot
    running = [instance for instance in instances if instance.status == "running"]
    newest = max(
        running or instances, key=lambda instance: (instance.created_at, instance.slot), default=None
    )
    return newest.slot if newest else Slot.BLUE


def known_of(situation: Situation, address: Address, workload: Workload, past: SpecModel | None) -> Known:
    """`past` is what may have been declared of it before."""
    desired, observed, prior = situation.desired, situation.observed, situation.prior
    past = past if isinstance(past, Workload) else None
    known = Known(
        address=address,
        desired=workload,
        prior=past,
        record=situation.records.get(address),
        instances=situation.instances.get(address, ()),
        image=observed.images.get(workload.image or ""),
        pinned=situation.options.pinned.get(address),
        configs=_digests(workload, desired),
        past_configs=_past_digests(situation, address, past) if past else {},
        finishes=address in situation.finishing,
        choose=partial(chosen_for, situation, address, workload),
        serial=prior.serial if prior else 0,
        unseen=address in situation.aftermath.unseen,
        not_outside=situation.not_outside(address),
        scope=Scope(desired.project, desired.environment),
        host=host_in(desired, address),
        past_host=host_in(prior.desired if prior else desired, address),
        named_in=frozenset(told.networks)
        if prior and (told := prior.desired.workload(address))
        else frozenset(),
        taken=situation.taken,
        goes_back=situation.options.kind == "rollback",
    )
    if known.pinned is None and known.current and is_ignored(("image",), workload.lifecycle.ignore_changes):
        known = replace(known, pinned=known.current[0].image_id)  # though its tag may have moved
    shares = share_out(address, workload, known.current, desired)
    return known if shares is None else replace(known, shares=shares)


def chosen_for(situation: Situation, address: Address, workload: Workload) -> Choice:
    past = situation.applied_workload(address)
    return choice_for(
        workload,
        situation.desired.rollout,
        situation.instances.get(address, ()),
        finishes=address in situation.finishing,
        goes_back=situation.options.kind == "rollback",
        past=past,
        same_configs=past is None
        or _past_digests(situation, address, past) == _digests(past, situation.desired),
    )


def _past_digests(situation: Situation, address: Address, past: Workload) -> dict[str, str]:
    """The configs as it was given them, which may have changed since for others and not for it."""
    prior, record = situation.prior, situation.records.get(address)
    told = next((row.configs for row in record.instances if row.configs), {}) if record else {}
    applied = {grant.source: prior.applied_config(grant.source) if prior else None for grant in past.configs}
    return {name: digest_of(body.content or "") for name, body in applied.items() if body is not None} | told


def _digests(workload: Workload, fleet: Fleet) -> dict[str, str]:
    names = [grant.source for grant in workload.configs if grant.source in fleet.configs]
    return {name: digest_of(fleet.configs[name].content or "") for name in names}
