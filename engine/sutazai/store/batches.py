"""A journal that is far away: entries that wait at the same time travel together.

`append` returns only when its entry is kept. The first thread that arrives carries the entries of all who wait
by then; those that arrive meanwhile are carried together by the next one. So a run with ten calls under way
pays a fraction of the round trips. Once a batch could not be kept nothing more is: entries after a gap would
tell a false story. Where the next batch goes is counted, not asked, as long as nobody else can have written.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence

from sutazai.errors import StateError
from sutazai.ports import JournalEntry
from sutazai.store.entries import from_line, to_line


class BatchedJournal(ABC):
    """A kind of store says how a batch is kept, read and forgotten."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._taken = 0
        self._kept = 0
        self._carrying = False
        self._broken: StateError | None = None
        self._next: int | None = None
        """The place of the next batch, None when it is not known."""

    @abstractmethod
    def _keep(self, lines: Sequence[bytes]) -> None:
        """Bring lines to where they last, in their order, after those before. Never called by two threads at a time."""

    @abstractmethod
    def _lines(self) -> Sequence[bytes]: ...

    @abstractmethod
    def _forget(self) -> None: ...

    def append(self, entry: JournalEntry) -> None:
        line = to_line(entry)
        with self._changed:
            self._waiting.append(line)
            mine = self._taken + len(self._waiting)
            while self._kept < mine:
                if self._broken is not None:
                    raise StateError(self._broken.message, hint=self._broken.hint) from self._broken
                if self._carrying:
                    self._changed.wait()
                else:
                    self._carry()

    def begin(self) -> None:
        """The lock was taken: others may have written since it was held last."""
        self._next = None

    def note(self, entry: JournalEntry) -> None:
        """What is kept elsewhere outlives this process only once it is there."""
        self.append(entry)

    def read(self) -> tuple[JournalEntry, ...]:
        name = f"the journal in {self._where}"
        return tuple(from_line(line, name, number) for number, line in enumerate(self._lines(), start=1))

    def clear(self) -> None:
        self._forget()

    def _carry(self) -> None:
        """Keep what waits by now, letting others queue meanwhile."""
        batch, self._waiting = self._waiting, []
        self._taken += len(batch)
        upto, self._carrying = self._taken, True
        self._changed.release()
        try:
            self._keep(batch)
        except StateError as error:
            self._broken = error
        except Exception as error:
            self._broken = StateError(f"can't write the journal in {self._where}: {error}")
            raise
        finally:
            self._changed.acquire()
            self._carrying = False
            self._changed.notify_all()
        if self._broken is None:
            self._kept = upto


def another_writes(where: str) -> StateError:
    """What a run is told that finds the words of another where its own belong."""
    return StateError(
        f"another run writes the journal in {where}", hint="run `sutazai plan` to see where things stand"
    )
