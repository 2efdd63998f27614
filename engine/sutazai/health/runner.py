"""Carries out one check: which kind does it, how long it took, and that an unhealthy answer is never an
exception.

Asking again (interval, retries, phases) is for who waits for health. Any number of threads may run checks
at once.
"""

import time
from collections.abc import Callable

from sutazai.errors import NotCarriedOut
from sutazai.health.connection import CheckFailed
from sutazai.health.docker import Inspect, docker
from sutazai.health.http import http
from sutazai.health.ping import ping
from sutazai.health.relay import Script
from sutazai.model.checks import Check
from sutazai.ports import CheckResult, Target

Kind = Callable[[Check, Target], str]
"""Gives the answer of a check that passed; raises CheckFailed with that of one that did not."""


class Checks:
    """A CheckRunner. `inspect` asks the provider for one container by its ID, `script` is the provider's own."""

    def __init__(self, inspect: Inspect, script: Script) -> None:
        self._kinds: dict[str, Kind] = {
            "ping": lambda check, target: ping(check, target, script),
            "http": lambda check, target: http(check, target, script),
            "docker": lambda check, target: docker(check, target, inspect),
            "deep": _not_yet,
            "performance": _not_yet,
            "functional": _not_yet,
            "integration": _not_yet,
        }

    def run(self, check: Check, target: Target) -> CheckResult:
        """Raises NotCarriedOut for a kind that this version has no code for."""
        started = time.monotonic()
        try:
            answer, passed = self._kinds[check.kind](check, target), True
        except CheckFailed as failure:
            answer, passed = str(failure), False
        return CheckResult(passed, answer, time.monotonic() - started)


def _not_yet(check: Check, target: Target) -> str:
    raise NotCarriedOut(
        f"check {check.name!r} of {target.address}: kind {check.kind!r} is not carried out yet",
        hint="use ping, http or docker",
    )
