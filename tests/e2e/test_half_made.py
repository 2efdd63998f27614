"""Changes that stopped half way, on a real engine: one by two interrupts, two by an answer of the engine. What they left is in no
serial; every command that looks says so, and every command that changes something deals with it."""

import json
import signal

import pytest

from e2e.project import ENVIRONMENT, RELEASES, Project, until, variables
from sutazai.ports import JournalEntry
from sutazai.store.local import LocalStore

pytestmark = pytest.mark.docker
DEAF = ["python3", "-c", "import time; time.sleep(1000)"]
"""As the first process of a container it does not hear SIGTERM: stopping it takes the whole grace period."""
LEFT = ("bad-green", "fresh-blue", "slow-green")


def body(value: str, entrypoint: list[str], *, init: bool = False) -> dict[str, object]:
    return {"image": RELEASES[0], "entrypoint": entrypoint, "environment": {"V": value}, "network_mode": "none",
            "stop_grace_period": "10s", "init": init}  # fmt: skip


def journal(project: Project) -> tuple[JournalEntry, ...]:
    return LocalStore(project.state, project.name, ENVIRONMENT).journal().read()


def stands_still(project: Project) -> bool:
    """`slow` is being stopped, and the others could not be started."""
    entries = journal(project)
    ended = {entry.key for entry in entries if entry.phase in ("done", "failed")}
    stopping = [e for e in entries if e.phase == "intent" and e.call == "stop" and e.key not in ended]
    refused = [e.address for e in entries if e.phase == "failed" and e.call == "start"]
    return [e.address for e in stopping] == ["agent.slow"] and sorted(refused) == ["agent.bad", "agent.fresh"]


@pytest.fixture
def half_made(project: Project) -> Project:
    agents = {"slow": body("1", DEAF), "bad": body("1", DEAF, init=True)}
    project.spec = {"project": project.name, "agents": agents}
    project.apply()
    nowhere = body("2", ["/none"])
    project.spec["agents"] = {"slow": body("2", DEAF), "bad": nowhere, "fresh": nowhere}
    with project.started("apply", "--auto-approve") as process:
        assert process.stdout is not None
        until(lambda: stands_still(project), "the run does not stand where it should")
        process.send_signal(signal.SIGINT)
        for line in process.stdout:
            if "once more stops it at once" in line:
                break
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 4, errors
    assert not [entry for entry in journal(project) if entry.phase == "done" and entry.call == "start"]
    return project


def test_who_looks_is_told_what_is_in_no_serial_and_apply_makes_it_whole(half_made: Project) -> None:
    names = ", ".join(f"{half_made.name}-{ENVIRONMENT}-{name}" for name in LEFT)
    told = f"the last apply failed; in no serial yet: {names}; apply --resume finishes it, rollback takes it back"
    assert json.loads(half_made.must("status", "--json"))["notices"] == [told]
    for command in ("drift", "plan"):
        printed = " ".join(half_made.must(command).split())
        assert told in printed
        assert "agent.bad: its container exited with code 143; the last run had begun to change it" in printed
        assert "changed outside" not in printed, "what differs is what the run was to change"
    for name in ("bad", "fresh"):
        half_made.spec["agents"][name] = body("2", DEAF, init=True)
    half_made.apply()
    assert set(half_made.ids()) == {"slow", "bad", "fresh"}
    assert {variables(container)["V"] for container in half_made.containers(all_states=False)} == {"2"}
    settled(half_made, 3)


def test_rollback_takes_it_back(half_made: Project) -> None:
    half_made.must("rollback", "--auto-approve")
    assert set(half_made.ids()) == {"slow", "bad"}
    assert {variables(container)["V"] for container in half_made.containers(all_states=False)} == {"1"}
    half_made.spec["agents"] = {"slow": body("1", DEAF), "bad": body("1", DEAF, init=True)}
    settled(half_made, 2)


def test_destroy_takes_it_down(half_made: Project) -> None:
    half_made.must("destroy", "--auto-approve")
    assert not half_made.containers()
    assert journal(half_made) == ()


def settled(project: Project, running: int) -> None:
    assert len(project.containers(all_states=False)) == running
    assert journal(project) == ()
    assert json.loads(project.must("status", "--json"))["notices"] == []
    project.nothing_to_do()
