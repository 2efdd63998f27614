"""The simulated machine: what exists on it, and what its images do."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sutazai.model.workload import Workload
from sutazai.state.observed import (
    HealthStatus,
    Host,
    Instance,
    ObservedNetwork,
    ObservedVolume,
    PortUse,
)

_HOST = Host("simulated", 8, 32 << 30, 24 << 30, "simulated", "1.47", local=False)


@dataclass(frozen=True, slots=True)
class SimulatedImage:
    """`body` is what the image brings (its command, environment, labels, ...); `health` what its containers
    report once started; `exits` the code with which they end at once, None when they run; `logs` what they
    say."""

    id: str
    body: Workload = field(default_factory=Workload)
    digest: str | None = None
    health: HealthStatus = "none"
    exits: int | None = None
    logs: tuple[str, ...] = ()


@dataclass(slots=True)
class SimulatedContainer:
    instance: Instance
    labels: dict[str, str]
    hosts: dict[str, tuple[str, ...]]
    logs: list[str]


@dataclass(slots=True)
class SimulatedNetwork:
    observed: ObservedNetwork
    labels: dict[str, str]


@dataclass(slots=True)
class SimulatedVolume:
    observed: ObservedVolume
    labels: dict[str, str]


@dataclass(slots=True)
class SimulatedEngine:
    """`images` are local, by reference; `registry` can be pulled, `buildable` built. `held` are host ports
    that other programs hold."""

    images: dict[str, SimulatedImage] = field(default_factory=dict)
    registry: dict[str, SimulatedImage] = field(default_factory=dict)
    buildable: dict[str, SimulatedImage] = field(default_factory=dict)
    held: list[PortUse] = field(default_factory=list)
    host: Host = _HOST
    now: Callable[[], str] = lambda: ""
    containers: dict[str, SimulatedContainer] = field(default_factory=dict)
    networks: dict[str, SimulatedNetwork] = field(default_factory=dict)
    volumes: dict[str, SimulatedVolume] = field(default_factory=dict)
    counter: int = 0

    def next_id(self) -> str:
        self.counter += 1
        return hashlib.sha256(f"container {self.counter}".encode()).hexdigest()

    def change(self, instance_id: str, **fields: object) -> None:
        """Set what a container reports, for a test: `change(id, health="unhealthy")`."""
        container = self.containers[instance_id]
        container.instance = replace(container.instance, **fields)  # type: ignore[arg-type]


def uses_of(instance: Instance) -> list[PortUse]:
    return [
        PortUse(ip, port, key.partition("/")[2], f"container {instance.name}")
        for key, (ip, port) in instance.published.items()
    ]
