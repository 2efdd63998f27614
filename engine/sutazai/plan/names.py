"""What a change calls containers in Docker."""

from collections.abc import Sequence

from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.plan.change import MADE, ResourceChange
from sutazai.plan.shares import counted_in_name, numbers_of, shares_after
from sutazai.state.observed import Instance
from sutazai.state.scope import Scope, Slot, host_in


def names_of(
    desired: Fleet, change: ResourceChange, workload: Workload, there: Sequence[Instance]
) -> tuple[str, ...]:
    """The names of the containers that a change makes or renames. `there` are those that the workload has."""
    if change.action not in MADE and not {"rename", "scale"} & set(change.steps):
        return ()
    scope, host = Scope(desired.project, desired.environment), host_in(desired, change.address)
    return tuple(
        scope.instance_name(
            host, change.slot or Slot.BLUE, number, counted_in_name(change.address, workload, number)
        )
        for number in numbers_of(workload, shares_after(change, workload, there, desired))
    )
