"""The real specs of this repository where there is no Docker: planned, applied, broken and rolled back on an engine in a file."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]


class Copy:
    """A copy of the repository's specs in a folder of its own, or of no specs."""

    def __init__(self, root: Path, source: Path | None = REPOSITORY) -> None:
        self.root = root
        if source is None:
            return
        names = (
            "specs",
            "modules",
            "environments",
            "images",
            "scripts",
            *(("state",) if source != REPOSITORY else ()),
        )
        for name in names:
            shutil.copytree(source / name, root / name)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "sutazai",
            *arguments,
            "-e",
            "simulated",
            "--chdir",
            str(self.root),
        ]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "COLUMNS": "120", "DOCKER_HOST": "tcp://127.0.0.1:9"})  # fmt: skip

    def must(self, *arguments: str) -> str:
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def edit(self, change: Any) -> None:
        """As a person edits the engine's file."""
        path = self.root / "state" / "engine.json"
        engine = json.loads(path.read_text())
        change(engine)
        path.write_text(json.dumps(engine, indent=1))

    def nothing_to_do(self) -> None:
        assert self.run("plan", "--detailed-exitcode").returncode == 0


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("applied") / "copy")
    assert "134 of 134 healthy" in copy.must("apply", "--auto-approve")
    return copy


@pytest.fixture
def fleet(applied: Copy, tmp_path: Path) -> Copy:
    """The whole local fleet, healthy on the simulated engine."""
    return Copy(tmp_path / "copy", applied.root)


def first_agent(engine: dict[str, Any]) -> str:
    return next(
        name for name in sorted(engine["containers"]) if "redis" not in name and "postgres" not in name
    )


def test_planning_makes_no_file(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    assert copy.run("plan", "--detailed-exitcode").returncode == 2
    assert not (copy.root / "state").exists()


def test_applied_plans_empty_and_destroy_leaves_nothing(fleet: Copy) -> None:
    fleet.nothing_to_do()
    fleet.must("destroy", "--volumes", "--auto-approve")
    engine = json.loads((fleet.root / "state" / "engine.json").read_text())
    assert not {"containers", "networks", "volumes"} & engine.keys()
    assert engine["images"]


def test_a_container_that_is_stopped_or_taken_out_by_an_edit_is_mended(fleet: Copy) -> None:
    def breaks(engine: dict[str, Any]) -> None:
        names = sorted(engine["containers"])
        engine["containers"][names[0]] |= {"status": "exited", "exit_code": 137}
        del engine["containers"][names[1]]

    fleet.edit(breaks)
    assert "132 of 134 healthy" in fleet.must("status")
    planned = fleet.must("plan")
    assert "Plan: 1 to add, 1 to change, 0 to replace, 0 to destroy." in planned
    assert "exited with code 137" in planned
    fleet.must("apply", "--auto-approve")
    fleet.nothing_to_do()


def test_a_check_that_is_answered_badly_by_an_edit_shows(fleet: Copy) -> None:
    fleet.edit(lambda engine: engine["containers"][first_agent(engine)].update(answers={"*": "HTTP 503"}))
    status = fleet.must("status")
    assert "133 of 134 healthy" in status
    assert "HTTP 503" in status


def test_a_bad_release_fails_and_is_taken_back(fleet: Copy) -> None:
    fleet.edit(lambda engine: engine["images"].update(
        {"sutazai/agent-runtime:2.0": {"id": "sha256:" + "2" * 64, "answers": {"*": "HTTP 500"}}}
    ))  # fmt: skip
    local = fleet.root / "environments" / "local.yaml"
    local.write_text(
        local.read_text()
        .replace('release: "1.0"', 'release: "2.0"')
        .replace("healthy_deadline: 2m", "healthy_deadline: 1s")
    )
    ended = fleet.run("apply", "--auto-approve", "--target", "agent-debugger")
    assert ended.returncode == 3, ended.stdout
    assert "HTTP 500" in ended.stderr
    assert "Rollback complete!" in ended.stdout
    assert "134 of 134 healthy" in fleet.must("status")


def test_an_edit_that_can_not_be_understood_is_explained(fleet: Copy) -> None:
    fleet.edit(lambda engine: engine["containers"][first_agent(engine)].update(status="broken"))
    ended = fleet.run("plan")
    assert ended.returncode == 1
    assert "can't be understood: containers." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_demo_simulates_where_docker_can_neither_be_found_nor_installed(tmp_path: Path) -> None:
    """A machine without apt, without a client and without a socket; in a mount namespace, so that only this test sees it so."""
    copy = Copy(tmp_path / "copy")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "dirname", "id", "timeout", "python3", "date", "sleep"):
        (tools / name).symlink_to(shutil.which(name) or "")
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec env -i PATH="$0" HOME=/ "$1/scripts/demo.sh" "$2"',
         str(tools), str(copy.root), str(Path(sys.executable).parent)],
        cwd=copy.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "cannot install docker.io" in ended.stderr
    assert "NO DOCKER: THIS IS A SIMULATION" in ended.stdout
    assert "134 of 134 healthy" in ended.stdout
    assert "sutazai status -e simulated" in ended.stdout


def test_an_engine_that_is_chosen_and_does_not_answer_is_no_reason_to_simulate(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    ended = subprocess.run(
        [copy.root / "scripts" / "demo.sh", str(Path(sys.executable).parent)], cwd=copy.root, capture_output=True, text=True,
        timeout=60, env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9"},
    )  # fmt: skip
    assert ended.returncode == 1
    assert "does not answer" in ended.stderr
    assert "SIMULATION" not in ended.stdout


def test_what_nobody_named_is_cleaned_up_only_when_told(tmp_path: Path) -> None:
    """Volumes without a name that containers left behind."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "simulated.yaml").write_text("provider: {kind: simulated}\n")
    (tmp_path / "specs" / "project.yaml").write_text(
        "project: shop\nagents: {a: {image: 'shop/a:1', volumes: [/data]}}\n"
    )
    project = Copy(tmp_path, None)
    project.must("apply", "--auto-approve")
    assert "Nothing to clean up" in project.must("cleanup", "--volumes", "--auto-approve")
    assert "a volume without a name will be left over" in project.must("destroy", "--auto-approve")
    said = project.must("cleanup", "--auto-approve")
    assert "1 volume without a name (of agent.a)" in said
    assert "Nothing to clean up" in said
    said = project.must("cleanup", "--volumes", "--auto-approve")
    assert "of agent.a, with its data" in said
    assert "removed " in said
    assert "volumes" not in json.loads((tmp_path / "state" / "engine.json").read_text())


def test_one_damaged_serial_hides_no_other(fleet: Copy) -> None:
    fleet.must("apply", "--auto-approve", "--replace", "agent.system-validator")
    first = fleet.root / "state" / "simulated" / "serials" / "000001.json"
    first.chmod(0o600)
    first.write_text(first.read_text().replace('"serial"', '"serail"', 1))
    ended = fleet.run("history", "--json")
    assert ended.returncode == 1
    assert [row["serial"] for row in json.loads(ended.stdout)] == [2]
    error = json.loads(ended.stderr)
    assert "000001.json" in error["message"]
    assert "sutazai state verify" in error["hint"]


def test_a_plan_that_cannot_be_saved_is_one_document_all_the_same(fleet: Copy) -> None:
    ended = fleet.run("plan", "--json", "-o", str(fleet.root / "nowhere" / "plan"))
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["format_version"]
    assert json.loads(ended.stderr)["type"] == "error"
