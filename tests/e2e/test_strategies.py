"""The strategies of a rollback, and an emergency, on a real engine: asked without pause, with things broken by hand, and back to
what still runs."""

import json
import os
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from docker.models.containers import Container

from e2e.project import ENVIRONMENT, Project, until
from e2e.under_load import (
    everyone_is_served_once,
    routed,
    switches,
    under_load,
    version,
    versions,
    with_agents,
)
from sutazai.store.local import LocalStore

pytestmark = [pytest.mark.docker, pytest.mark.slow]
BLUE_GREEN = {"strategy": "blue_green"}
STRATEGIES = ("immediate", "graceful")


def released(project: Project, agents: dict[str, Any]) -> Project:
    """Serial 1 is version 1.0, serial 2 is 1.1."""
    with_agents(project, agents).apply()
    project.spec["variables"]["release"] = "1.1"
    project.apply()
    return project


def events(printed: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in printed.splitlines() if row.startswith("{")]


def verified(printed: str) -> dict[str, Any]:
    (event,) = [event for event in events(printed) if event["type"] == "verified"]
    return event


def test_no_request_fails_all_at_once_or_one_after_the_other(project: Project) -> None:
    agents = {
        "kept": routed(BLUE_GREEN), "closing": routed(BLUE_GREEN), "raw": routed(BLUE_GREEN, "tcp"),
        "slow": routed(BLUE_GREEN, FAULT_LATENCY="3"), "needs": {**routed(BLUE_GREEN), "depends_on": ["kept"]},
    }  # fmt: skip
    released(project, agents)
    with under_load(project, ["kept", "needs"] * 3 + ["slow"], ["closing", "raw"] * 2) as load:
        for strategy in STRATEGIES:
            back = "1" if strategy == STRATEGIES[0] else "2"
            printed = project.must("rollback", "--state", back, "--strategy", strategy, "--auto-approve")
            assert f"Strategy {strategy}: " in printed
            assert f"verified: 6 of 6 as serial {back}, 6 healthy" in printed
            everyone_is_served_once(project, "1.0" if back == "1" else "1.1")
    assert load.tally.failed == 0, load.words
    assert load.tally.sent > 200
    for name in agents:
        assert load.versions(name) == {"1.0", "1.1"}


def of(project: Project, name: str) -> Container:
    return project.container(name)


def test_an_emergency_goes_back_whatever_is_broken(project: Project) -> None:
    agents = {name: routed(BLUE_GREEN) for name in ("one", "two", "three")}
    released(project, {**agents, "plain": {"module": "worker"}})
    del project.spec["agents"]["plain"]
    project.spec["agents"]["bad"] = {
        "module": "worker",
        "environment": {"FAULT_HEALTH": "fail"},
        "rollout": {"healthy_deadline": "1s"},
    }
    ended = project.run("apply", "--auto-approve", "--on-failure", "pause")
    assert ended.returncode == 4, ended.stderr
    switches(project)[0].kill()
    of(project, "one").remove(force=True)
    of(project, "two").pause()
    printed = project.must("emergency", "--auto-approve")
    assert (
        "going back to serial 2: it is the last one that was healthy; the apply that made serial 3 failed"
        in printed
    )
    assert "verified: 5 of 5 as serial 2, 5 healthy" in printed
    del project.spec["agents"]["bad"]
    project.spec["agents"] = agents
    assert versions(project) == dict.fromkeys(agents, "1.1")
    assert of(project, "plain").status == "running"


def freeze(switch: Container) -> None:
    """HAProxy does nothing any more, and whatever connects to it waits."""
    found = switch.top()
    place = found["Titles"].index("PID")
    for row in found["Processes"]:
        if "haproxy" in row[-1].split()[0]:
            os.kill(int(row[place]), signal.SIGSTOP)


def test_an_emergency_does_what_it_can_and_says_what_it_could_not(project: Project) -> None:
    agents = {name: routed(BLUE_GREEN) for name in ("one", "two")}
    released(project, agents)
    switch = switches(project)[0]
    freeze(switch)
    ended = project.run("emergency", "--auto-approve", "--json")
    told = events(ended.stdout)
    assert ended.returncode == 4, ended.stdout + ended.stderr
    failed = [event for event in told if event["type"] == "change_failed"]
    assert [event["address"] for event in failed] == ["service.traffic-switch"]
    assert verified(ended.stdout)["healthy"] >= 2
    images = {c.labels["io.sutazai.address"]: c.attrs["Config"]["Image"] for c in project.containers()}
    assert {images[f"agent.{name}"] for name in agents} == {"sutazai/agent-runtime:1.0"}
    switch.remove(force=True)
    project.spec["variables"]["release"] = "1.0"
    project.apply()
    everyone_is_served_once(project, "1.0")


def test_there_is_nothing_healthy_to_go_back_to(project: Project) -> None:
    with_agents(project, {"one": routed(BLUE_GREEN)}).apply()
    ended = project.run("emergency", "--auto-approve")
    assert ended.returncode == 1
    assert "no serial of lab before serial 1, which is what runs, was healthy" in ended.stderr


# Back to what still runs

NAMES = [f"a{number}" for number in range(6)]


def with_last(project: Project) -> Project:
    """Six agents with routes, and one that goes after all of them."""
    agents = {name: routed(BLUE_GREEN) for name in NAMES}
    last = {"module": "worker", "depends_on": NAMES}
    return with_agents(project, {**agents, "last": last})


def paused(project: Project) -> None:
    project.spec["agents"]["last"] |= {
        "environment": {"FAULT_HEALTH": "fail"},
        "rollout": {"healthy_deadline": "2s"},
    }
    ended = project.run("apply", "--auto-approve", "--on-failure", "pause")
    assert ended.returncode == 4, ended.stderr


def killed(project: Project) -> None:
    """When the last of the routes has moved."""
    project.spec["agents"]["last"]["environment"] = {"FAULT_START_DELAY": "30"}
    journal = LocalStore(project.state, project.name, ENVIRONMENT).journal()

    def moved() -> bool:
        healthy = {entry.address for entry in journal.read() if entry.phase == "healthy"}
        return {f"agent.{name}" for name in NAMES} <= healthy

    with project.started("apply", "--auto-approve") as process:
        until(moved, "the routes have not moved", within=60)
        process.kill()
        assert process.wait() == -signal.SIGKILL


def switching(printed: str) -> tuple[float, int]:
    """Seconds from the first word to the traffic switch to the last one's answer, and how many routes it was told of."""
    led = [event for event in events(printed) if event["type"] == "traffic_led"]
    starts = [_seconds(event["at"]) - event["seconds"] for event in led]
    addresses = {address for event in led for address in event["addresses"]}
    return _seconds(led[-1]["at"]) - min(starts), len(addresses)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


@pytest.mark.parametrize("end", [paused, killed])
def test_what_still_runs_gets_its_traffic_back_at_once(
    project: Project, end: Callable[[Project], None]
) -> None:
    with_last(project).apply()
    before = {name: project.container(name).id for name in NAMES}
    project.spec["variables"]["release"] = "1.1"
    end(project)
    project.spec["agents"] = {name: project.agent(name) for name in NAMES}  # those with a route
    assert versions(project) == dict.fromkeys(NAMES, "1.1")
    with under_load(project, NAMES, NAMES) as load:
        one = project.must("rollback", "--state", "1", "--strategy", "selective", "--target", NAMES[0],
                           "--auto-approve", "--json")  # fmt: skip
        assert version(project, NAMES[0]) == "1.0"
        all_of_them = project.must("rollback", "--state", "1", "--auto-approve", "--json")
        assert versions(project) == dict.fromkeys(NAMES, "1.0")
    assert load.tally.failed == 0, load.words
    assert {name: project.container(name).id for name in NAMES} == before, "nothing was made anew"
    assert verified(all_of_them)["differences"] == []
    (first, _), (second, count) = switching(one), switching(all_of_them)
    print(f"switching time: one route {first:.3f} s, {count} routes {second:.3f} s")  # noqa: T201 - the figures
    assert first < 5.0
    assert second < 10.0
