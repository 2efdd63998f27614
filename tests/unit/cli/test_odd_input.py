"""What a shell may hand over though nobody means it: the command says what is wrong with it, and nothing is half done."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

NOT_TEXT = b"caf\xe9"


def run(
    root: Path, *arguments: str | bytes, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sutazai", "--chdir", str(root), *arguments]
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8:strict", **variables}
    return subprocess.run(
        command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20
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


@pytest.mark.parametrize("nobody", ["", " "])
def test_an_approver_who_has_no_name_approves_nothing(project: Path, nobody: str) -> None:
    """`--approved-by "$APPROVER"` of a pipeline in which that is not set: the serial said that the pipeline had approved."""
    ended = run(project, "apply", "--auto-approve", "--approved-by", nobody)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "--approved-by" in ended.stderr
    assert "it is empty" in ended.stderr
    assert not (project / "state").exists()


def test_files_are_looked_for_where_the_project_is(project: Path, tmp_path: Path) -> None:
    """As plan files are, and as Terraform has it; wherever the command runs."""
    assert run(project, "apply", "--auto-approve").returncode == 0
    state = json.loads((project / "state" / "local" / "state.json").read_text())
    (project / "edited.json").write_text(json.dumps(state | {"serial": 2, "sutazai_version": "0"}))
    (project / "place.yaml").write_text("{kind: local, path: elsewhere}")
    for name, text in (("edited.json", "{"), ("place.yaml", "{kind: nowhere}")):
        (tmp_path / name).write_text(text)
    pushed = run(project, "state", "push", "edited.json", cwd=tmp_path)
    assert pushed.stdout == "Serial 2: serial 2 of edited.json is recorded.\n", pushed.stderr
    moved = run(project, "state", "migrate", "--to", "@place.yaml", cwd=tmp_path)
    assert moved.returncode == 0, moved.stderr
    assert (project / "elsewhere" / "state.json").exists()
    missing = run(project, "state", "push", "missing.json", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "can't read missing.json: No such file or directory" in missing.stderr


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


def test_in_a_directory_that_is_gone_a_project_can_still_be_named(project: Path, tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, sys, tempfile
        sys.argv[0] = "sutazai"
        os.chdir(gone := tempfile.mkdtemp())
        os.rmdir(gone)
        from sutazai.cli.main import main
        main()
    """)

    def there(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    assert there("--chdir", str(project), "plan").returncode == 0
    assert there("version").returncode == 0
    for arguments in (("plan",), ("--chdir", ".", "plan")):
        ended = there(*arguments)
        assert ended.returncode == 1
        assert ended.stderr.startswith(
            "Error: the current directory can't be found: No such file or directory"
        )


def test_a_number_in_a_variable_has_digits_that_can_be_counted_with(project: Path) -> None:
    for columns in ("²", "9" * 5000):
        assert run(project, "plan", COLUMNS=columns).returncode == 0
        ended = run(project, "plan", MAX_WORKERS=columns)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("Error: MAX_WORKERS is")


@pytest.mark.parametrize("broken", ["folder", "loop", "pipe", "deep"])
def test_a_plan_file_is_not_carried_out_on_a_state_that_can_not_be_read(project: Path, broken: str) -> None:
    assert run(project, "apply", "--auto-approve").returncode == 0
    file, state = str(project / "p"), project / "state" / "local" / "state.json"
    assert run(project, "plan", "-o", file).returncode == 0
    state.unlink()
    match broken:
        case "folder":
            state.mkdir()
        case "loop":
            state.symlink_to(state)
        case "pipe":
            os.mkfifo(state)
        case _:
            state.write_text("[" * 200_000)
    for command in (("apply", file), ("plan",), ("status",)):
        ended = run(project, *command)
        assert ended.returncode == 1
        assert str(state) in ended.stderr
        assert "bug" not in ended.stderr


def test_a_pipe_in_place_of_the_journal_is_not_waited_for(project: Path) -> None:
    assert run(project, "apply", "--auto-approve").returncode == 0
    journal = project / "state" / "local" / "journal.jsonl"
    journal.unlink(missing_ok=True)
    os.mkfifo(journal)
    for command in (("plan",), ("apply", "--auto-approve")):
        ended = run(project, *command)
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"Error: can't read {journal}: it is not a regular file")


def test_where_a_state_was_moved_to_need_not_be_text(project: Path) -> None:
    assert run(project, "apply", "--auto-approve").returncode == 0
    (project / "state" / "local" / "moved").write_bytes(b"/srv/" + NOT_TEXT)
    ended = run(project, "apply", "--auto-approve")
    assert ended.returncode == 1
    assert "was moved to /srv/caf\\xe9" in ended.stderr


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_a_folder_that_can_t_be_written_is_no_bug(options: tuple[str, ...]) -> None:
    """In /sys nobody makes a folder, whoever he is."""
    ended = run(Path("/sys"), "init", *options)
    assert ended.returncode == 1
    said = ended.stdout if options else ended.stderr
    assert "/sys/environments" in said
    assert "bug" not in said
    assert "this user" in said or "read-only" in said


@pytest.mark.parametrize(
    "command", [("show",), ("fmt",), ("apply",), ("plan", "-o"), ("init", "--from-compose")], ids=" ".join
)
@pytest.mark.parametrize("name", ["x" * 300, "9" * 5_000], ids=["letters", "digits"])
def test_a_name_that_no_file_can_have_is_no_bug(project: Path, command: tuple[str, ...], name: str) -> None:
    ended = run(project, *command, name)
    assert ended.returncode == 1
    assert "File name too long" in ended.stderr
    assert "bug" not in ended.stderr
