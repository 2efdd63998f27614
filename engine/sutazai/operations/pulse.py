"""Whether a wave gets on: `rollout.progress_deadline` is how long it may go without any progress.

Progress is whatever ends well: a call that changes something, a hook, a step of a canary, a workload that is healthy, a member
that is done. What was declared to take its time (a pause, an analysis, draining) counts as progress for as long as it lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sutazai.address import Address
from sutazai.model.units import format_duration
from sutazai.ports import Clock


@dataclass(slots=True)
class Pulse:
    """Of one wave after the other; between waves there is no deadline. `waits` says what each member that is not done waits
    for, in words."""

    clock: Clock
    waits: dict[Address, str] = field(default_factory=dict)
    members: int = 0
    """So many of its members are at work."""
    _last: float = 0.0
    _declared: int = 0
    _under_way: bool = False
    _given_up: str = ""

    def begin(self) -> None:
        """Another wave begins."""
        self.waits.clear()
        self._under_way, self._given_up = True, ""
        self.beat()

    def end(self) -> None:
        self._under_way, self._given_up = False, ""

    def beat(self) -> None:
        self._last = self.clock.monotonic()

    def done(self, address: Address) -> None:
        """A member has come to its end."""
        self.waits.pop(address, None)
        self.beat()

    @contextmanager
    def member(self) -> Iterator[None]:
        """While one of its members is at work."""
        self.members += 1
        try:
            yield
        finally:
            self.members -= 1

    @contextmanager
    def declared(self) -> Iterator[None]:
        """While something lasts that was declared to."""
        self._declared += 1
        try:
            yield
        finally:
            self._declared -= 1
            self.beat()

    def stalled(self, deadline: float) -> str | None:
        """Why the wave is given up, None while it is not. Once it is, no member waits any longer. May be asked from another
        thread."""
        counts = self._under_way and not self._declared and not self._given_up
        if counts and self.clock.monotonic() - self._last >= deadline:
            waits = "; ".join(f"{address} was {what}" for address, what in sorted(self.waits.items()))
            self._given_up = f"no progress in its wave for {format_duration(deadline)}: {waits}"
        return self._given_up or None
