"""Real projects on the real engine; every object they make goes with the test that made it."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from e2e.project import RELEASES, Project


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=60)
    missing = [name for name in RELEASES if not client.images.list(name=name)]
    assert not missing, f"no image {', '.join(missing)}: make test builds them"
    yield client
    client.close()


@pytest.fixture
def project(tmp_path: Path, docker_engine: docker.DockerClient) -> Iterator[Project]:
    """A project of four agents, written and not applied."""
    made = Project(tmp_path / "project", docker_engine)
    yield made
    made.remove()


@pytest.fixture
def fleet(project: Project) -> Project:
    """The same, applied and healthy."""
    project.apply()
    return project
