"""`ports.Provider` over a `SimulatedEngine`: containers and images."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sutazai.errors import Conflict, NotFound, ProviderError
from sutazai.model.compose import Build, NetworkAttachment
from sutazai.model.places import config_places
from sutazai.model.workload import Workload
from sutazai.ports import InstanceSpec
from sutazai.providers import marks
from sutazai.providers.simulated.bodies import (
    attachment_of,
    body_of,
    filled_in,
    places_without_source,
    updated,
)
from sutazai.providers.simulated.commands import Commands, run_command
from sutazai.providers.simulated.engine import (
    ANY_PROGRAM,
    SimulatedContainer,
    SimulatedImage,
    uses_of,
)
from sutazai.providers.simulated.looking import changing
from sutazai.providers.simulated.objects import Objects
from sutazai.state.observed import (
    HealthStatus,
    Image,
    Instance,
    Reported,
)
from sutazai.state.published import overlap
from sutazai.state.scope import HOOK, PREFIX

_FIRST_FREE_PORT = 49_152


class SimulatedProvider(Objects, Commands):
    """`ports.Provider` over a `SimulatedEngine`."""

    @changing
    def create_instance(self, spec: InstanceSpec) -> str:
        workload, image = spec.workload, self.engine.image_of(spec.image)
        if workload.secrets:
            raise ProviderError("secrets are not carried out yet")
        if nowhere := config_places(workload).nowhere:
            raise ProviderError(f"there is no place for a config at {nowhere[0]}")
        if missing := [grant.source for grant in workload.configs if grant.source not in spec.configs]:
            raise ProviderError(f"the content of config {missing[0]!r} is missing")
        if image is None:
            raise NotFound(f"can't create {spec.name}: no image {spec.image}", status=404)
        for name in workload.networks:
            self._must_have_network(name)
        for mount in workload.volumes:
            if (
                mount.type == "volume"
                and mount.source
                and self._names.volume(mount.source) not in self.engine.volumes
            ):
                raise NotFound(f"can't create {spec.name}: no volume {mount.source}", status=404)
        self._must_be_free(spec.name)
        identity, labels = self.engine.next_id(), marks.labels_of(spec, self._scope)
        body = body_of(workload, image, labels, identity)
        instance = Instance(
            id=identity, name=spec.name, address=spec.address, slot=spec.slot, replica=spec.replica, status="created",
            health="none", image=labels[PREFIX + "image"], image_id=image.id, reported=Reported.of(body),
            filled_in=partial(filled_in, image, identity), lineage=labels.get(PREFIX + "lineage", ""),
            serial=marks.number_in(labels, "serial", 0), spec_hash=labels.get(PREFIX + "spec-hash", ""),
            configs=marks.configs_in(labels), created_at=self.engine.now(),
            anonymous={place: self._anonymous(spec, place) for place in places_without_source(body)},
            hook=labels.get(HOOK, ""),
        )  # fmt: skip
        hosts = {name: tuple(spec.hosts) for name in workload.networks}
        self.engine.containers[identity] = SimulatedContainer(instance, labels, hosts, [])
        return identity

    @changing
    def start(self, instance_id: str) -> None:
        container = self._own(instance_id)
        instance = container.instance
        if instance.status == "running":
            return
        taken = [
            *self.engine.held,
            *(use for c in self.engine.containers.values() for use in uses_of(c.instance)),
        ]
        for port in instance.body.ports:
            want = (port.host_ip or "", port.published or 0, port.protocol)
            if port.published and any(overlap(want, (use.ip, use.port, use.protocol)) for use in taken):
                raise Conflict(
                    f"can't start {instance.name}: port is already allocated: {port.published}", status=500
                )
        image = self.engine.image_of(instance.image_id)
        exits = image.exits if image else None
        container.answers = dict(image.answers) if image else {}
        container.logs.extend(image.logs if image else ())
        if instance.hook:
            exits = self._hook(container, image)
        running = exits is None
        container.instance = replace(
            instance,
            status="running" if running else "exited",
            health=_health(image, instance) if running else "none",
            exit_code=exits,
            started_at=self.engine.now(),
            addresses=self._addresses(instance.body.networks) if running else {},
            published=self._publish(instance) if running else {},
        )

    def _hook(self, container: SimulatedContainer, image: SimulatedImage | None) -> int | None:
        """What a container that was made for a hook does: the exit code of its command, None when it goes on (`sleep`)."""
        command = [*(container.instance.body.entrypoint or ()), *(container.instance.body.command or ())]
        if command[0] == "sleep":
            return None
        said = run_command(container, image, command)
        container.logs.extend([*said.output.splitlines(), *said.errors.splitlines()])
        return said.exit_code

    def _addresses(self, networks: Iterable[str]) -> dict[str, str]:
        found = {}
        for name in networks:
            self.engine.counter += 1
            found[name] = (
                f"10.{self.engine.counter >> 16 & 255}.{self.engine.counter >> 8 & 255}.{self.engine.counter & 255}"
            )
        return found

    def _publish(self, instance: Instance) -> dict[str, tuple[str, int]]:
        published = {}
        for port in instance.body.ports:
            self.engine.counter += 1
            number = port.published or _FIRST_FREE_PORT + self.engine.counter % 16_384
            published[f"{port.target}/{port.protocol}"] = (port.host_ip or "0.0.0.0", number)  # noqa: S104 - said, not bound
        return published

    @changing
    def stop(self, instance_id: str, grace: float | None) -> None:  # noqa: ARG002 - no process here outlives its stop
        container = self._own(instance_id)
        if container.instance.status == "running":
            container.instance = replace(
                container.instance, status="exited", health="none", exit_code=0, addresses={}, published={}
            )

    @changing
    def remove(self, instance_id: str) -> None:
        self._own(instance_id)
        del self.engine.containers[instance_id]

    @changing
    def rename(self, instance_id: str, name: str) -> None:
        container = self._own(instance_id)
        self._must_be_free(name)
        container.instance = replace(container.instance, name=name)

    @changing
    def update(self, instance_id: str, workload: Workload, fields: Sequence[tuple[str, ...]]) -> None:
        container = self._own(instance_id)
        body = container.instance.body
        for path in fields:
            if path == ("restart",):
                body = body.model_copy(update={"restart": workload.restart})
            elif path[:2] == ("deploy", "resources")[: len(path)]:
                body = body.model_copy(update={"deploy": updated(body.deploy, workload.deploy, path[2:])})
            else:
                raise ProviderError(f"{'.'.join(path)} can't be changed on a running container")
        container.instance = replace(container.instance, reported=Reported.of(body))

    @changing
    def connect(
        self, instance_id: str, network: str, attachment: NetworkAttachment, hosts: Sequence[str]
    ) -> None:
        container = self._own(instance_id)
        self._must_have_network(network)
        if network in container.instance.body.networks:
            raise Conflict(f"{container.instance.name} is in network {network} already", status=403)
        networks = {**container.instance.body.networks, network: attachment_of(attachment)}
        container.hosts[network] = tuple(hosts)
        self._set_networks(container, networks)

    @changing
    def disconnect(self, instance_id: str, network: str) -> None:
        container = self._own(instance_id)
        if network not in container.instance.body.networks:
            raise NotFound(f"{container.instance.name} is not in network {network}", status=404)
        container.hosts.pop(network, None)
        networks = {name: kept for name, kept in container.instance.body.networks.items() if name != network}
        self._set_networks(container, networks)

    def _set_networks(self, container: SimulatedContainer, networks: dict[str, NetworkAttachment]) -> None:
        instance = container.instance
        body = instance.body.model_copy(update={"networks": dict(sorted(networks.items()))})
        addresses = self._addresses(networks) if instance.status == "running" else {}
        container.instance = replace(instance, reported=Reported.of(body), addresses=addresses)

    # Images

    @changing
    def pull(self, reference: str, platform: str | None, progress: Callable[[str], None]) -> Image:  # noqa: ARG002
        image = self.engine.registry.get(reference)
        if image is None and self.engine.fetches_anything and not self.engine.is_absent(reference):
            image = _made_up(reference, reference)
        if image is None:
            raise NotFound(f"can't pull {reference}: no such image", status=404)
        return self._here(reference, image, progress)

    @changing
    def build(self, reference: str, build: Build, progress: Callable[[str], None]) -> Image:
        image = self.engine.buildable.get(reference)
        context = self._root / (build.context or ".")
        if image is None and self.engine.fetches_anything and context.is_dir():
            image = _made_up(reference, f"{build.model_dump_json()} {_content_of(context)}")
        if image is None:
            raise ProviderError(f"can't build {reference} from {build.context}: there is no such folder")
        return self._here(reference, image, progress)

    def _here(self, reference: str, image: SimulatedImage, progress: Callable[[str], None]) -> Image:
        progress(f"{reference} is here")
        self.engine.images[reference] = image
        found = self._found(reference)
        assert found is not None  # noqa: S101 - put there just now
        return found

    @changing
    def remove_image(self, reference: str) -> None:
        image = self.engine.image_of(reference)
        if image is None:
            raise NotFound(f"no image {reference}", status=404)
        last = sum(known.id == image.id for known in self.engine.images.values()) == 1
        if last and any(c.instance.image_id == image.id for c in self.engine.containers.values()):
            raise Conflict(f"can't remove image {reference}: a container uses it", status=409)
        for name in [
            name for name, known in self.engine.images.items() if name == reference or reference == known.id
        ]:
            del self.engine.images[name]


def _health(image: SimulatedImage | None, instance: Instance) -> HealthStatus:
    if image is not None and image.health != "none":
        return image.health
    test = instance.body.healthcheck.test if instance.body.healthcheck else None
    return "healthy" if test and tuple(test) != ("NONE",) else "none"


def _made_up(reference: str, content: str) -> SimulatedImage:
    """An image of which nobody knows what is in it, and so it has every program; the same content is the same image."""
    digest = hashlib.sha256(f"{reference} {content}".encode()).hexdigest()
    return SimulatedImage(f"sha256:{digest}", Workload(), commands={ANY_PROGRAM: (0, "")})


def _content_of(folder: Path) -> str:
    """A digest of every file of a build's context."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
