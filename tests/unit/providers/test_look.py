"""A look tells apart whatever is made of it: two with one fingerprint mean the same."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sutazai.providers.docker.look import Look, Questions, at_rest, host_in, lenders
from sutazai.providers.docker.objects import host_from
from sutazai.providers.docker.reader import Answer
from sutazai.providers.docker.report import Context, from_engine
from sutazai.providers.names import Names
from sutazai.state.observed import PortUse
from sutazai.state.scope import Scope

SCOPE = Scope("shop", "local")
CONTAINER: dict[str, Any] = {
    "Id": "c0ffee" * 10,
    "Created": "2026-01-01T00:00:00Z",
    "Name": "/shop-local-a-blue",
    "Image": "sha256:1",
    "RestartCount": 0,
    "ExecIDs": ["e1"],
    "State": {
        "Status": "running",
        "StartedAt": "2026-01-01T00:00:01Z",
        "Health": {"Status": "healthy", "FailingStreak": 0, "Log": [{"Start": "now", "Output": "ok"}]},
    },
    "Config": {"Image": "a:1", "Labels": {"io.sutazai.address": "agent.a"}, "Env": ["A=1"], "Hostname": "c0"},
    "HostConfig": {"NetworkMode": "shop-local-fleet", "Memory": 64 << 20, "RestartPolicy": {"Name": "no"}},
    "NetworkSettings": {"Networks": {"shop-local-fleet": {"Aliases": ["a"], "IPAddress": "10.0.0.2"}}},
}
LOOK = Look(
    containers=[Answer(200, json.dumps(CONTAINER).encode())],
    networks=({"Id": "n1", "Name": "shop-local-fleet", "Labels": {}},),
    volumes=({"Name": "shop-local-data"},),
    mounted=("f00",),
    external=(Answer(404, b""),),
    images={"a:1": Answer(200, b'{"Id": "sha256:1"}')},
    image_bodies={"sha256:1": Answer(200, b'{"Id": "sha256:1"}')},
    host={"Name": "here", "NCPU": 2},
    ports=(PortUse("", 80, "tcp", "nginx"),),
    siblings={"c0ffee": "agent.a"},
    local=True,
    taken=frozenset({("container", "shop-local-b-blue")}),
    guests={"n1": ("theirs",)},
    subnets=(("other", "10.0.0.0/8"),),
    lenders={"beef": "theirs"},
)
OTHERS: Mapping[str, Any] = {
    "containers": [Answer(200, b"{}")],
    "networks": (),
    "volumes": (),
    "mounted": (),
    "external": (Answer(200, b"{}"),),
    "images": {"a:1": Answer(404, b"")},
    "image_bodies": {},
    "host": {"Name": "there", "NCPU": 2},
    "ports": (),
    "siblings": {},
    "local": False,
    "taken": frozenset(),
    "guests": {},
    "subnets": (),
    "lenders": {"beef": "another"},
}


def paths(data: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from paths(value, (*path, key))
    yield path


def at(data: dict[str, Any], path: tuple[str, ...]) -> Any:
    for word in path:
        data = data[word]
    return data


def without(data: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    found = copy.deepcopy(data)
    del at(found, path[:-1])[path[-1]]
    return found


def of(container: dict[str, Any]) -> Look:
    return replace(LOOK, containers=[Answer(200, json.dumps(container).encode())])


@pytest.mark.parametrize("name", Look.__slots__)
def test_every_part_of_a_look_counts(name: str) -> None:
    assert replace(LOOK, **{name: OTHERS[name]}).fingerprint() != LOOK.fingerprint()
    assert replace(LOOK).fingerprint() == LOOK.fingerprint()


@pytest.mark.parametrize("path", [path for path in paths(CONTAINER) if path], ids=".".join)
def test_what_a_fingerprint_leaves_out_decides_nothing(path: tuple[str, ...]) -> None:
    """Either the fingerprint tells the two apart, or what is made of them is equal."""
    other = without(CONTAINER, path)
    if of(other).fingerprint() == of(CONTAINER).fingerprint():
        context = Context(Names(SCOPE), {})
        assert from_engine(other, {}, context) == from_engine(CONTAINER, {}, context)
        assert path[0] == "ExecIDs" or path[:2] == ("State", "Health")


def test_a_healthcheck_that_goes_on_is_no_change_but_its_verdict_is() -> None:
    later = copy.deepcopy(CONTAINER)
    later["State"]["Health"]["Log"].append({"Start": "later", "Output": "ok"})
    later["ExecIDs"] = None
    assert of(later).fingerprint() == of(CONTAINER).fingerprint()
    later["State"]["Health"]["Status"] = "unhealthy"
    assert of(later).fingerprint() != of(CONTAINER).fingerprint()


def test_answers_do_not_run_into_each_other() -> None:
    one = replace(LOOK, containers=[Answer(200, b"12"), Answer(200, b"3")])
    other = replace(LOOK, containers=[Answer(200, b"1"), Answer(200, b"23")])
    assert one.fingerprint() != other.fingerprint()


def test_a_container_without_a_healthcheck_is_taken_as_it_is() -> None:
    data = b'{"State":{"Status":"running"},"ExecIDs":null}'
    assert at_rest(data) is data


def test_a_container_is_called_by_its_own_name_and_not_by_that_of_a_link_to_it() -> None:
    entries = [
        {"Id": "beef", "Names": ["/web/db", "/theirs"]},
        {"Id": "f00d", "Names": ["/other"]},
        {"Id": "dead", "Names": None},
    ]
    assert lenders({"beef", "dead"}, entries) == {"beef": "theirs"}


def test_questions_come_back_from_plain_data() -> None:
    questions = Questions(
        SCOPE,
        ("n",),
        ("v",),
        ("a:1",),
        (("127.0.0.1", 80, "tcp"), ("", 81, "udp")),
        ("10.0.0.0/8",),
        ("c",),
        ("i",),
        ("r",),
    )
    assert Questions.from_data(json.loads(json.dumps(questions.as_data()))) == questions


def test_an_engine_that_calls_itself_something_else_each_time_has_no_name_of_its_own() -> None:
    """Podman does: a plan that was saved would be of another engine each time, and no look be known again."""
    info = {"ID": "5f2b", "Name": "here", "NCPU": 2}
    assert host_in(info)["ID"] == "5f2b"
    podman = [host_in({**info, "ID": told, "BuildahVersion": "1.28.2"}) for told in ("a", "b")]
    assert [host["ID"] for host in podman] == [None, None]
    assert podman[0] == podman[1]
    assert host_from(podman[0], (1, 41), local=True, available=None, published_at="").engine == ""


@pytest.mark.parametrize("mode", ["default", "bridge"])
def test_what_was_made_without_a_network_is_in_the_bridge(mode: str) -> None:
    """`default` is what an engine keeps where nobody named a network."""
    container = copy.deepcopy(CONTAINER)
    container["HostConfig"]["NetworkMode"] = mode
    container["NetworkSettings"]["Networks"] = {"bridge": {"IPAddress": "172.17.0.2"}}
    body = from_engine(container, {}, Context(Names(SCOPE), {})).body
    assert (body.network_mode, dict(body.networks)) == ("bridge", {})
