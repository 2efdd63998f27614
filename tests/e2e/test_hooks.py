"""Hooks on a real engine: a migration before anything changes, a smoke test whose failure takes everything back, a last word before
the stop; and a wave that stands still."""

import io
import re
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest

from e2e.project import RELEASES, Project, until

pytestmark = pytest.mark.docker
WROTE = "import os; open('/data/log', 'a').write('{}\\n'); print('{} of', os.environ['AGENT_NAME'])"


def writes(word: str, then: str = "") -> list[str]:
    """A command that leaves a word in the volume, and says so."""
    return ["python3", "-c", WROTE.format(word, word) + then]


def with_hooks(project: Project, image: str, **hooks: Any) -> Project:
    """One agent with a volume, whose checks pass."""
    loner = project.agent("loner")
    body = {**loner, "image": image, "user": "root", "hooks": hooks, "stop_grace_period": "1s"}
    project.spec = {**project.spec, "agents": {"loner": {k: v for k, v in body.items() if k != "route"}}}
    return project


def log_of(project: Project) -> list[str]:
    """What the hooks left in the volume."""
    chunks, _ = project.container("loner").get_archive("/data/log")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        found = archive.extractfile("log")
        assert found is not None
        return found.read().decode().split()


ALL = {"pre_deploy": writes("migrated"), "post_deploy": writes("smoked"), "pre_stop": writes("parted")}


def test_each_runs_at_its_time_and_nothing_of_it_stays(project: Project) -> None:
    printed = with_hooks(project, RELEASES[0], **ALL).must("plan")
    assert "pre_deploy: agent.loner (in a container of its own (sutazai/agent-runtime:1.0))" in printed
    assert "migrated of loner" in project.must("apply", "--auto-approve", "--json")
    assert log_of(project) == ["migrated", "smoked"]
    first = project.container("loner").id
    with_hooks(project, RELEASES[1], **ALL).apply()
    assert log_of(project) == ["migrated", "smoked", "migrated", "parted", "smoked"]
    assert [one.id == first for one in project.containers()] == [False]
    project.nothing_to_do()
    project.must("rollback", "--state", "1", "--auto-approve")
    assert log_of(project)[-3:] == ["migrated", "parted", "smoked"], "its containers had to be made anew"


def test_a_post_deploy_that_fails_takes_everything_back(project: Project) -> None:
    with_hooks(project, RELEASES[0], **ALL).apply()
    before = project.ids()
    smoke = writes("smoked", "; print('GET / answered 500'); raise SystemExit(7)")
    ended = with_hooks(project, RELEASES[1], **{**ALL, "post_deploy": smoke}).run("apply", "--auto-approve")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert re.search(r"agent\.loner: its post_deploy hook exited with code 7", ended.stderr), ended.stderr
    assert "| GET / answered 500" in ended.stdout
    assert project.ids() == before
    assert log_of(project)[2:] == ["migrated", "parted", "smoked", "parted"], (
        "the old version's hooks ran for its warm container"
    )


def test_a_pre_deploy_that_fails_leaves_all_as_it_is(project: Project) -> None:
    with_hooks(project, RELEASES[0]).apply()
    before, started = project.ids(), project.container("loner").attrs["State"]["StartedAt"]
    hook = {"command": ["sh", "-c", "echo no such table >&2; exit 3"], "image": RELEASES[0]}
    ended = with_hooks(project, RELEASES[1], pre_deploy=hook).run(
        "apply", "--auto-approve", "--on-failure", "pause"
    )
    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert "agent.loner: its pre_deploy hook exited with code 3" in ended.stderr
    assert "| no such table" in ended.stdout
    assert (project.ids(), project.container("loner").attrs["State"]["StartedAt"]) == (before, started)
    missing = with_hooks(project, RELEASES[1], pre_deploy="no-such-program").run("apply", "--auto-approve")
    assert "its pre_deploy hook exited with code 127 (there is no such command)" in missing.stderr


def hooks_there(project: Project) -> list[str]:
    return [c.name for c in project.containers() if "io.sutazai.hook" in c.labels]


@pytest.mark.parametrize(
    "again", [("apply", "--auto-approve"), ("rollback", "--auto-approve")], ids=["apply", "rollback"]
)
def test_killed_while_a_hook_runs_the_next_run_ends_it(
    project: Project, tmp_path: Path, again: tuple[str, ...]
) -> None:
    with_hooks(project, RELEASES[0]).apply()
    slow = {"command": "sleep 300", "timeout": "250s"}
    with_hooks(project, RELEASES[1], pre_deploy=slow)
    with project.started("apply", "--auto-approve") as process:
        until(lambda: hooks_there(project), "no hook runs")
        process.kill()
        process.communicate()
    assert hooks_there(project) == [f"{project.name}-lab-loner-green-pre-deploy"]
    assert "will be removed" in project.must("plan")
    with_hooks(project, RELEASES[1], pre_deploy=writes("migrated"))
    project.must(*again)
    assert hooks_there(project) == []
    image = RELEASES[1] if again[0] == "apply" else RELEASES[0]
    assert project.container("loner").attrs["Config"]["Image"] == image
    assert len(project.containers()) == 1


@pytest.mark.parametrize("hook", [{"pre_deploy": {"command": "sleep 300", "timeout": "250s"}},
                                  {"post_deploy": {"command": "sleep 30", "timeout": "250s"}}], ids=["apart", "inside"])  # fmt: skip
def test_an_interrupt_ends_the_waiting_for_a_hook(project: Project, hook: dict[str, Any]) -> None:
    name = next(iter(hook))
    with with_hooks(project, RELEASES[0], **hook).started("apply", "--auto-approve") as process:
        journal = project.state / "journal.jsonl"
        sign = '"call":"start"' if name == "pre_deploy" else '"call":"hook"'
        until(lambda: journal.exists() and sign in journal.read_text().replace(" ", ""), "no hook is run")
        process.send_signal(signal.SIGINT)
        process.wait(60)
        process.communicate()
    assert process.returncode == 130
    assert hooks_there(project) == []


def test_a_wave_that_stands_still_is_given_up(project: Project) -> None:
    stuck = {"command": "sleep 300", "timeout": "250s"}
    with_hooks(project, RELEASES[0], pre_deploy=stuck)
    project.agent("loner")["rollout"] = {"healthy_deadline": "2s", "progress_deadline": "3s"}
    ended = project.run("apply", "--auto-approve")
    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert (
        "agent.loner: no progress in its wave for 3s: agent.loner was running its pre_deploy hook"
        in ended.stderr
    )
    assert project.containers() == []
