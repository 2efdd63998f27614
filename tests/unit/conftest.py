"""Golden files of what people read: `UPDATE_GOLDEN=1 pytest tests/unit` writes them anew."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Those of the tests in `unit/NAME` are in `golden/NAME`."""
    folder = GOLDEN / request.path.parent.name

    def check(name: str, text: str) -> None:
        path = folder / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name} differs; UPDATE_GOLDEN=1 writes it anew"

    return check
