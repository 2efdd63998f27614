"""What stdin, stdout and stderr are is no matter of the run that is told of there."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sutazai.cli.streams import UnfailingSink, make_usable
from sutazai.events import Event, Notice
from sutazai.views.events_json import JsonLines
from unit.cli.workshop import IMAGES, Workshop

Ended = subprocess.CompletedProcess[str]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    made.declare(a=IMAGES[0], b=IMAGES[0])
    return made


def nobody_reads(workshop: Workshop, *arguments: str) -> Ended:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return workshop.run(*arguments, stdout=writer)
    finally:
        os.close(writer)


def full(workshop: Workshop, *arguments: str) -> Ended:
    with Path("/dev/full").open("w") as stream:
        return workshop.run(*arguments, stdout=stream)


def all_full(workshop: Workshop, *arguments: str) -> Ended:
    with Path("/dev/full").open("w") as stream:
        return workshop.run(*arguments, stdout=stream, stderr=stream)


def closed(which: str) -> Callable[..., Ended]:
    def run(workshop: Workshop, *arguments: str) -> Ended:
        command = ["sh", "-c", f'exec "$@" {which}', "sh", *workshop.command(*arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


STREAMS = {
    "nobody reads": nobody_reads,
    "full": full,
    "all full": all_full,
    "stdout closed": closed(">&-"),
    "all closed": closed(">&- 2>&- <&-"),
}


@pytest.fixture(params=STREAMS)
def ran(request: pytest.FixtureRequest) -> Callable[..., Ended]:
    return STREAMS[request.param]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_run_goes_on_and_ends_as_it_ends(
    workshop: Workshop, ran: Callable[..., Ended], form: tuple[str, ...]
) -> None:
    ended = ran(workshop, "apply", "--auto-approve", *form)
    assert "bug" not in (ended.stderr or "")
    assert ended.returncode == 0, ended.stderr
    operation = workshop.newest()["operation"]
    assert (operation["outcome"], operation["added"]) == ("done", 3)
    assert ran(workshop, "apply", "--auto-approve", *form).returncode == 0  # nothing to do


def test_a_run_that_fails_is_taken_back_all_the_same(workshop: Workshop, ran: Callable[..., Ended]) -> None:
    assert workshop.run("apply", "--auto-approve").returncode == 0
    workshop.declare(a=IMAGES[1], b=IMAGES[0])
    assert ran(workshop, "apply", "--auto-approve").returncode == 3
    operation = workshop.newest()["operation"]
    assert (operation["command"], operation["outcome"]) == ("rollback", "done")


def test_what_reads_only_ends_without_a_word_of_a_bug(workshop: Workshop) -> None:
    assert nobody_reads(workshop, "plan").stderr == ""
    ended = full(workshop, "plan")
    assert ended.returncode == 1
    assert ended.stderr == "Error: not all could be written: No space left on device\n"


def test_where_nobody_saw_the_plan_nobody_is_asked(workshop: Workshop) -> None:
    ended = full(workshop, "apply")
    assert ended.returncode == 1
    assert not (workshop.root / "state" / "local" / "state.json").exists()


def test_nobody_can_be_asked_at_a_closed_stdin(workshop: Workshop) -> None:
    ended = closed("<&-")(workshop, "apply")
    assert ended.returncode == 1
    assert "nobody can be asked for approval" in ended.stderr


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("latin-1", "ü\\u2192\\ud83d\\ude00"), ("ascii", "\\u00fc\\u2192\\ud83d\\ude00")],
)
def test_what_an_encoding_can_not_show_is_written_out(workshop: Workshop, encoding: str, shown: str) -> None:
    specs = {"project": "shop", "agents": {"a": {"image": IMAGES[0], "environment": {"MOTTO": "ü→😀"}}}}
    (workshop.root / "specs" / "project.yaml").write_text(
        json.dumps(specs, ensure_ascii=False), encoding="utf-8"
    )
    environ = {"PYTHONIOENCODING": encoding}
    ended = workshop.run("apply", "--auto-approve", env=environ, encoding=encoding)
    assert ended.returncode == 0, ended.stderr
    assert shown in ended.stdout


def test_an_event_as_json_stays_json_whatever_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    make_usable()
    JsonLines(stream)(Notice(0.0, "info", "ü→😀"))
    stream.seek(0)
    assert json.loads(stream.read())["message"] == "ü→😀"


def test_a_sink_that_fails_is_told_no_more_and_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Event] = []

    def broken(event: Event) -> None:
        told.append(event)
        raise KeyError("a bug of the display")

    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    sink = UnfailingSink(broken)
    for _ in range(2):
        sink(Notice(0.0, "info", "it goes on"))
    assert len(told) == 1
    assert said.getvalue().count("Warning: nothing more can be shown") == 1
