"""What is kept between runs: whole or not there, private, bounded, and never in the way."""

import json
import os
import threading
from pathlib import Path

import pytest

from sutazai import cache as module
from sutazai.cache import Cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def only_file(cache: Cache) -> Path:
    assert cache.folder is not None
    (path,) = cache.folder.iterdir()
    return path


def test_what_is_kept_comes_back(cache: Cache) -> None:
    assert cache.get("a", 1) is None
    digest = cache.put({"x": ["ü", "\udcff", None]}, "a", 1)
    found = cache.get("a", 1)
    assert found is not None
    assert (found.value, found.digest) == ({"x": ["ü", "\udcff", None]}, digest)
    assert cache.get("a", 2) is None
    assert only_file(cache).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"\n", b"{}", b"0" * 64 + b"\n{}"])
def test_a_damaged_entry_is_none(cache: Cache, damage: bytes) -> None:
    cache.put({"x": 1}, "a")
    only_file(cache).write_bytes(damage)
    assert cache.get("a") is None


def test_every_truncation_and_every_flipped_byte_is_found(cache: Cache) -> None:
    cache.put({"x": 1}, "a")
    whole = only_file(cache).read_bytes()
    for place in range(len(whole)):
        for wrong in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            only_file(cache).write_bytes(wrong)
            assert cache.get("a") is None


def test_what_others_may_write_is_not_read(cache: Cache) -> None:
    cache.put({"x": 1}, "a")
    assert cache.folder is not None
    only_file(cache).chmod(0o666)
    assert cache.get("a") is None
    only_file(cache).chmod(0o600)
    assert cache.get("a") is not None
    cache.folder.chmod(0o777)
    assert cache.get("a") is None
    cache.put({"x": 2}, "b")
    assert len(list(cache.folder.iterdir())) == 1


def test_what_belongs_to_another_user_is_not_read(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put({"x": 1}, "a")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert cache.get("a") is None


def test_a_link_and_a_pipe_are_not_followed(cache: Cache, tmp_path: Path) -> None:
    cache.put({"x": 1}, "a")
    path = only_file(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.get("a") is None
    path.unlink()
    os.mkfifo(path, 0o600)
    assert cache.get("a") is None


def test_another_program_has_other_entries(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put({"x": 1}, "a")
    monkeypatch.setattr(module, "program", lambda: "another")
    assert cache.get("a") is None


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    cache.put({"x": 1}, "a")
    assert cache.get("a") is None


def test_switched_off_nothing_is_kept(tmp_path: Path) -> None:
    off = Cache.of({"SUTAZAI_CACHE": "off", "HOME": str(tmp_path)})
    off.put({"x": 1}, "a")
    assert off.get("a") is None
    assert not list(tmp_path.iterdir())


def test_where_it_is(tmp_path: Path) -> None:
    assert Cache.of({"HOME": "/home/me"}).folder == Path("/home/me/.cache/sutazai")
    assert Cache.of({"HOME": "/home/me", "XDG_CACHE_HOME": "/x"}).folder == Path("/x/sutazai")
    assert Cache.of({"HOME": "/home/me", "XDG_CACHE_HOME": "x"}).folder == Path("/home/me/.cache/sutazai")
    assert Cache.of({"SUTAZAI_CACHE": str(tmp_path)}).folder == tmp_path
    assert Cache.of({}).folder is None


def test_it_is_bounded(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    for number in range(6):
        cache.put(number, number)
    assert [number for number in range(6) if cache.get(number)] == [3, 4, 5]
    monkeypatch.setattr(module, "MAX_BYTES", 500)
    cache.put("x" * 400, "large")
    assert cache.get("large") is not None
    assert cache.get(3) is None


def test_many_at_once_never_see_half_an_entry(cache: Cache) -> None:
    wrong: list[object] = []

    def write(number: int) -> None:
        for _ in range(50):
            cache.put([number] * 1000, "shared")
            found = cache.get("shared")
            if found is not None and len(set(found.value)) != 1:
                wrong.append(found.value)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    found = cache.get("shared")
    assert found is None or json.dumps(found.value)
