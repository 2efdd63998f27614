"""What `cleanup` leaves alone."""

import json
from pathlib import Path

import pytest

from sutazai.model.workload import declared
from sutazai.operations.plan import pinned_images
from sutazai.plan.situation import PlanOptions, stored_options
from sutazai.ports import JournalEntry
from sutazai.store.local import LocalStore
from unit.cli.workshop import IMAGES, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Two serials, the first of which ran another image."""
    made = Workshop(tmp_path)
    for image in (IMAGES[0], IMAGES[2]):
        made.declare(a=image)
        assert made.run("apply", "--auto-approve").returncode == 0
    return made


def cut_off(workshop: Workshop, kind: str) -> None:
    """A run to what serial 1 was, of which the beginning is there and nothing else."""
    store = LocalStore(workshop.root / "state" / "local", "shop", "local")
    state = store.read(1)
    options = (
        PlanOptions(kind="rollback", of_serial=1, pinned=pinned_images(state))
        if kind == "rollback"
        else PlanOptions()
    )
    data = {
        "serial": 3, "set_out": 2, "lineage": state.lineage, "desired": declared(state.desired),
        "options": stored_options().dump_python(options, mode="json"),
    }  # fmt: skip
    with store.lock("test"):
        store.journal().append(JournalEntry("begin", "one", 0.0, "", kind, data))


@pytest.mark.parametrize("kind", ["apply", "rollback"])
def test_what_an_unfinished_run_is_to_run_stays_until_it_is_finished(workshop: Workshop, kind: str) -> None:
    cut_off(workshop, kind)
    found = json.loads(workshop.run("cleanup", "--keep", "1", "--json", "--auto-approve").stdout)
    assert found["removed"] == []
    resumed = workshop.run("apply", "--resume", "--auto-approve")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    (container,) = json.loads((workshop.root / "state" / "engine.json").read_text())["containers"].values()
    assert container["body"]["image"] == IMAGES[0]


def test_so_does_what_it_is_taken_back_to(workshop: Workshop) -> None:
    """It went on with one that set out from the first."""
    store = LocalStore(workshop.root / "state" / "local", "shop", "local")
    cut_off(workshop, "apply")
    journal = workshop.root / "state" / "local" / "journal.jsonl"
    line = json.loads(journal.read_text())
    line["data"] |= {"set_out": 1, "desired": declared(store.read(2).desired)}
    journal.write_text(json.dumps(line) + "\n")
    found = json.loads(workshop.run("cleanup", "--keep", "1", "--json", "--auto-approve").stdout)
    assert found["removed"] == []
    back = workshop.run("rollback", "--auto-approve")
    assert back.returncode == 0, back.stdout + back.stderr
