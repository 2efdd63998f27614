"""Names that a change needs and another container of ours still has: of what was given another address, and not its name yet.

`state mv` changes no container. So where `a` became `b` and there is a new `a`, or two swapped their addresses, the name that one
is to get is the other's, and Docker refuses it whichever comes first. Who has such a name lets go of it before any other change;
it is known by its ID meanwhile, and its own change gives it the name that it is to have.
"""

from collections import defaultdict
from contextlib import suppress

from sutazai.address import Address
from sutazai.errors import NotFound
from sutazai.operations.plan import Planned
from sutazai.operations.session import Run
from sutazai.plan.names import names_of
from sutazai.state.observed import Instance

_ID_LETTERS = 12


def name_aside(one: Instance) -> str:
    """What it is called until it gets its own name."""
    return f"{one.name}-{one.id[:_ID_LETTERS]}"


async def let_go_of_names(run: Run, planned: Planned) -> None:
    """Rename what has a name that the container of another address is to get."""
    desired, there = planned.plan.desired, defaultdict[Address, list[Instance]](list)
    for one in planned.observed.instances:
        there[one.address].append(one)
    wanted = {
        name: change.address
        for change in planned.plan.actions
        if (workload := desired.workload(change.address)) is not None
        for name in names_of(desired, change, workload, there[change.address])
    }
    for one in planned.observed.instances:
        if run.stop.requested:
            return
        if wanted.get(one.name, one.address) != one.address:
            name = name_aside(one)
            rename = run.session.provider.rename
            with suppress(NotFound):  # then nobody has the name
                await run.change(one.address, "rename", {"id": one.id, "name": name}, rename, one.id, name)
