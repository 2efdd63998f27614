"""Where the configs of a workload come to be in its container, and what is in their way there.

They are put into a container before it starts. A file that would be in a read-only root, or below a tmpfs that would hide it,
needs a volume at its folder instead; one directly in the root, or directly in a tmpfs, can't have one.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from posixpath import dirname, normpath

from sutazai.model.workload import Workload


@dataclass(frozen=True, slots=True)
class ConfigPlaces:
    """`folders` need a volume, none below another; `nowhere` are the targets of configs for which there is no place."""

    folders: tuple[str, ...] = ()
    nowhere: tuple[str, ...] = ()


def path_of(text: str) -> str:
    """A place in a container as the engine means it: without `..`, and one slash where there are several."""
    return "/" + normpath(text).lstrip("/") if text.startswith("/") else text


def place_of(target: str | None, source: str) -> str:
    """Where a config comes to be: as in Compose, below the root."""
    return path_of(f"/{target or source}")


def config_places(workload: Workload, image_volumes: Iterable[str] = ()) -> ConfigPlaces:
    """`image_volumes` are the places of the volumes that the image declares."""
    tmpfs = {path_of(text.partition(":")[0]) for text in workload.tmpfs}
    tmpfs |= {path_of(mount.target) for mount in workload.volumes if mount.type == "tmpfs"}
    lasting = {path_of(mount.target) for mount in workload.volumes if mount.type != "tmpfs"}
    lasting |= set(image_volumes) - tmpfs
    folders, nowhere = set(), []
    for target in (place_of(grant.target, grant.source) for grant in workload.configs):
        around = max((place for place in tmpfs | lasting if _within(target, (place,))), key=len, default="")
        if around in lasting or not (around or workload.read_only):
            continue
        if around == target or dirname(target) in {"/", around}:
            nowhere.append(target)
        else:
            folders.add(dirname(target))
    top = (folder for folder in folders if not _within(folder, folders - {folder}))
    return ConfigPlaces(tuple(sorted(top)), tuple(nowhere))


def _within(path: str, places: Collection[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)
