"""What a signal does to a run, by the instant at which it comes."""

import asyncio
import os
import signal

import pytest

from sutazai.operations.session import Stop
from sutazai.wiring import run_async


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_it_is_recorded_is_not_too_late_for_what_would_come_after(number: signal.Signals) -> None:
    """It is written down whole, however often it comes; but what failed is not taken back then."""
    said: list[str] = []

    async def recording(stop: Stop) -> tuple[str, bool]:
        stop.recording = True
        for _ in range(2):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)
        return "recorded", stop.interrupted.is_set()

    assert run_async(recording, said.append) == ("recorded", True)
    assert said == []
