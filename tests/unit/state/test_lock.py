"""The lock, with real processes: one writer, whoever dies and whatever is taken from whom."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sutazai.errors import ApplyFailed, ExitCode, StateError, StateLocked
from sutazai.ports import JournalEntry
from sutazai.store import lock
from sutazai.store.local import LocalStore
from unit.state.samples import a_state

HOLDER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from sutazai.errors import StateLocked
    from sutazai.store.local import LocalStore

    store = LocalStore(Path(sys.argv[1]), "shop", "local")
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with store.lock("apply") as info:
            print("held", info.id, flush=True)
            sys.stdin.readline()
    except StateLocked as error:
        print("locked", error.message, flush=True)
""")
Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "local"


@pytest.fixture
def store(folder: Path) -> LocalStore:
    return LocalStore(folder, "shop", "local", version="1.2.3")


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a process that is ready to take the lock."""
    started: list[subprocess.Popen[str]] = []

    def one() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield one
    for process in started:
        process.kill()
        process.communicate()


def say(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout
    return process.stdout.readline().split()


def holding(start: Start) -> tuple["subprocess.Popen[str]", str]:
    process = start()
    assert hear(process) == ["ready"]
    say(process)
    held, lock_id = hear(process)
    assert held == "held"
    return process, lock_id


def test_lock_json_says_who(store: LocalStore, folder: Path) -> None:
    with store.lock("apply") as info:
        document = json.loads((folder / "lock.json").read_bytes())
        assert document == {
            "ID": info.id, "Operation": "apply", "Who": info.who, "Version": "1.2.3", "Created": info.created,
            "Path": str(folder / "state.json"),
        }  # fmt: skip
        assert "@" in info.who
        assert (folder / "lock.json").stat().st_mode & 0o777 == 0o600
        assert store.holder() == info
    assert not (folder / "lock.json").exists()
    assert store.holder() is None


def test_the_second_is_told_who_and_how_to_unlock(store: LocalStore, folder: Path) -> None:
    other = LocalStore(folder, "shop", "local")
    with store.lock("apply") as info:
        with pytest.raises(StateLocked) as caught, other.lock("destroy"):
            pass
        for part in (info.id, info.who, "apply", info.created):
            assert part in caught.value.message
        assert f"sutazai state unlock {info.id}" in (caught.value.hint or "")
        assert caught.value.exit_code is ExitCode.LOCKED
    with other.lock("destroy"):
        pass


def test_of_many_processes_exactly_one_wins(start: Start) -> None:
    processes = [start() for _ in range(6)]
    assert [hear(process) for process in processes] == [["ready"]] * 6
    for process in processes:
        say(process)
    words = [hear(process) for process in processes]
    assert sorted(word[0] for word in words) == ["held", *["locked"] * 5]
    lock_id = next(word[1] for word in words if word[0] == "held")
    assert all(lock_id in " ".join(word) for word in words)


def test_a_killed_holder_blocks_nobody(start: Start, store: LocalStore, folder: Path) -> None:
    process, lock_id = holding(start)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert json.loads((folder / "lock.json").read_bytes())["ID"] == lock_id
    assert store.holder() is None
    with store.lock("apply") as info:
        assert json.loads((folder / "lock.json").read_bytes())["ID"] == info.id != lock_id


def test_waiting_ends_when_the_holder_does(start: Start, store: LocalStore) -> None:
    process, _ = holding(start)
    with pytest.raises(StateLocked), store.lock("apply", timeout=0.2):
        pass
    say(process)
    with store.lock("apply", timeout=30):
        assert process.wait(10) == 0


def test_waiting_lasts_as_long_as_it_says(start: Start, store: LocalStore) -> None:
    holding(start)
    started = time.monotonic()
    with pytest.raises(StateLocked), store.lock("apply", timeout=0.5):
        pass
    assert 0.5 <= time.monotonic() - started < 5


def test_unlock_wants_the_right_id(start: Start, store: LocalStore) -> None:
    with pytest.raises(StateError, match="nobody holds"):
        store.unlock("x")
    _, lock_id = holding(start)
    with pytest.raises(StateError, match=f"'x' does not match the existing lock: ID {lock_id}"):
        store.unlock("x")
    assert store.unlock(lock_id).id == lock_id
    with pytest.raises(StateError, match="nobody holds"):
        store.unlock(lock_id)
    with store.lock("apply"):
        pass


def test_who_lost_the_lock_writes_no_more(folder: Path) -> None:
    hung, other = LocalStore(folder, "shop", "local"), LocalStore(folder, "shop", "local")
    with hung.lock("apply") as info:
        hung.commit(a_state(1))
        other.unlock(info.id)
        with other.lock("apply") as mine:
            other.commit(a_state(2))
            for write in (
                lambda: hung.commit(a_state(3)),
                lambda: hung.journal().append(JournalEntry("intent", "k", 1.0)),
                hung.journal().clear,
            ):
                with pytest.raises(StateError, match="was taken from this run"):
                    write()
            assert other.holder() == mine
    assert other.serials() == (1, 2)


def test_who_lost_the_lock_does_not_release_anothers(folder: Path) -> None:
    hung, other = LocalStore(folder, "shop", "local"), LocalStore(folder, "shop", "local")
    with hung.lock("apply") as info:
        other.unlock(info.id)
        lock = other.lock("apply")
        mine = lock.__enter__()
    assert hung.holder() == mine
    with pytest.raises(StateLocked, match=mine.id), hung.lock("apply"):
        pass
    lock.__exit__(None, None, None)


@pytest.mark.parametrize("trouble", ["stopped", "read-only"])
def test_how_a_run_ended_is_told_though_its_name_can_not_be_removed(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Another process was stopped as it looked for the writer; the disk failed, and became read-only."""
    monkeypatch.setattr(lock, "GUARD_TIMEOUT", 0.1)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def run(outcome: Exception | None) -> None:
        with (folder / ".guard").open("a") as guard, monkeypatch.context() as patched, store.lock("apply"):
            if trouble == "stopped":
                fcntl.flock(guard, fcntl.LOCK_EX)
            else:
                patched.setattr(Path, "unlink", refuse)
            if outcome is not None:
                raise outcome

    folder.mkdir(parents=True)
    run(None)
    with pytest.raises(ApplyFailed, match="does not start"):
        run(ApplyFailed("agent.a does not start"))
    assert store.holder() is None
    with store.lock("apply"):
        store.commit(a_state(1))


def test_an_unlock_of_a_dead_lock_cleans_up(start: Start, store: LocalStore, folder: Path) -> None:
    process, lock_id = holding(start)
    process.kill()
    process.wait()
    assert store.unlock(lock_id).id == lock_id
    assert not (folder / "lock.json").exists()


@pytest.mark.parametrize("left", ["", "{", None])
def test_a_lost_or_damaged_lock_json_looses_no_lock(
    store: LocalStore, folder: Path, left: str | None
) -> None:
    other, written = LocalStore(folder, "shop", "local"), folder / "lock.json"
    with store.lock("apply"):
        written.unlink() if left is None else written.write_text(left)
        with pytest.raises(StateLocked, match="is locked by another process"), other.lock("destroy"):
            pass
        holder = other.holder()
        assert holder is not None
        assert (holder.operation, holder.who) == ("a run", "another process")
        with pytest.raises(
            StateLocked, match=r"a process holds the lock of .*, is lost or damaged"
        ) as caught:
            other.unlock("x")
        assert f"fuser {folder / '.lock'}" in (caught.value.hint or "")
    assert other.holder() is None


def test_a_damaged_lock_json_of_a_dead_holder_does_not_block(store: LocalStore, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "lock.json").write_text("{")
    with store.lock("apply") as info:
        assert store.holder() == info


def test_a_child_of_the_holder_does_not_keep_the_lock(store: LocalStore) -> None:
    with store.lock("apply"):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        with store.lock("apply"):
            assert child.poll() is None
    finally:
        child.communicate()


def test_reading_takes_no_lock_and_makes_nothing(store: LocalStore, folder: Path) -> None:
    assert store.newest() is None
    assert store.serials() == ()
    assert store.holder() is None
    assert store.verify() == ()
    assert not os.path.lexists(folder)


@pytest.mark.parametrize("gone", [(), (".guard",), (".lock",), (".guard", ".lock")])
def test_who_looks_for_a_writer_makes_no_file_and_needs_no_right_to_write(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, gone: tuple[str, ...]
) -> None:
    with store.lock("apply"):
        store.commit(a_state(1))
    for name in gone:
        (folder / name).unlink()
    before, opened = sorted(folder.rglob("*")), os.open

    def refusing(path: os.PathLike[str], flags: int, *rest: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "it can't be written")
        return opened(path, flags, *rest)

    monkeypatch.setattr(os, "open", refusing)
    assert store.holder() is None
    monkeypatch.undo()
    assert sorted(folder.rglob("*")) == before


def test_who_looks_for_a_writer_keeps_none_from_looking(
    store: LocalStore, folder: Path, start: Start
) -> None:
    _, lock_id = holding(start)
    found = [LocalStore(folder, "shop", "local").holder() for _ in range(3)]
    assert [one.id for one in found if one] == [lock_id] * 3
