"""`ports.Provider` over a `SimulatedEngine`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from sutazai.address import Address, Kind
from sutazai.errors import Conflict, NotFound, ProviderError
from sutazai.model.compose import Build, NetworkAttachment
from sutazai.model.fleet import Fleet, Ipam, Network, Volume
from sutazai.model.workload import Workload
from sutazai.ports import InstanceSpec
from sutazai.providers import marks
from sutazai.providers.names import Names
from sutazai.providers.published import overlap, wanted_ports
from sutazai.providers.simulated.bodies import attachment_of, body_of, defaults_of, updated
from sutazai.providers.simulated.engine import (
    SimulatedContainer,
    SimulatedEngine,
    SimulatedImage,
    SimulatedNetwork,
    SimulatedVolume,
    uses_of,
)
from sutazai.state.claims import NOTHING, Claims
from sutazai.state.observed import (
    Host,
    Image,
    Instance,
    Observed,
    ObservedNetwork,
    ObservedVolume,
    PortUse,
    Taken,
)
from sutazai.state.scope import PREFIX, Scope

_FIRST_FREE_PORT = 49_152


class SimulatedProvider:
    """`ports.Provider` over a `SimulatedEngine`."""

    def __init__(self, scope: Scope, engine: SimulatedEngine) -> None:
        self._scope = scope
        self._names = Names(scope)
        self._claims = NOTHING
        self.engine = engine

    # Reading

    def observe(self, fleet: Fleet, *, also_images: Iterable[str] = (), claims: Claims = NOTHING) -> Observed:
        self._names, self._claims = Names.of(self._scope, fleet), claims
        own = self._own_containers()
        references = {w.image for _, w in fleet.workloads() if w.image} | set(also_images)
        return Observed(
            instances=tuple(sorted(own, key=lambda i: (i.address, i.slot, i.replica, i.name))),
            networks=self._networks(fleet),
            volumes=self._volumes(fleet),
            images=self.images(sorted(references)),
            host=self.engine.host,
            ports=self._held(fleet, {instance.id for instance in own}),
            taken=self._taken(),
        )

    def _networks(self, fleet: Fleet) -> dict[str, ObservedNetwork]:
        everyone = self.engine.networks.values()
        found = [n.observed for n in everyone if self._owns(n.observed.id, n.labels)]
        for name in (name for name, network in fleet.networks.items() if network.external):
            there = (n.observed for n in everyone if n.observed.name == self._names.network(name))
            found += [_foreign(observed, Address(Kind.NETWORK, name)) for observed in there]
        return {network.address.name: network for network in sorted(found, key=lambda n: n.address)}

    def _volumes(self, fleet: Fleet) -> dict[str, ObservedVolume]:
        everyone = self.engine.volumes
        found = [v.observed for v in everyone.values() if self._owns(v.observed.name, v.labels)]
        for name in (name for name, volume in fleet.volumes.items() if volume.external):
            if there := everyone.get(self._names.volume(name)):
                found += [_foreign(there.observed, Address(Kind.VOLUME, name))]
        return {volume.address.name: volume for volume in sorted(found, key=lambda v: v.address)}

    def _own_containers(self) -> list[Instance]:
        everyone = self.engine.containers.values()
        return [self._reported(c) for c in everyone if self._owns(c.instance.id, c.labels)]

    def _owns(self, identity: str, labels: Mapping[str, str]) -> bool:
        return self._claims.owns(identity, labelled=marks.is_own(labels, self._scope))

    def _reported(self, container: SimulatedContainer) -> Instance:
        owner = marks.owner_in(container.labels)
        answers = {
            name: (*container.hosts.get(name, ()), *attachment.aliases)
            for name, attachment in container.instance.body.networks.items()
        }
        return self._claims.placed(
            replace(container.instance, answers=answers, adopted=not owner, owner=owner)
        )

    def _taken(self) -> frozenset[Taken]:
        begin, engine = self._scope.object_name(""), self.engine
        containers = [
            c.instance.name for c in engine.containers.values() if not self._owns(c.instance.id, c.labels)
        ]
        networks = [
            n.observed.name for n in engine.networks.values() if not self._owns(n.observed.id, n.labels)
        ]
        volumes = [
            v.observed.name for v in engine.volumes.values() if not self._owns(v.observed.name, v.labels)
        ]
        return frozenset(
            [("container", name) for name in containers if name.startswith(begin)]
            + [("network", name) for name in networks if name.startswith(begin)]
            + [("volume", name) for name in volumes if name.startswith(begin)]
        )

    def _held(self, fleet: Fleet, own: set[str]) -> tuple[PortUse, ...]:
        foreign = [c.instance for c in self.engine.containers.values() if c.instance.id not in own]
        uses = [*self.engine.held, *(use for i in foreign for use in uses_of(i))]
        return tuple(
            PortUse(
                *want,
                holder=next(use.holder for use in uses if overlap(want, (use.ip, use.port, use.protocol))),
            )
            for want in wanted_ports(fleet)
            if any(overlap(want, (use.ip, use.port, use.protocol)) for use in uses)
        )

    def inspect(self, instance_id: str) -> Instance:
        return self._reported(self._container(instance_id))

    def host(self) -> Host:
        return self.engine.host

    def images(self, references: Iterable[str]) -> Mapping[str, Image | None]:
        return {reference: self._found(reference) for reference in references}

    def _found(self, reference: str) -> Image | None:
        image = self._image_of(reference)
        if image is None:
            return None
        tags = tuple(sorted(name for name, known in self.engine.images.items() if known.id == image.id))
        return Image(image.id, image.digest, tags)

    def _image_of(self, reference: str) -> SimulatedImage | None:
        by_id = (image for image in self.engine.images.values() if image.id == reference)
        return self.engine.images.get(reference) or next(by_id, None)

    # Networks and volumes

    def create_network(self, name: str, network: Network, labels: Mapping[str, str]) -> str:
        object_name, address = network.name or self._scope.object_name(name), Address(Kind.NETWORK, name)
        if any(n.observed.name == object_name for n in self.engine.networks.values()):
            raise Conflict(f"can't create network {object_name}: it exists", status=409)
        made = Network(
            driver=network.driver or "bridge", driver_opts=network.driver_opts, internal=network.internal,
            attachable=network.attachable, enable_ipv6=network.enable_ipv6, ipam=network.ipam or Ipam(driver="default"),
            labels=network.labels, external=False, name=object_name,
        )  # fmt: skip
        defaults = Network(driver="bridge", driver_opts={}, internal=False, attachable=False, enable_ipv6=False,
                           ipam=made.ipam, labels={})  # fmt: skip
        identity = self.engine.next_id()
        marked = {**network.labels, **self._scope.labels(address), **labels}
        observed = ObservedNetwork(identity, object_name, address, made, defaults, owned=True)
        self.engine.networks[identity] = SimulatedNetwork(observed, marked)
        return identity

    def remove_network(self, network_id: str) -> None:
        networks = self.engine.networks
        logical = Address(Kind.NETWORK, self._scope.logical_name(network_id))
        named = [i for i, n in networks.items() if network_id in (i, n.observed.name)]
        own = [i for i, n in networks.items() if marks.is_own(n.labels, self._scope)]
        candidates = [i for i in own if i in named or networks[i].observed.address == logical] + named
        key = next(iter(candidates), None)
        if key is None:
            raise NotFound(f"no network {network_id}", status=404)
        self._must_own(networks[key].labels, f"network {networks[key].observed.name}")
        name = networks[key].observed.address.name
        if any(i.status == "running" and name in i.body.networks for i in self._own_containers()):
            raise ProviderError(f"can't remove network {name}: it has active endpoints", status=403)
        del networks[key]

    def create_volume(self, name: str, volume: Volume, labels: Mapping[str, str]) -> str:
        object_name, address = volume.name or self._scope.object_name(name), Address(Kind.VOLUME, name)
        if object_name in self.engine.volumes:
            raise Conflict(f"can't create volume {object_name}: it exists", status=409)
        made = Volume(driver=volume.driver or "local", driver_opts=volume.driver_opts, labels=volume.labels,
                      external=False, name=object_name)  # fmt: skip
        observed = ObservedVolume(
            object_name, address, made, Volume(driver="local", driver_opts={}, labels={}), owned=True
        )
        marked = {**volume.labels, **self._scope.labels(address), **labels}
        self.engine.volumes[object_name] = SimulatedVolume(observed, marked)
        return object_name

    def remove_volume(self, volume_name: str) -> None:
        volumes = self.engine.volumes
        logical = Address(Kind.VOLUME, self._scope.logical_name(volume_name))
        own = [i for i, v in volumes.items() if marks.is_own(v.labels, self._scope)]
        candidates = [i for i in own if i == volume_name or volumes[i].observed.address == logical]
        key = next(iter(candidates), volume_name)
        if key not in volumes:
            raise NotFound(f"no volume {volume_name}", status=404)
        self._must_own(volumes[key].labels, f"volume {key}")
        name = volumes[key].observed.address.name
        if any(name == mount.source for i in self._own_containers() for mount in i.body.volumes):
            raise Conflict(f"can't remove volume {key}: it is in use", status=409)
        del volumes[key]

    # Containers

    def create_instance(self, spec: InstanceSpec) -> str:
        workload, image = spec.workload, self._image_of(spec.image)
        if workload.secrets:
            raise ProviderError("secrets are not carried out yet")
        if workload.read_only and workload.configs:
            raise ProviderError("configs can't be put into a container with read_only: true")
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
        instance = Instance(
            id=identity, name=spec.name, address=spec.address, slot=spec.slot, replica=spec.replica, status="created",
            health="none", image=labels[PREFIX + "image"], image_id=image.id, body=body_of(workload, image, labels, identity),
            defaults=defaults_of(image, identity), lineage=labels.get(PREFIX + "lineage", ""),
            serial=marks.number_in(labels, "serial", 0), spec_hash=labels.get(PREFIX + "spec-hash", ""),
            configs=marks.configs_in(labels), created_at=self.engine.now(),
        )  # fmt: skip
        hosts = {name: tuple(spec.hosts) for name in workload.networks}
        self.engine.containers[identity] = SimulatedContainer(instance, labels, hosts, [])
        return identity

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
        image = self._image_of(instance.image_id)
        exits = image.exits if image else None
        container.logs.extend(image.logs if image else ())
        running = exits is None
        container.instance = replace(
            instance,
            status="running" if running else "exited",
            health=image.health if image and running else "none",
            exit_code=exits,
            started_at=self.engine.now(),
            addresses=self._addresses(instance.body.networks) if running else {},
            published=self._publish(instance) if running else {},
        )

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

    def stop(self, instance_id: str, grace: float | None) -> None:  # noqa: ARG002 - no process here outlives its stop
        container = self._own(instance_id)
        if container.instance.status == "running":
            container.instance = replace(
                container.instance, status="exited", health="none", exit_code=0, addresses={}, published={}
            )

    def remove(self, instance_id: str) -> None:
        self._own(instance_id)
        del self.engine.containers[instance_id]

    def rename(self, instance_id: str, name: str) -> None:
        container = self._own(instance_id)
        self._must_be_free(name)
        container.instance = replace(container.instance, name=name)

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
        container.instance = replace(container.instance, body=body)

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
        container.instance = replace(instance, body=body, addresses=addresses)

    def logs(self, instance_id: str, lines: int) -> tuple[str, ...]:
        said = self._container(instance_id).logs
        return tuple(said[-lines:]) if lines > 0 else ()

    # Images

    def pull(self, reference: str, platform: str | None, progress: Callable[[str], None]) -> Image:  # noqa: ARG002
        return self._fetch(
            reference, self.engine.registry, f"can't pull {reference}: no such image", progress
        )

    def build(self, reference: str, build: Build, progress: Callable[[str], None]) -> Image:
        return self._fetch(
            reference, self.engine.buildable, f"can't build {reference} from {build.context}", progress
        )

    def _fetch(
        self,
        reference: str,
        source: Mapping[str, SimulatedImage],
        failed: str,
        progress: Callable[[str], None],
    ) -> Image:
        if reference not in source:
            raise (NotFound if source is self.engine.registry else ProviderError)(failed)
        progress(f"{reference} is here")
        self.engine.images[reference] = source[reference]
        found = self._found(reference)
        assert found is not None  # noqa: S101 - put there just now
        return found

    def remove_image(self, reference: str) -> None:
        image = self._image_of(reference)
        if image is None:
            raise NotFound(f"no image {reference}", status=404)
        last = sum(known.id == image.id for known in self.engine.images.values()) == 1
        if last and any(c.instance.image_id == image.id for c in self.engine.containers.values()):
            raise Conflict(f"can't remove image {reference}: a container uses it", status=409)
        for name in [
            name for name, known in self.engine.images.items() if name == reference or reference == known.id
        ]:
            del self.engine.images[name]

    def _container(self, instance_id: str) -> SimulatedContainer:
        containers = self.engine.containers
        named = next((c for c in containers.values() if c.instance.name == instance_id), None)
        found = containers.get(instance_id) or named
        if found is None:
            raise NotFound(f"no container {instance_id}", status=404)
        return found

    def _own(self, instance_id: str) -> SimulatedContainer:
        container = self._container(instance_id)
        if not self._owns(container.instance.id, container.labels):
            self._must_own({}, f"container {container.instance.name}")
        return container

    def _must_own(self, labels: Mapping[str, str], what: str) -> None:
        if not marks.is_own(labels, self._scope):
            raise ProviderError(f"{what} is not of {self._scope.project}: it is left alone")

    def _must_be_free(self, name: str) -> None:
        if any(c.instance.name == name for c in self.engine.containers.values()):
            raise Conflict(f"the name {name} is in use", status=409)

    def _must_have_network(self, name: str) -> None:
        if all(n.observed.name != self._names.network(name) for n in self.engine.networks.values()):
            raise NotFound(f"no network {name}", status=404)


T = TypeVar("T", ObservedNetwork, ObservedVolume)


def _foreign(observed: T, address: Address) -> T:
    """As another scope sees it."""
    body = observed.body.model_copy(update={"external": True})
    return replace(observed, address=address, body=body, owned=False)
