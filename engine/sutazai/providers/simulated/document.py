"""The engine's file, format 1: what a person finds in it, and may edit to break things (docs/guide.md, "Without Docker").

Of a container it holds what differs from what its image and the engine fill in; the hundred fields that an engine reports of
it follow from that.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

from sutazai.address import Address, Kind
from sutazai.model.fleet import Network, Volume
from sutazai.model.workload import Workload, declared
from sutazai.providers import marks
from sutazai.providers.simulated.bodies import filled_in
from sutazai.providers.simulated.engine import (
    USUAL_MEMORY,
    SimulatedContainer,
    SimulatedEngine,
    SimulatedImage,
    SimulatedNetwork,
    SimulatedVolume,
    network_defaults,
)
from sutazai.state.observed import (
    HealthStatus,
    Host,
    Instance,
    ObservedNetwork,
    ObservedVolume,
    Reported,
    Status,
)
from sutazai.state.scope import HOOK, PREFIX

VERSION: Literal[1] = 1


def _time(text: str) -> str:
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time ends in Z or its distance from UTC")
    return text


Time = Annotated[str, AfterValidator(_time)]
"""An ISO 8601 time, or nothing."""


class Part(BaseModel):
    """A key that nobody knows is a mistake of whoever edited the file, and said so."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(Part):
    """The host. Memory in bytes."""

    cpus: int = 8
    memory: int = 32 << 30


class ImageEntry(Part):
    """`answers`, `health` and `exits` are what every container that is started from now on has of it. `commands` are the exit
    code and the output of a program that is run in one (`*`: of any other). `memory` in bytes, `memory_growth` in bytes a
    minute."""

    id: str
    digest: str | None = None
    answers: dict[str, str] = {}
    health: HealthStatus = "none"
    exits: int | None = None
    logs: tuple[str, ...] = ()
    commands: dict[str, tuple[int, str]] = {}
    memory: int = USUAL_MEMORY
    memory_growth: int = 0
    body: dict[str, Any] = {}


class ContainerEntry(Part):
    """`answers` maps the name of a check, or `*` for each, to what it is answered instead of passing. `anonymous` maps places in
    it to the volumes there that nobody gave a name."""

    id: str
    image_id: str
    status: Status
    exit_code: int | None = None
    health: HealthStatus = "none"
    answers: dict[str, str] = {}
    restart_count: int = 0
    oom_killed: bool = False
    error: str = ""
    logs: tuple[str, ...] = ()
    body: dict[str, Any]
    labels: dict[str, str]
    hosts: dict[str, tuple[str, ...]] = {}
    addresses: dict[str, str] = {}
    published: dict[str, tuple[str, int]] = {}
    created_at: Time = ""
    started_at: Time = ""
    files: dict[str, tuple[str, int]] = {}
    anonymous: dict[str, str] = {}


class ObjectEntry(Part):
    """A network or a volume."""

    id: str = ""
    body: dict[str, Any]
    labels: dict[str, str]


class Document(Part):
    """The whole file. `absent` are globs of the images that can't be pulled."""

    format: Literal["sutazai-engine"] = "sutazai-engine"
    version: Literal[1] = VERSION
    counter: int = 0
    machine: Machine = Machine()
    absent: tuple[str, ...] = ()
    images: dict[str, ImageEntry] = {}
    containers: dict[str, ContainerEntry] = {}
    networks: dict[str, ObjectEntry] = {}
    volumes: dict[str, ObjectEntry] = {}

    @field_validator("containers")
    @classmethod
    def _told_apart(cls, containers: dict[str, ContainerEntry]) -> dict[str, ContainerEntry]:
        """Of two with one ID, as a copy has it, one would be gone."""
        names: dict[str, str] = {}
        for name, entry in containers.items():
            if names.setdefault(entry.id, name) != name:
                raise ValueError(f"{names[entry.id]} and {name} have the same id")
        return containers


def document_of(engine: SimulatedEngine) -> Document:
    """All of the engine but its containers, each of which is a `container_entry`."""
    return Document(
        counter=engine.counter,
        machine=Machine(cpus=engine.host.cpus, memory=engine.host.memory),
        absent=engine.absent,
        images={name: _image_entry(image) for name, image in engine.images.items()},
        networks={
            n.observed.name: ObjectEntry(id=n.observed.id, body=declared(n.observed.body), labels=n.labels)
            for n in engine.networks.values()
        },
        volumes={
            v.observed.name: ObjectEntry(body=declared(v.observed.body), labels=v.labels)
            for v in engine.volumes.values()
        },
    )


def fill(engine: SimulatedEngine, document: Document) -> None:
    """Make the engine what the document says."""
    engine.counter, engine.absent = document.counter, document.absent
    memory = document.machine.memory
    engine.host = Host("simulated", document.machine.cpus, memory, memory, "simulated", "1.47", local=True)
    engine.images = {name: _image(entry) for name, entry in document.images.items()}
    engine.containers = {
        entry.id: _container(name, entry, engine) for name, entry in document.containers.items()
    }
    engine.networks = {entry.id: _network(name, entry) for name, entry in document.networks.items()}
    engine.volumes = {name: _volume(name, entry) for name, entry in document.volumes.items()}


def _image_entry(image: SimulatedImage) -> ImageEntry:
    return ImageEntry(
        id=image.id, digest=image.digest, answers=dict(image.answers), health=image.health, exits=image.exits, logs=image.logs,
        commands=dict(image.commands), memory=image.memory, memory_growth=image.memory_growth, body=declared(image.body),
    )  # fmt: skip


def _image(entry: ImageEntry) -> SimulatedImage:
    body = Workload.model_validate(entry.body)
    return SimulatedImage(
        entry.id,
        body,
        entry.digest,
        entry.health,
        entry.exits,
        entry.logs,
        dict(entry.answers),
        entry.commands,
        entry.memory,
        entry.memory_growth,
    )


def container_entry(container: SimulatedContainer) -> ContainerEntry:
    instance = container.instance
    default = instance.defaults
    body = {key: value for key, value in instance.form.items() if default.get(key) != value}
    return ContainerEntry(
        id=instance.id, image_id=instance.image_id, status=instance.status, exit_code=instance.exit_code, health=instance.health,
        answers=container.answers, restart_count=instance.restart_count, oom_killed=instance.oom_killed, error=instance.error,
        logs=tuple(container.logs), body=body, labels=container.labels, hosts=container.hosts,
        addresses=dict(instance.addresses), published=dict(instance.published),
        created_at=instance.created_at, started_at=instance.started_at, files=container.files,
        anonymous=dict(instance.anonymous),
    )  # fmt: skip


def _container(name: str, entry: ContainerEntry, engine: SimulatedEngine) -> SimulatedContainer:
    image = engine.image_of(entry.image_id) or SimulatedImage(entry.image_id)
    labels, body = entry.labels, Workload.model_validate({**filled_in(image, entry.id), **entry.body})
    running = entry.status == "running"
    instance = Instance(
        id=entry.id, name=name, address=marks.address_in(labels) or Address(Kind.AGENT, name), slot=marks.slot_in(labels),
        replica=marks.number_in(labels, "replica", 1), status=entry.status, health=entry.health if running else "none",
        image=labels.get(PREFIX + "image", ""), image_id=entry.image_id,
        reported=Reported.of(body), filled_in=partial(filled_in, image, entry.id),
        lineage=labels.get(PREFIX + "lineage", ""), serial=marks.number_in(labels, "serial", 0),
        spec_hash=labels.get(PREFIX + "spec-hash", ""), configs=marks.configs_in(labels), exit_code=entry.exit_code,
        oom_killed=entry.oom_killed, error=entry.error, restart_count=entry.restart_count, started_at=entry.started_at,
        created_at=entry.created_at, addresses=entry.addresses if running else {},
        published=entry.published if running else {}, anonymous=entry.anonymous, hook=labels.get(HOOK, ""),
    )  # fmt: skip
    return SimulatedContainer(
        instance, dict(labels), dict(entry.hosts), list(entry.logs), dict(entry.answers), dict(entry.files)
    )


def _address(labels: Mapping[str, str], kind: Kind, name: str) -> Address:
    return marks.address_in(labels) or Address(kind, name)


def _network(name: str, entry: ObjectEntry) -> SimulatedNetwork:
    body = Network.model_validate(entry.body)
    address = _address(entry.labels, Kind.NETWORK, name)
    return SimulatedNetwork(
        ObservedNetwork(entry.id, name, address, body, network_defaults(body), owned=True), dict(entry.labels)
    )


def _volume(name: str, entry: ObjectEntry) -> SimulatedVolume:
    defaults = Volume(driver="local", driver_opts={}, labels={})
    address = _address(entry.labels, Kind.VOLUME, name)
    observed = ObservedVolume(name, address, Volume.model_validate(entry.body), defaults, owned=True)
    return SimulatedVolume(observed, dict(entry.labels))
