"""JSON to plain data."""

import contextlib
import json
import sys
from typing import Any


def parsed(data: bytes) -> Any:
    """As `json.loads`, in half the time where pydantic is loaded anyway, whose parser also keeps a text that occurs often once:
    `json` would keep it for each of ten thousand containers. `json` reads what is odd, and says what is wrong. Raises ValueError
    or RecursionError."""
    core = sys.modules.get("pydantic_core")
    if core is not None:
        with contextlib.suppress(ValueError):
            return core.from_json(data)
    return json.loads(data)
