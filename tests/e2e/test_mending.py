"""What was changed by hand, what failed and what was cut off is planned and mended by one apply."""

import signal
from typing import Any

import pytest

from e2e.project import RELEASES, Project, essence, limits, until, variables

pytestmark = pytest.mark.docker
MIB = 1024 * 1024


def test_an_agent_stopped_by_hand_is_started_again(fleet: Project) -> None:
    before = fleet.ids()
    fleet.container("planner").stop(timeout=3)
    assert fleet.actions() == {"agent.planner": ["update"]}
    assert fleet.reasons() == {"agent.planner": "update_because_not_running"}
    fleet.apply()
    assert fleet.ids() == before
    assert fleet.container("planner").status == "running"
    fleet.nothing_to_do()


def test_an_agent_removed_by_hand_is_made_again(fleet: Project) -> None:
    before = fleet.ids()
    fleet.container("planner").remove(force=True)
    assert fleet.actions() == {"agent.planner": ["create"]}
    assert fleet.reasons() == {"agent.planner": "create_because_missing"}
    fleet.apply()
    after = fleet.ids()
    assert {name for name in after if before[name] != after[name]} == {"planner"}
    fleet.nothing_to_do()


def test_a_limit_changed_by_hand_is_drift_and_put_back(fleet: Project) -> None:
    before = fleet.ids()
    fleet.container("planner").update(mem_limit="80m", memswap_limit="160m")
    plan = fleet.plan()
    assert [change["address"] for change in plan["resource_drift"]] == ["agent.planner"]
    assert fleet.reasons() == {"agent.planner": "update_because_drifted"}
    fleet.apply()
    assert limits(fleet.container("planner")) == 64 * MIB
    assert fleet.ids() == before
    fleet.nothing_to_do()


def test_rollback_brings_back_what_a_serial_recorded(fleet: Project) -> None:
    first = {name: essence(fleet.container(name)) for name in fleet.ids()}
    fleet.agent("planner")["deploy"] = {"resources": {"limits": {"memory": "96M"}}}
    fleet.apply()
    fleet.agent("writer")["image"] = RELEASES[1]
    fleet.apply()
    fleet.agent("base")["environment"] = {"MOOD": "angry", "MORE": "1"}
    fleet.spec["agents"]["newcomer"] = {"module": "worker"}
    fleet.apply()
    assert fleet.serials() == [1, 2, 3, 4]
    changed = {name: essence(fleet.container(name)) for name in first}
    assert {name for name in first if first[name] != changed[name]} == {"planner", "writer", "base"}

    printed = fleet.must("rollback", "--state", "1", "--auto-approve")

    assert "Plan: 0 to add, 1 to change, 2 to replace, 1 to destroy." in printed
    assert {name: essence(fleet.container(name)) for name in fleet.ids()} == first
    assert fleet.serials() == [1, 2, 3, 4, 5]
    assert fleet.recorded()["serial"] == 5
    assert fleet.actions("--to-serial", "1") == {}
    fleet.must("state", "verify")


def test_rollback_to_a_serial_that_does_not_exist_is_refused(fleet: Project) -> None:
    before = fleet.ids()
    ended = fleet.run("rollback", "--state", "7", "--auto-approve")
    assert ended.returncode == 1
    assert "there is no serial 7" in ended.stderr
    assert fleet.ids() == before


def test_an_agent_that_never_gets_healthy_stops_the_run_and_the_next_goes_on(project: Project) -> None:
    project.agent("planner")["environment"] = {"FAULT_HEALTH": "fail"}
    project.agent("planner")["rollout"] = {"healthy_deadline": "10s"}
    ended = project.run("apply", "--auto-approve")
    assert ended.returncode == 4
    first = ended.stderr.splitlines()[0]
    assert "agent.planner" in first
    assert '"up"' in first
    assert "503" in first
    assert "within 10s" in first
    assert "serial 1" in first
    assert "writer" not in project.ids(), "a later wave began"
    state = project.recorded()
    assert state["operation"]["outcome"] == "failed"
    assert "failed" in project.must("history")
    kept = project.ids()

    del project.agent("planner")["environment"]
    project.apply()
    after = project.ids()
    assert set(after) == {"base", "planner", "writer", "loner"}
    assert {name for name in kept if kept[name] == after[name]} == {"base", "loner"}
    assert project.recorded()["operation"]["outcome"] == "done"
    project.nothing_to_do()


def test_an_agent_that_crashes_is_named_with_its_code_before_the_deadline(project: Project) -> None:
    project.agent("planner")["environment"] = {"AGENT_PORT": "nonsense"}
    project.agent("planner")["restart"] = "no"
    ended = project.run("apply", "--auto-approve")
    assert ended.returncode == 4
    assert "agent.planner" in ended.stderr.splitlines()[0]
    assert "exited with code 2" in ended.stderr.splitlines()[0]


def test_a_healthcheck_that_docker_gave_up_ends_the_wait_and_is_quoted(project: Project) -> None:
    project.spec["agents"] = {
        "planner": {
            "image": RELEASES[0],
            "healthcheck": {"test": "echo no model file; exit 3", "interval": "100ms", "retries": 2},
            "rollout": {"healthy_deadline": "5m"},
        }
    }
    ended = project.run("apply", "--auto-approve")
    assert ended.returncode == 4
    first = ended.stderr.splitlines()[0]
    assert "agent.planner: its HEALTHCHECK says unhealthy: no model file, exit code 3" in first


def slow(project: Project) -> None:
    """A fleet whose second wave waits long enough to be caught at it."""
    project.agent("planner")["environment"] = {"FAULT_START_DELAY": "5"}


def caught_waiting(project: Project) -> Any:
    """The planner's container once it runs."""
    return until(lambda: [c for c in project.containers(all_states=False) if c.name.endswith("-planner-blue")],
                 "the planner did not start")  # fmt: skip


def test_sigint_once_ends_in_good_order(project: Project) -> None:
    slow(project)
    with project.started("apply", "--auto-approve") as process:
        caught_waiting(project)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, printed + errors
    assert "serial 1" in errors
    assert "Traceback" not in errors
    assert project.recorded()["operation"]["outcome"] == "interrupted"
    kept = project.ids()
    assert "writer" not in kept

    project.apply()
    after = project.ids()
    assert set(after) == {"base", "planner", "writer", "loner"}
    assert kept.items() <= after.items()
    project.nothing_to_do()


@pytest.mark.parametrize("after", ["base", "planner", "writer"])
def test_sigkill_loses_and_doubles_nothing(project: Project, after: str) -> None:
    slow(project)
    with project.started("apply", "--auto-approve") as process:
        until(lambda: [c for c in project.containers() if c.name.endswith(f"-{after}-blue")], f"no {after}")
        process.kill()
        process.communicate()
    assert project.serials() == []
    kept = project.ids()

    printed = project.apply()
    assert "was cut off" in printed
    now = project.ids()
    assert set(now) == {"base", "planner", "writer", "loner"}
    assert kept.items() <= now.items()
    assert len(project.engine.networks.list(filters=project.mine)) == 1
    assert project.serials() == [1]
    project.nothing_to_do()


def test_sigkill_during_a_replacement_leaves_one_container_each(fleet: Project) -> None:
    fleet.agent("planner")["image"] = RELEASES[1]
    slow(fleet)
    with fleet.started("apply", "--auto-approve") as process:
        until(
            lambda: [c for c in fleet.containers(all_states=False) if c.name.endswith("-planner-green")],
            "no new planner",
        )
        process.kill()
        process.communicate()
    fleet.apply()
    planner = fleet.container("planner")
    assert planner.status == "running"
    assert planner.attrs["Image"] == fleet.engine.images.get(RELEASES[1]).id
    assert variables(planner)["FAULT_START_DELAY"] == "5"
    assert len(fleet.ids()) == 4
    fleet.nothing_to_do()


def test_destroy_keeps_volumes_unless_told(fleet: Project) -> None:
    fleet.must("destroy", "--auto-approve")
    assert not fleet.containers()
    assert not fleet.engine.networks.list(filters=fleet.mine)
    assert [volume.name for volume in fleet.engine.volumes.list(filters=fleet.mine)] == [
        f"{fleet.name}-lab-data"
    ]
    assert fleet.must("state", "list").split() == ["volume.data"]
    fleet.must("destroy", "--volumes", "--auto-approve")
    assert not fleet.engine.volumes.list(filters=fleet.mine)
    assert fleet.must("state", "list").split() == []
    fleet.must("state", "verify")


def test_sigint_twice_stops_now_and_is_still_recorded(project: Project) -> None:
    project.agent("planner")["environment"] = {"FAULT_START_DELAY": "20"}
    with project.started("apply", "--auto-approve") as process:
        caught_waiting(project)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, printed + errors
    assert "Traceback" not in errors
    assert project.recorded()["operation"]["outcome"] == "interrupted"
    del project.agent("planner")["environment"]
    project.apply()
    assert set(project.ids()) == {"base", "planner", "writer", "loner"}
    project.nothing_to_do()


def test_drift_is_shown_recorded_and_then_a_change_like_any_other(fleet: Project) -> None:
    assert fleet.run("drift", "--detailed-exitcode").returncode == 0
    fleet.container("planner").update(mem_limit="80m", memswap_limit="160m")
    shown = fleet.run("drift", "--detailed-exitcode")
    assert shown.returncode == 2, shown.stderr
    assert "deploy.resources.limits.memory: 64M -> 80M" in shown.stdout
    assert fleet.run("plan", "--refresh-only", "--detailed-exitcode").returncode == 2
    assert "planner" not in fleet.must("plan", "--no-refresh"), "it can't know"

    fleet.must("apply", "--refresh-only", "--auto-approve", "-m", "it needed more")

    assert fleet.recorded()["operation"]["command"] == "refresh"
    assert limits(fleet.container("planner")) == 80 * MIB
    assert fleet.run("drift", "--detailed-exitcode").returncode == 0
    assert fleet.reasons() == {"agent.planner": "update_because_changed"}
    fleet.agent("planner")["deploy"] = {"resources": {"limits": {"memory": "80M"}}}
    assert fleet.actions() == {}
    fleet.must("state", "verify")


def test_a_change_that_fails_is_taken_back(fleet: Project) -> None:
    """Everything that the run touched, in waves before the one that failed too; and the old containers themselves."""
    first, ids = {name: essence(fleet.container(name)) for name in fleet.ids()}, fleet.ids()
    fleet.agent("base")["inputs"]["mood"] = "angry"
    fleet.agent("planner")["deploy"] = {"resources": {"limits": {"memory": "96M"}}}
    fleet.agent("writer")["environment"] = {"FAULT_HEALTH": "fail"}
    fleet.agent("writer")["rollout"] = {"healthy_deadline": "10s"}
    fleet.spec["agents"]["newcomer"] = {"module": "worker"}

    ended = fleet.run("apply", "--auto-approve")

    assert ended.returncode == 3, ended.stderr
    told = ended.stderr.splitlines()[0]
    assert "agent.writer" in told
    assert '"up"' in told
    assert "503" in told
    assert "serial 1 runs again, which is serial 3" in told
    assert fleet.ids() == ids, "what was there before was not started again but made anew"
    assert {name: essence(fleet.container(name)) for name in first} == first
    assert fleet.serials() == [1, 2, 3]
    assert [fleet.must("show", str(serial), "--json").count('"outcome": "failed"') for serial in (2, 3)] == [
        1,
        0,
    ]
    assert fleet.actions("--to-serial", "1") == {}
    fleet.must("state", "verify")

    del fleet.agent("writer")["environment"]
    fleet.apply()
    assert set(fleet.ids()) == {*first, "newcomer"}
    fleet.nothing_to_do()


def test_pause_leaves_a_failure_standing_and_rollback_takes_it_back(fleet: Project) -> None:
    ids = fleet.ids()
    fleet.agent("planner")["environment"] = {"FAULT_HEALTH": "fail"}
    fleet.agent("planner")["rollout"] = {"healthy_deadline": "2s"}
    ended = fleet.run("apply", "--auto-approve", "--on-failure", "pause")
    assert ended.returncode == 4
    assert len(fleet.containers()) == len(ids) + 1, "the new one runs, and the old one stands by"
    fleet.must("rollback", "--auto-approve")
    assert fleet.ids() == ids
    fleet.must("state", "verify")


def test_auto_revert_false_leaves_it_too(fleet: Project) -> None:
    fleet.agent("planner")["environment"] = {"FAULT_HEALTH": "fail"}
    fleet.agent("planner")["rollout"] = {"healthy_deadline": "2s", "auto_revert": False}
    assert fleet.run("apply", "--auto-approve").returncode == 4
    assert fleet.serials() == [1, 2]
