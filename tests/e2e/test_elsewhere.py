"""An engine that is not this machine's: its containers are checked from inside the traffic switch, and the way to it may break."""

import http.client
from collections.abc import Iterator
from typing import Any

import pytest

from contract.torn import Proxy
from e2e.project import RELEASES, Project, check, until
from free_port import free_port

pytestmark = pytest.mark.docker


@pytest.fixture
def way() -> Iterator[Proxy]:
    with Proxy("/var/run/docker.sock") as proxy:
        yield proxy


@pytest.fixture
def away(project: Project, way: Proxy) -> Project:
    """Two agents with routes and one without, none of which publishes a port."""
    agents = {name: routed(name) for name in ("a", "b")}
    agents["c"] = {**routed("c"), "depends_on": ["a"]}
    del agents["c"]["route"]
    project.spec["agents"] = agents
    project.environment = {"provider": {"kind": "docker", "host": f"tcp://127.0.0.1:{way.port}"}}
    return project


def routed(name: str) -> dict[str, Any]:
    return {
        "image": "sutazai/agent-runtime:{{ var.release }}", "networks": ["fleet"], "init": True, "checks": [check()],
        "route": {"port": free_port(), "target": 8080, "protocol": "http"}, "environment": {"AGENT_NAME": name},
        "rollout": {"min_healthy_time": 0, "drain_timeout": "1s"}, "stop_grace_period": "1s",
    }  # fmt: skip


def served(project: Project, name: str) -> str:
    """What the route of an agent answers."""
    connection = http.client.HTTPConnection("127.0.0.1", project.agent(name)["route"]["port"], timeout=5)
    try:
        connection.request("GET", "/info")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def all_run(project: Project, image: str) -> None:
    """One container each, of this image, and nothing else."""
    names = sorted(container.attrs["Config"]["Image"] for container in project.containers())
    assert [name for name in names if "agent-runtime" in name] == [image] * 3
    assert len(names) == 4
    project.nothing_to_do()


def test_what_publishes_nothing_is_made_replaced_and_seen_healthy(away: Project) -> None:
    away.apply()
    all_run(away, RELEASES[0])
    assert "4 of 4 healthy" in away.must("status")
    away.must("apply", "--auto-approve", "--var", "release=1.1")
    assert all('"version": "1.1"' in served(away, name) for name in ("a", "b"))
    away.spec["variables"]["release"] = "1.1"
    all_run(away, RELEASES[1])


def test_a_check_that_nobody_could_ask_is_refused_before_anything_is_made(away: Project) -> None:
    away.environment["traffic"] = {"kind": "none"}
    ended = away.run("apply", "--auto-approve")
    assert ended.returncode == 1
    assert "can't ask port 8080 from here: the engine is not on this machine" in ended.stdout + ended.stderr
    assert away.containers() == []


@pytest.mark.parametrize("lost", [b"/containers/create", b"/start", b"/stop", b"/networks/create"])
def test_an_answer_that_is_lost_leaves_nothing_twice(away: Project, way: Proxy, lost: bytes) -> None:
    if lost == b"/stop":
        away.apply()
        away.spec["variables"]["release"] = "1.1"
    way.tear_answer_to(lost)
    ended = away.run("apply", "--auto-approve")
    assert way.torn
    assert ended.returncode in (0, 3, 4), ended.stdout + ended.stderr
    away.apply()
    all_run(away, RELEASES[lost == b"/stop"])


def test_a_network_that_breaks_in_the_middle_ends_the_run_and_the_next_goes_on(
    away: Project, way: Proxy
) -> None:
    with away.started("apply", "--auto-approve") as process:
        until(lambda: len(away.containers()) >= 2, "two containers")
        way.refuse()
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 4, output + errors
    assert "no answer from Docker" in output + errors
    way.accept()
    away.must("apply", "--auto-approve", "--resume")
    all_run(away, RELEASES[0])
    assert '"version": "1.0"' in served(away, "a")
