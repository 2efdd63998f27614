"""How the containers of the traffic switch share its ports out, as a law over whatever is there and wanted."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sutazai.model.compose import Port
from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.workload import Workload
from sutazai.plan.ports import host_ports
from sutazai.plan.shares import MOST_BESIDE, Shares, in_its_share, share_out, text_of
from sutazai.state.observed import Instance, Reported
from unit.plan.world import fleet_of, instance_of

PORTS = st.tuples(st.integers(8000, 8011), st.sampled_from(["127.0.0.1", "127.0.0.2", "0.0.0.0"]))


def fleet(*ports: tuple[int, str], **direct: int) -> Fleet:
    """A switch that publishes these ports, and agents that publish one each."""
    told = [f"{ip}:{port}:{port}" for port, ip in ports]
    agents = {name: {"ports": [f"127.0.0.1:{port}:80"]} for name, port in direct.items()}
    return fleet_of(agents, {SWITCH.name: {"ports": told}})


def container(replica: int, *ports: tuple[int, str]) -> Instance:
    return instance_of(fleet(*ports), SWITCH, replica=replica)


def shared(wanted: Fleet, *current: Instance) -> Shares:
    switch = wanted.workload(SWITCH)
    assert switch is not None
    found = share_out(SWITCH, switch, current, wanted)
    assert found is not None
    return found


def texts(ports: tuple[Port, ...]) -> list[str]:
    return [text_of(port) for port in ports]


def once(ports: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    return tuple({port: (port, ip) for port, ip in ports}.values())


@given(
    st.lists(PORTS, min_size=1, max_size=12), st.lists(st.lists(PORTS, max_size=4), min_size=1, max_size=5)
)
def test_each_port_is_published_once_and_then_all_is_well(
    wanted: list[tuple[int, str]], there: list[list[tuple[int, str]]]
) -> None:
    desired, held = fleet(*once(wanted)), once([port for ports in there for port in ports])
    current = [container(n, *(p for p in held if p in ports)) for n, ports in enumerate(there, 1)]
    current = [
        replace(one, reported=Reported.of(one.body.model_copy(update={"ports": _first(one, current)})))
        for one in current
    ]
    shares = shared(desired, *current)
    if shares.obstacle:
        return
    switch = desired.workload(SWITCH)
    assert switch is not None
    published = Counter(text for ports in shares.ports.values() for text in texts(ports))
    assert {text: published[text] for text in texts(switch.ports)} == dict.fromkeys(texts(switch.ports), 1)
    bound = [port for ports in shares.ports.values() for port in host_ports(Workload(ports=ports))]
    assert not any(a.clashes(b) for n, a in enumerate(bound) for b in bound[n + 1 :])
    kept = {one.replica: one for one in current if one not in shares.spare}
    assert all(shares.ports[replica] == one.body.ports for replica, one in kept.items())
    assert len(shares.ports) == len(kept) + bool(shares.missing)
    made = [
        replace(kept.get(n, container(n)), reported=Reported.of(Workload(ports=ports)))
        for n, ports in shares.ports.items()
    ]
    again = shared(desired, *made)
    assert (again.ports, again.missing, again.spare, again.obstacle) == (shares.ports, (), (), "")


def _first(one: Instance, current: list[Instance]) -> tuple[Port, ...]:
    """Its ports, less those that a container before it has."""
    earlier = {p for other in current if other.replica < one.replica for p in texts(other.body.ports)}
    return tuple(port for port in one.body.ports if text_of(port) not in earlier)


A, B, C = (8000, "127.0.0.1"), (8001, "127.0.0.1"), (8002, "127.0.0.1")


def test_what_is_published_needlessly_goes_when_it_can() -> None:
    shares = shared(fleet(A), container(1, A, B), container(2, C))
    assert ([one.replica for one in shares.spare], shares.in_the_way, shares.obstacle) == (
        [2],
        frozenset(),
        "",
    )
    assert shares.left == ("127.0.0.1:8001:8001/tcp",)
    assert list(shares.ports) == [1]
    moved = shared(fleet(B), container(1, A))
    assert (list(moved.ports), [one.replica for one in moved.spare]) == ([2], [1])


def test_what_is_in_the_way_goes_first_or_takes_all_along() -> None:
    alone = shared(fleet(A, (8001, "0.0.0.0")), container(1, A), container(2, B))
    assert (len(alone.in_the_way), alone.obstacle) == (1, "")
    beside = shared(fleet(A, (8001, "0.0.0.0")), container(1, A, B))
    assert beside.obstacle == "127.0.0.1:8001:8001/tcp is published, where 8001:8001/tcp is to be"
    assert len(shared(fleet(A, x=8001), container(1, A), container(2, B)).in_the_way) == 1
    assert (
        shared(fleet(A, x=8001), container(1, A, B)).obstacle
        == "agent.x is to publish 127.0.0.1:8001:8001/tcp itself"
    )
    assert not shared(fleet(A, x=8003), container(1, A, B)).obstacle


def test_containers_do_not_become_too_many() -> None:
    ports = [(8000 + n, "127.0.0.1") for n in range(MOST_BESIDE + 2)]
    few = [container(n, port) for n, port in enumerate(ports[:MOST_BESIDE], 1)]
    full = [*few, container(MOST_BESIDE + 1, ports[MOST_BESIDE])]
    assert not shared(fleet(*ports[: MOST_BESIDE + 1]), *few).obstacle
    assert not shared(fleet(*ports[: MOST_BESIDE + 1]), *full).obstacle
    assert shared(fleet(*ports), *full).obstacle == "9 containers share its ports already"


def test_a_container_is_asked_on_a_port_of_its_own() -> None:
    check = {"name": "listening", "kind": "ping", "port": 8000}
    body = {"ports": [f"127.0.0.1:{port}:{port}" for port in (8000, 8002)], "checks": [check]}
    switch = fleet_of({}, {SWITCH.name: body}).workload(SWITCH)
    assert switch is not None
    for ports, port in (((A, C), 8000), ((B, C), 8002), ((B,), 8000)):
        assert [check.port for check in in_its_share(switch, container(1, *ports)).checks] == [port]
    other = fleet_of({"a": body})
    ((address, workload),) = other.workloads()
    assert in_its_share(workload, instance_of(other, address)) is workload
    assert share_out(address, workload, [instance_of(other, address)], other) is None
