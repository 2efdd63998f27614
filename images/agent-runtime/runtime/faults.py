"""Faults to order, so that whatever runs agents can be tested against agents that misbehave.

Error rate and latency touch every answer but /health and /ready: an agent can fail its users while it looks
well, which is what a canary's analysis is for. FAULT_HEALTH=fail is the opposite: both answer 503 for good.
Errors come in a fixed sequence, not at random: of the first n answers exactly floor(n * rate) are errors.
Memory growth and the crash count from the start of the process, a start-up delay included.
"""

import math
import os
import sys
import threading
import time
from collections.abc import Callable

from runtime.settings import FaultSettings

MIB = 1024 * 1024
GROWTH_INTERVAL = 0.5  # seconds


class Faults:
    def __init__(self, settings: FaultSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._started = clock()
        self._answers = 0
        self._lock = threading.Lock()
        self._ballast: list[bytes] = []
        self._ballast_bytes = 0

    @property
    def unhealthy(self) -> bool:
        return self._settings.unhealthy

    def delay_answer(self) -> None:
        if self._settings.latency:
            time.sleep(self._settings.latency)

    def fails_answer(self) -> bool:
        rate = self._settings.error_rate
        if not rate:
            return False
        with self._lock:
            self._answers += 1
            return _errors(self._answers, rate) > _errors(self._answers - 1, rate)

    def tick(self) -> float | None:
        """Does what is due now; seconds until it wants to be called again, None for never."""
        age = self._clock() - self._started
        if age >= self._settings.crash_after:
            print("agent: crashing as FAULT_CRASH_AFTER says", file=sys.stderr, flush=True)
            os._exit(1)
        due = self._settings.crash_after - age
        if self._settings.memory_growth:
            self._grow(int(self._settings.memory_growth * MIB * age / 60))
            due = min(due, GROWTH_INTERVAL)
        return None if math.isinf(due) else due

    def _grow(self, total: int) -> None:
        missing = total - self._ballast_bytes
        if missing > 0:
            # Ones and not zeros: the kernel would back untouched zeros with no memory at all.
            self._ballast.append(b"\x01" * missing)
            self._ballast_bytes = total


def _errors(answers: int, rate: float) -> int:
    # The small term keeps 10 * 0.3 = 2.9999999999999996 from losing an error.
    return math.floor(answers * rate + 1e-9)
