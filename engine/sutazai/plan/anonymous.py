"""Volumes without a name of their own: which of them go when workloads are destroyed. No plan ever differs by them."""

from collections.abc import Collection, Iterator

from sutazai.address import Address
from sutazai.plan.change import Action, Finding, ResourceChange
from sutazai.plan.situation import Situation
from sutazai.state.observed import AnonymousVolume, Observed


def going_with(
    observed: Observed, destroyed: Collection[Address], *, everything: bool
) -> tuple[AnonymousVolume, ...]:
    """Those of the containers of what is destroyed, and those left over by earlier ones. `everything`: left over by any."""
    theirs = {
        name
        for instance in observed.instances
        if instance.address in destroyed
        for name in instance.anonymous.values()
    }
    return tuple(
        volume
        for volume in observed.anonymous
        if volume.name in theirs or (not volume.used and (everything or volume.address in destroyed))
    )


def anonymous_findings(situation: Situation, changes: Collection[ResourceChange]) -> Iterator[Finding]:
    """What becomes of them when the environment is destroyed, or a part of it."""
    options = situation.options
    if options.kind != "destroy":
        return
    destroyed = {c.address for c in changes if c.address.kind.is_workload and c.action is Action.DESTROY}
    found = going_with(situation.observed, destroyed, everything=not options.narrowed)
    if not found:
        return
    count = f"{len(found)} volumes" if len(found) > 1 else "a volume"
    if options.destroy_volumes:
        yield Finding(
            "warning",
            "anonymous-volumes",
            f"{count} without a name will be destroyed too, with the data in it",
        )
    else:
        hint = "destroy --volumes, or later cleanup --volumes, destroys them"
        yield Finding(
            "info",
            "anonymous-volumes",
            f"{count} without a name will be left over, with the data in it",
            hint=hint,
        )
