"""`python -m bench.counted COMMAND…` is `sutazai COMMAND…`. It writes to the file that BENCH_COUNTED names for how many
seconds at least one thread was at work on the state or the journal."""

import functools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sutazai.cli.main import main
from sutazai.store.journal import FileJournal
from sutazai.store.local import LocalStore

_WORK = (
    (FileJournal, ("append", "note", "clear", "read")),
    (LocalStore, ("newest", "commit", "serials")),
)


class Stopwatch:
    """Runs while anybody is inside."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = 0
        self._since = 0.0
        self._lock = threading.Lock()

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                self._inside += 1
                if self._inside == 1:
                    self._since = time.monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                with self._lock:
                    self._inside -= 1
                    if self._inside == 0:
                        self.seconds += time.monotonic() - self._since

        return counted


if __name__ == "__main__":
    watch = Stopwatch()
    for owner, names in _WORK:
        for name in names:
            setattr(owner, name, watch.around(getattr(owner, name)))
    try:
        main()
    finally:
        Path(os.environ["BENCH_COUNTED"]).write_text(str(watch.seconds))
