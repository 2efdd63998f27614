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
