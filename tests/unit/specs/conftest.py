"""Small projects on disk, and the loading of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sutazai.model.fleet import Fleet
from sutazai.specs.load import Loaded, load

Write = Callable[..., Path]
HEAD = "project: shop\nnetworks: {fleet: {}}\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a project: its spec text, and further files as path → text."""

    def make(spec: str, files: Mapping[str, str] | None = None) -> Path:
        for name, text in {"specs/project.yaml": HEAD + spec, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def fleet_of(root: Path, environment: str = "local", **variables: str) -> Fleet:
    """The fleet of a project that must have one."""
    loaded = load(root, environment, variables=variables, environ={"HOME": "/home/me", "TOKEN": "t0"})
    assert loaded.fleet is not None, [str(problem) for problem in loaded.diagnostics]
    return loaded.fleet


def problems(root: Path, environment: str = "local") -> Loaded:
    return load(root, environment, variables={}, environ={})
