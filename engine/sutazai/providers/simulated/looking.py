"""Looking at a simulated engine, and asking its checks."""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sutazai.address import Address, Kind
from sutazai.errors import Conflict, NotFound, ProviderError
from sutazai.model.checks import Check
from sutazai.model.fleet import Fleet
from sutazai.ports import CheckResult, Target
from sutazai.providers import marks
from sutazai.providers.names import Names, called
from sutazai.providers.simulated.engine import (
    SimulatedContainer,
    SimulatedEngine,
    uses_of,
)
from sutazai.state.claims import NOTHING, Claims
from sutazai.state.observed import (
    AnonymousVolume,
    Host,
    Image,
    Instance,
    Observed,
    ObservedNetwork,
    ObservedVolume,
    PortUse,
    Taken,
)
from sutazai.state.published import overlap, wanted_ports
from sutazai.state.scope import Scope

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Looking")


def reading(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method that is told what the engine is like, and leaves it so."""
    return _opened(method, change=False)


def changing(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method after which the engine is kept as it left it."""
    return _opened(method, change=True)


def _opened(method: Callable[Concatenate[S, P], R], *, change: bool) -> Callable[Concatenate[S, P], R]:
    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.engine.opened(change=change):
            return method(self, *args, **kwargs)

    return call


class Looking:
    """What one scope sees of the engine. It is `ports.CheckRunner` too: nothing listens to a real request here. `root` is where
    the contexts of builds are."""

    def __init__(self, scope: Scope, engine: SimulatedEngine, root: Path = Path()) -> None:
        self._scope = scope
        self._root = root
        self._names = Names(scope)
        self._claims = NOTHING
        self.engine = engine

    # Reading

    @reading
    def observe(self, fleet: Fleet, *, also_images: Iterable[str] = (), claims: Claims = NOTHING) -> Observed:
        self._names, self._claims = Names.of(self._scope, fleet), claims
        own = sorted(self._own_containers(), key=lambda i: (i.address, i.slot, i.replica, i.name))
        references = {image for _, w in fleet.workloads() for image in w.images} | set(also_images)
        return Observed(
            instances=tuple(one for one in own if not one.hook),
            one_offs=tuple(one for one in own if one.hook),
            networks=self._networks(fleet),
            volumes=self._volumes(fleet),
            anonymous=self._anonymous_volumes(),
            images=self.images(sorted(references)),
            host=self.engine.host,
            ports=self._held(fleet, {instance.id for instance in own}),
            taken=self._taken(fleet),
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
        named = (v for v in everyone.values() if marks.anonymous_in(v.labels) is None)
        found = [v.observed for v in named if self._owns(v.observed.name, v.labels)]
        for name in (name for name, volume in fleet.volumes.items() if volume.external):
            if there := everyone.get(self._names.volume(name)):
                found += [_foreign(there.observed, Address(Kind.VOLUME, name))]
        return {volume.address.name: volume for volume in sorted(found, key=lambda v: v.address)}

    def _anonymous_volumes(self) -> tuple[AnonymousVolume, ...]:
        used = {name for c in self.engine.containers.values() for name in c.instance.anonymous.values()}
        found = (
            (name, marks.anonymous_in(volume.labels))
            for name, volume in sorted(self.engine.volumes.items())
            if self._owns(name, volume.labels)
        )
        return tuple(AnonymousVolume(name, address, name in used) for name, address in found if address)

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

    def _taken(self, fleet: Fleet) -> frozenset[Taken]:
        begin, engine = self._scope.object_name(""), self.engine
        wanted = called(fleet)
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
            + [("network", name) for name in networks if name.startswith(begin) or name in wanted]
            + [("volume", name) for name in volumes if name.startswith(begin) or name in wanted]
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

    @reading
    def inspect(self, instance_id: str) -> Instance:
        return self._reported(self._container(instance_id))

    @reading
    def host(self) -> Host:
        return self.engine.host

    @reading
    def images(self, references: Iterable[str]) -> Mapping[str, Image | None]:
        return {reference: self._found(reference) for reference in references}

    @reading
    def memory(self, instance_ids: Iterable[str]) -> Mapping[str, int]:
        found = {}
        for container in map(self.engine.containers.get, instance_ids):
            image = self.engine.image_of(container.instance.image_id) if container else None
            if container is not None and image is not None and container.instance.status == "running":
                minutes = self._age(container.instance) / 60
                found[container.instance.id] = image.memory + round(image.memory_growth * minutes)
        return found

    def _age(self, instance: Instance) -> float:
        """Seconds since it was started, by the engine's clock."""
        started, now = instance.started_at, self.engine.now()
        return (
            (datetime.fromisoformat(now) - datetime.fromisoformat(started)).total_seconds()
            if started and now
            else 0.0
        )

    def _found(self, reference: str) -> Image | None:
        image = self.engine.image_of(reference)
        if image is None:
            return None
        tags = tuple(sorted(name for name, known in self.engine.images.items() if known.id == image.id))
        return Image(image.id, image.digest, tags)

    @reading
    def logs(self, instance_id: str, lines: int) -> tuple[str, ...]:
        said = self._container(instance_id).logs
        return tuple(said[-lines:]) if lines > 0 else ()

    # Checks

    @reading
    def run(self, check: Check, target: Target) -> CheckResult:
        container = self.engine.containers.get(target.instance_id)
        if container is None:
            return CheckResult(False, "the container is gone", 0.0)
        instance = container.instance
        if instance.status != "running":
            return CheckResult(False, f"the container is {instance.status}", 0.0)
        if check.kind == "docker" and instance.health != "healthy":
            return CheckResult(False, f"the HEALTHCHECK says {instance.health}", 0.0)
        answer = container.answers.get(check.name, container.answers.get("*"))
        return CheckResult(answer is None, answer or _PASSED.get(check.kind, "as expected"), 0.0)

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


_PASSED = {"http": "HTTP 200", "ping": "connected", "docker": "the HEALTHCHECK says healthy"}
