"""A run on a terminal: a few lines at the bottom that say how far it is and what it waits for, and above
them, scrolled, what is done.

The display never grows with the fleet: it shows the longest waiting few and counts the rest. It is redrawn
by rich's own thread a few times a second, whatever the number of events, since the engine needs the CPU.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from sutazai.address import Address
from sutazai.events import (
    CanaryBaking,
    CanaryStep,
    ChangeFailed,
    ChangeSkipped,
    Event,
    ImageProgress,
    Notice,
    RunFinished,
    RunStarted,
    TrafficLed,
    Verified,
    WaveFinished,
    WaveStarted,
)
from sutazai.views import run_words as words
from sutazai.views.run import Active, Run
from sutazai.views.text import Console, Line, Span, Style, cells, clean, fit, line, pad, plural

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_SHOWN = 8
_REDRAWS = 4
"""A second: enough to be followed, little enough for two busy cores."""
_BAR = 30
_COMPARED = 2
"""Lines of figures of a canary."""
_INDENT = " " * 10


class LiveDisplay:
    """An `EventSink` for a terminal. The display ends with `RunFinished`, or with `close` when the run
    dies."""

    def __init__(self, console: Console) -> None:
        from rich.console import Console as RichConsole

        self._console = RichConsole(
            file=console.stream,
            force_terminal=True,
            no_color=not console.colour,
            highlight=False,
        )
        self._run = Run()
        self._live: Live | None = None
        self._command = "apply"
        self._images: dict[str, str] = {}
        self._seen = 0.0
        """When the last event came, on the console's own clock: seconds go on between events."""

    def __call__(self, event: Event) -> None:
        self._run.feed(event)
        self._seen = self._console.get_time()
        match event:
            case RunStarted():
                self._command = event.command
                self._print([words.started(event)])
                self._open()
            case ImageProgress():
                self._images[event.image] = event.message
                self._open()
            case RunFinished():
                self.close()
                self._print([(), *words.end(event, self._command, self._run.failures)])
            case _:
                self._print(self._scrolled(event))

    def close(self) -> None:
        """Take the display away and leave what was scrolled."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _open(self) -> None:
        if self._live is None:
            from rich.live import Live

            self._live = Live(console=self._console, get_renderable=self._drawn, refresh_per_second=_REDRAWS,
                              transient=True, redirect_stdout=False, redirect_stderr=False)  # fmt: skip
            self._live.start()

    def _scrolled(self, event: Event) -> list[Line]:
        """What an event leaves above the display."""
        waves = self._run.started.waves if self._run.started else 0
        clock = Span(f"[{words.clock(self._run.elapsed):>5}] ", "dim")
        match event:
            case WaveStarted():
                self._images.clear()
                return []
            case WaveFinished():
                return [line(clock, Span("✓ ", "green"), words.wave_finished(event, waves, self._run))]
            case CanaryBaking():
                return [line(clock, words.baking(event))]
            case CanaryStep(outcome="pass"):
                return [line(clock, Span("✓ ", "green"), words.canary_outcome(event))]
            case CanaryStep() if event.outcome:
                return [line(clock, Span("✗ ", "bold red"), words.canary_outcome(event))]
            case ChangeFailed():
                return [line(clock, Span("✗ ", "bold red"), words.failed(event))]
            case ChangeSkipped():
                return [line(clock, Span("skipped: ", "yellow"), words.change_skipped(event))]
            case TrafficLed() if self._command == "rollback":
                return [line(clock, words.traffic_led(event))]
            case Verified():
                return list(words.verified(event))
            case Notice():
                style: Style = "yellow" if event.level in ("warning", "error") else "cyan"
                return [line(clock, Span(f"{event.level}: ", style), clean(event.message))]
        return []

    def _print(self, lines: list[Line]) -> None:
        for row in lines:
            self._console.print(_rich(row))

    def _drawn(self) -> "Text":
        return _rich_block(
            display(self._run, self._images, self._now(), self._console.width, self._console.height)
        )

    def _now(self) -> float:
        return self._run.at + (self._console.get_time() - self._seen)


def display(run: Run, images: dict[str, str], now: float, width: int, height: int) -> list[Line]:
    """The lines of the display at the time `now`, none wider than `width`, never more than half of
    `height`."""
    room = max(min(_SHOWN, height // 2 - 3), 1)
    lines = [_bar(run, now, width)]
    if run.wave and run.started:
        failed = f", {len(run.failures)} failed" if run.failures else ""
        text = f"{words.wave_started(run.wave, run.started.waves)}, {run.wave_finished} done{failed}"
        lines.append(line(Span(fit(f"  {text}", width), "bold")))
    if run.baking:
        left = words.span(max(run.baking.at + run.baking.seconds - now, 0.0))
        lines.append(line(Span(fit(f"  {words.baking(run.baking)}, {left} left", width), "bold")))
    waiting = run.longest()
    shown = _shown(waiting, room)
    column = min(max((len(str(address)) for address, _ in shown), default=0), max(width // 3, 12))
    spare = room - len(shown)
    for address, active in shown:
        lines.append(_waiting(str(address), active, now, column, width))
        compared = _compared(active.canary, width) if active.canary else []
        if len(compared) <= spare:
            lines += compared
            spare -= len(compared)
    if len(waiting) > len(shown):
        lines.append(line(Span(f"    and {len(waiting) - len(shown)} more under way", "dim")))
    if not waiting:
        recent = list(images.items())[-room:]
        lines += [line(fit(f"  image {clean(image)}: {clean(message)}", width)) for image, message in recent]
    return lines


def _shown(waiting: Sequence[tuple[Address, Active]], room: int) -> Sequence[tuple[Address, Active]]:
    """The longest waiting few; and what has figures to show leaves room for some of them."""
    compared = sum(active.canary is not None and active.canary.canary is not None for _, active in waiting)
    return waiting[: max(room - _COMPARED * min(compared, room // (1 + _COMPARED)), 1)]


def _compared(step: CanaryStep, width: int) -> list[Line]:
    """What is known of both versions, one below the other."""
    if step.canary is None or step.baseline is None:
        return []
    new, old = words.figures(step.canary), words.figures(step.baseline)
    widths = [max(cells(one), cells(other)) for one, other in zip(new, old, strict=True)]
    rows = []
    for name, side, style in (("new", new, "cyan"), ("old", old, "dim")):
        columns = "  ".join(
            " " * (size - cells(text)) + text for text, size in zip(side, widths, strict=True) if size
        )
        rows.append(line(Span(fit(f"{_INDENT}{name}  {columns}", width), cast("Style", style))))
    return rows


def _bar(run: Run, now: float, width: int) -> Line:
    elapsed = words.clock(now - run.started.at) if run.started else ""
    counts = f" {run.finished}/{run.total} done"
    bar = min(_BAR, max(width - cells(counts) - 24, 5))
    full = bar * run.finished // run.total if run.total else 0
    failed = Span(f", {plural(len(run.failures), 'failure')}", "bold red") if run.failures else ""
    return line(Span("━" * full, "green"), Span("─" * (bar - full), "dim"), Span(counts, "bold"), failed,
                Span(f"  {elapsed}", "cyan"))  # fmt: skip


def _waiting(name: str, active: Active, now: float, column: int, width: int) -> Line:
    """`  0:12 agent.planner  http check "up": connection refused at …`, in one line. Of a long message the
    end goes, which is where it was asked and not what it answered."""
    since = f"  {words.clock(now - active.since):>5} "
    what = clean(active.message or words.DOING.get(active.action, active.action)).removeprefix("waiting: ")
    if active.canary is not None:
        what = words.canary_step(active.canary, now)
    room = max(width - cells(since) - column - 2, 10)
    return line(Span(since, "cyan"), pad(fit(name, column), column), Span("  " + fit(what, room), "dim"))


def _rich(row: Line) -> "Text":
    from rich.text import Text

    return Text.assemble(*((span.text, span.style) for span in row))


def _rich_block(lines: list[Line]) -> "Text":
    from rich.text import Text

    text = Text("\n", no_wrap=True, overflow="ellipsis").join(_rich(row) for row in lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
