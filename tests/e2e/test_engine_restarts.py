"""An engine of the test's own, restarted in the middle of a release under load: the run is taken back when the engine is there
again, or the next one ends it one way or the other. Afterwards everyone is served once, and never by somebody else."""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from e2e.own_engine import OwnEngine, own_engine
from e2e.project import ENVIRONMENT, RELEASES, Project, until
from e2e.under_load import Load, everyone_is_served_once, routed, served, under_load, with_agents
from sutazai.specs.traffic import IMAGE
from sutazai.store.local import LocalStore

pytestmark = [pytest.mark.docker, pytest.mark.slow]
CANARY = {"strategy": "canary", "steps": [{"set_weight": 20}, {"pause": "3s"}]}
BLUE_GREEN = {"strategy": "blue_green", "min_healthy_time": "2s"}
AGENTS = {"swift": BLUE_GREEN, "canary": CANARY}
SETTLED = 2.0  # seconds from when an engine answers again until every port leads where it did


@dataclass(frozen=True, slots=True)
class Restart:
    """How the engine ends, how it is started again, and whether the containers live on meanwhile: then requests may fail as it
    starts, and at no other time."""

    by: signal.Signals
    options: tuple[str, ...] = ()
    lives_on: bool = False


STOPPED = Restart(signal.SIGTERM)
"""The engine stops its containers, and starts them again, as they are to be restarted, at other addresses."""
KILLED = Restart(signal.SIGKILL)
"""The engine stops what is left of its containers when it starts, and leaves them at that."""
LIVES_ON = Restart(signal.SIGKILL, ("--live-restore",), lives_on=True)
"""The containers live on. The engine forgets where their ports lead for a moment, as it starts."""


@pytest.fixture(scope="module")
def engine(docker_engine: docker.DockerClient) -> Iterator[OwnEngine]:
    with own_engine(docker_engine, [*RELEASES, IMAGE]) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, engine: OwnEngine) -> Iterator[Project]:
    with engine.network.entered(), contextlib.closing(engine.client()) as client:
        made = Project(tmp_path / "project", client)
        made.environment["provider"]["host"] = engine.socket
        yield made
        engine.clear()
        made.remove()


def restarted_in_a_release(
    project: Project, engine: OwnEngine, restart: Restart, *options: str
) -> tuple[int, str]:
    """How a run ended whose engine went away while its canary waited, and came back when the run had seen it; and what it said."""
    engine.kill(signal.SIGTERM)
    engine.start(*restart.options)
    with_agents(project, {name: routed(rollout) for name, rollout in AGENTS.items()}).apply()
    journal = LocalStore(project.state, project.name, ENVIRONMENT).journal()
    project.spec["variables"]["release"] = "1.1"
    with project.started("apply", "--auto-approve", *options) as process:
        with asked(project) as before:
            until(
                lambda: any(step.data.get("doing") == "pause" for step in journal.read()),
                "no canary",
                within=60,
            )
        with asked(project) as load:
            engine.kill(restart.by)
            until(lambda: any(entry.phase == "end" for entry in journal.read()), "the run goes on", within=60)
            down = time.time()
            engine.start(*restart.options)
            up = time.time()
            printed, errors = process.communicate(timeout=120)
    assert before.tally.failed == 0, before.words
    unexcused = [failure for failure in load.tally.failures if not down <= failure.at < up + SETTLED]
    assert not (restart.lives_on and unexcused), load.words
    assert {name: load.names(name) - {name} for name in AGENTS} == {name: set() for name in AGENTS}, (
        load.words
    )
    assert "Traceback" not in errors
    assert restart is STOPPED or "no answer from Docker" in errors, errors
    return process.returncode, printed + errors


def asked(project: Project) -> contextlib.AbstractContextManager[Load]:
    return under_load(project, list(AGENTS), list(AGENTS))


@pytest.mark.parametrize("restart", [STOPPED, KILLED, LIVES_ON], ids=["stopped", "killed", "lives on"])
def test_a_run_is_taken_back_when_its_engine_is_there_again(
    project: Project, engine: OwnEngine, restart: Restart
) -> None:
    code, said = restarted_in_a_release(project, engine, restart)
    assert code == 3, said
    everyone_is_served_once(project, "1.0")


@pytest.mark.parametrize(
    ("restart", "command", "version"),
    [(STOPPED, ("apply", "--resume"), "1.1"), (KILLED, ("rollback",), "1.0")],
    ids=["stopped", "killed"],
)
def test_the_next_run_ends_what_was_left_as_it_was(
    project: Project, engine: OwnEngine, restart: Restart, command: tuple[str, ...], version: str
) -> None:
    code, said = restarted_in_a_release(project, engine, restart, "--on-failure", "pause")
    assert code == 4, said
    with contextlib.ExitStack() as stack:
        if restart is not KILLED:  # else nobody is served until then
            until(lambda: served(project), "the containers that the engine started do not serve", within=60)
            load = stack.enter_context(asked(project))
        project.must(*command, "--auto-approve")
    everyone_is_served_once(project, version)
    assert restart is KILLED or load.tally.failed == 0, load.words
