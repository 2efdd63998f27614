"""What a shell may hand over though nobody means it: the command says what is wrong with it, and nothing is half done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOT_TEXT = b"caf\xe9"


def run(
    root: Path, *arguments: str | bytes, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sutazai.cli.main", "--chdir", str(root), *arguments]
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8:strict", **variables}
    return subprocess.run(
        command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def make_project(root: Path) -> Path:
    (root / "specs").mkdir(parents=True)
    (root / "environments").mkdir()
    (root / "specs" / "project.yaml").write_text("project: shop\nagents: {one: {image: alpine}}\n")
    (root / "environments" / "local.yaml").write_text("provider: {kind: simulated}\n")
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "shop")


@pytest.mark.parametrize(
    "command",
    [
        ("apply", "--auto-approve", "-m"),
        ("apply", "--auto-approve", "--approved-by"),
        ("rollback", "--auto-approve", "-m"),
        ("emergency", "--auto-approve", "-m"),
        ("deploy", "--auto-approve", "-m"),
        ("state", "mv", "agent.one", "agent.two", "-m"),
        ("state", "rm", "agent.one", "-m"),
    ],
)
def test_what_a_serial_would_keep_must_be_text(project: Path, command: tuple[str, ...]) -> None:
    ended = run(project, *command, NOT_TEXT)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "'caf\\udce9' is not UTF-8" in ended.stderr
    assert not (project / "state").exists()


def test_a_project_can_be_in_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    root = make_project(tmp_path / os.fsdecode(NOT_TEXT))
    assert run(root, "apply", "--auto-approve").returncode == 0
    assert run(root, "state", "mv", "agent.one", "agent.two").returncode == 0
    ended = run(root, "state", "verify")
    assert "/caf\\udce9/state/local: the chain of hashes is whole" in ended.stdout


@pytest.mark.parametrize("command", ["plan", "drift", "status", "history"])
def test_who_only_looks_makes_no_file(project: Path, command: str) -> None:
    assert run(project, "apply", "--auto-approve").returncode == 0
    (project / "state" / "local" / ".guard").unlink()
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    assert run(project, command).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before
