"""`doctor` names what would keep an apply from being carried out."""

import json
from pathlib import Path

from unit.cli.workshop import IMAGES, SETTINGS, Workshop


def test_a_state_that_was_moved_away_is_an_error(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    workshop.declare(a=IMAGES[0])
    assert workshop.run("apply", "--auto-approve").returncode == 0
    assert workshop.run("doctor").returncode == 0
    assert workshop.run("state", "migrate", "--to", "{kind: local, path: other}").returncode == 0
    ended = workshop.run("doctor", "--json")
    assert ended.returncode == 1
    (found,) = [row for row in json.loads(ended.stdout) if row["level"] == "error"]
    assert found["subject"] == "state"
    assert str(tmp_path / "other") in found["message"]
    moved = {**SETTINGS, "state": {"kind": "local", "path": "other"}}
    (tmp_path / "environments" / "local.yaml").write_text(json.dumps(moved))
    assert workshop.run("doctor").returncode == 0


def test_a_key_that_leads_nowhere_is_no_bug(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    workshop.declare(a=IMAGES[0])
    (tmp_path / "environments" / "local.key").symlink_to("nowhere")
    assert workshop.run("doctor").returncode == 0
