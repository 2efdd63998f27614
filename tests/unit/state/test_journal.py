"""The journal: durable before `append` returns, readable after any crash, damage named."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.errors import StateError
from sutazai.ports import JournalEntry
from sutazai.store.journal import FileJournal


def entry(key: str = "k", **data: object) -> JournalEntry:
    return JournalEntry("intent", key, 12.5, "agent.planner", "create", data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_entries_come_back_in_order(path: Path) -> None:
    entries = tuple(entry(str(n), name="ü\n", nested={"a": [1, None]}) for n in range(5))
    journal = FileJournal(path)
    for one in entries:
        journal.append(one)
    assert journal.read() == FileJournal(path).read() == entries
    assert path.stat().st_mode & 0o777 == 0o600


def test_reading_makes_no_file(path: Path) -> None:
    assert FileJournal(path).read() == ()
    FileJournal(path).clear()
    assert not path.exists()


@given(cut=st.integers(0, 200))
@settings(deadline=None, max_examples=60)
def test_a_torn_last_line_is_not_read_and_not_written_onto(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal = FileJournal(path)
    journal.append(entry("a"))
    journal.append(entry("b"))
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: max(whole.index(b"\n") + 1, len(whole) - 1 - cut)])
    assert FileJournal(path).read() == (entry("a"),)
    again = FileJournal(path)
    again.append(entry("c"))
    again.close()
    assert FileJournal(path).read() == (entry("a"), entry("c"))


def test_what_is_noted_is_read_at_once_and_reaches_the_disk_with_the_next_sync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal(path)
    journal.append(entry("first"))
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fdatasync", lambda _descriptor: synced.append(path.read_bytes()))
    journal.note(entry("noted"))
    assert (FileJournal(path).read(), synced) == ((entry("first"), entry("noted")), [])
    journal.append(entry("last"))
    assert synced == [path.read_bytes()]
    assert FileJournal(path).read() == (entry("first"), entry("noted"), entry("last"))


def test_damage_before_the_last_line_stops_the_reader(path: Path) -> None:
    journal = FileJournal(path)
    for key in "abc":
        journal.append(entry(key))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:9] + b"\n" + lines[2])
    with pytest.raises(StateError, match=r"journal.jsonl is damaged: line 2"):
        FileJournal(path).read()


def test_cleared_is_empty_and_goes_on(path: Path) -> None:
    journal = FileJournal(path)
    journal.append(entry("a"))
    journal.clear()
    assert journal.read() == ()
    journal.append(entry("b"))
    assert FileJournal(path).read() == (entry("b"),)


def test_threads_lose_nothing_and_share_syncs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    both, real = threading.Barrier(8), os.fdatasync

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    journal = FileJournal(path)

    def write(thread: int) -> None:
        both.wait()
        for number in range(50):
            journal.append(entry(f"{thread}.{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    keys = [one.key for one in journal.read()]
    assert sorted(keys) == sorted(f"{t}.{n}" for t in range(8) for n in range(50))
    for thread in range(8):
        mine = [key for key in keys if key.startswith(f"{thread}.")]
        assert mine == [f"{thread}.{n}" for n in range(50)]
    assert len(syncs) <= 401


def test_append_returns_only_after_a_sync_that_began_after_its_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one sync is on its way, another thread writes: it must wait for a sync of its own."""
    journal = FileJournal(path)
    journal.append(entry("first"))
    in_sync, go_on, real = threading.Event(), threading.Event(), os.fdatasync
    synced: list[bytes] = []

    def slow(descriptor: int) -> None:
        content = path.read_bytes()
        if not in_sync.is_set():
            in_sync.set()
            assert go_on.wait(10)
        real(descriptor)
        synced.append(content)

    monkeypatch.setattr(os, "fdatasync", slow)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(journal.append, entry("one"))
        assert in_sync.wait(10)
        two = pool.submit(journal.append, entry("two"))
        while b'"two"' not in path.read_bytes():
            pass
        assert not two.done()
        go_on.set()
        one.result(10)
        two.result(10)
    assert b'"two"' not in synced[0]
    assert b'"two"' in synced[1]


def test_after_a_failed_sync_nothing_is_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = FileJournal(path)
    journal.append(entry("a"))

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(StateError, match=r"can't write .*journal.jsonl: Input/output error"):
            journal.append(entry("b"))
    with pytest.raises(StateError, match="earlier write did not reach the disk"):
        journal.append(entry("c"))


def test_where_a_torn_line_can_not_be_taken_away_nothing_is_written_behind_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal(path)
    journal.append(entry("whole"))
    real = os.write

    def tear(descriptor: int, data: memoryview) -> int:
        if len(data) < 10:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[: len(data) - 5])

    def refuse(_descriptor: int, _length: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", tear)
        patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(StateError, match="No space left"):
            journal.append(entry("torn"))
    with pytest.raises(StateError, match="did not reach the disk whole"):
        journal.append(entry("behind it"))
    assert FileJournal(path).read() == (entry("whole"),)
    next_run = FileJournal(path)
    next_run.append(entry("next"))
    assert next_run.read() == (entry("whole"), entry("next"))
