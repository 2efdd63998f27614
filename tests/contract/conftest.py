"""The servers of the remote stores, started once for all tests of a worker that need them."""

from collections.abc import Iterator

import docker
import pytest

from contract.state_servers import KEYS, PostgresServer, S3Server, postgres_server, s3_server


@pytest.fixture(scope="session")
def postgres(docker_engine: docker.DockerClient) -> Iterator[PostgresServer]:
    with postgres_server(docker_engine) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def aws_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
