"""What is refused changes nothing, says why on its first line and ends with the contract's exit code."""

import json
import os
import pty
import selectors
import subprocess
import time
from pathlib import Path

import pytest

from e2e.project import Project, command_line, until
from free_port import free_port

pytestmark = pytest.mark.docker
REPOSITORY = Path(__file__).parents[2]


def test_without_a_terminal_and_without_approval_nothing_is_applied(project: Project) -> None:
    ended = project.run("apply")
    assert ended.returncode == 1
    assert "--auto-approve" in ended.stderr
    assert not project.containers()
    assert not project.engine.networks.list(filters=project.mine)
    assert project.serials() == []


def answered(project: Project, answer: str) -> tuple[int, str]:
    """`apply` in a terminal of its own, its question answered; the exit code and what the terminal showed."""
    own, theirs = pty.openpty()
    try:
        process = subprocess.Popen(project.command("apply"), env=project.environ({"TERM": "xterm"}), stdin=theirs, stdout=theirs,
                                   stderr=theirs, start_new_session=True)  # fmt: skip
    finally:
        os.close(theirs)
    shown, asked, deadline = b"", False, time.monotonic() + 100
    readable = selectors.DefaultSelector()
    readable.register(own, selectors.EVENT_READ)
    try:
        while time.monotonic() < deadline:
            if readable.select(0.2):
                try:
                    read = os.read(own, 65536)
                except OSError:  # Linux says EIO when the last writer has gone
                    break
                shown += read
            if not asked and b"Enter a value" in shown:
                os.write(own, answer.encode() + b"\n")
                asked = True
        return process.wait(timeout=5), shown.decode()
    finally:
        process.kill()
        process.wait()
        readable.close()
        os.close(own)


@pytest.mark.parametrize("answer", ["no", "y", "", "YES"])
def test_any_answer_but_yes_changes_nothing(project: Project, answer: str) -> None:
    code, shown = answered(project, answer)
    assert code == 1, shown
    assert "Only 'yes' will be accepted to approve." in shown
    assert not project.containers()
    assert project.serials() == []


def test_yes_applies(project: Project) -> None:
    code, shown = answered(project, "yes")
    assert code == 0, shown
    assert set(project.ids()) == {"base", "planner", "writer", "loner"}
    project.nothing_to_do()


def test_one_writer_at_a_time(project: Project) -> None:
    project.hold("base")
    with project.started("apply", "--auto-approve") as first:
        until(project.containers, "the first apply did not begin")
        second = project.run("apply", "--auto-approve")
        assert second.returncode == 5, second.stdout + second.stderr
        held = json.loads((project.state / "lock.json").read_text())
        assert held["ID"] in second.stderr
        assert held["Who"] in second.stderr
        assert "apply" in second.stderr
        project.let_go("base")
        printed, errors = first.communicate(timeout=100)
    assert first.returncode == 0, printed + errors
    project.nothing_to_do()


def test_a_lock_is_waited_for_as_long_as_told(project: Project) -> None:
    project.agent("base")["environment"] = {"FAULT_START_DELAY": "6"}
    with project.started("apply", "--auto-approve") as first:
        until(project.containers, "the first apply did not begin")
        project.must("apply", "--auto-approve", "--lock-timeout", "100s")
        assert first.wait(timeout=60) == 0
    assert project.serials() == [1]


@pytest.mark.parametrize(
    "command", [["plan"], ["apply", "--auto-approve"], ["destroy", "--auto-approve"], ["status"]]
)
def test_docker_that_does_not_answer_is_exit_7(project: Project, command: list[str]) -> None:
    ended = project.run(*command, DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert ended.returncode == 7, ended.stdout + ended.stderr
    assert "/nonexistent/docker.sock" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_doctor_says_the_same_with_the_same_code_after_all_else_that_it_found(project: Project) -> None:
    for specs in ("sound", "broken"):
        if specs == "broken":
            project.agent("base")["imagee"] = "x"
        ended = project.run("doctor", DOCKER_HOST="unix:///nonexistent/docker.sock")
        assert ended.returncode == 7, ended.stdout + ended.stderr
        assert "ERROR    docker: " in ended.stdout
        assert "/nonexistent/docker.sock" in ended.stdout
        assert "specs: " in ended.stdout
    assert project.run("doctor").returncode == 1, "only the specs are broken"


def test_the_doctor_looks_at_docker_where_the_state_cannot_be_read(project: Project) -> None:
    state = project.root / "state" / "lab"
    state.mkdir(parents=True)
    for damaged in ("state.json", "journal.jsonl"):
        (state / damaged).write_text('{"format": 1}\n{}\n')
        ended = project.run("doctor")
        (state / damaged).unlink()
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert ended.stdout.count("ok       docker: ") == 1, ended.stdout
        assert "ERROR    state: " in ended.stdout, ended.stdout


def test_production_plans_without_its_images() -> None:
    ended = subprocess.run(command_line(REPOSITORY, "production", "plan"), env={**os.environ, "COLUMNS": "120"},
                           capture_output=True, text=True, timeout=60)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "131" in ended.stdout
    assert " to add, 0 to change, 0 to replace, 0 to destroy." in ended.stdout


def test_a_port_held_by_another_process_is_found_before_anything_is_touched(project: Project) -> None:
    import socket

    port = free_port()
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        project.agent("loner")["route"]["port"] = port
        ended = project.run("apply", "--auto-approve")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert str(port) in ended.stderr
    assert "agent.loner" in ended.stderr
    assert not project.containers()


def test_an_image_that_cannot_be_had_is_named(project: Project) -> None:
    project.agent("planner")["image"] = f"127.0.0.1:{free_port()}/nobody/nothing:0"
    ended = project.run("apply", "--auto-approve")
    assert ended.returncode in (1, 4)
    assert "nobody/nothing:0" in ended.stderr.splitlines()[0] + ended.stderr
    assert not project.containers()


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--target", "plannr"],
        ["plan", "--nonsense"],
        ["plna"],
        ["rollback"],
        ["plan", "--var", "novalue"],
        ["plan", "--to-serial", "3"],
        ["show", "3"],
        ["diff", "1", "2"],
        ["apply", "--auto-approve", "--lock-timeout", "soon"],
        ["apply", "--parallelism", "0"],
        ["state", "show", "agent.nobody"],
        ["state", "list", "agent.*", "agent.nobody"],
        ["state", "unlock", "none"],
        ["plan", "--replace", "base", "--destroy"],
        ["plan", "--replace", "base", "--refresh-only"],
        ["apply", "--replace", "base", "--refresh-only", "--auto-approve"],
        ["plan", "--replace", "network.fleet"],
        ["plan", "--replace", "writer", "--exclude", "base"],
        ["plan", "--to-serial", "1", "--var", "release=1.1"],
        ["state", "migrate", "--to", ""],
        ["state", "migrate", "--to", "@nowhere"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_end_in_exit_1_and_no_traceback(project: Project, arguments: list[str]) -> None:
    ended = project.run(*arguments)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stderr
    assert "Traceback" not in ended.stderr
    assert "this is a bug" not in ended.stderr
    assert not project.containers()


def test_wrong_specs_end_in_exit_1_with_every_problem(project: Project) -> None:
    project.agent("planner")["imgae"] = "x"
    project.agent("writer")["depends_on"] = ["plannr"]
    ended = project.run("apply", "--auto-approve")
    assert ended.returncode == 1
    assert "imgae" in ended.stderr
    assert "plannr" in ended.stderr
    assert not project.containers()
    assert not project.state.exists()


def test_json_ends_in_json_also_when_refused(project: Project) -> None:
    ended = project.run("apply", "--json", DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert ended.returncode == 7
    assert json.loads(ended.stdout.splitlines()[-1])["exit_code"] == 7
