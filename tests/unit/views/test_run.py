import io
import json
import re
from dataclasses import replace

import pytest

from sutazai.address import agent
from sutazai.events import (
    CanaryBaking,
    CanaryStep,
    ChangeFailed,
    ChangeFinished,
    ChangeStarted,
    Event,
    Figures,
    ImageProgress,
    Notice,
    Progress,
    RunFinished,
    RunStarted,
    WaveFinished,
    WaveStarted,
)
from sutazai.views.events_json import JsonLines, to_json
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


JUDGED = CanaryStep(
    START + 20, agent("planner"), 2, 4, 10, "analysis", 268.0, "errors",
    Figures(1204, 3, 0.041, 0.098, 31.2 * 2**20), Figures(10836, 0, 0.0405, 1.2, 30.0 * 2**20),
    message="1204 requests, and 10836 to the old version, of at least 2000",
)  # fmt: skip
PASSED = replace(
    JUDGED, at=START + 33, seconds=0.0, outcome="pass", message="errors 0.2 % of 1204 against 0.0 % of 10836"
)


def canaries() -> list[Event]:
    """A canary that is judged, one that waits and has no figures, and one that has nobody's traffic."""
    names = tuple(map(agent, ("planner", "writer", "reader")))
    return [
        RunStarted(START, "apply", "local", 7, 3, 1),
        WaveStarted(START, 1, names),
        *(ChangeStarted(START, name, "replace-start-first") for name in names),
        CanaryStep(START + 9, names[0], 1, 4, 10, "set_weight"),
        CanaryStep(START + 9, names[0], 2, 4, 10, "analysis", 300.0, "errors"),
        CanaryStep(START + 10, names[1], 2, 4, 20, "pause", 30.0),
        CanaryStep(
            START + 15, names[0], 2, 4, 10, "analysis", 294.0, "errors",
            Figures(0, 0, None, None, None), Figures(9, 0, 0.04, 0.05, None),
        ),
        JUDGED,
    ]  # fmt: skip


def test_a_canary_shows_its_step_its_time_and_the_figures_of_both_versions():
    run = Run()
    for event in canaries():
        run.feed(event)
    rows = plain(display(run, {}, START + 22, 100, 40)).splitlines()
    assert rows[2:] == [
        "   0:22 agent.planner  canary step 2 of 4 at 10 %: analysis errors, at most 4:26 left",
        "          new   1,204 requests  0.2 % errors    p50 41 ms   p95 98 ms  31.2 MiB",
        "          old  10,836 requests  0.0 % errors  p50 40.5 ms  p95 1.20 s  30.0 MiB",
        "   0:22 agent.reader   replacing",
        "   0:22 agent.writer   canary step 2 of 4 at 20 %: pause, 0:18 left",
    ]
    run.feed(Progress(START + 40, agent("planner"), "creating"))
    assert "canary" not in plain(display(run, {}, START + 40, 100, 40)).splitlines()[2]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60)])
def test_figures_of_many_canaries_fit_any_terminal(width, height):
    run = big_run()
    for address, _ in run.longest():
        run.feed(replace(JUDGED, address=address))
    rows = plain(display(run, {}, START + 200, width, height)).splitlines()
    assert len(rows) <= max(height // 2, 4)
    assert all(cells(row) <= width for row in rows)
    assert any(row.strip().startswith("new") for row in rows) == (height >= 24)


def test_plain_lines_of_a_canary():
    stream = io.StringIO()
    sink = PlainLines(stream)
    for event in (*canaries(), PASSED):
        sink(event)
    figures = (
        "1,204 requests, 0.2 % errors, p50 41 ms, p95 98 ms, 31.2 MiB; "
        "old version: 10,836 requests, 0.0 % errors, p50 40.5 ms, p95 1.20 s, 30.0 MiB"
    )
    assert stream.getvalue().splitlines()[2:] == [
        "[ 0:09] agent.planner canary step 1 of 4: 10 % of the traffic",
        "[ 0:09] agent.planner canary step 2 of 4 at 10 %: analysis errors, at most 5:00 left",
        "[ 0:10] agent.writer canary step 2 of 4 at 20 %: pause, 0:30 left",
        f"[ 0:20] agent.planner canary step 2 of 4 at 10 %: analysis errors, at most 4:28 left: {figures}",
        "[ 0:33] agent.planner analysis errors pass: errors 0.2 % of 1204 against 0.0 % of 10836",
    ]


def test_figures_are_fields_of_json():
    row = json.loads(to_json(JUDGED))
    assert (row["type"], row["address"], row["step"], row["steps"], row["weight"]) == (
        "canary_step", "agent.planner", 2, 4, 10,
    )  # fmt: skip
    assert row["canary"] == {
        "requests": 1204,
        "errors": 3,
        "p50": 0.041,
        "p95": 0.098,
        "memory": 31.2 * 2**20,
    }
    assert json.loads(to_json(replace(JUDGED, canary=None)))["canary"] is None
