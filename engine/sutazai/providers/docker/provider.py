"""`ports.Provider` over a Docker Engine.

Reads go through `Inventory`, changes through `Writer`. Before a change, the object's own labels must say
that it is of this scope, or the state that it was taken over; the answer is remembered.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from sutazai.address import Address, Kind
from sutazai.errors import Conflict, NotFound, ProviderError
from sutazai.model.compose import Build, NetworkAttachment
from sutazai.model.fleet import Fleet, Network, ProviderOptions, Volume
from sutazai.model.workload import Workload
from sutazai.ports import NO_VARIABLES, Executed, InstanceSpec
from sutazai.providers.docker import commands, images
from sutazai.providers.docker.connection import resolve
from sutazai.providers.docker.create import endpoint, resources, restart_policy
from sutazai.providers.docker.inventory import Inventory
from sutazai.providers.docker.look import container_path
from sutazai.providers.docker.making import Maker
from sutazai.providers.docker.reader import HttpReader
from sutazai.providers.docker.shells import Shells
from sutazai.providers.docker.writer import Writer
from sutazai.providers.marks import configs_in, is_own
from sutazai.state.claims import NOTHING, Claims
from sutazai.state.observed import Host, Image, Instance, Observed
from sutazai.state.scope import Scope

_RESOURCES = ("deploy", "resources")
_KEYS = {("limits", "cpus"): "NanoCpus", ("limits", "memory"): "Memory", ("limits", "pids"): "PidsLimit",
         ("reservations", "memory"): "MemoryReservation"}  # fmt: skip


class DockerProvider:
    """One scope on one engine. Nothing is asked of the engine before the first call. Safe to use from
    threads."""

    def __init__(
        self, scope: Scope, options: ProviderOptions, root: Path, environ: Mapping[str, str]
    ) -> None:
        self._scope = scope
        self._root = root
        self._endpoint = resolve(options, environ, root)
        self._reader = reader = HttpReader(self._endpoint)
        self._inventory = Inventory(scope, reader, self._endpoint)
        self._writer = Writer(self._endpoint, lambda: reader.api)
        self._maker = Maker(self._inventory, self._writer)
        self._shells = Shells()
        self._own: set[str] = set()
        self._with_configs: set[str] = set()

    def close(self) -> None:
        self._shells.close()
        self._reader.close()
        self._writer.close()

    # Reading

    def observe(self, fleet: Fleet, *, also_images: Iterable[str] = (), claims: Claims = NOTHING) -> Observed:
        observed = self._inventory.observe(fleet, also_images, claims)
        everything = (*observed.instances, *observed.one_offs)
        self._own.update(instance.id for instance in everything)
        self._with_configs.update(instance.id for instance in everything if instance.configs)
        return observed

    def inspect(self, instance_id: str) -> Instance:
        return self._inventory.inspect(instance_id)

    def host(self) -> Host:
        self._reader.close()  # it connects anew
        return self._inventory.host()

    def images(self, references: Iterable[str]) -> Mapping[str, Image | None]:
        return self._inventory.images(references)

    def memory(self, instance_ids: Iterable[str]) -> Mapping[str, int]:
        return self._inventory.memory(instance_ids)

    # Networks and volumes

    def create_network(self, name: str, network: Network, labels: Mapping[str, str]) -> str:
        """The ID. Raises Conflict when a network of that name exists, whoever made it."""
        from docker.types import IPAMConfig, IPAMPool

        object_name = network.name or self._scope.object_name(name)
        ipam = None
        if network.ipam is not None:
            pools = [
                IPAMPool(
                    subnet=p.subnet,
                    iprange=p.ip_range,
                    gateway=p.gateway,
                    aux_addresses=dict(p.aux_addresses) or None,
                )
                for p in network.ipam.config
            ]
            ipam = IPAMConfig(network.ipam.driver or "default", pools, dict(network.ipam.options) or None)
        marked = {**network.labels, **self._scope.labels(Address(Kind.NETWORK, name)), **labels}
        with self._writer.client(f"create network {object_name}") as client:
            made = client.create_network(
                object_name,
                driver=network.driver or "bridge",
                options=dict(network.driver_opts) or None,
                ipam=ipam,
                check_duplicate=True,
                internal=network.internal,
                labels=marked,
                enable_ipv6=network.enable_ipv6,
                attachable=network.attachable or None,
            )
        return str(made["Id"])

    def remove_network(self, network_id: str) -> None:
        """`network_id` is its ID, its name in Docker or its logical one."""
        found = self._inventory.find_network(network_id)
        self._must_own(found.labels, f"network {found.name}")
        try:
            with self._writer.client(f"remove network {found.name}") as client:
                client.remove_network(found.id)
        except ProviderError as error:
            if error.status == 403:
                error.hint = self._inventory.who_is_in(found)
            raise
        self._maker.forget_network(found.name)

    def create_volume(self, name: str, volume: Volume, labels: Mapping[str, str]) -> str:
        """Its name in Docker. Raises Conflict when a volume of that name exists: Docker itself would hand
        it over."""
        object_name, inventory = volume.name or self._scope.object_name(name), self._inventory
        if inventory.has_volume(object_name):
            raise Conflict(f"can't create volume {object_name}: it exists", status=409)
        marked = {**volume.labels, **self._scope.labels(Address(Kind.VOLUME, name)), **labels}
        with self._writer.client(f"create volume {object_name}") as client:
            client.create_volume(
                object_name, driver=volume.driver, driver_opts=dict(volume.driver_opts), labels=marked
            )
        return object_name

    def remove_volume(self, volume_name: str) -> None:
        """`volume_name` is the name in Docker or the logical one, whichever is a volume of this scope."""
        found = self._inventory.find_volume(volume_name)
        self._must_own(found.labels, f"volume {found.name}")
        with self._writer.client(f"remove volume {found.name}") as client:
            client.remove_volume(found.name)

    # Containers

    def create_instance(self, spec: InstanceSpec) -> str:
        identity = self._maker.make(spec)
        self._own.add(identity)
        if spec.configs:
            self._with_configs.add(identity)
        return identity

    def start(self, instance_id: str) -> None:
        """Does nothing when it runs; one that was paused goes on. Raises Conflict when a port it publishes is taken, and
        Unstartable when containerd still holds its ID from a start that was cut off with the engine."""
        self._verify(instance_id)
        try:
            with self._writer.client(f"start {instance_id[:12]}") as client:
                client.start(instance_id)
        except Conflict:
            if self._inventory.status(instance_id) != "paused":
                raise
            with self._writer.client(f"unpause {instance_id[:12]}") as client:
                client.unpause(instance_id)

    def stop(self, instance_id: str, grace: float | None) -> None:
        """SIGTERM (or the container's stop signal), and SIGKILL after `grace` seconds, rounded up; None is
        the container's own. Does nothing when it does not run."""
        self._verify(instance_id)
        with self._writer.client(f"stop {instance_id[:12]}") as client:
            client.stop(instance_id, timeout=None if grace is None else math.ceil(grace))

    def remove(self, instance_id: str) -> None:
        """With it go the volumes that were there for its configs only. A removal that somebody else began, be it a run that was
        killed, is waited for."""
        self._verify(instance_id)
        volumes = self._inventory.config_volumes(instance_id) if instance_id in self._with_configs else ()
        try:
            with self._writer.client(f"remove {instance_id[:12]}") as client:
                client.remove_container(instance_id, force=True)
        except Conflict:
            if not self._is_removed_by_others(instance_id):
                raise
        self._own.discard(instance_id)
        for name in volumes:
            with suppress(NotFound, Conflict):
                self.remove_volume(name)

    def _is_removed_by_others(self, instance_id: str) -> bool:
        try:
            if self._inventory.status(instance_id) == "removing":
                with self._writer.client(f"wait until {instance_id[:12]} is removed") as client:
                    client.wait(instance_id, condition="removed")
                self._inventory.status(instance_id)
        except NotFound:
            return True
        return False

    def rename(self, instance_id: str, name: str) -> None:
        self._verify(instance_id)
        with self._writer.client(f"rename {instance_id[:12]} to {name}") as client:
            client.rename(instance_id, name)

    def update(self, instance_id: str, workload: Workload, fields: Sequence[tuple[str, ...]]) -> None:
        """Docker can't lift a limit of CPU or memory from a container that has one: that is a
        ProviderError."""
        self._verify(instance_id)
        body: dict[str, object] = {}
        for path in fields:
            if path[:1] == ("restart",):
                body["RestartPolicy"] = restart_policy(workload.restart)
            elif path[:2] == _RESOURCES[: len(path)] and path[2:4] != ("reservations", "cpus"):
                body.update(_resource_update(workload, path[2:]))
            elif path[:2] != _RESOURCES:
                raise ProviderError(f"{'.'.join(path)} can't be changed on a running container")
        if not body:
            return
        self._writer.post(
            f"/containers/{quote(instance_id, safe='')}/update", body, f"update {instance_id[:12]}"
        )

    def connect(
        self, instance_id: str, network: str, attachment: NetworkAttachment, hosts: Sequence[str]
    ) -> None:
        """Raises Conflict when it is in that network."""
        self._verify(instance_id)
        settings = endpoint(attachment, tuple(hosts))
        self._maker.join(instance_id, self._inventory.names.network(network), settings)

    def disconnect(self, instance_id: str, network: str) -> None:
        """Raises NotFound when it is not in that network."""
        self._verify(instance_id)
        object_name = self._inventory.joined(instance_id, network)
        with self._writer.client(f"disconnect {instance_id[:12]} from {network}") as client:
            client.disconnect_container_from_network(instance_id, object_name)

    def logs(self, instance_id: str, lines: int) -> tuple[str, ...]:
        with self._writer.client(f"read the logs of {instance_id[:12]}") as client:
            data: bytes = client.logs(instance_id, stdout=True, stderr=True, tail=lines)
        return tuple(data.decode(errors="replace").splitlines())

    def execute(
        self,
        instance_id: str,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float,
        user: str = "",
        environment: Mapping[str, str] = NO_VARIABLES,
        given_up: Callable[[], bool] | None = None,
    ) -> Executed:
        self._verify(instance_id)
        return commands.execute(
            self._writer, instance_id, command, stdin, timeout,
            user=user, environment=environment, given_up=given_up,
        )  # fmt: skip

    def script(
        self,
        instance_id: str,
        script: str,
        arguments: Sequence[str] = (),
        *,
        stdin: bytes = b"",
        timeout: float,
    ) -> Executed:
        self._verify(instance_id)
        return self._shells.run(self._writer, instance_id, script, arguments, stdin, timeout)

    def put_file(self, instance_id: str, path: str, content: bytes, mode: int) -> None:
        self._verify(instance_id)
        running = self.inspect(instance_id).status == "running"
        commands.put_file(self._writer, instance_id, path, content, mode, running=running)

    # Images

    def pull(self, reference: str, platform: str | None, progress: Callable[[str], None]) -> Image:
        images.pull(self._writer, reference, platform, progress)
        return self._image(reference)

    def build(self, reference: str, build: Build, progress: Callable[[str], None]) -> Image:
        images.build(self._writer, reference, build, self._root, progress)
        return self._image(reference)

    def remove_image(self, reference: str) -> None:
        """Raises Conflict when a container uses it."""
        with self._writer.client(f"remove image {reference}") as client:
            client.remove_image(reference)

    def _image(self, reference: str) -> Image:
        found = self.images([reference])[reference]
        if found is None:
            raise NotFound(f"Docker does not have {reference} after all", status=404)
        return found

    def _verify(self, instance_id: str) -> None:
        if instance_id in self._own:
            return
        body = self._inventory.get(container_path(instance_id), f"container {instance_id}")
        labels = body["Config"].get("Labels") or {}
        self._must_own(labels, f"container {body['Name'].removeprefix('/')}")
        self._own.add(instance_id)
        if configs_in(labels):
            self._with_configs.add(instance_id)

    def _must_own(self, labels: Mapping[str, str] | None, what: str) -> None:
        if not is_own(labels, self._scope):
            raise ProviderError(
                f"{what} is not of {self._scope.project}/{self._scope.environment}: it is left alone",
                hint="only objects with the labels of this project and environment are ever changed",
            )


def _resource_update(workload: Workload, path: tuple[str, ...]) -> dict[str, object]:
    """Of `POST /containers/ID/update`, for the resources under `path`; all of them when it is empty. Memory
    takes the swap limit along, twice the memory, which is what Docker gives a new container."""
    wanted = resources(workload)
    body: dict[str, object] = {}
    for place, key in _KEYS.items():
        if place[: len(path)] != path:
            continue
        if key in wanted:
            body[key] = wanted[key]
            if key == "Memory":
                body["MemorySwap"] = 2 * wanted[key]
        elif key == "PidsLimit":
            body[key] = -1
        elif path == place:
            raise ProviderError(
                f"Docker can't lift {'.'.join((*_RESOURCES, *place))} from a running container",
                hint="replace the container",
            )
    return body
