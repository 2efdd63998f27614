"""What is left when a writer is killed or the disk gives out: always a state that can be read and gone on
from."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sutazai.errors import StateError
from sutazai.store import files

HERE = Path(__file__).parent
TESTS = HERE.parents[1]


def run(*command: str) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    result = subprocess.run([*command], capture_output=True, text=True, env=environment, timeout=240)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_killed_at_every_call_of_a_commit(tmp_path: Path) -> None:
    found = run(sys.executable, str(HERE / "crash.py"), "points", str(tmp_path / "state"))
    assert found["problems"] == []
    assert found["left"] == []
    assert found["kills"] > 80


def test_killed_at_moments_of_chance(tmp_path: Path) -> None:
    found = run(sys.executable, str(HERE / "crash.py"), "moments", str(tmp_path / "state"), "60")
    assert (found["kills"], found["problems"], found["left"]) == (60, [], [])
    assert found["serials"] > 1


def test_a_full_and_a_read_only_disk(tmp_path: Path) -> None:
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    said = run(*alone, sys.executable, str(HERE / "full_disk.py"), str(tmp_path))
    for what in ("commit", "journal"):
        message, hint = said[what]
        assert message.endswith("No space left on device")
        assert hint == "the disk is full: free some space and run the command again"
    for what in ("read-only", "lock on read-only"):
        message, hint = said[what]
        assert "Read-only file system" in message
        assert "read-only" in hint
    truths = ("same files", "same state", "entries are whole")
    assert [said[truth] for truth in truths] == [True, True, True]
    assert (said["goes on"], said["last entry"], said["still read"]) == (2, "end", 2)


def test_create_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.create(path, b"first")
    with pytest.raises(StateError, match="File exists"):
        files.create(path, b"second")
    assert path.read_bytes() == b"first"
    files.replace(path, b"third")
    assert path.read_bytes() == b"third"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replace_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.replace(path, b"first")

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StateError, match="Input/output error") as caught:
        files.replace(path, b"second")
    assert "kernel's log" in (caught.value.hint or "")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_a_folder_should_be_is_explained(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match=r"can't make the folder .*state/local"):
        files.make_folder(tmp_path / "state" / "local")
