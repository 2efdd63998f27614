"""Containers that the state does not know: runs of another state made them, or it was lost, or put back as it was before."""

from collections.abc import Iterator, Sequence

from sutazai.diagnostics import some_of
from sutazai.plan.change import Action, Finding, ResourceChange
from sutazai.plan.situation import Situation

_MOST_NAMED = 3
UNRECORDED = "not-recorded"
"""The code of the finding that alone makes a plan worth carrying out."""


def lineage_findings(situation: Situation) -> Iterator[Finding]:
    """A word of those that this state does not know. What it has recorded once is its own, whatever its labels say."""
    prior = situation.prior
    own = situation.aftermath.lineages | ({prior.lineage} if prior else frozenset())
    recorded = prior.instance_ids if prior else frozenset()
    found = [
        one
        for one in situation.observed.instances
        if one.lineage and one.lineage not in own and one.id not in recorded
    ]
    if not found:
        return
    names = some_of([one.name for one in found], _MOST_NAMED)
    lineages = ", ".join(sorted({one.lineage for one in found}))
    here = f"this state has lineage {prior.lineage}" if prior else "there is no state here"
    yield Finding(
        "warning",
        "another-state",
        f"{here}, and runs of another one (lineage {lineages}) made {names}",
        hint="if that state is still kept somewhere, go on there: two states of one environment undo each other's changes. "
        "If it is lost, what stays as it is is recorded here by the next apply",
    )


def unrecorded_findings(situation: Situation, changes: Sequence[ResourceChange]) -> Iterator[Finding]:
    """A word of what is as desired, in other containers than those that are recorded: a state that was brought back from a copy
    is behind. A plan that has nothing else to do is carried out for it, or no `state verify` would ever be content again."""
    options, prior = situation.options, situation.prior
    if prior is None or options.kind != "apply" or options.narrowed or situation.aftermath.lineages:
        return
    found = [
        str(change.address)
        for change in changes
        if change.action is Action.NOOP
        and change.address.kind.is_workload
        and not _is_recorded(situation, change)
    ]
    if found:
        names = some_of(found, _MOST_NAMED)
        yield Finding(
            "info", UNRECORDED, f"the state does not record what runs of {names}; the next apply does"
        )


def _is_recorded(situation: Situation, change: ResourceChange) -> bool:
    record = situation.records.get(change.address)
    there = situation.instances.get(change.address, ())
    ids = {one.id for one in there if change.slot in (None, one.slot)}
    return ids == ({row.id for row in record.instances} if record else set())
