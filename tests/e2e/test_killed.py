"""A release through the traffic switch on a real engine, with the switch killed under it: it is ended, and everyone is served."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from e2e.project import ENVIRONMENT, Project, until
from e2e.under_load import everyone_is_served_once, routed, switches, version, with_agents
from sutazai.store.local import LocalStore

pytestmark = [pytest.mark.docker, pytest.mark.slow]
PAUSED = {
    "strategy": "canary",
    "steps": [{"set_weight": 20}, {"pause": "4s"}, {"set_weight": 50}, {"pause": "1s"}],
}
LONGEST = 3.0
"""Seconds for which nobody may be answered when the switch is killed under a run."""


@dataclass(slots=True)
class Answers:
    """When an agent answered, in seconds on the clock of `time.monotonic`."""

    at: list[float] = field(default_factory=list)

    @property
    def longest_gap(self) -> float:
        return max(later - earlier for earlier, later in zip(self.at, self.at[1:], strict=False))


@contextlib.contextmanager
def asked(project: Project, name: str) -> Iterator[Answers]:
    """Ask an agent over and over as long as the block lasts."""
    answers, stop = Answers(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError, ValueError, AssertionError):
                version(project, name)
                answers.at.append(time.monotonic())
            stop.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def journal_of(project: Project) -> LocalStore:
    return LocalStore(project.state, project.name, ENVIRONMENT)


@pytest.mark.parametrize("phase", ["pausing", "shifting"])
def test_a_switch_that_is_killed_under_a_run_is_started_at_once(project: Project, phase: str) -> None:
    """Nobody talks to it during a pause; when traffic is about to move, the run does."""
    with_agents(project, {"one": routed(PAUSED)}).apply()
    journal = journal_of(project).journal()
    project.spec["variables"]["release"] = "1.1"
    with asked(project, "one") as answers, project.started("apply", "--auto-approve") as process:
        until(
            lambda: any(entry.data.get("phase") == phase for entry in journal.read()),
            "no canary began",
            within=60,
        )
        (switch,) = switches(project)
        switch.kill()
        printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, printed + errors
    assert (
        f"{switch.name} carries the traffic and exited with code 137: it is started again" in errors + printed
    )
    assert answers.longest_gap < LONGEST
    assert [one.id for one in switches(project)] == [switch.id]
    everyone_is_served_once(project, "1.1")
    project.nothing_to_do()
