"""What a user reads who wrote something wrong: one directory per mistake, with the whole answer in `expected.txt`.

`UPDATE_GOLDEN=1 pytest tests/golden/bad_input` writes the answers anew; read them before committing.
"""

import json
import os
from pathlib import Path

import pytest

from sutazai.specs.load import load
from sutazai.views.diagnostics import render_plain

HERE = Path(__file__).parent
CASES = sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__")


def answer(case: Path) -> tuple[str, bool]:
    """The diagnostics of the project in `case`, and whether it was refused."""
    options = case / "arguments.json"
    arguments = json.loads(options.read_text()) if options.exists() else {}
    loaded = load(
        case, arguments.get("environment", "local"), variables=arguments.get("variables", {}), environ={}
    )
    return render_plain(loaded.diagnostics), loaded.fleet is None


def test_there_are_at_least_forty() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_answer(name: str) -> None:
    text, refused = answer(HERE / name)
    expected = HERE / name / "expected.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text)
    assert refused
    assert text == expected.read_text()


@pytest.mark.parametrize("name", CASES)
def test_every_problem_has_a_place_and_a_mark(name: str) -> None:
    options = HERE / name / "arguments.json"
    arguments = json.loads(options.read_text()) if options.exists() else {}
    loaded = load(
        HERE / name,
        arguments.get("environment", "local"),
        variables=arguments.get("variables", {}),
        environ={},
    )
    assert loaded.diagnostics.errors
    for problem in loaded.diagnostics:
        if problem.code in ("no-project", "unknown-environment", "unknown-variable", "bad-variable"):
            continue  # nothing was written that could be pointed at, or it was written on the command line
        assert problem.position is not None
        assert problem.code in ("unreadable", "empty-module") or problem.source is not None
        assert problem.position.column - 1 <= len(problem.source or "")
