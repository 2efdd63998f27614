"""Real crashes on a real engine: the process killed at instants of chance, the engine killed under a run, the disk full. What
the next run finds it finishes; nothing is there twice, nothing is orphaned, no serial is lost."""

import contextlib
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from e2e.own_engine import own_engine
from e2e.project import ENVIRONMENT, RELEASES, Project, until
from sutazai.store.local import LocalStore

pytestmark = pytest.mark.docker
AGENTS, CHANGED = 20, 6


def agents(image: str, count: int = AGENTS) -> dict[str, Any]:
    """Small and quick to make; every fifth one waits for the one before, so that there are waves."""
    found = {}
    for number in range(count):
        body: dict[str, Any] = {"image": image, "network_mode": "none", "init": True, "restart": "unless-stopped",
                                "stop_grace_period": "1s", "deploy": {"resources": {"limits": {"memory": "32M"}}}}  # fmt: skip
        if number % 5 == 0 and number:
            body["depends_on"] = [f"a{number - 1:02}"]
        found[f"a{number:02}"] = body
    return found


@pytest.fixture
def many(project: Project) -> Project:
    project.spec = {"project": project.name, "agents": agents(RELEASES[0])}
    return project


def store(project: Project) -> LocalStore:
    return LocalStore(project.state, project.name, ENVIRONMENT)


def look(project: Project, serials: int) -> int:
    """What must hold after a crash, whatever it left: how many serials there are now."""
    found = store(project)
    problems = [problem for problem in found.verify() if "state.json" not in problem]
    assert not problems, problems
    assert len(found.serials()) >= serials, "a serial is lost"
    newest, told = found.newest(), {entry.address for entry in found.journal().read()}
    known = {row.id for record in newest.resources for row in record.instances} if newest else set()
    containers = project.containers()
    places = Counter((c.labels["io.sutazai.address"], c.labels["io.sutazai.slot"]) for c in containers)
    assert max(places.values(), default=0) <= 1, f"twice: {places}"
    for container in containers:
        assert container.id in known or container.labels["io.sutazai.address"] in told, (
            f"{container.name} is known to nobody"
        )
    return len(found.serials())


def killed_until_done(project: Project, draw: random.Random, kills: int, *arguments: str) -> int:
    """Kill the command at instants of chance of its run, at most so often, then let it finish; how often it was killed."""
    serials, done = len(store(project).serials()), 0
    for _ in range(kills):
        with project.started(*arguments) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0.3, 1.3))
            if process.poll() is None:
                process.kill()
                done += 1
            errors = process.communicate()[1]
        assert "Traceback" not in errors
        serials = look(project, serials)
        if process.returncode == 0:
            break
    project.must(*arguments)
    look(project, serials)
    return done


@pytest.mark.parametrize("seed", [20261124])
def test_killed_at_instants_of_chance_of_apply_rollback_and_destroy(many: Project, seed: int) -> None:
    """The faster the machine, the fewer instants a run has; so the life of the fleet begins anew until there were enough."""
    draw = random.Random(seed)  # noqa: S311 - instants, not secrets
    kills = 0
    for _ in range(8):
        kills += _killed_through_a_life(many, draw)
        if kills >= 20:
            return
    pytest.fail(f"only {kills} kills")


def _killed_through_a_life(many: Project, draw: random.Random) -> int:
    """From nothing to the whole fleet, changed, taken back, and gone again; how often a process was killed."""
    many.spec["agents"] = agents(RELEASES[0])
    kills = killed_until_done(many, draw, 20, "apply", "--auto-approve")
    first = many.ids()
    assert len(first) == AGENTS
    many.nothing_to_do()
    assert store(many).journal().read() == ()

    serial = store(many).serials()[-1]
    many.spec["agents"] |= agents(RELEASES[1], CHANGED)
    many.apply()
    many.spec["agents"] = agents(RELEASES[0])
    kills += killed_until_done(many, draw, 10, "rollback", "--state", str(serial), "--auto-approve")
    old = many.engine.images.get(RELEASES[0]).id
    assert {c.attrs["Image"] for c in many.containers()} == {old}
    assert len(set(many.ids().values()) & set(first.values())) == AGENTS - CHANGED
    many.nothing_to_do()

    kills += killed_until_done(many, draw, 10, "destroy", "--auto-approve")
    assert not many.containers()
    assert not store(many).verify()
    return kills


def test_a_run_that_was_killed_is_finished_or_taken_back_as_it_was_planned(many: Project) -> None:
    many.apply()
    first = many.ids()
    many.spec["agents"] = agents(RELEASES[1])
    killed_in_the_middle(many, "-green")
    many.spec["agents"] = agents("no/such:image")
    many.must("rollback", "--auto-approve")
    assert {c.attrs["Image"] for c in many.containers()} == {many.engine.images.get(RELEASES[0]).id}
    refused = many.run("rollback", "--auto-approve")
    assert refused.returncode == 1
    assert "no run of lab to take back" in refused.stderr
    assert len(set(first.values()) & set(many.ids().values())) > 0, "what the run had not reached was touched"

    many.spec["agents"] = agents(RELEASES[1])
    killed_in_the_middle(many, "")
    many.spec["agents"] = agents("no/such:image")
    printed = many.must("apply", "--resume", "--auto-approve")
    assert "the specs have changed since that apply began" in printed
    assert {c.attrs["Image"] for c in many.containers()} == {many.engine.images.get(RELEASES[1]).id}
    assert len(many.ids()) == AGENTS
    refused = many.run("apply", "--resume", "--auto-approve")
    assert refused.returncode == 1
    assert "no run of lab to go on with" in refused.stderr


def killed_in_the_middle(project: Project, slot: str) -> None:
    before = {c.id for c in project.containers()}
    with project.started("apply", "--auto-approve") as process:
        until(
            lambda: [
                c for c in project.containers(all_states=False) if c.id not in before and slot in c.name
            ],
            "nothing new runs",
        )
        process.kill()
        process.communicate()


def test_what_is_still_being_stopped_when_its_run_is_taken_back_is_started_again(project: Project) -> None:
    told = "/tmp/told"
    deaf = {"entrypoint": ["sh", "-c", f"trap 'touch {told}' TERM; while :; do sleep 0.1; done"], "stop_grace_period": "6s",
            "network_mode": "none", "restart": "unless-stopped", "rollout": {"strategy": "recreate"}}  # fmt: skip
    project.spec = {"project": project.name, "agents": {"deaf": {"image": RELEASES[0], **deaf}}}
    project.apply()
    before = project.container("deaf")
    project.agent("deaf")["image"] = RELEASES[1]
    with project.started("apply", "--auto-approve") as process:
        until(lambda: before.exec_run(["test", "-e", told]).exit_code == 0, "it was not told to stop")
        process.kill()
        process.communicate()
    project.must("rollback", "--auto-approve")
    (there,) = project.containers()
    assert (there.id, there.status) == (before.id, "running")
    assert there.attrs["State"]["StartedAt"] != before.attrs["State"]["StartedAt"]
    project.agent("deaf")["image"] = RELEASES[0]
    project.nothing_to_do()


def test_an_engine_that_is_killed_under_a_run(tmp_path: Path, docker_engine: docker.DockerClient) -> None:
    with own_engine(docker_engine) as engine, contextlib.closing(engine.client()) as client:
        project = Project(tmp_path / "project", client)
        project.environment["provider"]["host"] = engine.socket
        project.spec = {"project": project.name, "agents": agents(RELEASES[0], 12)}
        with project.started("apply", "--auto-approve", "--parallelism", "2") as process:
            until(lambda: len(project.containers()) >= 4, "the run did not begin")
            engine.kill()
            printed, errors = process.communicate(timeout=60)
        assert process.returncode == 4, printed + errors
        assert "Traceback" not in errors
        assert project.recorded()["operation"]["outcome"] == "failed"
        unreachable = project.run("apply", "--auto-approve")
        assert unreachable.returncode == 7, unreachable.stderr
        engine.start()
        look(project, 1)
        project.apply()
        assert len(project.ids()) == 12
        assert {c.status for c in project.containers()} == {"running"}
        look(project, 2)
        project.nothing_to_do()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB on a loop device."""
    image, mount = tmp_path / "disk", tmp_path / "mount"
    with image.open("wb") as file:
        file.truncate(1024 * 1024)
    mount.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-N", "64", "-O", "^has_journal", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_disk_that_fills_up_under_a_run(many: Project, small_disk: Path) -> None:
    many.state = small_disk / "state"
    many.environment["state"] = {"kind": "local", "path": str(many.state)}
    many.spec["agents"] = agents(RELEASES[0], 8)
    filler = small_disk / "filler"
    with many.started("apply", "--auto-approve", "--parallelism", "1") as process:
        until(many.containers, "the run did not begin")
        fill(filler)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 4, printed + errors
    assert "No space left on device" in errors
    assert "Traceback" not in errors
    assert 0 < len(many.containers()) < 8
    look(many, 0)
    full = many.run("apply", "--auto-approve")
    assert full.returncode in (1, 4), full.stdout + full.stderr
    assert "No space left on device" in full.stderr
    filler.unlink()
    many.apply()
    assert len(many.ids()) == 8
    look(many, 1)
    many.nothing_to_do()
    assert not store(many).verify()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 1024):
            pass
