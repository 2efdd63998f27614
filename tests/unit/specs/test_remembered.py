"""A remembered load equals a fresh one, whatever happened to the project in between; and where it can't be told, it is
loaded anew."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.cache import Cache
from sutazai.model.workload import declared
from sutazai.specs.load import load as fresh
from sutazai.specs.loaded import Loaded
from sutazai.specs.remembered import find, load

START = {
    "specs/project.yaml": "project: shop\nnetworks: {fleet: {}}\nvariables: {release: '1'}\n",
    "specs/a.yaml": "agents: {a: {module: base, networks: [fleet], env_file: [{path: a.env, required: false}]}}\n",
    "modules/base/module.yaml": "template: {image: 'shop/a:{{ var.release }}', environment: {TOKEN: }}\n",
    "environments/base.yaml": "variables: {release: '2'}\n",
    "environments/local.yaml": "extends: base\n",
}
TEXTS = {
    "specs/project.yaml": (
        "project: shop\nnetworks: {fleet: {}}\nvariables: {release: '9'}\n",
        "project: shop\nnetworks: {fleet: {}}\nvariables: {release: '1'}\nconfigs: {c: {file: specs/c.yaml}}\n",
    ),
    "specs/a.yaml": (
        "agents: {a: {image: x, configs: [c]}}\n",
        "agents: {a: {image: x, volumes: ['./data:/data'], build: images/a}}\n",
        "agents: {a: {module: base, depends_on: [b]}}\n",
        "agents: {a: {image: x, teir: critical}}\n",
    ),
    "specs/b.yaml": (
        "services: {b: {image: y}}\n",
        "services: {b: {image: z}}\n",
        "agents: {a: {image: y}}\n",
    ),
    "specs/more/b.yml": ("services: {d: {image: y}}\n", ""),
    "specs/.hidden.yaml": ("services: {h: {image: y}}\n",),
    "specs/c.yaml": ("content: 1\n", "content: 2\n", "services: {c: {image: y}}\n"),
    "a.env": ("A=1\n", "A=2\nB\n", "A=1\nHOME\n"),
    "modules/base/module.yaml": (
        "inputs: {port: {type: integer, required: true, default: 1}}\ntemplate: {image: b}\n",
        "template: {image: 'shop/a:{{ var.release }}', environment: {TOKEN: , B: }}\n",
        "template: [\n",
    ),
    "modules/other/module.yml": ("template: {image: o}\n",),
    "environments/base.yaml": ("variables: {release: '3'}\n", "exclude: [b]\n"),
    "environments/base.yml": ("variables: {release: '4'}\n",),
    "environments/local.yaml": (
        "extends: other\n",
        "defaults: {labels: {x: '1'}}\n",
        "extends: base\nexclude: [a]\n",
    ),
    "environments/other.yaml": ("variables: {release: '5'}\n",),
    "images/a/Dockerfile": ("FROM scratch\n",),
}


@dataclass
class Place:
    """A project that is edited, and what the next load is asked."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    environment: str = "local"

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():  # what is written is the file and not what the link leads to
            path.unlink()
        path.write_text(text)

    def write_unnoticed(self, file: str) -> None:
        """Another content of the same size at the same time, in the same file."""
        path = self.root / file
        if path.is_file() and (text := path.read_text()):
            before = path.stat()
            with path.open("r+") as stream:
                stream.write(text.swapcase())
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def touch(self, file: str) -> None:
        if (self.root / file).is_file():
            os.utime(self.root / file)

    def remove(self, file: str) -> None:
        (self.root / file).unlink(missing_ok=True)

    def rename(self, file: str, other: str) -> None:
        if (self.root / file).is_file():
            (self.root / other).parent.mkdir(parents=True, exist_ok=True)
            (self.root / file).rename(self.root / other)

    def link(self, file: str, other: str) -> None:
        if not (self.root / file).exists() and not (self.root / file).is_symlink():
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            (self.root / file).symlink_to(self.root / other)

    def set(self, table: str, name: str, value: str | None) -> None:
        found = getattr(self, table)
        found.pop(name, None) if value is None else found.update({name: value})

    def choose(self, environment: str) -> None:
        self.environment = environment


Edit = Callable[[Place], None]
FILES = st.sampled_from(sorted(TEXTS))
WRITTEN = FILES.flatmap(lambda file: st.tuples(st.just(file), st.sampled_from(TEXTS[file])))
EDITS: st.SearchStrategy[Edit] = st.one_of(
    WRITTEN.map(lambda pair: lambda place: place.write(*pair)),
    FILES.map(lambda file: lambda place: place.write_unnoticed(file)),
    FILES.map(lambda file: lambda place: place.touch(file)),
    FILES.map(lambda file: lambda place: place.remove(file)),
    st.tuples(FILES, FILES).map(lambda pair: lambda place: place.rename(*pair)),
    st.tuples(FILES, FILES).map(lambda pair: lambda place: place.link(*pair)),
    st.tuples(st.just("variables"), st.just("release"), st.sampled_from([None, "7", "8"])).map(
        lambda given: lambda place: place.set(*given)
    ),
    st.tuples(st.just("environ"), st.sampled_from(["TOKEN", "B", "HOME", "UNUSED"]), st.sampled_from([None, "", "t"])).map(
        lambda given: lambda place: place.set(*given)
    ),
    st.sampled_from(["local", "base", "other", "none"]).map(lambda name: lambda place: place.choose(name)),
)  # fmt: skip


def seen(loaded: Loaded) -> tuple[object, ...]:
    fleet = declared(loaded.fleet) if loaded.fleet else None
    forms = [json.dumps(workload.form) for _, workload in loaded.fleet.workloads()] if loaded.fleet else []
    return (
        loaded.fleet,
        fleet,
        forms,
        loaded.provider,
        loaded.backend,
        list(loaded.diagnostics),
        loaded.spec_digest,
    )


def ask(place: Place, cache: Cache) -> Loaded:
    return load(place.root, place.environment, variables=place.variables, environ=place.environ, cache=cache)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits=st.lists(EDITS, min_size=1, max_size=8))
def test_a_remembered_load_is_a_fresh_load(
    edits: list[Edit], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place, cache = Place(tmp_path_factory.mktemp("project")), Cache(tmp_path_factory.mktemp("cache"))
    for file, text in START.items():
        place.write(file, text)
    ask(place, cache)
    for edit in edits:
        edit(place)
        anew = fresh(place.root, place.environment, variables=place.variables, environ=place.environ)
        for _ in range(2):  # the second may come from what the first kept
            assert seen(ask(place, cache)) == seen(anew)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "project")
    for file, text in START.items():
        place.write(file, text)
    return place


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def is_remembered(place: Place, cache: Cache, environ: Mapping[str, str] | None = None) -> bool:
    environ = place.environ if environ is None else environ
    found = find(place.root, place.environment, variables=place.variables, environ=environ, cache=cache)
    return found is not None


def test_what_no_load_looks_at_costs_nothing(place: Place, cache: Cache) -> None:
    ask(place, cache)
    place.touch("specs/a.yaml")
    place.write("README.md", "other words")
    place.write("specs/.a.yaml.swp", "an editor's")
    place.environ["UNRELATED"] = "1"
    assert is_remembered(place, cache)
    place.write("a.env", "A=1\n")  # was looked for, and is there now
    assert not is_remembered(place, cache)


def test_warnings_are_remembered(place: Place, cache: Cache) -> None:
    place.write("modules/base/module.yaml", TEXTS["modules/base/module.yaml"][0])
    place.write("specs/a.yaml", "agents: {a: {module: base, inputs: {port: 1}}}\n")
    first = ask(place, cache)
    assert [problem.code for problem in first.diagnostics.warnings] == ["bad-input"]
    assert is_remembered(place, cache)
    assert seen(ask(place, cache)) == seen(first)


def test_a_project_with_errors_is_not_remembered(place: Place, cache: Cache) -> None:
    place.write("specs/a.yaml", "agents: {a: {image: x, teir: critical}}\n")
    ask(place, cache)
    assert not is_remembered(place, cache)


def test_a_project_that_changes_while_it_is_read_is_not_remembered(place: Place, cache: Cache) -> None:
    class Changing(dict[str, str]):
        """A variable that has another value each time it is looked at."""

        def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
            self[key] = self.setdefault(key, "") + "x"
            return super().get(key, default)

    place.write(
        "specs/a.yaml", "agents: {a: {image: x, environment: [T]}, b: {image: x, environment: [T]}}\n"
    )
    environ = Changing()
    load(place.root, "local", variables={}, environ=environ, cache=cache)
    assert not is_remembered(place, cache, {"T": environ["T"]})
