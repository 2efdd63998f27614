"""Containers that runs of another state made: there are two states of one environment, or the one that made them is lost."""

from collections.abc import Iterator

from sutazai.diagnostics import some_of
from sutazai.plan.change import Finding
from sutazai.plan.situation import Situation

_MOST_NAMED = 3


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
