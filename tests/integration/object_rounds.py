"""What a real engine has of networks and volumes after each of several rounds, as data to hold plans against.

All networks have one member, and the rounds are applied one after the other by the real executor: `bare` (none of the fields), `first`
(all of them), `outside` (as `first`, but made anew by hand with the second values and our labels), `mended`, `second`, `removed`.
A volume is never made anew by a plan, so each round of volumes is an environment of its own.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from integration.field_cases import IMAGE, Fragment
from integration.object_cases import NETWORKS, VOLUMES, ObjectCase
from integration.rounds import Round, apply, placed, session_of
from sutazai.address import Address, Kind, agent
from sutazai.model.fleet import Fleet
from sutazai.operations.session import Session
from sutazai.state.scope import PREFIX, Scope

Parts = Callable[[ObjectCase], str]
PARTS = {
    "bare": "bare",
    "first": "first",
    "outside": "first",
    "mended": "first",
    "second": "second",
    "removed": "bare",
}
"""Round → what is declared in it."""
MEMBER = agent("member")


def always(part: str) -> Parts:
    """What is applied in a round: what only some engines can make stays as it was first, and so does what an object is called."""

    def parts(case: ObjectCase) -> str:
        if case.named:
            return ""
        return "first" if part == "second" and not case.applies else part

    return parts


def only(case: ObjectCase, part: str, rest: str) -> Parts:
    """One case as it is in a part, all others as in another round."""
    return lambda other: part if other == case else always(rest)(other)


def name_of(case: ObjectCase, part: str) -> str:
    """The object in which the case is seen when it becomes as in a part: what an object is called is set in one that had no name of
    its own, and changed or removed in another that was made with one."""
    return f"{case.name}-{'without' if part == 'first' else 'with'}" if case.named else case.name


@dataclass(frozen=True, slots=True)
class ObjectRounds:
    """`networks` and `volumes` hold the rounds of each kind by name."""

    scope: Scope
    places: Mapping[str, str]
    networks: Mapping[str, Round]
    volumes: Mapping[str, Round]

    def of(self, kind: str, name: str) -> Round:
        return (self.networks if kind == "network" else self.volumes)[name]

    def fleet(self, kind: str, name: str, parts: Parts) -> Fleet:
        scope = self.scope if kind == "network" else _environment(self.scope, name)
        return fleet_of(kind, scope, self.places, parts)


def fleet_of(kind: str, scope: Scope, places: Mapping[str, str], parts: Parts) -> Fleet:
    bodies: dict[str, Fragment] = {}
    for case in NETWORKS if kind == "network" else VOLUMES:
        part = parts(case)
        if case.named:
            bodies[f"{case.name}-without"] = case.body("first" if part == "first" else "bare")
            bodies[f"{case.name}-with"] = case.body(part or "first")
        else:
            bodies[case.name] = case.body(part)
    volumes = [f"{name}:/mnt/{name}" for name in bodies]
    member = {"image": IMAGE, **({"networks": list(bodies)} if kind == "network" else {"volumes": volumes})}
    whole = {
        "project": scope.project,
        "environment": scope.environment,
        f"{kind}s": bodies,
        "agents": {"member": member},
    }
    return Fleet.model_validate(placed(whole, {**places, "@CALLED": scope.object_name("called")}))


def made_object_rounds(scope: Scope, image: str, folder: Path) -> ObjectRounds:
    net = secrets.randbelow(250)
    places = {"@POOL": f"10.216.{net}", "@SIX": f"fd00:{secrets.token_hex(2)}:{net}", "@IMAGE": image}
    with closing(docker.from_env()) as client:
        with session_of(scope, folder / scope.project) as session:
            networks = _networks(client, session, places)
        volumes = {
            name: _volumes(client, _environment(scope, name), folder, places, name)
            for name in ("bare", "first", "outside", "second")
        }
    return ObjectRounds(scope, places, networks, volumes)


def _networks(client: docker.DockerClient, session: Session, places: Mapping[str, str]) -> dict[str, Round]:
    scope = session.scope
    _theirs(client, scope)
    networks: dict[str, Round] = {}
    for name in ("bare", "first", "outside", "mended", "second", "removed"):
        fleet = fleet_of("network", scope, places, always(PARTS[name]))
        if name == "outside":
            second = fleet_of("network", scope, places, always("second"))
            networks[name] = _by_hand(client, session, fleet, second, networks["first"])
        else:
            networks[name] = apply(session, fleet)
    return networks


def _environment(scope: Scope, name: str) -> Scope:
    return Scope(scope.project, name)


def _theirs(client: docker.DockerClient, scope: Scope) -> None:
    """What is external is somebody else's, of another environment."""
    labels = {f"{PREFIX}project": scope.project, f"{PREFIX}environment": "theirs"}
    client.networks.create(f"{scope.object_name('called')}-theirs", labels=labels)


def _volumes(
    client: docker.DockerClient, scope: Scope, folder: Path, places: Mapping[str, str], name: str
) -> Round:
    labels = {f"{PREFIX}project": scope.project, f"{PREFIX}environment": "theirs"}
    client.volumes.create(f"{scope.object_name('called')}-theirs", labels=labels)
    with session_of(scope, folder / f"{scope.project}-{name}") as session:
        fleet = fleet_of("volume", scope, places, always(PARTS[name]))
        made = apply(session, fleet)
        if name != "outside":
            return made
        second = fleet_of("volume", scope, places, always("second"))
        return _by_hand(client, session, fleet, second, made)


def _by_hand(client: docker.DockerClient, session: Session, was: Fleet, wanted: Fleet, there: Round) -> Round:
    """Every object that is to be another made anew as of `wanted`, with the labels of the one that it replaces."""
    provider = session.provider
    member = provider.observe(was).of(MEMBER)[0].id
    changed = [name for name, body in wanted.networks.items() if body != was.networks[name]]
    for name in changed:
        network = client.networks.get(session.scope.object_name(name))
        ours = _ours(network.attrs["Labels"])
        network.disconnect(member)
        network.remove()
        provider.create_network(name, wanted.networks[name], ours)
        client.networks.get(session.scope.object_name(name)).connect(member, aliases=[MEMBER.name])
    changed = [name for name, body in wanted.volumes.items() if body != was.volumes[name]]
    if changed:
        _volumes_by_hand(client, session, wanted, changed, member)
    return Round(provider.observe(was), there.state)


def _volumes_by_hand(
    client: docker.DockerClient, session: Session, wanted: Fleet, changed: list[str], member: str
) -> None:
    """The member has to go for it: a volume that is in use can't be removed."""
    client.containers.get(member).remove(force=True, v=True)
    for name in changed:
        volume = client.volumes.get(session.scope.object_name(name))
        ours = _ours(volume.attrs["Labels"])
        volume.remove()
        session.provider.create_volume(name, wanted.volumes[name], ours)


def _ours(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name.startswith(PREFIX)}


def address_of(case: ObjectCase, part: str) -> Address:
    return Address(Kind(case.kind), name_of(case, part))


def declared_in(kind: str, fleet: Fleet) -> dict[str, Any]:
    return dict(fleet.networks if kind == "network" else fleet.volumes)
