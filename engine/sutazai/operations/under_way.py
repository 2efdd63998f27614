"""What an earlier run had asked of the engine, and the engine may still be at.

An engine goes on stopping a container when whoever asked for that is gone. Until the grace period is over the container runs and
answers as ever. Whoever took it for one that runs would call an environment healthy that is about to lose it, and nobody would
start it again: no restart policy holds for what was stopped. So it is waited for before anything is planned.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from sutazai.errors import Interrupted, NotFound
from sutazai.model.units import format_duration
from sutazai.operations.recovery import Unfinished
from sutazai.operations.session import Session, Stop, notice
from sutazai.operations.taking_back import Runner

_OWN_GRACE = 10.0
"""Seconds that Docker gives a container which says nothing of its own."""
_TO_DIE = 5.0
"""Seconds more until one that had to be killed is gone; after that the engine was never told to stop it."""
_POLL = 0.25


def wait_for_stops(session: Session, unfinished: Sequence[Unfinished], run: Runner) -> None:
    """Wait until what these runs had told to stop has stopped. Raises `Interrupted` when it was not to be waited for."""
    told = _told_to_stop(unfinished)
    if told:
        run(partial(_stopped, session, told), partial(notice, session))


def _told_to_stop(unfinished: Iterable[Unfinished]) -> dict[str, float]:
    """Container ID → when it was told last, of those that nobody saw stop."""
    calls = (entry for run in unfinished for entry in run.open_calls if entry.call == "stop")
    return {str(entry.data["id"]): entry.at for entry in calls if "id" in entry.data}


async def _stopped(session: Session, told: dict[str, float], stop: Stop) -> None:
    clock, waited_for = session.clock, False
    began, now = clock.monotonic(), clock.now()
    # A clock that was set back makes it just now.
    ago = {identity: max(now - at, 0.0) for identity, at in told.items()}
    try:
        for identity, earlier in ago.items():
            while not stop.interrupted.is_set():
                left = await _longest(session, identity) - earlier - (clock.monotonic() - began)
                if left <= 0:
                    break
                if not waited_for:
                    message = "the engine is still stopping what an earlier run told it to stop"
                    notice(session, f"{message}; that is waited for, {format_duration(left)} at most", "info")
                waited_for = True
                await clock.sleep(_POLL)
    except asyncio.CancelledError:
        stop.interrupt()
    if stop.interrupted.is_set():
        raise Interrupted("interrupted: nothing was changed")


async def _longest(session: Session, identity: str) -> float:
    """For how many seconds since it was told a container may still run; 0 for one that does not."""
    try:
        instance = await session.calls(session.provider.inspect, identity)
    except NotFound:
        return 0.0
    if instance.status not in ("running", "paused", "restarting"):
        return 0.0
    grace = instance.body.stop_grace_period
    return (_OWN_GRACE if grace is None else grace) + _TO_DIE
