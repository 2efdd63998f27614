import io
import json
import re

import pytest

from sutazai.address import agent
from sutazai.events import (
    CanaryBaking,
    ChangeFailed,
    ChangeFinished,
    ChangeStarted,
    Event,
    ImageProgress,
    Notice,
    Progress,
    RunFinished,
    RunStarted,
    WaveFinished,
    WaveStarted,
)
from sutazai.views.events_json import JsonLines
from sutazai.views.lines import PlainLines
from sutazai.views.live import LiveDisplay, display
from sutazai.views.run import Run
from sutazai.views.text import Console, cells, plain

START = 1_767_225_600.0
FAILED = ChangeFailed(START + 42, agent("writer"), "replace", 'check "up" (http): 503 Service Unavailable',
                      ("loading", "\x1b[31mno model file"))  # fmt: skip


def a_run(*, fails: bool) -> list[Event]:
    names = tuple(map(agent, ("planner", "writer")))
    events: list[Event] = [
        RunStarted(START, "apply", "local", 7, 3, 2),
        ImageProgress(START + 1, "fleet/agent:1.0", "building"),
        ImageProgress(START + 2, "fleet/agent:1.0", "step 3 of 9"),
        WaveStarted(START + 3, 1, names, canary=True),
        ChangeStarted(START + 3, names[0], "create"),
        ChangeStarted(START + 4, names[1], "replace"),
        Progress(START + 5, names[1], 'waiting: http check "up": connection refused'),
        ChangeFinished(START + 8, names[0], "create", 5.0),
    ]
    if fails:
        return [*events, FAILED, RunFinished(START + 43, "failed", 7, 1, 0, 0, 0, 43.0, 2, 3)]
    return [
        *events,
        ChangeFinished(START + 9, names[1], "replace", 5.0),
        WaveFinished(START + 9, 1, 6.0),
        CanaryBaking(START + 9, names, 20, 30.0),
        WaveStarted(START + 9, 2, (agent("old"),)),
        ChangeStarted(START + 9, agent("old"), "destroy"),
        Notice(START + 10, "info", "agent.old was gone already"),
        ChangeFinished(START + 70, agent("old"), "destroy", 61.0),
        WaveFinished(START + 70, 2, 61.0),
        RunFinished(START + 71, "done", 7, 1, 0, 1, 1, 71.0, 3, 3),
    ]


@pytest.mark.parametrize(("fails", "name"), [(False, "run-done.txt"), (True, "run-failed.txt")])
def test_plain_lines_golden(golden, fails, name):
    stream = io.StringIO()
    sink = PlainLines(stream)
    for event in a_run(fails=fails):
        sink(event)
    golden(name, stream.getvalue())


def test_first_thing_after_a_failure_says_who_which_check_and_what_it_answered():
    stream = io.StringIO()
    sink = PlainLines(stream)
    for event in a_run(fails=True):
        sink(event)
    end = stream.getvalue().split("\n\n")[-1].splitlines()
    assert end[0] == 'FAILED agent.writer: check "up" (http): 503 Service Unavailable'
    assert "  | \\x1b[31mno model file" in end
    assert end[-2] == "Apply stopped. Until then: 1 added, 0 changed, 0 replaced, 0 destroyed. Serial 7."


def test_json_lines_have_type_time_and_plain_addresses():
    stream = io.StringIO()
    sink = JsonLines(stream)
    for event in a_run(fails=True):
        sink(event)
    rows = [json.loads(row) for row in stream.getvalue().splitlines()]
    assert len(rows) == len(a_run(fails=True))
    assert rows[0] == {"type": "run_started", "at": "2026-01-01T00:00:00.000Z", "command": "apply",
                       "environment": "local", "serial": 7, "total": 3, "waves": 2}  # fmt: skip
    assert rows[3]["addresses"] == ["agent.planner", "agent.writer"]
    assert rows[-2]["logs"] == ["loading", "\x1b[31mno model file"]


def big_run() -> Run:
    run = Run()
    names = tuple(agent(f"an-agent-with-quite-a-long-name-number-{n:03}") for n in range(131))
    run.feed(RunStarted(START, "apply", "local", 7, 131, 1))
    run.feed(WaveStarted(START, 1, names))
    for n, name in enumerate(names):
        run.feed(ChangeStarted(START + n, name, "create"))
        run.feed(
            Progress(
                START + n, name, 'waiting: http check "healthy": connection refused at 192.168.64.2:8080'
            )
        )
    return run


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60)])
def test_display_of_131_agents_fits_any_terminal_and_shows_the_cause(width, height):
    rows = plain(display(big_run(), {}, START + 200, width, height)).splitlines()
    assert len(rows) <= max(height // 2, 4)
    assert all(cells(row) <= width for row in rows)
    assert "0/131" in rows[0]
    if width >= 80:
        assert "number-000" in rows[2] or "…" in rows[2]
        assert 'http check "healthy": connection refused' in rows[2]
        assert re.search(r"and 123 more under way", rows[-1])


def test_longest_waiting_first():
    assert [address.name[-3:] for address, _ in big_run().longest()][:3] == ["000", "001", "002"]


def test_live_display_leaves_finished_waves_failures_and_the_end_on_the_screen():
    for fails, expected in (
        (True, 'agent.writer: check "up" (http): 503'),
        (False, "wave 1 of 2 is healthy"),
    ):
        stream = io.StringIO()
        sink = LiveDisplay(Console(stream, 100, colour=False, live=True))
        for event in a_run(fails=fails):
            sink(event)
        text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", stream.getvalue())
        assert expected in text
        assert ("Apply stopped." if fails else "Apply complete! Resources: 1 added") in text


def test_live_display_can_be_closed_when_a_run_dies():
    stream = io.StringIO()
    sink = LiveDisplay(Console(stream, 100, colour=False, live=True))
    sink(a_run(fails=False)[0])
    sink.close()
    sink.close()
    assert stream.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in stream.getvalue()
