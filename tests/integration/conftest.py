"""What tests of the whole on a real engine share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.rounds import session_of
from sutazai.operations.session import Session
from sutazai.state.scope import Scope


@pytest.fixture
def session(docker_scope: Scope, tmp_path: Path) -> Iterator[Session]:
    with session_of(docker_scope, tmp_path) as made:
        yield made
