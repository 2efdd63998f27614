"""Volumes without a name in a run: a new container takes over those of the one before it, and only destroying with volumes
removes them; but for those of a container that the run made and did not need."""

from collections.abc import Iterable, Mapping

from sutazai.errors import Conflict, NotFound
from sutazai.events import Notice
from sutazai.operations.session import Run
from sutazai.state.observed import AnonymousVolume, Instance
from sutazai.state.scope import Slot


def left_behind(instances: Iterable[Instance], slot: Slot, replica: int) -> dict[str, str]:
    """Place → name, for a container that is to be made in a slot: those of the container in the other slot, then of what stood in
    this one."""
    before = [instance for instance in instances if instance.replica == replica]
    found: dict[str, str] = {}
    for instance in sorted(before, key=lambda instance: instance.slot is not slot):
        found.update(instance.anonymous)
    return found


def has_those_of(leftover: Instance, instances: Iterable[Instance]) -> bool:
    """Whether a container that stands in the slot to be used has the volumes of the one in the other slot, where it has any at
    those places."""
    wanted = left_behind(instances, leftover.slot, leftover.replica)
    return all(wanted[place] == name for place, name in leftover.anonymous.items())


def made_for(unused: Instance, inherited: Mapping[str, str]) -> tuple[AnonymousVolume, ...]:
    """Those that came with a container which never ran, and which it did not take over: they hold nothing of anybody's."""
    if unused.status != "created":
        return ()
    names = sorted(set(unused.anonymous.values()) - set(inherited.values()))
    return tuple(AnonymousVolume(name, unused.address, used=False) for name in names)


async def remove_anonymous(run: Run, volumes: Iterable[AnonymousVolume]) -> None:
    """After the containers that had them. One that somebody else's container has stays. Raises `ProviderError`."""
    for volume in volumes:
        data, remove = {"name": volume.name}, run.session.provider.remove_volume
        try:
            await run.change(volume.address, "remove_volume", data, remove, volume.name)
        except NotFound:
            continue
        except Conflict as error:
            message = f"volume {volume.name[:12]} of {volume.address} stays: {error.message}"
            run.emit(Notice(run.now, "warning", message))
