"""A disk that fails: calls to the operating system by which the store writes are refused, torn, or the last ones of a
process. The store under it is the real one, on real files.

What a process wrote and did not sync may be gone after a power cut: then such a file ends somewhere between its last sync
and its end.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulation.chance import Chance

_WRITING = ("open", "write", "fsync", "fdatasync", "ftruncate", "link", "replace", "unlink", "mkdir")


class Disk:
    """`folder` is all that it fails for. One process at a time uses it: `process` is its life."""

    def __init__(self, folder: Path, chance: Chance) -> None:
        self._folder = str(folder)
        self._chance = chance
        self._real = {name: getattr(os, name) for name in (*_WRITING, "close")}
        self._open: dict[int, str] = {}
        self._synced: dict[str, int] = {}

    @contextmanager
    def process(self) -> Iterator[None]:
        """Whatever is open at its end is closed, as the kernel does; a lock on it is free again."""
        for name in _WRITING:
            setattr(os, name, self._failing(name))
        os.close = self._close
        try:
            yield
        finally:
            for name, real in self._real.items():
                setattr(os, name, real)
            for descriptor in list(self._open):
                os.close(descriptor)
            if self._chance.dead and self._chance.power:
                self._lose_unsynced()
            self._open.clear()

    def _failing(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._concerns(args[0]):
                return real(*args, **kwargs)
            self._chance.alive()
            writing = name not in ("open", "unlink") or (name == "open" and args[1] & os.O_CREAT)
            if writing and self._chance.disk_is_full():
                self._chance.note(f"disk full at {name}")
                if name == "write" and len(args[1]) > 1:
                    real(args[0], args[1][: len(args[1]) // 2])  # what fits is written
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._chance.dies_here(f"at {name} of the state"):
                if name == "write":
                    real(args[0], args[1][: self._chance.random.randrange(len(args[1]) + 1)])
                elif self._chance.random.random() < 0.5:
                    self._carry_out(name, real, args, kwargs)
                self._chance.alive()
            return self._carry_out(name, real, args, kwargs)

        return call

    def _carry_out(self, name: str, real: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        if name == "open":
            self._open[result] = str(args[0])
        elif name in ("fsync", "fdatasync", "ftruncate"):
            self._synced[self._open[args[0]]] = os.fstat(args[0]).st_size
        return result

    def _close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        self._real["close"](descriptor)

    def _concerns(self, target: object) -> bool:
        if isinstance(target, int):
            return target in self._open
        return str(target).startswith(self._folder)

    def _lose_unsynced(self) -> None:
        for path in sorted({*self._open.values(), *self._synced}):
            if path.endswith("journal.jsonl") and Path(path).exists():
                synced, size = self._synced.get(path, 0), Path(path).stat().st_size
                if size > synced:
                    os.truncate(path, self._chance.random.randint(synced, size))
