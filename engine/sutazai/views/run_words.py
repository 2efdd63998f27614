"""What is said about events of a run, the same on a terminal and in a log."""

from collections.abc import Iterator, Sequence

from sutazai.events import (
    CanaryBaking,
    CanaryStep,
    ChangeFailed,
    ChangeFinished,
    ChangeSkipped,
    Figures,
    RunFinished,
    RunStarted,
    TrafficLed,
    Verified,
    WaveFinished,
    WaveStarted,
)
from sutazai.model.units import format_duration, format_latency
from sutazai.views.run import Run
from sutazai.views.text import Line, Span, clean, line, plural

DOING = {
    "create": "creating",
    "update": "updating",
    "replace": "replacing",
    "replace-start-first": "replacing",
    "destroy": "destroying",
    "adopt": "adopting",
}
DONE = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "replace-start-first": "replaced",
    "destroy": "destroyed",
    "adopt": "adopted",
}
_MOST_FAILURES = 10


def clock(seconds: float) -> str:
    """Elapsed time as `0:07`, `12:34` or `1:02:03`."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(seconds: float) -> str:
    """A duration for people: `0.4s`, `12s`, `3m05s`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s"


def started(event: RunStarted) -> Line:
    waves = plural(event.waves, "wave")
    return line(Span(f"{_command(event.command)} to {clean(event.environment)}", "bold"),
                f": {plural(event.total, 'change')} in {waves}, to be serial {event.serial}.")  # fmt: skip


def wave_started(event: WaveStarted, waves: int) -> str:
    canary = " (canary)" if event.canary else ""
    return f"wave {event.index} of {waves}{canary}: {plural(len(event.addresses), 'resource')}"


def wave_finished(event: WaveFinished, waves: int, run: Run) -> str:
    end = "is gone" if run.wave_removes else "is healthy" if event.waited else "is done"
    return (
        f"wave {event.index} of {waves} {end}: {plural(run.wave_size, 'resource')} in {span(event.seconds)}"
    )


def baking(event: CanaryBaking) -> str:
    return f"canary: {len(event.addresses)} of {event.total}, baking for {format_duration(event.seconds)}"


def traffic_led(event: TrafficLed) -> str:
    who = str(event.addresses[0]) if len(event.addresses) == 1 else f"{len(event.addresses)} routes"
    return f"traffic led back: {who} in {span(event.seconds)}"


def verified(event: Verified) -> Iterator[Line]:
    """Whether what runs is what the serial says; what differs, line by line."""
    goal = f"as serial {event.serial}" if event.serial is not None else "as it was to be"
    good = not event.differences
    text = f"{event.same} of {event.total} {goal}, {event.healthy} healthy"
    if good and not event.total:
        text = "nothing is left of what was to go"
    yield line(Span("verified: " if good else "not verified: ", "bold green" if good else "bold red"), text)
    yield from (line(Span("  - ", "red"), clean(difference)) for difference in event.differences)


def canary_step(event: CanaryStep, now: float) -> str:
    """`canary step 2 of 5 at 20 %: pause, 0:18 left`"""
    place, left = f"canary step {event.step} of {event.steps}", clock(event.at + event.seconds - now)
    if event.doing == "pause":
        return f"{place} at {event.weight} %: pause, {left} left"
    if event.doing == "analysis":
        return f"{place} at {event.weight} %: analysis {clean(event.analysis)}, at most {left} left"
    return f"{place}: {event.weight} % of the traffic"


def canary_outcome(event: CanaryStep) -> str:
    return f"{event.address} analysis {clean(event.analysis)} {event.outcome}: {clean(event.message)}"


def figures(version: Figures) -> tuple[str, ...]:
    """`1,204 requests`, `0.2 % errors`, `p50 41 ms`, `p95 98 ms`, `31.2 MiB`; empty where it is not known."""
    rate = f"{100 * version.errors / version.requests:.1f} % errors" if version.requests else ""
    times = (
        f"{name} {format_latency(time)}" if time is not None else ""
        for name, time in (("p50", version.p50), ("p95", version.p95))
    )
    memory = "" if version.memory is None else f"{version.memory / (1 << 20):.1f} MiB"
    return f"{version.requests:,} requests", rate, *times, memory


def change_finished(event: ChangeFinished) -> str:
    return f"{event.address} {DONE.get(event.action, clean(event.action))} in {span(event.seconds)}"


def change_skipped(event: ChangeSkipped) -> str:
    return f"{event.address} is left out: it needs {event.cause}, which failed"


def failed(event: ChangeFailed) -> str:
    """The moment of it; the end of the run says why."""
    return f"{event.address} failed"


def failure(event: ChangeFailed) -> Iterator[Line]:
    """What failed first, which check, what it answered, and the last lines of its output."""
    yield line(Span("FAILED ", "bold red"), Span(f"{event.address}: ", "bold"), clean(event.cause))
    if event.logs:
        lines = "line" if len(event.logs) == 1 else f"{len(event.logs)} lines"
        yield line(Span(f"  its last {lines} of output:", "dim"))
        yield from (line(Span("  | ", "red"), clean(row)) for row in event.logs)
    elif event.logs is not None:
        yield line(Span("  it wrote no output", "dim"))


def end(event: RunFinished, command: str, failures: Sequence[ChangeFailed]) -> Iterator[Line]:
    """The last lines of a run. On a failure, the first of them says what failed first and why."""
    name = _command(command)
    if event.outcome == "failed" and failures:
        yield from failure(failures[0])
        for other in failures[1 : _MOST_FAILURES + 1]:
            yield line(Span("FAILED ", "red"), Span(f"{other.address}: ", "bold"), clean(other.cause))
        if len(failures) > _MOST_FAILURES + 1:
            yield line(f"{len(failures) - _MOST_FAILURES - 1} more failed.")
    counts = f"{event.added} added, {event.changed} changed, "
    counts += f"{event.replaced} replaced, {event.destroyed} destroyed."
    serial = f" Serial {event.serial}." if event.serial is not None else " Nothing was recorded."
    if event.outcome == "done":
        yield line(Span(f"{name} complete!", "bold green"), Span(f" Resources: {counts}{serial}", "bold"))
    elif event.outcome == "interrupted":
        yield line(Span(f"{name} interrupted.", "bold yellow"), f" Until then: {counts}{serial}")
    else:
        yield line(Span(f"{name} stopped.", "bold red"), f" Until then: {counts}{serial}")
    healthy = f"{event.healthy} of {event.total} healthy, " if event.total else ""
    yield line(f"{healthy}{span(event.seconds)}.")


def _command(command: str) -> str:
    return clean(command).capitalize()
