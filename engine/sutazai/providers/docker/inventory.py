"""One look at everything of a scope, over the fast reader: two round trips when nothing is unusual."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sutazai.address import Address, Kind
from sutazai.errors import NotFound
from sutazai.model.fleet import Fleet
from sutazai.model.subnets import subnets
from sutazai.providers import marks
from sutazai.providers.docker import objects
from sutazai.providers.docker.anonymous import mounted
from sutazai.providers.docker.connection import Endpoint
from sutazai.providers.docker.defaults import Usual
from sutazai.providers.docker.look import (
    Look,
    Questions,
    container_path,
    filters_of,
    host_in,
    image_path,
    is_local,
    lenders,
    look,
    stats_path,
    volume_path,
)
from sutazai.providers.docker.reader import Answer, HttpReader
from sutazai.providers.docker.report import Context, from_engine
from sutazai.providers.names import Names, called
from sutazai.state.claims import NOTHING, Claims
from sutazai.state.observed import (
    AnonymousVolume,
    Host,
    Image,
    Instance,
    Observed,
    ObservedNetwork,
    ObservedVolume,
)
from sutazai.state.published import wanted_ports
from sutazai.state.scope import HOOK, Scope

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A network or a volume, as far as removing it goes."""

    id: str
    name: str
    labels: Mapping[str, str]


class Inventory:
    """Reads of one scope. `names` and `claims` are replaced whenever a fleet is observed: externals are called by the
    fleet, and what a container serves is known from the state."""

    def __init__(self, scope: Scope, reader: HttpReader, endpoint: Endpoint) -> None:
        self.scope = scope
        self.names = Names(scope)
        self.claims = NOTHING
        self._reader = reader
        self._endpoint = endpoint
        self._image_configs: dict[str, Json] = {}
        """By image ID, of which nothing ever changes."""
        self._named: dict[str, Json] = {}
        """What a reference meant when it was first asked for since the last look."""
        self._log_driver: str | None = None

    @property
    def api(self) -> tuple[int, int]:
        return self._reader.api

    def get(self, path: str, what: str) -> Any:
        return self._reader.get_all([path])[0].value(what)

    def observe(self, fleet: Fleet, also_images: Iterable[str], claims: Claims) -> Observed:
        self.names, self.claims = Names.of(self.scope, fleet), claims
        known = frozenset(self._image_configs)
        self._named.clear()
        questions = questions_for(self.names, fleet, also_images, claims)
        seen = look(self._reader, questions, self._endpoint, known)
        self._keep_images(seen.image_bodies.items())
        self._log_driver = seen.host["LoggingDriver"] or None
        asked, fingerprint = set(self._image_configs), seen.fingerprint()
        instances = self._instances(seen)
        # A look that left something out, or needed more than it asked for, is none to be known again by.
        whole = not known and asked == set(self._image_configs)
        return Observed(
            instances=tuple(one for one in instances if not one.hook),
            one_offs=tuple(one for one in instances if one.hook),
            networks=self._networks(seen, fleet),
            volumes=self._volumes(seen),
            anonymous=_anonymous(seen),
            images={name: _found_image(answer, name) for name, answer in seen.images.items()},
            host=self._host(seen.host, local=seen.local),
            ports=seen.ports,
            taken=seen.taken,
            subnets=seen.subnets,
            fingerprint=fingerprint if whole else "",
        )

    def inspect(self, instance_id: str) -> Instance:
        """Raises NotFound when there is no such container."""
        container = self.get(container_path(instance_id), f"container {instance_id}")
        self._learn_images([container["Image"]])
        if self._log_driver is None:
            self.host()
        modes = (container["HostConfig"].get(key) or "" for key in ("NetworkMode", "PidMode", "IpcMode"))
        shared = {mode[10:] for mode in modes if mode.startswith("container:")}
        if not shared:
            return self._instance(container, self._context({}))
        listed = self.get("/containers/json?all=1", "its containers")
        context = replace(self._context(self._siblings_in(listed)), lenders=lenders(shared, listed))
        return self._instance(container, context)

    def status(self, instance_id: str) -> str:
        """In the engine's own words. Raises NotFound when there is no such container."""
        body = self.get(container_path(instance_id), f"container {instance_id}")
        return str(body["State"]["Status"])

    def host(self) -> Host:
        info = host_in(self.get("/info", "the host"))
        self._log_driver = info.get("LoggingDriver") or None
        return self._host(info, local=is_local(self._endpoint, info))

    def images(self, references: Iterable[str]) -> dict[str, Image | None]:
        wanted = list(dict.fromkeys(references))
        for reference in wanted:
            self._named.pop(reference, None)
        answers = self._reader.get_all([image_path(reference) for reference in wanted])
        return {
            reference: _found_image(answer, reference)
            for reference, answer in zip(wanted, answers, strict=True)
        }

    def memory(self, identities: Iterable[str]) -> dict[str, int]:
        wanted = list(dict.fromkeys(identities))
        answers = self._reader.get_apart([stats_path(identity) for identity in wanted])
        found = (
            (identity, objects.memory_in(answer.value(f"the memory of container {identity}")))
            for identity, answer in zip(wanted, answers, strict=True)
            if answer.status != 404
        )
        return {identity: used for identity, used in found if used is not None}

    def image_config(self, reference: str) -> Json:
        """The `Config` of an image, asked for once for all containers of a run. Raises NotFound."""
        if reference not in self._named:
            body: Json = self.get(image_path(reference), f"image {reference}")
            self._named[reference] = body.get("Config") or {}
        return self._named[reference]

    def siblings(self) -> dict[str, Address]:
        """The containers of the scope: ID → address, those that run last."""
        narrowed = "" if self.claims.adopted else f"&filters={filters_of(self.scope)}"
        return self._siblings_in(self.get(f"/containers/json?all=1{narrowed}", "its containers"))

    def _siblings_in(self, listed: Iterable[Json]) -> dict[str, Address]:
        entries = [e for e in listed if self._owns(e["Id"], e) and HOOK not in (e.get("Labels") or {})]
        entries.sort(key=lambda entry: (entry.get("State") == "running", entry.get("Created", 0)))
        addresses = (
            (e["Id"], self.claims.address_of(e["Id"], marks.address_in(e.get("Labels") or {})))
            for e in entries
        )
        return {identity: address for identity, address in addresses if address is not None}

    def sibling(self, name: str) -> str:
        """The ID of the container of another workload, by `NAME`, `agent.NAME` or `service.NAME`."""
        found = [
            identity for identity, address in self.siblings().items() if name in (address.name, str(address))
        ]
        if not found:
            raise NotFound(
                f"no container of {name} to share a namespace with", hint=f"add {name} to depends_on"
            )
        return found[-1]

    def joined(self, instance_id: str, network: str) -> str:
        """The name in Docker of a network that a container is in, whosever it is. Raises NotFound."""
        body = self.get(container_path(instance_id), f"container {instance_id}")
        there: dict[str, Any] = body["NetworkSettings"].get("Networks") or {}
        found = next((name for name in there if self.names.logical_network(name) == network), None)
        if found is None:
            raise NotFound(f"{instance_id[:12]} is not in network {network}", status=404)
        return found

    def config_volumes(self, instance_id: str) -> tuple[str, ...]:
        """The names of the volumes that a container has for its configs only. Raises NotFound."""
        body = self.get(container_path(instance_id), f"container {instance_id}")
        folders = marks.words_in(body["Config"].get("Labels") or {}).get("config_folders", ())
        return tuple(name for place, name in mounted(body).items() if place in folders)

    def has_volume(self, object_name: str) -> bool:
        return self._reader.get_all([volume_path(object_name)])[0].status != 404

    def find_network(self, key: str) -> "Found":
        """By ID or name, one of the scope before any other; else by the logical name on its label. Raises
        NotFound."""
        bodies = self.get("/networks", "its networks")
        return self._find(
            Kind.NETWORK, key, [Found(b["Id"], b["Name"], b.get("Labels") or {}) for b in bodies]
        )

    def who_is_in(self, network: "Found") -> str:
        """What to do about a network that the engine refuses to remove since it has endpoints."""
        found = self.get(f"/networks/{network.id}", f"network {network.name}").get("Containers") or {}
        names = sorted(member.get("Name", identity[:12]) for identity, member in found.items())
        if names:
            return f"in it: {', '.join(names)}; stop or disconnect them"
        return (
            "no container is in it: the engine has miscounted, which Docker is known to do when many containers start and stop "
            "at once; restart the engine, then go on"
        )

    def find_volume(self, key: str) -> "Found":
        """As `find_network`."""
        bodies = self.get("/volumes", "its volumes").get("Volumes") or ()
        return self._find(
            Kind.VOLUME, key, [Found(b["Name"], b["Name"], b.get("Labels") or {}) for b in bodies]
        )

    def _find(self, kind: Kind, key: str, objects_: list["Found"]) -> "Found":
        named = [o for o in objects_ if key in (o.id, o.name)]
        own = [o for o in objects_ if marks.is_own(o.labels, self.scope)]
        logical = Address(kind, self.scope.logical_name(key))
        candidates = (
            [o for o in own if o in named] + [o for o in own if marks.address_in(o.labels) == logical] + named
        )
        if not candidates:
            raise NotFound(f"no {kind} {key}", status=404)
        return candidates[0]

    def _keep_images(self, answers: Iterable[tuple[str, Answer]]) -> None:
        for identity, answer in answers:
            self._image_configs[identity] = {} if answer.status == 404 else answer.value(f"image {identity}")

    def _learn_images(self, identities: Iterable[str]) -> None:
        unknown = [identity for identity in identities if identity not in self._image_configs]
        if unknown:
            self._keep_images(
                zip(unknown, self._reader.get_all([image_path(i) for i in unknown]), strict=True)
            )

    def _instances(self, seen: Look) -> tuple[Instance, ...]:
        addresses = (
            (identity, self.claims.address_of(identity, _address(text)))
            for identity, text in seen.siblings.items()
        )
        siblings = {identity: address for identity, address in addresses if address is not None}
        context = replace(self._context(siblings), lenders=seen.lenders)
        instances = (self._instance(container, context) for container in self._bodies(seen.containers))
        return tuple(sorted(instances, key=lambda i: (i.address, i.slot, i.replica, i.name)))

    def _bodies(self, containers: list[Answer]) -> Iterator[Json]:
        """Taken out one after the other, so that only one at a time lies there parsed; with its image known."""
        while containers:
            body = containers.pop().value("a container")
            self._learn_images([body["Image"]])
            yield body

    def _context(self, siblings: Mapping[str, Address]) -> Context:
        return Context(self.names, siblings, Usual(self._log_driver or "json-file"))

    def _instance(self, container: Json, context: Context) -> Instance:
        image = self._image_configs.get(container["Image"], {})
        return self.claims.placed(from_engine(container, image, context))

    def _owns(self, identity: str, body: Json) -> bool:
        return self.claims.owns(identity, labelled=marks.is_own(body.get("Labels"), self.scope))

    def _networks(self, seen: Look, fleet: Fleet) -> dict[str, ObservedNetwork]:
        external = {
            self.names.network(name): name for name, network in fleet.networks.items() if network.external
        }
        found: dict[str, ObservedNetwork] = {}
        for body in seen.networks:
            labels = body.get("Labels") or {}
            if self._owns(body["Id"], body):
                address = marks.address_in(labels)
                name = address.name if address else self.names.logical_network(body["Name"])
                observed = objects.network_from(body, name, owned=True)
                found[name] = replace(observed, guests=seen.guests.get(body["Id"], ()))
            elif body["Name"] in external:
                name = external[body["Name"]]
                found[name] = objects.network_from(body, name, owned=False)
        return dict(sorted(found.items()))

    def _volumes(self, seen: Look) -> dict[str, ObservedVolume]:
        found: dict[str, ObservedVolume] = {}
        for body in (body for body in seen.volumes if marks.anonymous_in(body.get("Labels")) is None):
            address = marks.address_in(body.get("Labels") or {})
            name = address.name if address else self.names.logical_volume(body["Name"])
            found[name] = objects.volume_from(body, name, owned=True)
        for answer in seen.external:
            if answer.status != 404:
                body = answer.value("a volume")
                name = self.names.logical_volume(body["Name"])
                found[name] = objects.volume_from(body, name, owned=False)
        return dict(sorted(found.items()))

    def _host(self, info: Json, *, local: bool) -> Host:
        return objects.host_from(
            info,
            self.api,
            local=local,
            available=_memory_available() if local else None,
            published_at=self._endpoint.host or "127.0.0.1",
        )


def questions_for(
    names: Names, fleet: Fleet, also_images: Iterable[str], claims: Claims = NOTHING
) -> Questions:
    """What a look for this fleet asks."""
    images = {image for _, workload in fleet.workloads() for image in workload.images} | set(also_images)
    return Questions(
        scope=names.scope,
        networks=tuple(sorted(names.network(name) for name, n in fleet.networks.items() if n.external)),
        volumes=tuple(sorted({names.volume(name) for name, v in fleet.volumes.items() if v.external})),
        images=tuple(sorted(images)),
        ports=tuple(wanted_ports(fleet)),
        subnets=tuple(str(subnet) for _, _, subnet in subnets(fleet.networks)),
        called=tuple(sorted(called(fleet))),
        adopted=tuple(sorted(claims.adopted)),
        released=tuple(sorted(claims.released)),
    )


def _anonymous(seen: Look) -> tuple[AnonymousVolume, ...]:
    found = ((body["Name"], marks.anonymous_in(body.get("Labels"))) for body in seen.volumes)
    return tuple(
        AnonymousVolume(name, address, name in seen.mounted) for name, address in found if address is not None
    )


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except ValueError:
        return None


def _found_image(answer: Answer, reference: str) -> Image | None:
    return None if answer.status == 404 else objects.image_from(answer.value(f"image {reference}"), reference)


def _memory_available() -> int | None:
    """`MemAvailable` of /proc/meminfo, in bytes (proc(5) gives it in KiB)."""
    if sys.platform != "linux":
        return None
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
