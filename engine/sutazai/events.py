"""What happens during a run, as typed values. The terminal, the JSON stream and (later) the dashboard, the audit log
and the notifiers subscribe; the core only emits. `at` is seconds since the epoch."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Literal

from sutazai.address import Address


def iso(at: float) -> str:
    """Seconds since the epoch as they are written down: `2026-01-31T12:00:00.000Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Event:
    type: ClassVar[str] = "event"
    at: float


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    type: ClassVar[str] = "run_started"
    command: str
    environment: str
    serial: int
    """The serial that this run will commit."""
    total: int
    waves: int


@dataclass(frozen=True, slots=True)
class WaveStarted(Event):
    type: ClassVar[str] = "wave_started"
    index: int
    addresses: tuple[Address, ...]
    canary: bool = False


@dataclass(frozen=True, slots=True)
class ChangeStarted(Event):
    type: ClassVar[str] = "change_started"
    address: Address
    action: str


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """What a resource is doing now (`creating`, `waiting: http check "up": connection refused`)."""

    type: ClassVar[str] = "progress"
    address: Address
    message: str


@dataclass(frozen=True, slots=True)
class ChangeFinished(Event):
    type: ClassVar[str] = "change_finished"
    address: Address
    action: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ChangeFailed(Event):
    """`cause` says what failed first: which check, what it answered; `logs` are the last lines of the
    container's output, None where no container ran."""

    type: ClassVar[str] = "change_failed"
    address: Address
    action: str
    cause: str
    logs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ChangeSkipped(Event):
    """A change that does not begin, since `cause`, which it needs, failed."""

    type: ClassVar[str] = "change_skipped"
    address: Address
    action: str
    cause: Address


@dataclass(frozen=True, slots=True)
class WaveFinished(Event):
    type: ClassVar[str] = "wave_finished"
    index: int
    seconds: float
    waited: bool = True
    """For its health."""


@dataclass(frozen=True, slots=True)
class CanaryBaking(Event):
    """The fleet canary is healthy, and must stay so for `seconds` before the rest of the `total` replacements begins."""

    type: ClassVar[str] = "canary_baking"
    addresses: tuple[Address, ...]
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TrafficLed(Event):
    """The traffic switch leads these to other containers than before, or to other shares; telling it took `seconds`."""

    type: ClassVar[str] = "traffic_led"
    addresses: tuple[Address, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one version did since an analysis began: of its requests how many failed, the median and the 95th percentile of their
    times in seconds (None where none are known), and the bytes that one of its containers has in use, in the mean."""

    requests: int
    errors: int
    p50: float | None
    p95: float | None
    memory: float | None


Doing = Literal["set_weight", "pause", "analysis"]
"""What a step of a canary does, in the word that declares it."""


@dataclass(frozen=True, slots=True)
class CanaryStep(Event):
    """A canary begins a step, or has new figures. `step` counts from 1, `weight` is the new version's share of the traffic in
    percent, and `seconds` how long it takes from now, at most. Of an analysis: its name, both versions' figures, and once it is
    known what it came to; `message` says why, and until then what it waits for."""

    type: ClassVar[str] = "canary_step"
    address: Address
    step: int
    steps: int
    weight: int
    doing: Doing
    seconds: float = 0.0
    analysis: str = ""
    canary: Figures | None = None
    baseline: Figures | None = None
    outcome: Literal["", "pass", "fail", "inconclusive"] = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ImageProgress(Event):
    type: ClassVar[str] = "image_progress"
    image: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something the reader should know that is not about one resource."""

    type: ClassVar[str] = "notice"
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Verified(Event):
    """After a rollback or a deployment: of `total` workloads `same` run as `serial` (None: as nothing) says and `healthy` pass
    their checks. `differences` says what does not hold, each with its address."""

    type: ClassVar[str] = "verified"
    serial: int | None
    total: int
    same: int
    healthy: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """`outcome` is `done`, `failed` or `interrupted`; `serial` the one that was committed, None when nothing changed.
    `healthy` of `total`: how many of the workloads that it was to change were seen healthy."""

    type: ClassVar[str] = "run_finished"
    outcome: str
    serial: int | None
    added: int
    changed: int
    replaced: int
    destroyed: int
    seconds: float
    healthy: int
    total: int
