"""Releases through the traffic switch on a real engine, asked without pause: a good version costs no request, a bad one is taken
back on its own, and whatever is killed in between, the next run ends it."""

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator

import docker
import pytest
from docker.models.containers import Container

from e2e.project import ENVIRONMENT, Project, until, variables
from e2e.under_load import (
    everyone_is_served_once,
    ready_slots,
    routed,
    switches,
    under_load,
    version,
    versions,
    with_agents,
)
from free_port import free_port
from sutazai.ports import JournalEntry
from sutazai.store.local import LocalStore

pytestmark = [pytest.mark.docker, pytest.mark.slow]
LONG = "an-agent-with-a-name-that-is-short-enough-for-it-alone"
BLUE_GREEN = {"strategy": "blue_green"}
CANARY = {
    "strategy": "canary",
    "steps": [{"set_weight": 20}, {"pause": "1s"}, {"set_weight": 50}, {"pause": "1s"}],
}
JUDGED = {
    "strategy": "canary",
    "steps": [{"set_weight": 50}, {"analysis": "errors"}],
    "analysis": {"errors": {"min_requests": 50, "min_duration": "1s", "interval": "1s", "timeout": "60s",
                            "max_error_increase": 0.2, "max_latency_ratio": 3}},
}  # fmt: skip


def test_no_request_fails_in_a_release_and_its_rollback(project: Project) -> None:
    slow = routed(BLUE_GREEN, FAULT_LATENCY="3")
    agents = {"kept": routed(BLUE_GREEN), "closing": routed(BLUE_GREEN), "canary": routed(CANARY), "steps": routed(CANARY),
              "raw": routed(BLUE_GREEN, "tcp"), "slow": slow, LONG: routed(BLUE_GREEN)}  # fmt: skip
    with_agents(project, agents).apply()
    assert versions(project) == dict.fromkeys(agents, "1.0")
    with under_load(
        project, ["kept", "canary"] * 3 + ["slow"], ["closing", "raw"] * 2 + ["steps", LONG]
    ) as load:
        project.spec["variables"]["release"] = "1.1"
        project.apply()
        everyone_is_served_once(project, "1.1")
        project.must("rollback", "--state", "1", "--auto-approve")
        everyone_is_served_once(project, "1.0")
    assert load.tally.failed == 0, load.words
    assert load.tally.sent > 300
    for name in agents:
        assert load.versions(name) == {"1.0", "1.1"}


def test_no_request_fails_when_other_routes_come_move_and_go(project: Project) -> None:
    agents = {"kept": routed(BLUE_GREEN), "closing": routed(BLUE_GREEN), "raw": routed(BLUE_GREEN, "tcp")}
    with_agents(project, agents).apply()
    (first,) = switches(project)
    with under_load(project, ["kept"] * 2, ["closing", "raw"]) as load:
        late = routed(BLUE_GREEN)
        project.spec["agents"]["late"] = late
        project.apply()
        assert version(project, "late") == "1.0"
        project.nothing_to_do()
        assert len(switches(project)) == 2
        late["route"]["port"] = free_port()
        project.apply()
        assert version(project, "late") == "1.0"
        del project.spec["agents"]["late"]
        project.apply()
        project.nothing_to_do()
        assert [switch.id for switch in switches(project)] == [first.id]
        project.must("rollback", "--state", "3", "--auto-approve")
        project.spec["agents"]["late"] = late
        assert version(project, "late") == "1.0"
        project.nothing_to_do()
        project.must("rollback", "--state", "1", "--auto-approve")
        del project.spec["agents"]["late"]
    assert load.tally.failed == 0, load.words
    assert load.tally.sent > 300
    assert [switch.id for switch in switches(project)] == [first.id]
    everyone_is_served_once(project, "1.0")
    project.nothing_to_do()


NEW = {"image": "sutazai/agent-runtime:1.1"}
BAD: dict[str, tuple[str, dict[str, str], str, float]] = {
    "never ready": ("swift", {"FAULT_HEALTH": "fail"}, r"agent.swift: not healthy within 10s: .*503", 0.0),
    "crashes": (
        "paused", {"FAULT_CRASH_AFTER": "3"},
        r"agent.paused: it crashed .*: its container (was started again|(keeps restarting, last ended|exited) with code 1)", 0.01,
    ),
    "errors": (
        "judged", {"FAULT_ERROR_RATE": "0.5"},
        r'agent.judged: analysis "errors" fail: errors [3-6]\d\.\d % of \d+ against 0\.0 % of \d+ \(p < 0\.0001\)', 0.1,
    ),
    "five times slower": (
        "judged", {"FAULT_LATENCY": "0.2"},
        r'agent.judged: analysis "errors" fail: latency median 2\d\d ms against \d+\.?\d* ms, .*p < 0\.0001', 0.0,
    ),
}  # fmt: skip
"""By its fault: which agent gets it, how, what the cause is, and how large a share of all requests may fail."""


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: docker.DockerClient
) -> Iterator[Project]:
    """Three agents of version 1.0. Whatever becomes of another version, they are to be the same afterwards."""
    made = Project(tmp_path_factory.mktemp("traffic"), docker_engine)
    agents = {
        "swift": routed(BLUE_GREEN | {"healthy_deadline": "10s"}),
        "paused": routed({"strategy": "canary", "steps": [{"set_weight": 20}, {"pause": "8s"}]}),
        "judged": routed(JUDGED, FAULT_LATENCY="0.04"),
    }
    with_agents(made, agents).apply()
    yield made
    made.remove()


def release(project: Project, name: str, environment: dict[str, str]) -> None:
    """Another version of one agent in the specs."""
    body = project.agent(name)
    project.spec["agents"][name] = body | NEW | {"environment": body["environment"] | environment}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_version_is_taken_back_on_its_own(standing: Project, fault: str) -> None:
    name, environment, cause, share = BAD[fault]
    before, agents = standing.ids(), dict(standing.spec["agents"])
    release(standing, name, environment)
    with under_load(standing, ["judged", "paused"], ["judged", "swift"]) as load:
        ended = standing.run("apply", "--auto-approve")
    standing.spec["agents"] = agents
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert re.search(cause, ended.stderr), ended.stderr
    assert load.tally.failed <= share * load.tally.sent, load.words
    assert standing.ids() == before
    everyone_is_served_once(standing, "1.0")
    operation = json.loads((standing.state / "serials" / f"{standing.serials()[-2]:06}.json").read_text())[
        "operation"
    ]
    assert re.search(cause, f"agent.{name}: {operation['error']}")
    judged = [(verdict["address"], verdict["outcome"]) for verdict in operation.get("verdicts", [])]
    assert judged == ([("agent.judged", "fail")] if name == "judged" else [])
    standing.nothing_to_do()


def test_a_good_version_passes_and_its_verdict_is_recorded(standing: Project) -> None:
    agents = dict(standing.spec["agents"])
    release(standing, "judged", {})
    with under_load(standing, ["judged"], ["judged"]) as load:
        standing.apply()
        (verdict,) = standing.recorded()["operation"]["verdicts"]
        standing.must("rollback", "--state", str(standing.serials()[-2]), "--auto-approve")
    standing.spec["agents"] = agents
    assert load.tally.failed == 0, load.words
    assert {key: verdict[key] for key in ("address", "analysis", "outcome")} == {
        "address": "agent.judged", "analysis": "errors", "outcome": "pass"
    }  # fmt: skip
    figures = {judgement["metric"]: judgement["figures"] for judgement in verdict["judgements"]}
    assert figures["errors"]["rate"] == figures["errors"]["baseline"] == 0
    assert 0.03 < figures["latency"]["median"] < 0.4
    everyone_is_served_once(standing, "1.0")


def test_what_failed_is_left_for_a_look_without_traffic(standing: Project) -> None:
    agents = dict(standing.spec["agents"])
    release(standing, "judged", {"FAULT_ERROR_RATE": "0.5"})
    with under_load(standing, ["judged"], ["judged"]):
        ended = standing.run("apply", "--auto-approve", "--on-failure", "pause")
    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert 'analysis "errors" fail: errors' in ended.stderr
    both = [
        c for c in standing.containers(all_states=False) if c.labels["io.sutazai.address"] == "agent.judged"
    ]
    old, new = sorted(both, key=lambda container: container.attrs["Created"])
    assert (variables(old).get("AGENT_VERSION"), variables(new).get("AGENT_VERSION")) == ("1.0", "1.1")
    assert ready_slots(standing)["judged"] == [old.labels["io.sutazai.slot"]]
    with under_load(standing, ["judged"], []) as load:
        standing.must("rollback", "--auto-approve")
    standing.spec["agents"] = agents
    assert load.versions("judged") == {"1.0"}
    assert load.tally.failed == 0, load.words
    everyone_is_served_once(standing, "1.0")


Seen = Callable[[JournalEntry], bool]


def step(doing: str, number: int) -> Seen:
    return lambda entry: (
        entry.phase == "step" and (entry.data["doing"], entry.data["step"]) == (doing, number)
    )


def test_the_switch_crashes_and_is_removed(project: Project) -> None:
    with_agents(project, {"one": routed(CANARY), "other": routed(BLUE_GREEN)}).apply()
    journal = LocalStore(project.state, project.name, ENVIRONMENT).journal()
    project.spec["variables"]["release"] = "1.1"
    with project.started("apply", "--auto-approve") as process:
        until(
            lambda: any(step("pause", 2)(entry) for entry in journal.read()),
            "no canary began",
            within=60,
        )
        crash(switches(project)[0])
        printed = process.communicate(timeout=120)
    if process.returncode != 0:
        assert "Traceback" not in printed[1]
        project.apply()
    everyone_is_served_once(project, "1.1")
    switches(project)[0].remove(force=True)
    project.apply()
    everyone_is_served_once(project, "1.1")
    project.nothing_to_do()


def test_a_switch_that_was_cut_off_from_its_network_is_connected_before_it_is_told_anything(
    project: Project, docker_engine: docker.DockerClient
) -> None:
    """Off it, it knows no name of a lane: each asking would wait for a name server, and fail."""
    with_agents(project, {"one": routed(CANARY), "other": routed(BLUE_GREEN)}).apply()
    switch = switches(project)[0]
    for name in switch.attrs["NetworkSettings"]["Networks"]:
        docker_engine.networks.get(name).disconnect(switch)
    project.spec["variables"]["release"] = "1.1"
    project.apply()
    everyone_is_served_once(project, "1.1")
    project.nothing_to_do()


def crash(switch: Container) -> None:
    """As HAProxy itself would: the engine starts it again."""
    os.kill(switch.attrs["State"]["Pid"], signal.SIGKILL)


CAREFUL = {
    "strategy": "canary",
    "healthy_deadline": "10s",
    "steps": [{"set_weight": 8}, {"analysis": "well"}],
    "analysis": {"well": {"interval": "1s", "timeout": "100s"}},
}
FAULTS: dict[str, tuple[int, dict[str, str], str]] = {
    "errors": (20, {"FAULT_ERROR_RATE": "0.05"}, r'analysis "well" fail: errors \d\.\d % of \d+ against 0\.0 % of \d+'),
    "slow": (6, {"FAULT_LATENCY": "0.15"}, r'analysis "well" fail: latency median 1\d\d ms against \d+\.?\d* ms'),
    "leaks": (1, {"FAULT_MEMORY_GROWTH": "50"}, r'analysis "well" fail: memory grows by [3-7]\d\.\d MiB a minute against -?\d\.'),
    "crashes": (1, {"FAULT_CRASH_AFTER": "20"}, r'analysis "well": it crashed after it was healthy'),
    "unready": (1, {"FAULT_HEALTH": "fail"}, r"not healthy within 10s: .*503"),
}  # fmt: skip
"""By the name of its agent: how much of the load it gets, its fault, and what the run says of it."""


def test_each_fault_is_caught_in_its_canary_and_hardly_any_request_sees_it(project: Project) -> None:
    """All at once, since each takes its time to show."""
    agents = {name: routed(CAREFUL, FAULT_LATENCY="0.03") for name in FAULTS}
    project.spec["rollout"]["fleet_canary"] = {"percent": 0}
    with_agents(project, agents).apply()
    before, shares = project.ids(), [name for name, (share, *_) in FAULTS.items() for _ in range(share)]
    for name, (_, fault, _) in FAULTS.items():
        release(project, name, fault)
    with under_load(project, shares, shares, rate=200) as load:
        ended = project.run("apply", "--auto-approve")
    project.spec["agents"] = agents
    assert ended.returncode == 3, ended.stdout + ended.stderr
    # An agent has so many threads, whatever its version: what it refuses beyond them is the machine's doing, where that stalls.
    failed = Counter(f.client for f in load.tally.failures if "more than 48 connections" not in f.reason)
    for name, (_, _, cause) in FAULTS.items():
        assert re.search(f"FAILED agent.{name}: {cause}", ended.stdout), ended.stdout
        sent = failed[name] + load.tally.answers[name].total()
        assert failed[name] < sent / 200, f"{name}: {failed[name]} of {sent}, {load.words}"
    assert failed.total() < load.tally.sent / 200, load.words
    assert set(failed) <= {"errors", "crashes"}, load.words
    assert project.ids() == before
    everyone_is_served_once(project, "1.0")
    project.nothing_to_do()
