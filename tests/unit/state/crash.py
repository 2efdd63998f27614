"""Run as a program: a store is killed again and again, in forked children, and looked at after each kill.

`points`: a child is killed before and after every single call to the operating system that a commit makes.
`moments`: children that commit and write the journal are killed after times of chance. Prints what was
found as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sutazai.ports import JournalEntry
from sutazai.store.local import LocalStore
from unit.state.samples import a_state

CALLS = (
    "open",
    "write",
    "fsync",
    "fdatasync",
    "close",
    "link",
    "replace",
    "rename",
    "unlink",
    "mkdir",
    "ftruncate",
)


def opened(folder: Path) -> LocalStore:
    return LocalStore(folder, "shop", "local")


def child(work: Callable[[], None]) -> int:
    """Fork; the parent has the child's ID back at once."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def die_at(number: int, *, after: bool) -> None:
    """Make the process kill itself at its n-th call to the operating system."""
    seen = 0

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            dying = seen == number
            if dying and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return real(*args, **kwargs)
            finally:
                if dying:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    for name in CALLS:
        setattr(os, name, wrapped(getattr(os, name)))


def commit_next(folder: Path) -> None:
    store = opened(folder)
    with store.lock("apply"):
        newest = store.newest()
        store.journal().append(JournalEntry("begin", "run", 1.0))
        store.commit(a_state(newest.serial + 1 if newest else 1))
        store.journal().clear()


def look(folder: Path, at_least: int) -> int:
    """The newest serial after a kill; an AssertionError when the store is not as it must be."""
    store = opened(folder)
    newest = store.newest()
    serial = newest.serial if newest else 0
    assert serial >= at_least, f"serial {serial} after {at_least}"
    assert store.serials() == tuple(range(1, serial + 1)), store.serials()
    problems = [problem for problem in store.verify() if "state.json" not in problem]
    assert not problems, problems
    assert all(entry.phase in ("begin", "intent") for entry in store.journal().read())
    return serial


def points(folder: Path) -> dict[str, object]:
    kills, serial, number, done = 0, 0, 0, False
    while not done:
        number += 1
        for after in (False, True):

            def work(number: int = number, after: bool = after) -> None:
                die_at(number, after=after)
                commit_next(folder)

            _, status = os.waitpid(child(work), 0)
            done = os.WIFEXITED(status)
            assert not done or os.WEXITSTATUS(status) == 0
            kills += not done
            assert look(folder, serial) <= serial + 1
            serial = look(folder, serial)
    return finish(folder, kills)


def moments(folder: Path, kills: int, seed: int) -> dict[str, object]:
    chance, serial = random.Random(seed), 0  # noqa: S311 - moments, not secrets
    for _ in range(kills):
        reading, writing = os.pipe()

        def work(writing: int = writing) -> None:
            store = opened(folder)
            with store.lock("apply"):
                newest = store.newest()
                number = newest.serial if newest else 0
                store.journal().clear()
                for key in range(1_000_000):
                    store.journal().append(JournalEntry("intent", str(key), 1.0))
                    os.write(writing, b"j%d\n" % key)
                    if key % 3 == 2:
                        number += 1
                        store.commit(a_state(number))
                        os.write(writing, b"c%d\n" % number)

        pid = child(work)
        os.close(writing)
        said = os.read(reading, 1)
        time.sleep(chance.uniform(0, 0.03))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(reading, "rb") as rest:
            words = (said + rest.read()).split()
        committed = [int(word[1:]) for word in words if word.startswith(b"c")]
        journaled = [int(word[1:]) for word in words if word.startswith(b"j")]
        serial = look(folder, max([serial, *committed]))
        keys = [int(entry.key) for entry in opened(folder).journal().read()]
        assert keys == list(range(len(keys)))
        assert len(keys) > max(journaled), (len(keys), journaled)
    return finish(folder, kills)


def finish(folder: Path, kills: int) -> dict[str, object]:
    commit_next(folder)
    left = sorted(path.name for path in folder.rglob("*.tmp"))
    return {
        "kills": kills,
        "problems": opened(folder).verify(),
        "left": left,
        "serials": len(opened(folder).serials()),
    }


if __name__ == "__main__":
    where = Path(sys.argv[2])
    found = points(where) if sys.argv[1] == "points" else moments(where, int(sys.argv[3]), seed=7)
    sys.stdout.write(json.dumps(found) + "\n")
