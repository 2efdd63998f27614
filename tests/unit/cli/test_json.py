"""What commands print with `--json`: JSON, and nothing else."""

import json
import os
import pty
from pathlib import Path
from typing import Any

import pytest

from unit.cli.workshop import IMAGES, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    made.declare(a=IMAGES[0])
    return made


def lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("command", [("apply",), ("deploy",), ("destroy",), ("rollback", "--state", "1")])
def test_nobody_is_asked_at_a_terminal_either(workshop: Workshop, command: tuple[str, ...]) -> None:
    assert workshop.run("apply", "--auto-approve").returncode == 0
    workshop.declare(a=IMAGES[0], b=IMAGES[0])
    if command[0] == "rollback":
        assert workshop.run("apply", "--auto-approve").returncode == 0
    before = workshop.newest()["serial"]
    master, terminal = pty.openpty()
    try:
        os.write(master, b"yes\n")
        ended = workshop.run(*command, "--json", stdin=terminal)
    finally:
        os.close(master)
        os.close(terminal)
    assert ended.returncode == 1
    (refused,) = lines(ended.stdout)
    assert refused["type"] == "error"
    assert "--auto-approve" in refused["hint"]
    assert workshop.newest()["serial"] == before


def nothing_was_done(event: dict[str, Any]) -> bool:
    counts = [event[name] for name in ("added", "changed", "replaced", "destroyed", "healthy", "total")]
    return (event["type"], event["outcome"], event["serial"]) == ("run_finished", "done", None) and not any(
        counts
    )


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_run_with_nothing_to_do_says_that_it_ended(workshop: Workshop, before: int) -> None:
    """The second time it is known without a plan."""
    for _ in range(before + 1):
        assert workshop.run("apply", "--auto-approve").returncode == 0
    ended = workshop.run("apply", "--json", "--auto-approve")
    (event,) = lines(ended.stdout)
    assert nothing_was_done(event)


def test_so_does_a_rollback_and_a_plan_file(workshop: Workshop) -> None:
    assert workshop.run("apply", "--auto-approve").returncode == 0
    assert workshop.run("plan", "-o", "here.plan").returncode == 0
    for command in (("rollback", "--state", "1", "--auto-approve"), ("apply", "here.plan")):
        (event,) = lines(workshop.run(*command, "--json").stdout)
        assert nothing_was_done(event)


def test_env_create_prints_one_object(workshop: Workshop) -> None:
    ended = workshop.run("env", "create", "qa", "--extends", "local", "--json")
    assert json.loads(ended.stdout) == {
        "environment": "qa",
        "extends": "local",
        "file": "environments/qa.yaml",
    }
    assert (workshop.root / "environments" / "qa.yaml").exists()


def test_cleanup_prints_one_object(workshop: Workshop) -> None:
    nothing: dict[str, list[Any]] = {"removed": [], "kept": [], "left_over": []}
    assert json.loads(workshop.run("cleanup", "--json").stdout) == nothing
    assert workshop.run("apply", "--auto-approve").returncode == 0
    workshop.declare(a=IMAGES[2])
    assert workshop.run("apply", "--auto-approve").returncode == 0
    refused = workshop.run("cleanup", "--keep", "1", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["type"]) == (1, "error")
    removed = json.loads(workshop.run("cleanup", "--keep", "1", "--json", "--auto-approve").stdout)
    assert removed == {**nothing, "removed": [{"kind": "image", "name": "sha256:" + "0" * 64, "of": None}]}


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("plam",), "no command 'plam'"),
        (("secrets", "list"), "not carried out yet"),
        (("plan", "--nope"), "No such option"),
        (("state", "lst"), "No such command"),
        (("history", "-n", "0"), "not in the range"),
        (("show", "1", "2", "3"), "unexpected extra argument"),
    ],
)
def test_a_command_line_that_is_not_understood_is_told_in_json_too(
    workshop: Workshop, command: tuple[str, ...], says: str
) -> None:
    ended = workshop.run(*command, "--json")
    (told,) = lines(ended.stdout)
    assert (ended.returncode, told["type"], ended.stderr) == (1, "error", "")
    assert says in told["message"]
