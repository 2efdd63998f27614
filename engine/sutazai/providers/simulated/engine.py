"""The simulated machine: what exists on it, and what its images do."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from sutazai.model.fleet import Ipam, Network
from sutazai.model.workload import Workload
from sutazai.state.observed import (
    HealthStatus,
    Host,
    Instance,
    ObservedNetwork,
    ObservedVolume,
    PortUse,
)

USUAL_MEMORY = 16 << 20
ANY_PROGRAM = "*"
_HOST = Host("simulated", 8, 32 << 30, 24 << 30, "simulated", "1.47", local=True)


@dataclass(frozen=True, slots=True)
class SimulatedImage:
    """`body` is what the image brings (its command, environment, labels, ...); `health` what its containers
    report once started; `exits` the code with which they end at once, None when they run; `logs` what they
    say; `answers` what their checks are answered, by name or `*`, instead of passing; `commands` the exit code and the
    output of commands that are run in them, by program (`*` for all others), beside those of `commands.py`; `memory` the bytes
    that they have when they start, and `memory_growth` how many more each minute."""

    id: str
    body: Workload = field(default_factory=Workload)
    digest: str | None = None
    health: HealthStatus = "none"
    exits: int | None = None
    logs: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    memory: int = USUAL_MEMORY
    memory_growth: int = 0


@dataclass(slots=True)
class SimulatedContainer:
    """`files` are those that were put into it since it was made, by path: content and mode."""

    instance: Instance
    labels: dict[str, str]
    hosts: dict[str, tuple[str, ...]]
    logs: list[str]
    answers: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class SimulatedNetwork:
    observed: ObservedNetwork
    labels: dict[str, str]


@dataclass(slots=True)
class SimulatedVolume:
    observed: ObservedVolume
    labels: dict[str, str]


@dataclass
class SimulatedEngine:
    """`images` are local, by reference. `registry` can be pulled and `buildable` built; with `fetches_anything` so can every
    other image but what `absent` names (globs). `held` are host ports that other programs hold."""

    images: dict[str, SimulatedImage] = field(default_factory=dict)
    registry: dict[str, SimulatedImage] = field(default_factory=dict)
    buildable: dict[str, SimulatedImage] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    fetches_anything: bool = False
    held: list[PortUse] = field(default_factory=list)
    host: Host = _HOST
    now: Callable[[], str] = lambda: ""
    containers: dict[str, SimulatedContainer] = field(default_factory=dict)
    networks: dict[str, SimulatedNetwork] = field(default_factory=dict)
    volumes: dict[str, SimulatedVolume] = field(default_factory=dict)
    counter: int = 0

    @contextmanager
    def opened(self, *, change: bool) -> Iterator[None]:  # noqa: ARG002 - an engine that is kept somewhere needs to know
        """Around each call. Here there is nothing to fetch before it or to keep after it."""
        yield

    def image_of(self, reference: str) -> SimulatedImage | None:
        """A local image by name or ID."""
        by_id = (image for image in self.images.values() if image.id == reference)
        return self.images.get(reference) or next(by_id, None)

    def is_absent(self, reference: str) -> bool:
        return any(fnmatchcase(reference, pattern) for pattern in self.absent)

    def next_id(self) -> str:
        self.counter += 1
        return hashlib.sha256(f"container {self.counter}".encode()).hexdigest()

    def change(self, instance_id: str, **fields: object) -> None:
        """Set what a container reports, for a test: `change(id, health="unhealthy")`."""
        container = self.containers[instance_id]
        container.instance = replace(container.instance, **fields)  # type: ignore[arg-type]


def network_defaults(body: Network) -> Network:
    """What would be there had nobody declared anything: the engine's own choice of addresses is as good as any."""
    pools = body.ipam.config if body.ipam else ()
    return Network(driver="bridge", driver_opts={}, internal=False, attachable=False, enable_ipv6=False,
                   ipam=Ipam(driver="default", config=pools, options={}), labels={})  # fmt: skip


def uses_of(instance: Instance) -> list[PortUse]:
    return [
        PortUse(ip, port, key.partition("/")[2], f"container {instance.name}")
        for key, (ip, port) in instance.published.items()
    ]
