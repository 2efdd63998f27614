"""A run as it stands: what events have said so far, kept for the live display and the plain lines.

`finished` counts changes that are done and healthy. Times are those of the events, in seconds since the
epoch.
"""

from dataclasses import dataclass, field

from sutazai.address import Address
from sutazai.events import (
    CanaryBaking,
    CanaryStep,
    ChangeFailed,
    ChangeFinished,
    ChangeStarted,
    Event,
    Progress,
    RunFinished,
    RunStarted,
    WaveFinished,
    WaveStarted,
)


@dataclass(slots=True)
class Active:
    """A change under way: since when, and what it does or waits for now."""

    action: str
    since: float
    message: str = ""
    canary: CanaryStep | None = None
    """Where its canary stands, until it does something else."""


@dataclass(slots=True)
class Run:
    started: RunStarted | None = None
    wave: WaveStarted | None = None
    baking: CanaryBaking | None = None
    active: dict[Address, Active] = field(default_factory=dict)
    finished: int = 0
    wave_finished: int = 0
    wave_size: int = 0
    wave_removes: bool = False
    """What the wave under way, or the last one, does is to take away."""
    failures: list[ChangeFailed] = field(default_factory=list)
    at: float = 0.0

    def feed(self, event: Event) -> None:
        """Take one event in."""
        self.at = max(self.at, event.at)
        match event:
            case RunStarted():
                self.started, self.wave, self.finished = event, None, 0
                self.active, self.failures = {}, []
            case WaveStarted():
                self.wave, self.wave_finished, self.wave_size = event, 0, len(event.addresses)
                self.baking = None
            case CanaryBaking():
                self.baking = event
            case ChangeStarted():
                self.wave_removes = event.action == "destroy"
                self.active[event.address] = Active(event.action, event.at)
            case Progress():
                active = self.active.setdefault(event.address, Active("", event.at))
                active.message, active.canary = event.message, None
            case CanaryStep():
                self.active.setdefault(event.address, Active("", event.at)).canary = event
            case ChangeFinished():
                self._leave(event.address)
                self.finished += 1
            case ChangeFailed():
                self._leave(event.address)
                self.failures.append(event)
            case WaveFinished():
                self.wave = None
            case RunFinished():
                self.active.clear()
                self.baking = None

    def _leave(self, address: Address) -> None:
        self.active.pop(address, None)
        if self.wave and address in self.wave.addresses:
            self.wave_finished += 1

    @property
    def total(self) -> int:
        return self.started.total if self.started else 0

    @property
    def elapsed(self) -> float:
        """Seconds from the start to the last event."""
        return self.at - self.started.at if self.started else 0.0

    def longest(self) -> list[tuple[Address, Active]]:
        """What is under way, the longest waiting first."""
        return sorted(self.active.items(), key=lambda item: (item[1].since, item[0]))
