"""The simulated engine in a file: whole after a kill at any instant, shared between processes."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sutazai.address import agent
from sutazai.errors import ProviderError
from sutazai.model.fleet import Fleet, Network
from sutazai.model.workload import Workload
from sutazai.ports import InstanceSpec
from sutazai.providers.simulated import SimulatedProvider, text
from sutazai.providers.simulated.document import ContainerEntry, container_entry
from sutazai.providers.simulated.engine import SimulatedContainer
from sutazai.providers.simulated.file import FileEngine
from sutazai.state.scope import Scope, Slot

SCOPE = Scope("shop", "test")
NOTHING = Fleet(project="shop", environment="test")


def provider(path: Path) -> SimulatedProvider:
    return SimulatedProvider(SCOPE, FileEngine(path))


def networks(path: Path) -> set[str]:
    return set(provider(path).observe(NOTHING).networks)


def child(path: Path, prefix: str, count: int) -> subprocess.Popen[bytes]:
    """A process that makes networks one after the other."""
    program = Path(__file__).with_name("engine_user.py")
    return subprocess.Popen([sys.executable, str(program), str(path), prefix, str(count)])


def test_two_processes_use_one_engine(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    children = [child(path, prefix, 20) for prefix in "ab"]
    assert [one.wait(60) for one in children] == [0, 0]
    assert networks(path) == {f"{prefix}{number}" for prefix in "ab" for number in range(20)}


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_instant_it_is_whole_and_free(tmp_path: Path, seed: int) -> None:
    path, draw = tmp_path / "engine.json", random.Random(seed)  # noqa: S311 - moments, not secrets
    process = child(path, "a", 10_000)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.001)
    time.sleep(draw.uniform(0, 0.05))
    process.kill()
    process.wait(60)
    found = networks(path)
    assert found == {f"a{number}" for number in range(len(found))}
    provider(path).create_network("last", Network(), {})
    assert networks(path) == found | {"last"}


def test_what_another_process_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    mine, other = provider(path), provider(path)
    assert not mine.observe(NOTHING).networks
    other.create_network("n", Network(), {})
    assert set(mine.observe(NOTHING).networks) == {"n"}
    mine.remove_network("n")
    assert not other.observe(NOTHING).networks


def test_looking_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "engine.json"
    assert not networks(path)
    assert list(tmp_path.iterdir()) == []


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    provider(path).create_network("n", Network(), {})
    assert path.stat().st_mode & 0o777 == 0o600
    assert {one.name for one in tmp_path.iterdir()} == {"engine.json", ".engine.json.lock"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "understood: Invalid JSON"),
        ('{"version": 2}', "version"),
        ('{"containers": {"a": {"statsu": "running"}}}', "containers.a"),
        ('{"host": 1}', "host"),
    ],
)
def test_a_file_that_can_not_be_understood_is_explained(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "engine.json"
    path.write_text(text)
    with pytest.raises(ProviderError, match=said) as caught:
        networks(path)
    assert caught.value.hint == "undo the last edit, or remove the file: then nothing runs on it"
    assert path.read_text() == text


def test_a_place_that_can_not_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProviderError, match="can't lock the simulated engine"):
        provider(tmp_path / "file" / "engine.json").create_network("n", Network(), {})


def test_what_has_not_changed_is_put_into_words_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call writes the file as a whole: were each of its containers made anew, a fleet of n would take n² of that."""
    path, made = tmp_path / "engine.json", []

    def counted(container: SimulatedContainer) -> ContainerEntry:
        made.append(container.instance.name)
        return container_entry(container)

    monkeypatch.setattr(text, "container_entry", counted)
    mine = provider(path)
    mine.pull("image:1.0", None, lambda _: None)
    workload = Workload.model_validate({"image": "image:1.0"})
    names = [f"c{number}" for number in range(8)]
    ids = [
        mine.create_instance(
            InstanceSpec(name, agent(name), workload, Slot.BLUE, 1, "image:1.0", {}, (name,))
        )
        for name in names
    ]
    for identity in ids:
        mine.start(identity)
    assert made == [*names, *names]
    mine.put_file(ids[0], "/a", b"content", 0o644)
    mine.rename(ids[1], "another")
    mine.remove(ids[2])
    assert made[2 * len(names) :] == ["c0", "another"]
    written = path.read_text()
    assert written == json.dumps(json.loads(written), indent=1) + "\n"
    with FileEngine(path).opened(change=True):
        assert path.read_text() == written
    assert path.read_text() == written
    assert list(json.loads(written)["containers"]) == ["c0", "another", *names[3:]]


@pytest.mark.parametrize(
    ("containers", "said"),
    [
        ({"a": {"started_at": "yesterday"}}, "containers.a.started_at"),
        ({"a": {"created_at": "2026-11-30T10:00:00"}}, "a time ends in Z"),
        ({"a": {}, "b": {}}, "a and b have the same id"),
    ],
)
def test_an_edit_that_can_not_be_is_named_and_the_file_left_as_it_is(
    tmp_path: Path, containers: dict[str, dict[str, str]], said: str
) -> None:
    path = tmp_path / "engine.json"
    usual = {"id": "1", "image_id": "2", "status": "running", "body": {}, "labels": {}}
    path.write_text(json.dumps({"containers": {name: usual | edit for name, edit in containers.items()}}))
    before = path.read_bytes()
    with pytest.raises(ProviderError, match=said):
        provider(path).create_network("last", Network(), {})
    assert path.read_bytes() == before
