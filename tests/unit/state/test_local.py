"""The folder of the local store: what is in it, and what is said of damage."""

import json
import re
import shutil
from pathlib import Path

import pytest

from sutazai.errors import StateError
from sutazai.model.fleet import Fleet
from sutazai.state import formats
from sutazai.state.scope import digest_of
from sutazai.state.v2 import State
from sutazai.store.local import LocalStore
from unit.state.samples import a_state


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "local", "shop", "local")
    for serial in (1, 2, 3):
        store.commit(a_state(serial))
    return store


def newest_file(store: LocalStore) -> Path:
    return store.directory / "state.json"


def serial_file(store: LocalStore, serial: int) -> Path:
    return store.directory / "serials" / f"{serial:06}.json"


def test_the_files_of_the_contract(store: LocalStore) -> None:
    assert newest_file(store).read_bytes() == serial_file(store, 3).read_bytes()
    assert newest_file(store).read_bytes().endswith(b"}\n")
    found = {str(path.relative_to(store.directory)) for path in store.directory.rglob("*") if path.is_file()}
    assert found == {"state.json", "serials/000001.json", "serials/000002.json", "serials/000003.json"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in [store.directory, *store.directory.rglob("*")])
    assert store.verify() == ()


def test_newest_reads_one_whole_file(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    real = formats.read

    def noted(data: bytes, source: str, like: Fleet | None = None) -> State:
        parsed.append(source)
        return real(data, source, like)

    monkeypatch.setattr(formats, "read", noted)
    newest = store.newest()
    assert newest is not None
    assert (newest.serial, parsed) == (3, [str(newest_file(store))])


def test_a_serial_ahead_is_the_newest_and_the_next_commit_catches_up(store: LocalStore) -> None:
    shutil.copy(serial_file(store, 2), newest_file(store))
    newest = store.newest()
    assert newest is not None
    assert newest.serial == 3
    assert store.verify() == (f"{newest_file(store)} differs from serial 3",)
    store.commit(a_state(4))
    assert store.verify() == ()


def test_whoever_takes_the_lock_finishes_a_commit_that_was_cut_off(store: LocalStore) -> None:
    newest_file(store).write_bytes(serial_file(store, 2).read_bytes())
    with store.lock("apply"):
        assert newest_file(store).read_bytes() == serial_file(store, 3).read_bytes()
    assert store.verify() == ()


def test_a_damaged_newest_serial_never_takes_the_place_of_its_whole_copy(store: LocalStore) -> None:
    whole, path = newest_file(store).read_bytes(), serial_file(store, 3)
    path.write_bytes(whole.replace(b"shop", b"chop", 1))
    with pytest.raises(StateError, match=r"000003\.json is damaged") as caught, store.lock("apply"):
        pytest.fail("the lock was given")
    assert (
        caught.value.hint == f"{newest_file(store)} is whole: copy it to {path}, then `sutazai state verify`"
    )
    assert newest_file(store).read_bytes() == whole
    path.write_bytes(whole)
    with store.lock("apply"):
        assert store.verify() == ()


@pytest.mark.parametrize("lost", [(3,), (1, 2, 3)])
def test_a_lost_file_of_the_newest_serial_is_made_anew_of_its_copy(
    store: LocalStore, lost: tuple[int, ...]
) -> None:
    for serial in lost:
        serial_file(store, serial).unlink()
    with store.lock("apply"):
        assert serial_file(store, 3).read_bytes() == newest_file(store).read_bytes()
        assert store.commit(a_state(4)).serial == 4
    assert store.serials()[-2:] == (3, 4)


def test_nothing_is_written_in_the_place_of_a_serial_that_is_missing_below_the_newest(
    store: LocalStore,
) -> None:
    """An old `state.json` was brought back, and the serial after it is lost."""
    serial_file(store, 2).unlink()
    shutil.copy(serial_file(store, 1), newest_file(store))
    with (
        pytest.raises(
            StateError, match=r"serial 2 is missing in .*, and there are later ones up to 3"
        ) as caught,
        store.lock("apply"),
    ):
        pass
    assert caught.value.hint is not None
    assert str(serial_file(store, 3)) in caught.value.hint
    shutil.copy(serial_file(store, 3), newest_file(store))
    with store.lock("apply"):
        assert store.commit(a_state(4)).serial == 4


def test_without_state_json_the_highest_serial_is_the_newest(store: LocalStore) -> None:
    newest_file(store).unlink()
    newest = store.newest()
    assert newest is not None
    assert newest.serial == 3
    assert store.verify() == (f"{newest_file(store)} is missing",)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]\n", b'{"format_version": 1}', b"\x00" * 4096])
def test_damage_of_state_json_names_the_file_and_the_way_back(store: LocalStore, damage: bytes) -> None:
    newest_file(store).write_bytes(damage)
    with pytest.raises(StateError) as caught:
        store.newest()
    assert str(newest_file(store)) in caught.value.message
    assert caught.value.hint == (
        f"{serial_file(store, 3)} is whole: copy it to {newest_file(store)}, then `sutazai state verify`"
    )
    with pytest.raises(StateError):
        store.commit(a_state(4))
    shutil.copy(serial_file(store, 3), newest_file(store))
    assert store.verify() == ()


def test_a_state_of_a_newer_version_is_left_to_that_version(store: LocalStore) -> None:
    """An older serial that can be read is no copy of it."""
    changes = {"serial": 4, "format_version": formats.NEWEST + 1, "sutazai_version": "9.1"}
    document = json.loads(newest_file(store).read_bytes()) | changes
    del document["sha256"]
    newer = json.dumps(document | {"sha256": digest_of(document)})
    for path in (serial_file(store, 4), newest_file(store)):
        path.write_text(newer)
    with pytest.raises(StateError, match=r"state\.json has format \d+, written by sutazai 9\.1") as caught:
        store.newest()
    assert caught.value.hint == "use sutazai 9.1 or newer"


def test_an_edited_value_is_found(store: LocalStore) -> None:
    path = serial_file(store, 2)
    path.write_text(path.read_text().replace("shop/planner:1.0", "shop/planner:6.6"))
    with pytest.raises(StateError, match=r"000002.json is damaged: its sha256 does not match"):
        store.read(2)
    assert store.newest() is not None
    assert store.verify() == (
        f"{path} is damaged: its sha256 does not match what it holds",
        "after serial 1 comes 3",
    )


def test_serials_that_are_lost_altogether_are_found(store: LocalStore) -> None:
    shutil.rmtree(store.directory / "serials")
    assert store.verify() == (
        f"{newest_file(store)} is there, and no serial in {store.directory / 'serials'}",
    )
    newest_file(store).unlink()
    assert store.verify() == ()


def test_a_serial_under_another_number_is_found(store: LocalStore) -> None:
    shutil.copy(serial_file(store, 1), serial_file(store, 2))
    with pytest.raises(StateError, match="it holds serial 1"):
        store.read(2)


def test_a_serial_ahead_that_is_another_one_is_damage_and_not_followed(store: LocalStore) -> None:
    """Followed it would lead back, again and again."""
    ahead = store.directory / "serials" / "000004.json"
    shutil.copy(store.directory / "serials" / "000003.json", ahead)
    with pytest.raises(StateError, match=re.escape(f"{ahead} is damaged: it holds serial 3")):
        store.newest()


def test_a_damaged_journal_is_found(store: LocalStore) -> None:
    path = store.directory / "journal.jsonl"
    path.write_text("{}\n")
    assert store.verify() == (f"{path} is damaged: line 1 is not an entry",)


def test_a_folder_of_another_environment_is_refused(store: LocalStore) -> None:
    for project, environment in (("shop", "production"), ("other", "local")):
        with pytest.raises(StateError, match="belongs to environment 'local' of project 'shop'"):
            LocalStore(store.directory, project, environment).newest()


def test_other_files_among_the_serials_do_not_count(store: LocalStore) -> None:
    (store.directory / "serials" / "notes.json").write_text("mine")
    (store.directory / "serials" / ".000004.json.abc.tmp").write_text("{")
    for name in ("3.json", "0000003.json", "0000004.json", "000004.json.bak"):
        shutil.copy(serial_file(store, 3), store.directory / "serials" / name)
    assert store.serials() == (1, 2, 3)


def test_the_lock_holder_removes_what_killed_writers_left(store: LocalStore) -> None:
    left = store.directory / ".state.json.abc.tmp", store.directory / "serials" / ".000004.json.abc.tmp"
    for path in left:
        path.write_text("{")
    with store.lock("apply"):
        assert not any(path.exists() for path in left)
