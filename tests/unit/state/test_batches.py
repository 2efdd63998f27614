"""A journal that is far away, kept here by a list."""

import threading
from collections.abc import Sequence

import pytest

from sutazai.errors import StateError
from sutazai.ports import JournalEntry
from sutazai.store.batches import BatchedJournal


class Kept(BatchedJournal):
    """Keeps its batches in a list, but for the first, which ends with an error that is nobody's word."""

    def __init__(self) -> None:
        super().__init__("a list")
        self.kept: list[bytes] = []
        self.under_way, self.go_on = threading.Event(), threading.Event()

    def _keep(self, lines: Sequence[bytes]) -> None:
        if not self.under_way.is_set():
            self.under_way.set()
            assert self.go_on.wait(30)
            raise RuntimeError("what no adapter foresaw")
        self.kept += lines

    def _lines(self) -> Sequence[bytes]:
        return self.kept

    def _forget(self) -> None:
        self.kept = []


def entry(key: str) -> JournalEntry:
    return JournalEntry("intent", key, 1.0, "agent.planner", "start")


def test_nothing_is_kept_behind_a_batch_that_was_lost_whatever_the_error() -> None:
    journal, ends = Kept(), dict[str, BaseException | None]()

    def append(key: str) -> None:
        try:
            journal.append(entry(key))
            ends[key] = None
        except (StateError, RuntimeError) as error:
            ends[key] = error

    first = threading.Thread(target=append, args=["first"])
    first.start()
    assert journal.under_way.wait(30)
    second = threading.Thread(target=append, args=["second"])
    second.start()
    journal.go_on.set()
    first.join(30)
    second.join(30)
    assert isinstance(ends["first"], RuntimeError)
    assert isinstance(ends["second"], StateError)
    with pytest.raises(StateError, match="a list: what no adapter foresaw"):
        journal.append(entry("third"))
    assert journal.read() == ()
