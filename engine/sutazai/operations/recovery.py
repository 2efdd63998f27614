"""What the journal tells of runs that did not come to their end: killed, failed or interrupted.

A run writes down at its beginning all that it is to reach. So whoever comes later can go on with it, though the specs have
changed since, or take it back; and a plan knows of what it had begun to declare, though no state does. The journal is
emptied by the next run that is done.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sutazai.address import Address, Kind
from sutazai.diagnostics import some_of
from sutazai.errors import StateError
from sutazai.model.base import SpecModel
from sutazai.model.fleet import Fleet
from sutazai.model.workload import declared
from sutazai.operations.session import Run
from sutazai.plan.change import Reason
from sutazai.plan.consequences import followed
from sutazai.plan.situation import Aftermath, PlanOptions, declared_in_either, stored_options
from sutazai.ports import JournalEntry, StateStore
from sutazai.state.claims import Claims, claims_of
from sutazai.state.edits import EDITS
from sutazai.state.observed import Observed
from sutazai.state.scope import Scope
from sutazai.state.v2 import State

if TYPE_CHECKING:
    from sutazai.operations.plan import Planned

_MOST_NAMED = 5
MOVE_AWAY = "compare what runs with the newest serial (sutazai state verify), then move the journal away"
TRAFFIC = ("shift", "configure", "sever")
"""Calls that change where traffic goes, and no container."""
AHEAD = ("create_instance", "remove")
"""Calls for a workload that may be made before its turn."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that did not come to its end. `outcome` is `failed`, `interrupted` or, when it was cut off, empty; `serial` is the
    one it was to commit, `set_out` the one that it, and whatever run it went on with, set out from. `open_calls` are the intents
    whose outcome nobody knows, `touched` what it changed or began to, `healthy` the workloads that it saw healthy afterwards.
    `owed` are workloads that were to be replaced or restarted with another, each with that other, which it came to."""

    command: str
    serial: int
    set_out: int
    lineage: str
    outcome: str
    desired: Fleet
    options: PlanOptions
    open_calls: tuple[JournalEntry, ...]
    touched: frozenset[Address]
    healthy: frozenset[Address]
    owed: frozenset[tuple[Address, Address]]

    @property
    def cut_off(self) -> bool:
        return not self.outcome

    @property
    def records_only(self) -> bool:
        """A refresh changes nothing in Docker: the next run that is done records what it was to record."""
        return self.options.kind == "refresh"

    @property
    def words(self) -> str:
        """`an earlier apply was cut off, 2 calls under way (stop agent.hello, …)`"""
        if not self.cut_off:
            return f"the last {self.command} {'failed' if self.outcome == 'failed' else 'was interrupted'}"
        calls = [f"{entry.call} {entry.address}" for entry in self.open_calls]
        shown = f"{calls[0]}{', …' if len(calls) > 1 else ''}" if calls else ""
        under_way = f", {len(calls)} call{'s' * (len(calls) > 1)} under way ({shown})" if calls else ""
        return f"an earlier {self.command} was cut off{under_way}"


def begin_entry(run: Run, planned: "Planned", command: str) -> JournalEntry:
    """The first line of a run: all that is needed to go on with it."""
    plan = planned.plan
    asked = [str(change.address) for change in plan.actions if change.reason is Reason.REQUESTED]
    options = replace(planned.options, replace=tuple(asked))
    data = {
        "serial": run.serial,
        "set_out": planned.set_out,
        "lineage": run.lineage,
        "options": stored_options().dump_python(options, mode="json"),
        "desired": declared(plan.desired),
        "followed": [[str(address), str(cause)] for address, cause in followed(plan)],
    }
    return JournalEntry("begin", run.session.new_id(), run.now, "", command, data)


def end_entry(run: Run, outcome: str, state: State | None) -> JournalEntry:
    """The last line of a run that keeps its journal."""
    data = {"outcome": outcome, "serial": state.serial if state else None}
    return JournalEntry("end", run.session.new_id(), run.now, "", "", data)


def unfinished_runs(store: StateStore) -> tuple[Unfinished, ...]:
    """Every run in the journal that was not done, oldest first. Raises `StateError` for a journal that can't be understood, or
    tells of another environment: where two were given one place, no serial may tell yet."""
    runs: list[list[JournalEntry]] = []
    for entry in store.journal().read():
        if entry.phase == "begin":
            runs.append([])
        elif not runs:
            raise StateError("the journal does not begin with the beginning of a run", hint=MOVE_AWAY)
        runs[-1].append(entry)
    found: list[Unfinished] = []
    for run in map(_read, runs):
        _refuse_other(run.desired, store)
        if run.outcome == "done":  # what it saw healthy is recorded, whoever had touched it before
            found = [_less(earlier, run.healthy) for earlier in found if not earlier.records_only]
        else:
            found.append(run)
    return tuple(found)


def _refuse_other(desired: Fleet, store: StateStore) -> None:
    own = store.scope
    if Scope(desired.project, desired.environment) != own:
        raise StateError(
            f"the journal in {store.where} tells of a run of {desired.environment!r} of {desired.project!r}, "
            f"not of {own.environment!r} of {own.project!r}",
            hint="give each environment a state of its own",
        )


def _less(run: Unfinished, healthy: frozenset[Address]) -> Unfinished:
    owed = frozenset(pair for pair in run.owed if pair[0] not in healthy)
    return replace(run, touched=run.touched - healthy, owed=owed)


def _read(entries: list[JournalEntry]) -> Unfinished:
    begin, data = entries[0], entries[0].data
    closed = {entry.key for entry in entries if entry.phase in ("done", "failed")}
    intents = [entry for entry in entries if entry.phase == "intent"]
    outcomes = [str(entry.data.get("outcome", "")) for entry in entries if entry.phase == "end"]
    started = {entry.address for entry in entries if entry.phase == "done" and entry.call == "start"}
    healthy = frozenset(Address.parse(entry.address) for entry in entries if entry.phase == "healthy")
    results = {entry.key: entry.data.get("result") for entry in entries if entry.phase == "done"}
    called = {entry.address for entry in intents if entry.call not in TRAFFIC} - set(
        _undone(intents, results)
    )
    try:
        options = stored_options().validate_python(data["options"])
        return Unfinished(
            command=begin.call,
            serial=int(data["serial"]),
            set_out=int(data.get("set_out", int(data["serial"]) - 1)),
            lineage=str(data["lineage"]),
            outcome=outcomes[-1] if outcomes else "",
            desired=Fleet.model_validate(data["desired"]),
            options=replace(options, replace=tuple(name for name in options.replace if name not in started)),
            open_calls=tuple(entry for entry in intents if entry.key not in closed),
            touched=frozenset(map(Address.parse, called)),
            healthy=healthy,
            owed=_owed(data.get("followed", ()), intents, healthy),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"the journal's beginning of a run can't be understood: {error!r}",
            hint=f"it is of another version: {MOVE_AWAY}",
        ) from error


def _undone(intents: Iterable[JournalEntry], results: Mapping[str, Any]) -> Iterator[str]:
    """Whose turn did not come: all that was done for them is containers that were made ahead, and all of these were removed.
    `results` are those of the calls that were done."""
    calls: defaultdict[str, list[JournalEntry]] = defaultdict(list)
    for entry in intents:
        calls[entry.address].append(entry)
    for address, own in calls.items():
        if all(entry.call in AHEAD and entry.key in results for entry in own):
            made = {results[entry.key] for entry in own if entry.call == "create_instance"}
            if made == {entry.data.get("id") for entry in own if entry.call == "remove"}:
                yield address


def _owed(
    followed: Iterable[tuple[str, str]], intents: Iterable[JournalEntry], healthy: frozenset[Address]
) -> frozenset[tuple[Address, Address]]:
    """No call tells that a config or a secret was changed: it was before any workload."""
    called = {entry.address for entry in intents if entry.call not in AHEAD}
    pairs = ((Address.parse(address), Address.parse(cause)) for address, cause in followed)
    return frozenset(
        (address, cause)
        for address, cause in pairs
        if address not in healthy and (str(cause) in called or cause.kind in (Kind.CONFIG, Kind.SECRET))
    )


def aftermath_of(runs: Sequence[Unfinished]) -> Aftermath:
    """What is left of unfinished runs, oldest first. Of a resource that several touched, each may have left something, until
    one saw it healthy as it wanted it."""
    begun: dict[Address, SpecModel] = {}
    unseen: set[Address] = set()
    owed: dict[tuple[Address, Address], int] = {}
    for run in runs:
        for address in run.touched:
            body = run.desired.resource(address)
            if body is not None and run.options.kind != "destroy":
                earlier = None if address in run.healthy else begun.get(address)
                begun[address] = declared_in_either(earlier, body) or body
        unseen |= {address for address in run.touched if address.kind.is_workload}
        unseen -= run.healthy
        owed = {pair: serial for pair, serial in owed.items() if pair[0] not in run.healthy}
        owed |= dict.fromkeys(run.owed, run.serial)
    unrecorded = frozenset(address for run in runs if run.cut_off for address in run.touched)
    return Aftermath(begun, frozenset(unseen), owed, unrecorded, frozenset(run.lineage for run in runs))


def told_of_runs(store: StateStore, prior: State | None, observed: Observed) -> str | None:
    """What somebody who looks at an environment must know first: that its state is elsewhere, so that what is recorded here may
    be long past; that a run is under way, or that one did not come to its end, and what it left that the journal alone knows."""
    moved = store.moved_to()
    if moved is not None:
        return f"the state in {store.where} was moved to {moved}: what is recorded here may be long past, and can't be applied"
    holder = store.holder()
    if holder is not None:
        return f"{holder.operation} by {holder.who} is under way since {holder.created}: what is shown here is changing"
    runs = unfinished_runs(store)
    if not runs:
        return None
    last = runs[-1]  # the one that both ways on are about
    names = unrecorded(store, prior, observed, runs)
    left = f"; in no serial yet: {some_of(names, _MOST_NAMED)}" if names else ""
    edit = edited_since(store, last)
    if edit is not None:
        return f"{last.words}{left}; the state was edited since ({edit}): apply plans anew"
    return f"{last.words}{left}; apply --resume finishes it, rollback takes it back"


def edited_since(store: StateStore, run: Unfinished) -> str | None:
    """How the state was edited after a run, which knows nothing of it: `state mv, serial 7`."""
    for serial in store.serials():
        if serial >= run.serial and (command := store.read(serial).operation.command) in EDITS:
            return f"state {command}, serial {serial}"
    return None


def serials_since(store: StateStore, prior: State | None, runs: Sequence[Unfinished]) -> Iterator[State]:
    """The newest serial, and before it those back to the one that the first of these runs set out from."""
    if prior is None:
        return
    yield prior
    began = min((run.set_out for run in runs), default=prior.serial)
    for serial in sorted(store.serials(), reverse=True) if began < prior.serial else ():
        if began <= serial < prior.serial:
            yield store.read(serial)


def claims_since(store: StateStore, prior: State | None, runs: Sequence[Unfinished]) -> Claims:
    """What the newest serial says of Docker's objects, and of those that these runs replaced and that stand by, the one that had
    them. But what was there before the state was edited by hand is not to come back."""
    claims = claims_of(prior)
    for state in serials_since(store, prior, runs):
        claims = claims.over(claims_of(state))
        if state.operation.command in EDITS:
            break
    return claims


def unrecorded(
    store: StateStore, prior: State | None, observed: Observed, runs: Sequence[Unfinished]
) -> tuple[str, ...]:
    """The names of what is ours and in no serial: what these unfinished runs had made and not come to record. What they had
    replaced stands by, in case that they have to be taken back, and is in a serial since the one that they set out from."""
    ids = {one for state in serials_since(store, prior, runs) for one in state.instance_ids}
    known = {record.address for record in (prior.resources if prior else ())}
    containers = (*observed.instances, *observed.one_offs)
    instances = (one.name for one in containers if one.id not in ids)
    networks = (one.name for one in observed.networks.values() if one.owned and one.address not in known)
    volumes = (one.name for one in observed.volumes.values() if one.owned and one.address not in known)
    return (*instances, *networks, *volumes)


def lineage_of(prior: State | None, runs: Iterable[Unfinished]) -> str | None:
    """The lineage to go on with: the state's, else the one that the first run began before it was cut off."""
    return prior.lineage if prior else next((run.lineage for run in runs), None)
