"""What a real engine has after each of several rounds, as data that tests of every field hold plans against.

One agent for each group of cases. The rounds are: `bare` (none of the fields), `first` (all of them), `outside` (as `first`, but
made anew by hand with the second values), `second`, `removed` (bare again). Each is applied by the real executor on the real
engine; what is kept of it is what was observed and recorded, so that the workers of one run of the tests share it.
"""

import asyncio
import fcntl
import io
import os
import pickle
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import docker

from conftest import new_scope
from free_port import free_port
from integration.field_cases import GROUPS, IMAGE, OTHER_IMAGE, Case, Fragment, Group
from sutazai.address import agent
from sutazai.health.runner import Checks
from sutazai.model.backend import LocalBackend
from sutazai.model.fleet import Fleet, ProviderOptions
from sutazai.model.workload import Workload
from sutazai.operations.plan import make_plan
from sutazai.operations.run import carry_out_plan
from sutazai.operations.session import Session, Stop
from sutazai.plan.build import PlanOptions
from sutazai.ports import InstanceSpec
from sutazai.providers.docker.provider import DockerProvider
from sutazai.state.observed import Instance, Observed
from sutazai.state.scope import PREFIX, Scope, Slot
from sutazai.state.v2 import State
from sutazai.store import open_store
from sutazai.traffic import ROUTERS
from sutazai.wiring import THREADS, SystemClock, ThreadCalls, silent

T = TypeVar("T")
Part = Literal["absent", "bare", "first", "second"]
DOCKERFILE = """
FROM sutazai/agent-runtime:1.0
LABEL made-for=@IMAGE
ENV FROM_IMAGE=1 MODE=image
ENTRYPOINT ["sleep"]
CMD ["100000"]
EXPOSE 7000 7001/udp
VOLUME /from-image
USER 10001
WORKDIR /srv
LABEL team=image
HEALTHCHECK --interval=1s --timeout=10s --retries=2 CMD true
STOPSIGNAL SIGKILL
SHELL ["/bin/sh", "-e", "-c"]
"""
"""An image that fills in all that an image can. Its own label comes first, so that no other run shares a layer, which would go with
the first of the two."""

CONFIG_FILES = [f"{name}-file" for name in ("source", "other", "target", "uid", "gid", "mode")]
ITEMS = ("ports", "volumes", "checks", "steps", "configs", "secrets", "devices")


@dataclass(frozen=True, slots=True)
class Round:
    observed: Observed
    state: State


@dataclass(frozen=True, slots=True)
class Rounds:
    """`devices` holds the containers of groups that can't be started here, by group and part."""

    scope: Scope
    places: Mapping[str, str]
    rounds: Mapping[str, Round]
    unstarted: Mapping[tuple[str, Part], Instance]

    def fleet(self, parts: Callable[[Group, Case], Part]) -> Fleet:
        return fleet_of(self.scope, self.places, parts)


def joined(one: Any, other: Any, name: str = "") -> Any:
    """Maps merged, lists of items one after the other, else the other."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: joined(one.get(key), other[key], key) if key in other else one[key]
            for key in {**one, **other}
        }
    return [*one, *other] if name in ITEMS and one else other


def body_of(group: Group, parts: Callable[[Group, Case], Part]) -> Fragment:
    body: Fragment = {"image": IMAGE, **group.base}
    fragments = [(case, parts(group, case)) for case in group.cases]
    for case, part in fragments:
        if part == "bare":
            body = joined(body, case.bare)
    for case, part in fragments:
        if part in ("first", "second"):
            body = joined(body, case.first if part == "first" else case.second)
    return body


def placed(data: Any, places: Mapping[str, str]) -> Any:
    if isinstance(data, dict):
        return {key: placed(value, places) for key, value in data.items()}
    if isinstance(data, list):
        return [placed(value, places) for value in data]
    if isinstance(data, str):
        for name, value in places.items():
            data = data.replace(name, value)
    return data


def fleet_of(scope: Scope, places: Mapping[str, str], parts: Callable[[Group, Case], Part]) -> Fleet:
    """Every group that can be started, as an agent, a peer to share namespaces with, and one that uses all that is declared,
    since there is nothing else in a fleet."""
    agents = {group.name: body_of(group, parts) for group in GROUPS if group.starts}
    agents["modes"]["depends_on"] = ["peer"]
    pools = [{"subnet": "@NET4.0/24"}, {"subnet": "@NET6::/64"}]
    return Fleet.model_validate(placed({
        "project": scope.project,
        "environment": scope.environment,
        "networks": {"one": {"enable_ipv6": True, "ipam": {"config": pools}}},
        "volumes": {"data": {}, "more": {}},
        "configs": {name: {"content": name} for name in CONFIG_FILES},
        "agents": {**agents, "peer": {"image": IMAGE},
                   "user": {"image": IMAGE, "configs": [*CONFIG_FILES], "volumes": ["data:/data", "more:/more"]}},
    }, places))  # fmt: skip


def only(group: Group, case: Case, part: Part, rest: Part) -> Callable[[Group, Case], Part]:
    """One case as it is in a part, all others as in another. Of what is only planned there is nothing but the one."""

    def parts(other_group: Group, other: Case) -> Part:
        if (other_group.name, other.leaf) == (group.name, case.leaf):
            return part
        return rest if other_group.applies else "absent"

    return parts


def everything(part: Part) -> Callable[[Group, Case], Part]:
    return lambda group, _case: part if group.applies else "absent"


def shared(
    name: str,
    own_folder: Path,
    worker_id: str,
    client: docker.DockerClient,
    make: Callable[[Scope, str, Path], T],
) -> T:
    """Made by the first worker that asks, in a scope and with an image of its own, and read by the others. `own_folder` is the
    worker's own of this run of the tests."""
    folder = own_folder if worker_id == "master" else own_folder.parent
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder / f"{name}.pickle"
        if not kept.exists():
            with image_of_cases(client) as image, new_scope(client) as scope:
                kept.write_bytes(pickle.dumps(make(scope, image, folder)))
        made: T = pickle.loads(kept.read_bytes())  # noqa: S301 - written just above
        return made


@contextmanager
def image_of_cases(client: docker.DockerClient) -> Iterator[str]:
    """The name of what was built for as long as the context lasts; its tags are 1 and 2."""
    places = {"@IMAGE": f"sutazai-test/fields-{secrets.token_hex(4)}"}
    tags = [placed(tag, places) for tag in (IMAGE, OTHER_IMAGE)]
    try:
        for tag, more in zip(tags, ("", "ENV RELEASE=2\n"), strict=True):
            dockerfile = placed(DOCKERFILE + more, places)
            client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True)
        yield places["@IMAGE"]
    finally:
        for tag in tags:
            with suppress(docker.errors.ImageNotFound):
                client.images.remove(tag, force=True)


@contextmanager
def session_of(scope: Scope, folder: Path) -> Iterator[Session]:
    """The real thing, but for the specs."""
    with (
        closing(DockerProvider(scope, ProviderOptions(), folder, os.environ)) as provider,
        closing(open_store(LocalBackend(), folder, scope.project, scope.environment)) as store,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        yield Session(
            scope=scope, provider=provider, store=store, checks=Checks(provider.inspect, provider.script), clock=SystemClock(),
            calls=ThreadCalls(threads), events=silent, who="tests", version="0", new_id=lambda: secrets.token_hex(16),
            router=lambda kind, containers: ROUTERS[kind](provider, containers),
        )  # fmt: skip


def apply(session: Session, fleet: Fleet) -> Round:
    """Plan, carry out, and look again."""
    planned = make_plan(session, fleet, PlanOptions())
    result = asyncio.run(carry_out_plan(session, planned, Stop(), command="apply"))
    assert result.outcome == "done", result.failures
    state = session.store.newest()
    assert state is not None
    return Round(session.provider.observe(fleet), state)


def made_rounds(scope: Scope, image: str, folder: Path) -> Rounds:
    places = {**_places(), "@IMAGE": image}
    with session_of(scope, folder / scope.project) as session:
        return _rounds(session, scope, places)


def _rounds(session: Session, scope: Scope, places: Mapping[str, str]) -> Rounds:
    rounds: dict[str, Round] = {}

    def fleet(part: Part) -> Fleet:
        return fleet_of(scope, places, everything(part))

    rounds["bare"] = apply(session, fleet("bare"))
    rounds["first"] = apply(session, fleet("first"))
    rounds["outside"] = _by_hand(session, rounds["first"], fleet("first"), fleet("second"))
    rounds["mended"] = apply(session, fleet("first"))
    rounds["second"] = apply(session, fleet("second"))
    rounds["removed"] = apply(session, fleet("bare"))
    unstarted = {
        (group.name, part): _unstarted(session, group, part, places)
        for group in GROUPS if not group.starts for part in ("bare", "first", "second")
    }  # fmt: skip
    return Rounds(scope, places, rounds, unstarted)


def _places() -> dict[str, str]:
    net = secrets.randbelow(200) + 20
    ip = f"127.{net}.{secrets.randbelow(250)}"
    return {"@IP1": f"{ip}.7", "@IP2": f"{ip}.8", "@PORT": str(free_port()), "@NET4": f"10.214.{net}",
            "@NET6": f"fd00:{secrets.token_hex(2)}:{net}"}  # fmt: skip


def _unstarted(session: Session, group: Group, part: Part, places: Mapping[str, str]) -> Instance:
    workload = Workload.model_validate(placed(body_of(group, everything(part)), places))
    spec = InstanceSpec(
        f"{session.scope.object_name(group.name)}-{part}",
        agent(group.name),
        workload,
        Slot.BLUE,
        1,
        workload.image or "",
        {},
        (),
    )
    return session.provider.inspect(session.provider.create_instance(spec))


def _by_hand(session: Session, there: Round, was: Fleet, wanted: Fleet) -> Round:
    """Every container of the cases made anew as of `wanted`, with the name and the labels of the one it replaces."""
    provider = session.provider
    with closing(docker.from_env()) as client:
        mine = client.containers.list(all=True, filters={"label": f"{PREFIX}project={session.scope.project}"})
        labels = {c.id: dict(c.labels) for c in mine}
    for instance in there.observed.instances:
        workload = wanted.workload(instance.address)
        if workload is None or workload == was.workload(instance.address):
            continue
        ours = {name: value for name, value in labels[instance.id].items() if name.startswith(PREFIX)}
        contents = {name: config.content or "" for name, config in wanted.configs.items()}
        provider.stop(instance.id, 0)
        provider.remove(instance.id)
        spec = InstanceSpec(instance.name, instance.address, workload, instance.slot, instance.replica, workload.image or "",
                            ours, (instance.address.name,), contents)  # fmt: skip
        provider.start(provider.create_instance(spec))
    return replace(there, observed=provider.observe(was))
