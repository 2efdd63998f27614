"""Making a container whole: with its networks and its configs, or not at all.

The Engine puts no file into a container whose root is read-only. Such a container is made twice: first with an open root and a
volume at each folder that gets a file (`model.places`), then, under the same name, as declared and with these volumes, read-only
now. Nothing of the first one stays but its volumes.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from sutazai.errors import NotFound, ProviderError
from sutazai.model.places import ConfigPlaces, config_places
from sutazai.ports import InstanceSpec
from sutazai.providers.docker import files
from sutazai.providers.docker.anonymous import NO_FOLDERS, Folders, mounted, places_of
from sutazai.providers.docker.create import Creation, Surroundings, to_engine
from sutazai.providers.docker.inventory import Inventory
from sutazai.providers.docker.look import container_path
from sutazai.providers.docker.mounts import named_volumes
from sutazai.providers.docker.writer import Writer


class Maker:
    def __init__(self, inventory: Inventory, writer: Writer) -> None:
        self._inventory = inventory
        self._writer = writer
        self._networks: set[str] = set()
        """Seen to be there when containers were made."""

    def make(self, spec: InstanceSpec) -> str:
        """Raises Conflict when the name is taken, NotFound when the image, a network or a volume is missing."""
        archive = files.archive_of(spec.workload, spec.configs)
        image = self._image(spec)
        places = config_places(spec.workload, places_of(image))
        if places.nowhere:
            raise ProviderError(
                f"there is no place for a config at {places.nowhere[0]}", hint="put it into a folder"
            )
        if archive is not None and (places.folders or spec.workload.read_only):
            return self._furnished(spec, image, places, archive)
        return self._made(spec, image, archive)

    def join(self, identity: str, network: str, settings: Mapping[str, Any]) -> None:
        """`network` is its name in the engine."""
        body = {"Container": identity, "EndpointConfig": settings}
        what = f"connect {identity[:12]} to {network}"
        self._writer.post(f"/networks/{quote(network, safe='')}/connect", body, what)

    def forget_network(self, network: str) -> None:
        """It is there no longer."""
        self._networks.discard(network)

    def _furnished(
        self, spec: InstanceSpec, image: Mapping[str, Any], places: ConfigPlaces, archive: bytes
    ) -> str:
        bare = spec.workload.model_copy(update={"read_only": False, "networks": {}, "network_mode": "none"})
        first = self._made(replace(spec, workload=bare), image, archive, Folders(places.folders))
        fresh: dict[str, str] = {}
        complete = False
        try:
            body = self._inventory.get(container_path(first), f"container {first}")
            volumes = mounted(body)
            fresh = {place: name for place, name in volumes.items() if spec.inherits.get(place) != name}
            with self._writer.client(f"make way for {spec.name}") as client:
                client.remove_container(first, force=True)
            made = self._made(
                replace(spec, inherits=volumes), image, None, Folders(places.folders, closed=True)
            )
            complete = True
        finally:
            if not complete:
                self._take_back(first, fresh.values())
        return made

    def _take_back(self, first: str, volumes: Iterable[str]) -> None:
        with suppress(ProviderError), self._writer.client(f"remove the unfinished {first[:12]}") as client:
            client.remove_container(first, force=True, v=True)
        for name in volumes:
            with suppress(ProviderError), self._writer.client(f"remove volume {name[:12]}") as client:
                client.remove_volume(name)

    def _image(self, spec: InstanceSpec) -> Mapping[str, Any]:
        """The image's `Config`, once all that the container needs is known to be there."""
        inventory = self._inventory
        for name in named_volumes(spec.workload):
            object_name = inventory.names.volume(name)
            if not inventory.has_volume(object_name):  # Docker would make one, without our labels
                raise NotFound(f"can't create {spec.name}: no volume {object_name}", status=404)
        for name in spec.workload.networks:  # Docker would only notice at the start
            object_name = inventory.names.network(name)
            if object_name not in self._networks:
                inventory.get(f"/networks/{quote(object_name, safe='')}", f"network {object_name}")
                self._networks.add(object_name)
        return inventory.image_config(spec.image)

    def _made(
        self,
        spec: InstanceSpec,
        image: Mapping[str, Any],
        archive: bytes | None,
        folders: Folders = NO_FOLDERS,
    ) -> str:
        inventory = self._inventory
        around = Surroundings(inventory.names, inventory.api, image, inventory.sibling, folders)
        creation = to_engine(spec, around)
        identity = self._create(creation)
        complete = False
        try:
            for network, settings in creation.later.items():
                self.join(identity, network, settings)
            if archive is not None:
                with self._writer.client(f"put configs into {spec.name}") as client:
                    client.put_archive(identity, "/", archive)
            complete = True
        finally:
            if not complete:
                with self._writer.client(f"remove the unfinished {spec.name}") as client:
                    client.remove_container(identity, force=True, v=True)
        return identity

    def _create(self, creation: Creation) -> str:
        with self._writer.client(f"create {creation.name}") as client:
            made = client.create_container_from_config(  # type: ignore[no-untyped-call]
                creation.body, creation.name, creation.platform
            )
        return str(made["Id"])
