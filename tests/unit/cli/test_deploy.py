"""`deploy` is apply with a look afterwards."""

import json
from pathlib import Path

import pytest

from unit.cli.workshop import IMAGES, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_only_what_was_selected_is_verified(workshop: Workshop) -> None:
    workshop.declare(a=IMAGES[0], b=IMAGES[0])
    for selected in (
        ("--target", "a"),
        ("--exclude", "b"),
    ):  # b is never made, and the second time there is nothing to do
        ended = workshop.run("deploy", *selected, "--auto-approve")
        assert ended.returncode == 0, ended.stderr
        assert "verified: 1 of 1 as serial 1, 1 healthy" in ended.stdout


def test_what_was_replaced_because_it_was_asked_for_is_as_it_should_be(workshop: Workshop) -> None:
    workshop.declare(a=IMAGES[0])
    assert workshop.run("deploy", "--auto-approve").returncode == 0
    ended = workshop.run("deploy", "--replace", "a", "--auto-approve", "--json")
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [event["type"] for event in events[-2:]] == ["run_finished", "verified"]
    assert {name: events[-1][name] for name in ("serial", "total", "same", "healthy", "differences")} == {
        "serial": 2,
        "total": 1,
        "same": 1,
        "healthy": 1,
        "differences": [],
    }


def test_what_is_not_healthy_afterwards_is_named(workshop: Workshop) -> None:
    workshop.declare(a=IMAGES[0])
    assert workshop.run("deploy", "--auto-approve").returncode == 0
    path = workshop.root / "state" / "engine.json"
    engine = json.loads(path.read_text())
    for container in engine["containers"].values():
        container["answers"] = {"*": "HTTP 503"}
    path.write_text(json.dumps(engine))
    ended = workshop.run("deploy", "--auto-approve")
    assert ended.returncode == 4
    assert "agent.a" in ended.stderr
    assert "HTTP 503" in ended.stderr


@pytest.mark.parametrize(
    ("given", "code", "last"), [((), 3, "rollback"), (("--on-failure", "pause"), 4, "deploy")]
)
def test_what_fails_is_taken_back(workshop: Workshop, given: tuple[str, ...], code: int, last: str) -> None:
    workshop.declare(a=IMAGES[0])
    assert workshop.run("deploy", "--auto-approve").returncode == 0
    workshop.declare(a=IMAGES[1])
    ended = workshop.run("deploy", "--auto-approve", *given)
    assert ended.returncode == code, ended.stderr
    assert workshop.newest()["operation"]["command"] == last
