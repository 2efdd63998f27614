"""A release through the traffic switch on a real engine, with the switch killed under it, and killed itself at each line of its
journal: it is ended one way or the other, and everyone is served once."""

import contextlib
import http.client
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from e2e.project import ENVIRONMENT, Project, until
from e2e.under_load import everyone_is_served_once, routed, switches, under_load, version, with_agents
from sutazai.store.local import LocalStore

pytestmark = [pytest.mark.docker, pytest.mark.slow]
PAUSED = {
    "strategy": "canary",
    "steps": [{"set_weight": 20}, {"pause": "4s"}, {"set_weight": 50}, {"pause": "1s"}],
}
LONGEST = 8.0
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
            with contextlib.suppress(OSError, ValueError, AssertionError, http.client.HTTPException):
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


@pytest.mark.parametrize("doing", ["pause", "set_weight"])
def test_a_switch_that_is_killed_under_a_run_is_started_at_once(project: Project, doing: str) -> None:
    """Nobody talks to it during a pause; when traffic is about to move, the run does."""
    with_agents(project, {"one": routed(PAUSED)}).apply()
    journal = journal_of(project).journal()
    project.spec["variables"]["release"] = "1.1"
    with asked(project, "one") as answers, project.started("apply", "--auto-approve") as process:
        until(
            lambda: any(entry.data.get("doing") == doing for entry in journal.read()),
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


QUICK = {"strategy": "canary", "steps": [{"set_weight": 50}, {"pause": "50ms"}]}
RELEASES = {"1.0": "1.1", "1.1": "1.0"}


LINES = 20
"""The journal of such a run has more of them."""


def killed_at(project: Project, line: int) -> bool:
    """Apply, and kill that as soon as its journal has so many lines; whether that was before its end."""
    journal = project.state / "journal.jsonl"
    journal.write_bytes(b"")
    with project.started("apply", "--auto-approve") as process:
        while process.poll() is None and journal.read_bytes().count(b"\n") < line:
            time.sleep(0.001)
        process.kill()
        assert process.wait() in (0, -signal.SIGKILL)
        return process.returncode != 0 and journal.read_bytes() != b""


@pytest.mark.timeout(900)  # thirty runs and as many that mend them
def test_a_canary_is_killed_at_each_line_of_its_journal(project: Project) -> None:
    """The next run goes on with it or takes it back, in turn: each way at every second line, and the other at the next one."""
    with_agents(project, {"one": routed(QUICK)}).apply()
    runs, line = "1.0", 1
    with under_load(project, ["one"], ["one"], rate=20) as load:
        project.spec["variables"]["release"] = RELEASES[runs]
        while (killed := killed_at(project, line)) or line <= LINES:
            if not killed:  # it was over before this process, which the machine left waiting, had looked
                runs, line = RELEASES[runs], line - 1
            elif line % 2:
                project.apply()
                runs = RELEASES[runs]
            else:
                project.must("rollback", "--auto-approve")
            everyone_is_served_once(project, runs)
            project.spec["variables"]["release"] = RELEASES[runs]
            line += 1
    everyone_is_served_once(project, RELEASES[runs])
    assert load.tally.failed == 0, load.words
