"""Changes of the state alone: one new serial each, and no call that changes Docker.

The caller holds the lock. None of them is made while the journal of a run that was cut off is there: what that run did
is not in the state yet.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from sutazai.address import Address
from sutazai.errors import NotFound, Refused
from sutazai.events import iso
from sutazai.model.fleet import Fleet
from sutazai.operations.plan import Planned, look, with_images_named
from sutazai.operations.recovery import unfinished_runs
from sutazai.operations.session import Session
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.reality import row_of
from sutazai.state import edits, formats
from sutazai.state.claims import claims_of
from sutazai.state.observed import Instance, Observed
from sutazai.state.scope import Slot, host_in
from sutazai.state.v2 import Operation, ResourceRecord, State


def commit(
    session: Session, content: State, command: edits.Edit, *, why: str = "", of_serial: int | None = None
) -> State:
    """Commit `content` as the next serial. Raises `Refused` after a run that was cut off, `StateError` for what
    could not be read again."""
    _refuse_after_a_cut_off_run(session)
    prior, now = session.store.newest(), session.clock.now()
    operation = Operation(
        command=command, who=session.who, why=why, started=iso(now), seconds=0.0, outcome="done", of_serial=of_serial
    )  # fmt: skip
    state = content.model_copy(
        update={
            "sutazai_version": session.version,
            "lineage": prior.lineage if prior else content.lineage,
            "serial": prior.serial + 1 if prior else 1,
            "operation": operation,
        }
    )
    formats.refuse_unreadable(state)
    return session.store.commit(state)


def move(session: Session, source: Address, target: Address) -> State:
    """What `state mv` records. Raises `Refused`."""
    state = _newest(session)
    moved, left = edits.moved(state, source, target), _left_over(session, state, [source, target])
    if left:
        raise Refused(
            f"a run that did not come to its end left {left[0].name}, which is in no serial and would stay {left[0].address}",
            hint="sutazai apply --resume, or rollback, brings that to its end; then run this again",
        )
    return moved


def forget(session: Session, addresses: Sequence[Address]) -> State:
    """What `state rm` records. Raises `Refused`."""
    state = newest = _newest(session)
    for address in addresses:
        state = edits.forgotten(state, address, session.scope.object_name(address.name))
    return edits.let_go(state, _left_over(session, newest, addresses))


def push(session: Session, given: State, *, force: bool) -> State:
    """What `state push` records. Raises `Refused`."""
    scope = (session.scope.project, session.scope.environment)
    for document in (given, given.desired):
        if (document.project, document.environment) != scope:
            named = f"{document.project}/{document.environment}"
            of = "the file is" if document is given else "what the file says is desired is"
            raise Refused(f"{of} of {named}, not of {'/'.join(scope)}")
    return edits.pushed(given, session.store.newest(), force=force)


def take_over(
    session: Session, fleet: Fleet, address: Address, containers: Sequence[str], spec_digest: str
) -> tuple[State, Planned]:
    """What `state import` records, and the plan of what the next apply does with it. Raises `Refused` or `NotFound`."""
    fleet = with_images_named(fleet)
    workload = fleet.workload(address)
    if workload is None:
        raise Refused(f"{address} is not declared", hint="declare it in the specs first, as it is to be")
    prior = session.store.newest()
    observed = look(session, fleet, prior)
    found = [_to_be_taken(session, address, name, prior, observed) for name in containers]
    if len({instance.id for instance in found}) < len(found):
        raise Refused("a container is named twice")
    slot = _slot(session, fleet, address, found[0], observed)
    rows = [
        row_of(replace(instance, slot=slot, replica=number)) for number, instance in enumerate(found, start=1)
    ]
    record = ResourceRecord(address=address, slot=slot, instances=tuple(rows), imported=True)
    state = edits.taken_over(prior or _first(session, fleet, spec_digest), fleet, record)
    seen = session.provider.observe(fleet, claims=claims_of(state))
    options = PlanOptions(targets=(str(address),), spec_digest=spec_digest)
    plan = build_plan(fleet, seen, _numbered(state, prior), options)
    only = tuple(change for change in plan.changes if change.address == address)
    return state, Planned(replace(plan, changes=only), seen, prior, options)


def _numbered(state: State, prior: State | None) -> State:
    """The state as the serial that it will be."""
    return state.model_copy(update={"serial": prior.serial + 1 if prior else 1})


def _to_be_taken(
    session: Session, address: Address, name: str, prior: State | None, observed: Observed
) -> Instance:
    try:
        instance = session.provider.inspect(name)
    except NotFound as error:
        raise Refused(f"there is no container {name}", hint="see docker ps -a") from error
    scope = f"{session.scope.project}/{session.scope.environment}"
    if instance.owner not in ("", scope):
        raise Refused(
            f"{instance.name} belongs to {instance.owner}",
            hint=f"let it go there first: sutazai state rm {instance.address}",
        )
    rows = {
        row.id: record.address for record in (prior.resources if prior else ()) for row in record.containers
    }
    if instance.id in rows:
        raise Refused(
            f"{instance.name} is known as {rows[instance.id]} already",
            hint=f"to rename it: sutazai state mv {rows[instance.id]} {address}"
            if rows[instance.id] != address
            else None,
        )
    there = [one for one in observed.of(address) if one.id != instance.id]
    if there:
        raise Refused(
            f"{address} has a container already: {there[0].name}",
            hint=f"let it go first: sutazai state rm {address}",
        )
    return instance


def _slot(session: Session, fleet: Fleet, address: Address, instance: Instance, observed: Observed) -> Slot:
    """Its own where it bears our labels; else blue, unless another's container has the name that it would get."""
    if not instance.adopted:
        return instance.slot
    name = session.scope.instance_name(host_in(fleet, address), Slot.BLUE, 1, 1)
    others = {taken for kind, taken in observed.taken if kind == "container"} - {instance.name}
    return Slot.GREEN if name in others else Slot.BLUE


def _first(session: Session, fleet: Fleet, spec_digest: str) -> State:
    """An empty state for an environment that has none."""
    return State(
        sutazai_version=session.version,
        lineage=session.new_id(),
        serial=1,
        project=fleet.project,
        environment=fleet.environment,
        spec_digest=spec_digest,
        operation=Operation(
            command="import", who=session.who, started=iso(session.clock.now()), seconds=0.0, outcome="done"
        ),
        desired=Fleet(
            project=fleet.project,
            environment=fleet.environment,
            rollout=fleet.rollout,
            policies=fleet.policies,
        ),
    )


def _left_over(session: Session, state: State, addresses: Collection[Address]) -> tuple[Instance, ...]:
    """Containers of some workloads that no serial knows: of a run that failed, the old version or the new one. Docker is asked
    only where there was such a run."""
    if not unfinished_runs(session.store):
        return ()
    known = state.instance_ids
    there = look(session, state.desired, state).instances
    return tuple(one for one in there if one.address in addresses and one.id not in known and not one.adopted)


def _newest(session: Session) -> State:
    state = session.store.newest()
    if state is None:
        raise Refused(
            f"there is no state of {session.scope.environment} yet", hint="sutazai apply makes the first"
        )
    return state


def _refuse_after_a_cut_off_run(session: Session) -> None:
    cut_off = next((run for run in unfinished_runs(session.store) if run.cut_off), None)
    if cut_off is not None:
        raise Refused(
            f"{cut_off.words}; what it did is not in the state yet",
            hint="sutazai apply --resume finishes it; then run this again",
        )
