"""Looking at a scope: what is asked of the engine and what it answers, before anybody makes sense of it.

`inventory` turns a look into the words of the model. Apart from it, this needs neither the model nor the specs: a look is
made from `Questions`, which are plain, and `fingerprint` tells two looks apart. What `inventory` makes of a look
depends on nothing that the fingerprint does not cover, so two looks with the same fingerprint mean the same
(`tests/unit/providers/test_look.py`). That is how a plan that found nothing to do is known again without making sense of
every container once more (`sutazai.settled`).

Two round trips: the lists, then every container of the scope in full, with the images.
"""

import hashlib
import json
import re
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

from sutazai.providers import marks
from sutazai.providers.docker.connection import Endpoint
from sutazai.providers.docker.held_ports import held_ports
from sutazai.providers.docker.neighbours import guests_of, held_subnets, mounted_volumes, taken_names
from sutazai.providers.docker.reader import Answer, HttpReader
from sutazai.state.observed import PortUse, Taken
from sutazai.state.published import Wanted
from sutazai.state.scope import HOOK, PREFIX, Scope

Json = Mapping[str, Any]
ADDRESS = f"{PREFIX}address"
_HOST = ("ID", "Name", "NCPU", "MemTotal", "ServerVersion", "LoggingDriver")
"""What is read of `/info`; the rest of it changes all the time."""
_RESTLESS = ("FailingStreak", "Log")
"""What a HEALTHCHECK writes at every turn into `State.Health`: it tells people why, and no plan depends on it. Nor does one on
the `ExecIDs` of a container."""
_SHARED = re.compile(rb'"(?:NetworkMode|PidMode|IpcMode)":\s*"container:([0-9a-f]+)"')
"""By whose ID the engine names the namespaces of a container, however they were asked for."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked for a fleet. Names are the engine's; `volumes` and `networks` are those of others that the fleet
    uses, `images` the references and IDs it names, `ports` the host ports it wants, `subnets` the ranges of addresses, `called`
    what its own networks and volumes are called by a `name`. `adopted` and `released` are the IDs of what the state took over
    and let go, whatever the labels say."""

    scope: Scope
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    ports: tuple[Wanted, ...] = ()
    subnets: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    released: tuple[str, ...] = ()

    def owns(self, identity: str, body: Json) -> bool:
        """Whether an object is of the scope; its labels are in `body`."""
        if identity in self.released:
            return False
        return identity in self.adopted or marks.is_own(body.get("Labels"), self.scope)

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: Json) -> "Questions":
        ports = tuple((ip, port, protocol) for ip, port, protocol in data["ports"])
        names = {key: tuple(value) for key, value in data.items() if key not in ("scope", "ports")}
        return cls(Scope(**data["scope"]), ports=ports, **names)


@dataclass(frozen=True, slots=True)
class Look:
    """The answers. `containers` are those of the scope, for `inventory` to take out one after the other; one that vanished
    after it was listed is left out. `networks` are the scope's and those asked for, `volumes` the scope's, `external` those
    asked for. `image_bodies` are by image ID, of those that were not known; `images` by reference. `host` is what is read of
    `/info`, with the API's version. `mounted` are those of the scope's volumes without a name that a container has. `siblings`
    are the scope's containers: ID → address. `lenders` are the containers whose namespaces those of the scope share: ID → name.
    `taken`, `guests` and `subnets` are of `neighbours`."""

    containers: list[Answer]
    networks: tuple[Json, ...]
    volumes: tuple[Json, ...]
    mounted: tuple[str, ...]
    external: tuple[Answer, ...]
    images: Mapping[str, Answer]
    image_bodies: Mapping[str, Answer]
    host: Json
    ports: tuple[PortUse, ...]
    siblings: Mapping[str, str]
    local: bool
    taken: frozenset[Taken]
    guests: Mapping[str, tuple[str, ...]]
    subnets: tuple[tuple[str, str], ...]
    lenders: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """A digest of everything that was answered, but for what changes by itself and says nothing."""
        found = hashlib.sha256()
        for data in self._parts():
            found.update(len(data).to_bytes(8, "big") + data)
        return found.hexdigest()

    def _parts(self) -> Iterator[bytes]:
        ports = [asdict(port) for port in self.ports]
        names = (self.mounted, self.siblings, sorted(self.taken), self.guests, self.subnets, self.lenders)
        lists = (self.networks, self.volumes, self.host, ports, self.local, names)
        yield json.dumps(lists, sort_keys=True).encode()
        yield b"%d" % len(self.containers)
        for answer in self.containers:
            yield b"%d" % answer.status
            yield at_rest(answer.data)
        for answer in self.external:
            yield b"%d" % answer.status
            yield answer.data
        for named in (self.images, self.image_bodies):
            for name, answer in sorted(named.items()):
                yield name.encode()
                yield b"%d" % answer.status
                yield answer.data


def at_rest(container: bytes) -> bytes:
    """A container's answer without what its HEALTHCHECK writes at every turn."""
    if b'"Health":' not in container and b'"ExecIDs":null' in container:
        return container
    body = json.loads(container)
    if not isinstance(body, dict):
        return container
    body.pop("ExecIDs", None)
    health = (body.get("State") or {}).get("Health") or {}
    for name in _RESTLESS:
        health.pop(name, None)
    return json.dumps(body, sort_keys=True).encode()


def look(reader: HttpReader, questions: Questions, endpoint: Endpoint, known: Collection[str] = ()) -> Look:
    """Ask the engine. `known` are the IDs of images whose answers the caller has already."""
    scope = questions.scope
    listing, networks, volumes, info, *external = reader.get_all(
        [
            "/containers/json?all=1",
            "/networks",
            "/volumes",
            "/info",
            *(volume_path(name) for name in questions.volumes),
        ]
    )
    entries = listing.value("its containers")
    own = sorted(
        (entry for entry in entries if questions.owns(entry["Id"], entry)), key=lambda entry: str(entry["Id"])
    )
    own_ids = {entry["Id"] for entry in own}
    unknown = sorted({entry["ImageID"] for entry in own} - set(known))
    paths = [container_path(entry["Id"]) for entry in own]
    answers = iter(reader.get_all(paths + [image_path(name) for name in (*unknown, *questions.images)]))
    containers = [answer for answer in (next(answers) for _ in own) if answer.status != 404]
    host = {**host_in(info.value("the host")), "ApiVersion": reader.api}
    local = is_local(endpoint, host)
    foreign = [entry for entry in entries if entry["Id"] not in own_ids]
    bodies, volumes_there = networks.value("its networks"), volumes.value("its volumes").get("Volumes") or ()
    others = [body for body in bodies if not questions.owns(body["Id"], body)]
    foreign_volumes = [body for body in volumes_there if not questions.owns(body["Name"], body)]
    return Look(
        containers=containers,
        networks=_by_name(_wanted(bodies, questions)),
        volumes=_by_name(body for body in volumes_there if questions.owns(body["Name"], body)),
        mounted=mounted_volumes(
            (body for body in volumes_there if marks.ANONYMOUS in (body.get("Labels") or {})), entries
        ),
        external=tuple(external),
        image_bodies=dict(zip(unknown, answers, strict=False)),
        images=dict(zip(questions.images, answers, strict=True)),
        host=host,
        ports=held_ports(questions.ports, own, foreign, local=local),
        siblings={
            entry["Id"]: labels.get(ADDRESS, "")
            for entry in own
            if HOOK not in (labels := entry.get("Labels") or {})
        },
        local=local,
        taken=frozenset(
            taken_names(scope.object_name(""), questions.called, foreign, others, foreign_volumes)
        ),
        guests=guests_of((body for body in bodies if questions.owns(body["Id"], body)), foreign),
        subnets=held_subnets(questions.subnets, others),
        lenders=lenders(
            {found.decode() for one in containers for found in _SHARED.findall(one.data)}, entries
        ),
    )


def lenders(shared: Collection[str], entries: Iterable[Json]) -> dict[str, str]:
    """The names of the containers with the IDs in `shared`, by ID; `entries` are of the engine's list."""
    return {
        entry["Id"]: name
        for entry in (entries if shared else ())
        for name in (text.removeprefix("/") for text in entry.get("Names") or ())
        if entry["Id"] in shared and "/" not in name  # a name with another one before it is that of a link
    }


def _wanted(networks: Iterable[Json], questions: Questions) -> Iterator[Json]:
    for body in networks:
        if questions.owns(body["Id"], body) or body["Name"] in questions.networks:
            yield body


def _by_name(bodies: Iterable[Json]) -> tuple[Json, ...]:
    """The engine lists volumes in an order that is another each time."""
    return tuple(sorted(bodies, key=lambda body: str(body["Name"])))


def is_local(endpoint: Endpoint, info: Json) -> bool:
    """Local is an engine behind a Unix socket that calls this machine by its name: neither a virtual machine (Docker
    Desktop) nor, when we run in a container ourselves, the host around it."""
    return endpoint.same_machine and info.get("Name") == socket.gethostname()


def host_in(info: Json) -> dict[str, Any]:
    """What `/info` says of the machine and its engine. Podman, which alone names its Buildah there, calls itself by another ID
    each time it is asked (Podman's own compat/info.go)."""
    passing = ("ID",) if "BuildahVersion" in info else ()
    return {name: None if name in passing else info.get(name) for name in _HOST}


def filters_of(scope: Scope) -> str:
    return quote(json.dumps({"label": marks.scope_filters(scope)}))


def container_path(identity: str) -> str:
    return f"/containers/{quote(identity, safe='')}/json"


def stats_path(identity: str) -> str:
    """`one-shot` (API 1.41) is without the second look that a share of CPU would need."""
    return f"/containers/{quote(identity, safe='')}/stats?stream=false&one-shot=true"


def image_path(reference: str) -> str:
    return f"/images/{quote(reference, safe='/:@')}/json"


def volume_path(name: str) -> str:
    return f"/volumes/{quote(name, safe='')}"
