"""SIGINT and SIGTERM wherever they come: while a plan is made, at the prompt, while an image is built, and twice."""

import os
import pty
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.project import ENVIRONMENT, RELEASES, Project, until
from sutazai.store.local import LocalStore

pytestmark = pytest.mark.docker
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])


@pytest.fixture
def mute_engine(tmp_path: Path) -> Iterator[socket.socket]:
    """An engine that accepts and never answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "mute.sock"))
        listener.listen()
        yield listener


@BOTH
def test_while_the_plan_is_made(project: Project, mute_engine: socket.socket, number: signal.Signals) -> None:
    project.environment["provider"]["host"] = f"unix://{mute_engine.getsockname()}"
    with project.started("apply", "--auto-approve") as process:
        connection, _ = mute_engine.accept()
        with connection:
            process.send_signal(number)
            printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, printed + errors
    assert errors.splitlines()[0] == "Error: interrupted: nothing was changed"
    assert not (project.state / "lock.json").exists()


def _waits_for_a_line(pid: int) -> bool:
    """Whether the kernel has the process waiting in a read of its terminal."""
    return Path(f"/proc/{pid}/wchan").read_text() in ("wait_woken", "n_tty_read")


@BOTH
def test_at_the_prompt(project: Project, number: signal.Signals) -> None:
    project.write()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(project.command()[0], project.command("apply"), project.environ())  # noqa: S606 - the command under test
    shown = b""
    while b"Enter a value" not in shown:
        shown += os.read(terminal, 4096)
    # Python can miss a signal that comes in the instant before it begins to read; a person would press once more.
    until(lambda: _waits_for_a_line(pid), "nobody waits for the answer")
    os.kill(pid, number)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    assert code == 130
    assert not project.containers()
    assert project.serials() == []
    assert not (project.state / "lock.json").exists()


@pytest.fixture
def building(project: Project) -> Iterator[Project]:
    """A project whose first image takes long to build."""
    context = project.root / "images" / "slow"
    context.mkdir(parents=True)
    # The project's name makes it a step that the builder has never made, and what is left of it a thing that can be found.
    (context / "Dockerfile").write_text(
        f"FROM {RELEASES[0]}\nLABEL of={project.name}\nRUN python3 -c 'import time; time.sleep(8)' # {project.name}\n"
    )
    image = f"{project.name}/slow:1"
    project.spec["agents"] = {
        "slow": {"image": image, "build": {"context": "images/slow"}, "network_mode": "none"}
    }
    yield project
    until(lambda: not builds_under_way(project), "the build goes on")
    if project.engine.images.list(name=image):
        project.engine.images.remove(image, force=True)
    project.engine.images.prune(filters={"dangling": True, "label": f"of={project.name}"})


def builds_under_way(project: Project) -> list[str]:
    """Containers in which a step of a build runs."""
    return [
        c.id
        for c in project.engine.containers.list(sparse=True, filters={"status": "running"})
        if "time.sleep(8)" in str(c.attrs["Command"]) and project.name in str(c.attrs["Command"])
    ]


def test_once_while_an_image_is_built_waits_for_it_and_begins_nothing(building: Project) -> None:
    with building.started("apply", "--auto-approve") as process:
        until(lambda: builds_under_way(building), "no build")
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, printed + errors
    assert "once more stops it at once" in printed
    assert not building.containers()


def test_twice_while_an_image_is_built_does_not_wait(building: Project) -> None:
    with building.started("apply", "--auto-approve") as process:
        until(lambda: builds_under_way(building), "no build")
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        until(lambda: "once more stops it at once" in process.stdout.readline(), "the first was not heard")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, printed + errors
    assert time.monotonic() - began < 6
    assert "Traceback" not in errors
    building.apply()
    assert [c.status for c in building.containers()] == ["running"]


@BOTH
def test_many_times_is_as_good_as_twice(project: Project, number: signal.Signals) -> None:
    project.agent("planner")["environment"] = {"FAULT_START_DELAY": "20"}
    with project.started("apply", "--auto-approve") as process:
        until(
            lambda: [c for c in project.containers(all_states=False) if "-planner-" in c.name], "no planner"
        )
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.02)
        errors = process.communicate()[1]
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert project.recorded()["operation"]["outcome"] == "interrupted"
    assert not LocalStore(project.state, project.name, ENVIRONMENT).verify()
