"""A run as plain lines, for logs and pipes: one line for each resource that is done and each wave, with the
time since the start."""

from typing import TextIO

from sutazai.address import Address
from sutazai.events import (
    CanaryBaking,
    CanaryStep,
    ChangeFailed,
    ChangeFinished,
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
from sutazai.views.run import Run
from sutazai.views.text import Line, clean, line, plain

_FIGURES_EVERY = 10.0
"""Seconds: a log has no end of room, but readers have."""


class PlainLines:
    """An `EventSink` that writes lines and never goes back. What a resource waits for is not written; why
    it failed is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._run = Run()
        self._command = "apply"
        self._images: dict[str, str] = {}
        self._canaries: dict[tuple[Address, int], float] = {}
        """When something was last said of a step."""

    def __call__(self, event: Event) -> None:
        self._run.feed(event)
        self._stream.write(plain(self._lines(event)))
        self._stream.flush()

    def _lines(self, event: Event) -> list[Line]:
        text = self._text(event)
        if text is not None:
            return [self._timed(text)]
        match event:
            case RunStarted():
                self._command = event.command
                return [words.started(event)]
            case CanaryStep():
                return self._canary(event)
            case ImageProgress():
                return self._image(event)
            case Verified():
                return list(words.verified(event))
            case RunFinished():
                return [(), *words.end(event, self._command, self._run.failures)]
        return []

    def _text(self, event: Event) -> str | None:
        """What takes one line, with the time."""
        run = self._run
        waves = run.started.waves if run.started else 0
        match event:
            case WaveStarted():
                return words.wave_started(event, waves)
            case WaveFinished():
                return words.wave_finished(event, waves, run)
            case CanaryBaking():
                return words.baking(event)
            case ChangeFinished():
                return f"{words.change_finished(event)} ({run.finished} of {run.total})"
            case ChangeFailed():
                return words.failed(event)
            case ChangeSkipped():
                return words.change_skipped(event)
            case TrafficLed() if self._command == "rollback":
                return words.traffic_led(event)
            case Notice():
                return f"{event.level}: {clean(event.message)}"
        return None

    def _timed(self, text: str) -> Line:
        return line(f"[{words.clock(self._run.elapsed):>5}] {text}")

    def _canary(self, event: CanaryStep) -> list[Line]:
        """Each step when it begins, what an analysis came to, and its figures every now and then."""
        key = (event.address, event.step)
        if event.outcome:
            return [self._timed(words.canary_outcome(event))]
        if event.canary is None or event.baseline is None:
            self._canaries[key] = event.at
            return [self._timed(f"{event.address} {words.canary_step(event, event.at)}")]
        if event.at - self._canaries.get(key, 0.0) < _FIGURES_EVERY:
            return []
        self._canaries[key] = event.at
        new, old = (", ".join(filter(None, words.figures(side))) for side in (event.canary, event.baseline))
        return [
            self._timed(f"{event.address} {words.canary_step(event, event.at)}: {new}; old version: {old}")
        ]

    def _image(self, event: ImageProgress) -> list[Line]:
        """The first word of each image only: a pull says hundreds of things."""
        if event.image in self._images:
            return []
        self._images[event.image] = event.message
        return [self._timed(f"image {clean(event.image)}: {clean(event.message)}")]
