"""HAProxy as the switch, with real traffic: what it counts and logs, what it cuts, what happens to names and addresses, what a
reload leaves behind, and who can reach what."""

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import docker
import pytest

from contract.routers import (
    AGENT,
    BLUE,
    GREEN,
    PORTS,
    A,
    B,
    World,
    endpoint_of,
    entries,
    opened,
    started,
    switch,
    until,
)
from sutazai.errors import TrafficError
from sutazai.state.traffic import Endpoint, Entry, Move
from sutazai.traffic import ROUTERS
from sutazai.traffic.haproxy import config

pytestmark = pytest.mark.docker
TCP = Entry(B, PORTS[1], "tcp")


@pytest.fixture(scope="module")
def shared(docker_engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened("haproxy, twice", lambda: docker_engine, tmp_path_factory.mktemp("root")) as world:
        yield world


@pytest.fixture
def world(shared: World) -> World:
    shared.router.configure([])
    shared.router.configure([*entries(A), TCP])
    return shared


def eventually(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def who(world: World, container: int) -> str:
    """The name of the agent that answers, as soon as one does."""
    deadline = time.monotonic() + 15.0
    while True:
        asked = http.client.HTTPConnection(*world.reached(0, container), timeout=10)
        with closing(asked), suppress(ConnectionError, http.client.BadStatusLine):
            asked.request("GET", "/info")
            answer = asked.getresponse()
            if answer.status == 200:
                return str(json.loads(answer.read())["name"])
        assert time.monotonic() < deadline


def lost(world: World) -> Endpoint:
    """An endpoint that nothing listens on."""
    there = world.endpoints[GREEN]
    return Endpoint(there.host, there.ip, 9)


def test_requests_are_counted_and_logged(world: World) -> None:
    world.router.shift([world.move(BLUE)])
    began = time.time()
    assert [world.get(container=n % 2) for n in range(10)] == [200] * 10
    assert world.get("/nothing") == 404
    counters = world.router.counters().routes[A].lanes
    assert (counters[BLUE, 1].requests, counters[BLUE, 1].errors, counters[GREEN, 1].requests) == (11, 0, 0)
    # What was answered is logged after its answer.
    eventually(lambda: len(world.router.requests(began - 1)) == 11)
    found = world.router.requests(began - 1)
    assert [(r.address, r.status) for r in found].count((A, 200)) == 10
    assert {(r.slot, r.replica, r.ending) for r in found} == {(BLUE, 1, "--")}
    assert all(r.seconds is not None and 0 <= r.seconds < 5 for r in found)
    assert all(began - 1 < r.at < time.time() + 1 for r in found)
    for last in found:
        assert world.router.requests(last.at) == tuple(r for r in found if r.at > last.at)


def test_a_dead_lane_is_seen_however_well_retries_hide_it(world: World) -> None:
    dead = Move(A, GREEN, 1, "ready", 50, lost(world))
    world.router.shift([world.move(BLUE, weight=50), dead])
    assert [world.get() for _ in range(20)] == [200] * 20
    counted = world.router.counters().routes[A]
    assert counted.own_errors == 0
    assert counted.lanes[GREEN, 1].retries + counted.lanes[GREEN, 1].redispatches >= 9
    world.router.shift([Move(A, BLUE, 1, "maint")])
    epoch = world.router.counters().epoch
    assert world.get() == 503
    counted = world.router.counters()
    assert (counted.epoch, counted.routes[A].own_errors) == (epoch, 1)
    assert counted.routes[A].lanes[GREEN, 1].failed_connections >= 1
    eventually(lambda: any(r.status == 503 for r in world.router.requests(0.0)))
    (request,) = [r for r in world.router.requests(0.0) if r.status == 503]
    assert (request.slot, request.retries) == (GREEN, 3)


def test_weights_are_shares(world: World) -> None:
    world.router.shift([world.move(BLUE, weight=90), world.move(GREEN, weight=10)])
    assert [world.get() for _ in range(100)] == [200] * 100
    lanes = world.router.counters().routes[A].lanes
    assert (lanes[BLUE, 1].requests, lanes[GREEN, 1].requests) == (90, 10)


def test_connections_are_seen_and_cut(world: World) -> None:
    world.router.shift([world.move(BLUE, address=B)])
    with socket.create_connection(world.reached(1), timeout=10) as client:
        eventually(lambda: world.lanes(B)[BLUE, 1].connections == 1)
        world.router.shift([Move(B, BLUE, 1, "drain")])
        assert world.lanes(B)[BLUE, 1].connections == 1
        world.router.sever(B, BLUE)
        assert client.recv(1) == b""
    eventually(lambda: world.lanes(B)[BLUE, 1].connections == 0)


def test_what_a_reload_leaves_in_an_older_process_is_seen_and_cut(world: World) -> None:
    world.router.shift([world.move(BLUE, address=B), world.move(BLUE)])
    with socket.create_connection(world.reached(1), timeout=10) as client:
        eventually(lambda: world.lanes(B)[BLUE, 1].connections == 1)
        world.router.configure([TCP])
        world.router.configure([*entries(A), TCP])
        assert world.lanes(B)[BLUE, 1].connections == 1
        assert world.lanes(B)[GREEN, 1].connections == 0
        world.router.sever(B, BLUE)
        assert client.recv(1) == b""
    eventually(lambda: world.lanes(B)[BLUE, 1].connections == 0)


def test_an_idle_client_of_an_older_process_may_still_send_a_request(world: World) -> None:
    """Its lane is not free before that client has gone, which gets its answer and is sent away."""
    world.router.shift([world.move(BLUE)])
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(world.reached(), timeout=10) as client:
        client.sendall(request)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        eventually(lambda: world.lanes()[BLUE, 1].connections == 0)
        world.router.configure(entries(A))
        world.router.shift([world.move(GREEN), Move(A, BLUE, 1, "drain")])
        assert world.lanes()[BLUE, 1].connections == 1
        client.sendall(request)
        answer = client.recv(65_536).lower()
        assert answer.startswith(b"http/1.1 200")
        assert b"connection: close" in answer
    eventually(lambda: world.lanes()[BLUE, 1].connections == 0)


def test_a_switch_that_has_just_started_answers_as_it_is_to_or_not_at_all(world: World) -> None:
    fresh = switch(world.provider, world.scope, "fresh")
    reached = world.provider.inspect(fresh).published[f"{PORTS[0]}/tcp"]
    answers: list[int] = []

    def answered() -> bool:
        connection = http.client.HTTPConnection(*reached, timeout=10)
        with suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("GET", "/info")
            answers.append(connection.getresponse().status)
        return answers.count(200) >= 20

    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(eventually, answered)
        until(lambda: ROUTERS["haproxy"](world.provider, [fresh]).state() == {})
        ROUTERS["haproxy"](world.provider, [fresh]).configure(entries(A, B), [world.move(BLUE)])
        asking.result()
    assert set(answers) == {200}


def test_a_lane_of_a_name_that_leads_elsewhere_begins_out_of_use(world: World) -> None:
    fresh = switch(world.provider, world.scope, "other")
    router = ROUTERS["haproxy"](world.provider, [fresh])
    until(lambda: router.state() == {})
    there = world.endpoints[GREEN]
    elsewhere = [Move(A, BLUE, 1, "ready", 100, Endpoint("no-such-name", there.ip, 8080)),
                 Move(A, GREEN, 1, "ready", 100, Endpoint(there.host, "10.255.255.1", 8080))]  # fmt: skip
    router.configure(entries(A), [*elsewhere, world.move(BLUE, replica=2)])
    assert {lane.mode for lane in router.state()[A].values()} == {"maint"}


def test_traffic_does_not_move_to_a_name_that_leads_elsewhere(world: World) -> None:
    world.router.shift([world.move(BLUE)])
    before = world.router.state()
    there = world.endpoints[GREEN]
    for wrong in (Endpoint("no-such-name", there.ip, 8080), Endpoint(there.host, "10.255.255.1", 8080)):
        with pytest.raises(TrafficError, match=rf"do not know {wrong.host}"):
            world.router.shift([Move(A, GREEN, 1, "ready", 100, wrong), Move(A, BLUE, 1, "drain")])
        assert world.router.state() == before


def test_a_lane_whose_container_comes_back_elsewhere_is_found_again(world: World) -> None:
    instance = started(world.provider, world.scope, "c", BLUE, AGENT, init=True)
    endpoint = endpoint_of(instance)
    world.router.shift([Move(A, BLUE, 1, "ready", 100, endpoint)])
    eventually(lambda: world.get() == 200)
    world.provider.stop(instance.id, 5.0)
    eventually(lambda: not world.lanes()[BLUE, 1].up)
    filler = started(world.provider, world.scope, "filler", BLUE, AGENT, init=True)
    assert filler.addresses["fleet"] == endpoint.ip  # what comes there now is not for it
    assert world.get() == 503
    world.provider.start(instance.id)
    moved = endpoint_of(world.provider.inspect(instance.id))
    assert moved.ip != endpoint.ip
    eventually(lambda: world.lanes()[BLUE, 1].up)
    assert world.lanes()[BLUE, 1].endpoint == moved
    assert world.get() == 200
    world.provider.stop(instance.id, 5.0)
    eventually(lambda: not world.lanes()[BLUE, 1].up)
    world.provider.start(instance.id)
    again = endpoint_of(world.provider.inspect(instance.id))
    world.router.shift([Move(A, BLUE, 1, "ready", 100, again)])  # at once, however old the last answer
    assert world.lanes()[BLUE, 1].up
    assert world.get() == 200
    for identity in (instance.id, filler.id):
        world.provider.remove(identity)


def test_a_switch_that_starts_anew_takes_nobody_for_another(world: World) -> None:
    """As when the engine was started anew, and has given the addresses out in another order."""
    instance, filler = (
        started(world.provider, world.scope, name, BLUE, AGENT, init=True, environment={"AGENT_NAME": name})
        for name in ("c", "filler")
    )
    swapped = endpoint_of(instance)
    world.router.shift([Move(A, BLUE, 1, "ready", 100, swapped)])
    for one in (instance, filler):
        world.provider.stop(one.id, 5.0)
    for one in (filler, instance):
        world.provider.start(one.id)
    assert endpoint_of(world.provider.inspect(filler.id)).ip == swapped.ip
    world.crash()
    assert {who(world, n % 2) for n in range(10)} == {"c"}
    for container in world.containers:
        said = "\n".join(world.provider.logs(container, 50)).rpartition("haproxy version is")[2]
        assert f"agent.a/blue-1 changed its IP from {config.NOWHERE}" in said
        assert f"agent.a/blue-1 changed its IP from {swapped.ip}" not in said, "it began with the filler's"
    for one in (instance, filler):
        world.provider.remove(one.id)


def test_a_reload_that_was_never_ordered_is_made_up_for(world: World) -> None:
    """As when the engine was killed after it had put the file in place."""
    wanted = entries(A, B)
    text = config.render(wanted).encode()
    for container in world.containers:
        done = world.provider.execute(container, ["sh", "-c", f"cat > {config.FILE}"], stdin=text, timeout=30)
        assert done.exit_code == 0
    world.router.shift([world.move(BLUE)])
    world.router.configure(wanted)
    world.router.shift([world.move(GREEN, address=B)])
    assert world.get() == 200


def test_a_configuration_that_passes_the_check_and_does_not_start_leaves_the_old_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.router.shift([world.move(BLUE)])
    before = world.router.state()
    render = config.render
    with monkeypatch.context() as patched:
        foreign = "    bind 192.0.2.1:1\n    bind :"
        patched.setattr(config, "render", lambda routes: render(routes).replace("    bind :", foreign, 1))
        with pytest.raises(TrafficError, match=r"goes on with the old one.*192\.0\.2\.1"):
            world.router.configure(entries(A, B))
    assert world.router.state() == before
    assert world.get() == 200
    world.crash()
    until(lambda: world.router.state() == before)
    world.router.configure(entries(A, B))
    assert world.get() == 200


def test_the_configuration_gives_nothing_to_warn_of(world: World) -> None:
    """Each warning would come with every reload, for every route."""
    done = world.provider.execute(world.containers[0], ["haproxy", "-c", "-f", config.FILE], timeout=30)
    assert done.exit_code == 0
    assert "[WARNING]" not in done.output + done.errors


def test_only_the_routes_are_reached_from_the_network(world: World) -> None:
    for container in world.containers:
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            said = world.provider.execute(container, ["cat", table], timeout=30).output
            rows = [line.split() for line in said.splitlines()[1:]]
            listening = {row[1] for row in rows if row[3] == "0A" and not row[1].startswith("0B00007F")}
            assert {int(local.rpartition(":")[2], 16) for local in listening} <= set(PORTS[:2])
        sockets = world.provider.execute(
            container, ["stat", "-c", "%a", config.ADMIN, config.MASTER], timeout=30
        )
        assert sockets.output.split() == ["600", "600"]
