"""The next serial, from the one before and what a run did. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from sutazai.address import Address, Kind
from sutazai.events import iso
from sutazai.model.fleet import Fleet
from sutazai.operations.plan import Planned
from sutazai.operations.session import Run
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.reality import row_of
from sutazai.state.edits import still_released
from sutazai.state.observed import Observed
from sutazai.state.v2 import Operation, ResourceRecord, State


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved a plan, and which: the digest of the plan that was shown."""

    by: str
    plan_digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`records` holds a record for each resource that the run reached, None for one that is gone. Times in seconds
    since the epoch."""

    command: str
    why: str
    outcome: str
    started: float
    seconds: float
    finished: tuple[ResourceChange, ...]
    records: Mapping[Address, ResourceRecord | None]
    error: str | None
    approval: Approval | None = None


def next_state(run: Run, planned: Planned, outcome: Outcome) -> State:
    """The serial to commit. A resource that the run did not reach keeps what was applied to it before."""
    plan, prior = planned.plan, planned.prior
    desired = plan.desired
    records: dict[Address, ResourceRecord] = {}
    for old in prior.resources if prior else ():
        applied = prior.applied_of(old) if prior else None
        same = desired.resource(old.address) == applied
        records[old.address] = old.model_copy(update={"applied": None if same else applied})
    for address, record in outcome.records.items():
        if record is None:
            records.pop(address, None)
        else:
            records[address] = _with_deposed(record, records.get(address), run, planned)
    if plan.kind == "destroy":
        desired = _only(desired, records)
    count = {action: sum(change.action is action for change in outcome.finished) for action in Action}
    partial = plan.targeted and outcome.outcome == "done"
    operation = Operation(
        command=cast("Any", outcome.command),
        who=run.session.who,
        why=outcome.why,
        started=iso(outcome.started),
        seconds=round(outcome.seconds, 3),
        outcome=cast(
            "Literal['done', 'failed', 'interrupted', 'partial']", "partial" if partial else outcome.outcome
        ),
        added=count[Action.CREATE],
        changed=count[Action.UPDATE] + count[Action.ADOPT],
        destroyed=count[Action.DESTROY],
        replaced=count[Action.REPLACE] + count[Action.REPLACE_START_FIRST],
        error=outcome.error,
        of_serial=plan.of_serial,
        approved_by=outcome.approval.by if outcome.approval else None,
        plan_digest=outcome.approval.plan_digest if outcome.approval else None,
        **({"verdicts": tuple(run.verdicts)} if run.verdicts else {}),
    )
    return State(
        sutazai_version=run.session.version,
        lineage=run.lineage,
        serial=run.serial,
        project=plan.project,
        environment=plan.environment,
        spec_digest=plan.spec_digest,
        operation=operation,
        desired=desired,
        resources=tuple(records[address] for address in sorted(records)),
        released=still_released(prior.released if prior else (), records.values()),
        previous_sha256=prior.sha256 if prior else None,
    )


def _with_deposed(
    record: ResourceRecord, old: ResourceRecord | None, run: Run, planned: Planned
) -> ResourceRecord:
    """With what the state alone knows to be the resource's, and what is still there."""
    there = {instance.id for instance in planned.observed.of(record.address)} - run.removed
    in_use = {row.id for row in record.instances}
    left = tuple(
        row
        for row in (old.containers if old else ())
        if row.adopted and row.id in there and row.id not in in_use
    )
    return record.model_copy(update={"deposed": left}) if left or record.deposed else record


def _only(desired: Fleet, recorded: Collection[Address]) -> Fleet:
    """The desired model after a destroy: what is not there any more, or never was, is no longer desired."""
    tables = {}
    for kind in Kind:
        bodies = getattr(desired, f"{kind}s")
        tables[f"{kind}s"] = {name: body for name, body in bodies.items() if Address(kind, name) in recorded}
    return desired.model_copy(update=tables)


def observed_record(address: Address, observed: Observed, change: ResourceChange) -> ResourceRecord:
    """A record of what is there, for a resource that the state does not know."""
    if address.kind is Kind.NETWORK and address.name in observed.networks:
        return ResourceRecord(address=address, object_id=observed.networks[address.name].id)
    if address.kind is Kind.VOLUME and address.name in observed.volumes:
        return ResourceRecord(address=address, object_id=observed.volumes[address.name].name)
    rows = tuple(row_of(i) for i in observed.of(address) if change.slot in (None, i.slot))
    return ResourceRecord(address=address, slot=change.slot, instances=rows)
