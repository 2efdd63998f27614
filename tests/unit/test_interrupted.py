"""What a signal does to a run, by the instant at which it comes."""

import asyncio
import os
import signal
import subprocess
import sys

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


IN_A_CALLBACK = """
import os, signal, time, weakref
from sutazai.cli.main import heed_signals

class Lock: ...

def callback(_):
    os.kill(os.getpid(), signal.{name})
    time.sleep(0.1)

heed_signals()
lock = Lock()
seen = weakref.ref(lock, callback)
try:
    del lock
    time.sleep(20)
    print("went on")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_one_that_comes_in_a_callback_is_not_lost(name: str) -> None:
    """Python lets go of what is raised there: `destroy` went on as if nobody had stopped it."""
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_CALLBACK.format(name=name)], capture_output=True, text=True, timeout=30
    )
    assert (ended.stdout, ended.stderr) == ("interrupted\n", "")
