"""A run as plain lines, for logs and pipes: one line for each resource that is done and each wave, with the
time since the start."""

from typing import TextIO

from sutazai.events import (
    CanaryBaking,
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


class PlainLines:
    """An `EventSink` that writes lines and never goes back. What a resource waits for is not written; why
    it failed is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._run = Run()
        self._command = "apply"
        self._images: dict[str, str] = {}

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

    def _image(self, event: ImageProgress) -> list[Line]:
        """The first word of each image only: a pull says hundreds of things."""
        if event.image in self._images:
            return []
        self._images[event.image] = event.message
        return [self._timed(f"image {clean(event.image)}: {clean(event.message)}")]
