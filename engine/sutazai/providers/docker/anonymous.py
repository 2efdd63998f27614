"""Volumes whose names the engine makes up: those of mounts without a source, and those that an image declares (`VOLUME`).

We mount both explicitly, so that they bear our labels and can be found again, and so that a new container takes over what the
old one had. To a reader they are mounts without a source, whatever their names; those of the image are what would be there
anyway.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sutazai.model.compose import Mount, VolumeOptions
from sutazai.model.places import path_of
from sutazai.model.workload import Workload

Json = Mapping[str, Any]
_MADE_UP = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Folders:
    """Places of volumes that hold nothing but configs and what the image has there. `closed`: read-only, being filled."""

    places: tuple[str, ...] = ()
    closed: bool = False


NO_FOLDERS = Folders()


@dataclass(frozen=True, slots=True)
class Anonymous:
    """What a new container has of them. `labels` are those of each; `inherited` are the volumes to take over, by place; `image`
    is the image's own `Config`; `folders` are for configs."""

    labels: Mapping[str, str] = field(default_factory=dict)
    inherited: Mapping[str, str] = field(default_factory=dict)
    image: Json = field(default_factory=dict)
    folders: Folders = NO_FOLDERS

    def mount(self, target: str, options: Json, *, read_only: bool = False) -> dict[str, Any]:
        """The labels count where the engine has to make the volume."""
        return {
            "Type": "volume", "Target": target, "Source": self.inherited.get(path_of(target), ""), "ReadOnly": read_only,
            "VolumeOptions": {**options, "Labels": dict(self.labels)},
        }  # fmt: skip

    def undeclared(self, workload: Workload) -> Iterator[dict[str, Any]]:
        """Those for configs, and those that the image declares and the workload leaves as they are."""
        taken = {path_of(mount.target) for mount in workload.volumes} | set(self.folders.places)
        taken |= {path_of(text.partition(":")[0]) for text in workload.tmpfs}
        yield from (self.mount(place, {}, read_only=self.folders.closed) for place in self.folders.places)
        yield from (self.mount(place, {}) for place in places_of(self.image) if place not in taken)


def places_of(image: Json) -> list[str]:
    """Where an image declares volumes; `image` is its `Config`."""
    return sorted({path_of(place) for place in image.get("Volumes") or ()})


def is_made_up(name: str, called: Collection[str] = ()) -> bool:
    """Whether a volume's name is the engine's own; `called` are names that were declared."""
    return _MADE_UP.fullmatch(name) is not None and name not in called


def mounted(container: Json, called: Collection[str] = ()) -> dict[str, str]:
    """Place → name, of the anonymous volumes of a container, those for configs among them."""
    return {
        path_of(mount["Destination"]): mount["Name"]
        for mount in container.get("Mounts") or ()
        if mount.get("Type") == "volume" and is_made_up(mount.get("Name") or "", called)
    }


def without_source(target: str, *, read_only: bool = False) -> Mount:
    """As it is reported."""
    return Mount(
        type="volume", target=target, source=None, read_only=read_only, volume=VolumeOptions(nocopy=False, subpath=None)
    )  # fmt: skip


def unsaid(container: Json, declared: Iterable[Mount], called: Collection[str] = ()) -> Iterator[Mount]:
    """Those of a container that its `HostConfig` does not tell of."""
    known = {path_of(mount.target) for mount in declared}
    there = mounted(container, called)
    for mount in container.get("Mounts") or ():
        place = path_of(mount["Destination"])
        if place in there and place not in known:
            yield without_source(place, read_only=not mount.get("RW", True))
