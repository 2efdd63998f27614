"""What every state backend does. A new kind joins by its options in `OPTIONS`."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sutazai.errors import StateError, StateLocked
from sutazai.model.backend import BackendOptions, LocalBackend
from sutazai.ports import JournalEntry, StateStore
from sutazai.state import formats
from sutazai.store import KINDS, open_store
from sutazai.store.local import LocalStore
from unit.state.samples import LINEAGE, a_state

OPTIONS: dict[str, Callable[[pytest.FixtureRequest, Path], BackendOptions]] = {
    "local": lambda _request, _tmp: LocalBackend(),
    "local, relative path": lambda _request, _tmp: LocalBackend(path="elsewhere/deep"),
    "local, absolute path": lambda _request, tmp: LocalBackend(path=str(tmp / "outside")),
    "postgres": lambda request, _tmp: request.getfixturevalue("postgres").options(),
    "s3": lambda request, _tmp: request.getfixturevalue("s3").options(),
    "s3, by moto": lambda request, _tmp: request.getfixturevalue("moto").options(),
}
Open = Callable[..., StateStore]


@pytest.fixture(params=OPTIONS)
def options(request: pytest.FixtureRequest, tmp_path: Path, aws_keys: None) -> BackendOptions:
    return OPTIONS[request.param](request, tmp_path)


@pytest.fixture
def reopen(options: BackendOptions, tmp_path: Path) -> Iterator[Open]:
    """The same store, as another process would open it."""
    stores: list[StateStore] = []

    def opened(project: str = "shop", environment: str = "local") -> StateStore:
        stores.append(open_store(options, tmp_path / "root", project, environment))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(reopen: Open) -> StateStore:
    return reopen()


def test_a_new_store_is_empty(store: StateStore) -> None:
    assert store.newest() is None
    assert store.serials() == ()
    assert store.journal().read() == ()
    with pytest.raises(StateError, match=r"no serial 1 .*there is none yet"):
        store.read(1)


def test_committed_serials_can_be_read_by_another(store: StateStore, reopen: Open) -> None:
    with store.lock("apply"):
        written = [store.commit(a_state(serial, why=f"change {serial}")) for serial in (1, 2, 3)]
    other = reopen()
    assert other.newest() == written[-1]
    assert other.serials() == (1, 2, 3)
    assert [other.read(serial) for serial in (1, 2, 3)] == written
    with pytest.raises(StateError, match=r"no serial 4 .*there are 1 to 3"):
        other.read(4)


def test_commit_seals_the_chain(store: StateStore) -> None:
    one, two = store.commit(a_state(1)), store.commit(a_state(2))
    assert one.previous_sha256 is None
    assert two.previous_sha256 == one.sha256 != two.sha256
    assert len(two.sha256) == 64


@pytest.mark.parametrize("serial", [1, 2, 4, 99])
def test_only_the_next_serial_is_committed(store: StateStore, serial: int) -> None:
    store.commit(a_state(1))
    newest = store.commit(a_state(2))
    with pytest.raises(StateError, match="the next one is 3"):
        store.commit(a_state(serial))
    assert store.newest() == newest
    assert store.serials() == (1, 2)


def test_the_first_serial_is_one(store: StateStore) -> None:
    with pytest.raises(StateError, match="the next one is 1"):
        store.commit(a_state(2))


def test_another_lineage_is_refused(store: StateStore) -> None:
    store.commit(a_state(1))
    with pytest.raises(StateError, match=f"has lineage {LINEAGE}"):
        store.commit(a_state(2, lineage="other"))


def test_a_state_of_another_environment_is_not_written(store: StateStore) -> None:
    with pytest.raises(StateError, match="can't be written to"):
        store.commit(a_state(1, environment="production"))
    assert store.serials() == ()


def test_two_writers_without_a_lock_never_overwrite(store: StateStore, reopen: Open) -> None:
    other = reopen()
    mine = store.commit(a_state(1, why="mine"))
    with pytest.raises(StateError):
        other.commit(a_state(1, why="theirs"))
    assert other.newest() == mine


def test_the_journal_lasts_until_it_is_cleared(store: StateStore, reopen: Open) -> None:
    entry = JournalEntry(
        "intent", "1", 1.5, "agent.planner", "create", {"slot": "blue", "deep": [1, {"a": None}]}
    )
    with store.lock("apply"):
        store.journal().append(entry)
        store.journal().append(replace(entry, phase="done"))
    assert reopen().journal().read() == (entry, replace(entry, phase="done"))
    store.journal().clear()
    assert reopen().journal().read() == ()


def test_one_writer_at_a_time(store: StateStore, reopen: Open) -> None:
    other = reopen()
    with store.lock("apply") as info:
        with pytest.raises(StateLocked, match=info.id), other.lock("destroy"):
            pass
        with pytest.raises(StateLocked), store.lock("destroy"):
            pass
    with other.lock("destroy") as mine:
        assert mine.id != info.id


def test_the_lock_ends_with_an_exception(store: StateStore, reopen: Open) -> None:
    with pytest.raises(RuntimeError), store.lock("apply"):
        raise RuntimeError
    with reopen().lock("apply"):
        pass


def test_unlock_takes_the_lock_by_its_id(store: StateStore, reopen: Open) -> None:
    other = reopen()
    with store.lock("apply") as info:
        with pytest.raises(StateError, match="does not match"):
            other.unlock("another")
        assert other.unlock(info.id) == info
        with other.lock("apply"), pytest.raises(StateError, match="was taken from this run"):
            store.commit(a_state(1))


def test_the_holder_is_known_while_the_lock_is_held(store: StateStore, reopen: Open) -> None:
    assert reopen().holder() is None
    with store.lock("apply") as info:
        assert reopen().holder() == info
    assert reopen().holder() is None


def test_a_serial_is_kept_as_the_bytes_it_was_written_as(store: StateStore) -> None:
    one = store.commit(a_state(1))
    assert store.document(1) == formats.write(one)
    with pytest.raises(StateError, match="no serial 2"):
        store.document(2)


def test_serials_of_another_store_are_taken_in_as_they_are(store: StateStore, tmp_path: Path) -> None:
    source = LocalStore(tmp_path / "source", "shop", "local")
    for serial in (1, 2):
        source.commit(a_state(serial))
    with pytest.raises(StateError, match="the next one is 1"):
        store.append(source.document(2))
    with store.lock("migrate"):
        for serial in (1, 2):
            store.append(source.document(serial))
    assert [store.document(n) for n in (1, 2)] == [source.document(n) for n in (1, 2)]
    assert store.newest() == source.newest()
    assert store.verify() == ()


def test_a_serial_of_another_history_is_not_taken_in(store: StateStore, tmp_path: Path) -> None:
    store.commit(a_state(1, why="mine"))
    source = LocalStore(tmp_path / "source", "shop", "local")
    source.commit(a_state(1, why="theirs"))
    source.commit(a_state(2))
    with pytest.raises(StateError, match="serial 2 was not written after this serial 1"):
        store.append(source.document(2))
    with pytest.raises(StateError, match="damaged"):
        store.append(source.document(2).replace(b"planner", b"planned"))
    assert store.serials() == (1,)


def test_what_is_whole_has_no_problems(store: StateStore) -> None:
    assert store.verify() == ()
    for serial in (1, 2, 3):
        store.commit(a_state(serial))
    assert store.verify() == ()


def test_nothing_is_written_where_the_state_moved_away(store: StateStore, reopen: Open) -> None:
    newest = store.commit(a_state(1))
    assert store.moved_to() is None
    store.move_to("postgres: elsewhere")
    other = reopen()
    assert other.moved_to() == "postgres: elsewhere"
    with pytest.raises(StateError, match="was moved to postgres: elsewhere"):
        other.commit(a_state(2))
    with pytest.raises(StateError, match="was moved to postgres: elsewhere"), other.lock("apply"):
        pass
    with other.lock("migrate"):
        pass
    assert other.newest() == newest
    other.move_to(None)
    assert other.commit(a_state(2)).serial == 2


def test_every_kind_is_in_this_suite() -> None:
    assert {name.partition(",")[0] for name in OPTIONS} == set(KINDS)


def test_the_environments_of_one_store_do_not_mix(reopen: Open, options: BackendOptions) -> None:
    one, two = reopen(), reopen(environment="production")
    one.commit(a_state(1))
    if isinstance(options, LocalBackend) and options.path:  # a folder that is named holds one
        with pytest.raises(StateError, match="belongs to environment 'local'"):
            two.newest()
        return
    assert two.newest() is None
    with one.lock("apply"), two.lock("apply"):
        two.commit(a_state(1, environment="production", lineage="other"))
    assert one.serials() == two.serials() == (1,)
    assert one.journal().read() == ()


def test_what_is_noted_outlives_the_process_and_stays_in_its_place(store: StateStore, reopen: Open) -> None:
    entries = [JournalEntry(phase, phase, 1.0) for phase in ("begin", "intent", "done", "end")]
    with store.lock("apply"):
        for entry in entries:
            write = store.journal().note if entry.phase == "done" else store.journal().append
            write(entry)
        assert reopen().journal().read() == tuple(entries)


def test_entries_appended_at_the_same_time_are_all_kept(store: StateStore, reopen: Open) -> None:
    entries = [JournalEntry("intent", str(number), float(number)) for number in range(60)]
    with store.lock("apply"), ThreadPoolExecutor(12) as pool:
        list(pool.map(store.journal().append, entries))
        store.journal().append(JournalEntry("end", "last", 0.0))
    read = reopen().journal().read()
    assert read[-1].key == "last"
    assert sorted(read[:-1], key=lambda entry: entry.at) == entries
