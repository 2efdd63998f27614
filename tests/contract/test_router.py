"""What every traffic switch does: HAProxy in one container and in two, on real Docker, and the simulated one."""

from collections.abc import Iterator

import pytest

from contract.routers import BLUE, GREEN, KINDS, PORTS, A, B, World, entries, opened, until
from sutazai.errors import TrafficError
from sutazai.state.traffic import Endpoint, Entry, LaneState, Move


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=pytest.mark.docker if kind != "simulated" else ()) for kind in KINDS],
)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engine = lambda: request.getfixturevalue("docker_engine")  # noqa: E731
    with opened(request.param, engine, tmp_path_factory.mktemp("root")) as world:
        yield world


@pytest.fixture
def world(shared: World) -> World:
    """Each test finds a switch without routes."""
    shared.router.configure([])
    return shared


def test_a_switch_without_routes_has_none(world: World) -> None:
    assert world.router.state() == {}
    assert world.router.counters().routes == {}
    assert world.router.requests(0.0) == ()


def test_new_lanes_lead_nowhere(world: World) -> None:
    world.router.configure(entries(A, B, replicas=2))
    state = world.router.state()
    assert set(state) == {A, B}
    assert set(state[A]) == set(state[B]) == {(BLUE, 1), (BLUE, 2), (GREEN, 1), (GREEN, 2)}
    for lane in (*state[A].values(), *state[B].values()):
        assert (lane.mode, lane.endpoint, lane.connections, lane.up) == ("maint", None, 0, False)
    world.router.configure(entries(B))
    assert {address: set(lanes) for address, lanes in world.router.state().items()} == {
        B: {(BLUE, 1), (GREEN, 1)}
    }


def test_lanes_are_what_was_said_however_often(world: World) -> None:
    world.router.configure(entries(A, B))
    moves = [world.move(BLUE, weight=90), world.move(GREEN, weight=10)]
    expected = {
        (BLUE, 1): LaneState("ready", 90, world.endpoints[BLUE], 0, up=True),
        (GREEN, 1): LaneState("ready", 10, world.endpoints[GREEN], 0, up=True),
    }
    for _ in range(3):
        world.router.shift(moves)
        assert world.lanes() == expected
    assert world.lanes(B)[BLUE, 1].mode == "maint"
    world.router.shift([Move(A, BLUE, 1, "drain", 0)])
    assert world.lanes()[BLUE, 1] == LaneState("drain", 0, world.endpoints[BLUE], 0, up=True)
    world.router.shift([world.move(BLUE, "maint"), Move(A, GREEN, 1, "ready", 100)])
    assert world.lanes() == {
        (BLUE, 1): LaneState("maint", 100, None, 0, up=False),
        (GREEN, 1): LaneState("ready", 100, world.endpoints[GREEN], 0, up=True),
    }
    world.router.shift([])


def test_lanes_stay_through_other_routes_and_through_crashes(world: World) -> None:
    world.router.configure(entries(A))
    world.router.shift([world.move(BLUE, weight=70), world.move(GREEN, weight=30)])
    world.router.shift([Move(A, GREEN, 1, "drain", 30)])
    expected = world.lanes()
    for routes in (entries(A, B), entries(A, B), entries(A, B, replicas=2), entries(A)):
        world.router.configure(routes)
        assert {key: lane for key, lane in world.lanes().items() if key[1] == 1} == expected
    for _ in range(2):
        world.crash()
        until(lambda: world.lanes() == expected)
    world.router.configure(entries(A, B))
    assert world.lanes() == expected
    assert {lane.mode for lane in world.lanes(B).values()} == {"maint"}


def test_a_refused_configuration_replaces_nothing(world: World) -> None:
    world.router.configure(entries(A))
    world.router.shift([world.move(BLUE)])
    expected = world.router.state()
    with pytest.raises(TrafficError, match="invalid port"):
        world.router.configure([*entries(A), Entry(B, 70_000)])
    with pytest.raises(TrafficError, match="same port"):
        world.router.configure([Entry(A, PORTS[0]), Entry(B, PORTS[0])])
    assert world.router.state() == expected
    world.crash()
    until(lambda: world.router.state() == expected)


@pytest.mark.parametrize(
    "move",
    [
        Move(A, BLUE, 2, "ready", 1, Endpoint("a", "127.0.0.1", 1)),
        Move(B, BLUE, 1, "drain"),
        Move(A, BLUE, 1, "drain", 300),
    ],
)
def test_what_cannot_be_done_is_said(world: World, move: Move) -> None:
    world.router.configure(entries(A))
    with pytest.raises(TrafficError, match="told"):
        world.router.shift([move])


def test_severing_leaves_no_connection(world: World) -> None:
    world.router.configure(entries(A))
    world.router.shift([world.move(BLUE)])
    world.router.sever(A, BLUE)
    assert world.lanes()[BLUE, 1].connections == 0


def test_a_switch_that_is_gone_is_said(world: World) -> None:
    world.router.configure(entries(A))
    world.provider.stop(world.containers[0], 0.0)
    for asked in (
        world.router.state,
        lambda: world.router.shift([world.move(BLUE)]),
        lambda: world.router.configure([]),
    ):
        with pytest.raises(TrafficError, match="reached"):
            asked()
    world.provider.start(world.containers[0])
    until(lambda: A in world.router.state())


def test_new_lanes_are_at_once_what_is_said_of_them(world: World) -> None:
    """Those that are there already stay as they are, and what is said of lanes that there are none of is nothing."""
    said = [
        world.move(BLUE, weight=70),
        Move(A, GREEN, 1, "drain", 30, world.endpoints[GREEN]),
        world.move(BLUE, address=B),
    ]
    expected = {
        (BLUE, 1): LaneState("ready", 70, world.endpoints[BLUE], 0, up=True),
        (GREEN, 1): LaneState("drain", 30, world.endpoints[GREEN], 0, up=True),
    }
    world.router.configure(entries(A), said)
    assert world.lanes() == expected
    world.router.configure(entries(A, B), [world.move(GREEN), *said])
    assert world.lanes() == expected
    assert {key: lane.mode for key, lane in world.lanes(B).items()} == {
        (BLUE, 1): "ready",
        (GREEN, 1): "maint",
    }
    world.crash()
    until(lambda: world.lanes() == expected)
    world.router.shift([world.move(BLUE, "maint")])
    world.router.configure(entries(A), said)
    assert world.lanes()[BLUE, 1].mode == "maint"
