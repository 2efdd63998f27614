"""What tests on real servers share: a Docker Engine, and those of the remote stores, which are started once for all tests of a
worker that need them. What a test makes carries a project name of its own, and goes with it."""

import gc
import os
import secrets
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import docker
import hypothesis
import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from sutazai.state.scope import PREFIX, Scope

if TYPE_CHECKING:
    from asking import Way
    from contract.state_servers import PostgresServer, S3Server

# How long one example takes says more about the machine, which others use too, than about the code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.register_profile("derandomized", deadline=None, derandomize=True)
hypothesis.settings.load_profile("no deadline")
# Who starts the tests in the background has them ignore it, and with them every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Thousands of tests and all that they import stay until the end: the collector need not walk through them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests keep between runs of the program is theirs alone, and goes with them."""
    os.environ["SUTAZAI_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["SUTAZAI_CACHE"]


@pytest.fixture(scope="module")
def way_inside(
    docker_engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Way"]:
    from asking import inside

    with inside(docker_engine, tmp_path_factory.mktemp("root")) as way:
        yield way


@pytest.fixture(params=["here", pytest.param("inside", marks=pytest.mark.docker)])
def way(request: pytest.FixtureRequest) -> "Way":
    """From where a check is asked: from here, and from inside a container of the traffic switch's image."""
    from asking import Way

    found: Way = request.getfixturevalue("way_inside") if request.param == "inside" else Way()
    return found


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[docker.DockerClient]:
    """A client of the engine that the environment names. Without an engine the test fails: it is never
    skipped."""
    client = docker.from_env(timeout=120)
    client.ping()
    yield client
    client.close()


@pytest.fixture(scope="session")
def postgres(docker_engine: docker.DockerClient) -> Iterator["PostgresServer"]:
    from contract.state_servers import postgres_server  # few tests need its libraries

    with postgres_server(docker_engine) as server:
        yield server


@pytest.fixture(scope="session")
def s3(docker_engine: docker.DockerClient) -> Iterator["S3Server"]:
    from contract.state_servers import ceph_server

    with ceph_server(docker_engine) as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator["S3Server"]:
    from contract.state_servers import moto_server

    with moto_server() as server:
        yield server


@pytest.fixture
def aws_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    from contract.state_servers import KEYS

    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@contextmanager
def new_scope(client: docker.DockerClient) -> Iterator[Scope]:
    """A scope that nobody else has. Everything labelled with its project is removed afterwards."""
    scope = Scope(f"t{secrets.token_hex(4)}", "test")
    try:
        yield scope
    finally:
        remove_project(client, scope.project)


@pytest.fixture
def docker_scope(docker_engine: docker.DockerClient) -> Iterator[Scope]:
    with new_scope(docker_engine) as scope:
        yield scope


@pytest.fixture(scope="module")
def docker_module_scope(docker_engine: docker.DockerClient) -> Iterator[Scope]:
    """One scope for all tests of a file, where making networks for each would take minutes."""
    with new_scope(docker_engine) as scope:
        yield scope


@pytest.fixture
def other_docker_scope(docker_engine: docker.DockerClient) -> Iterator[Scope]:
    """As `docker_scope`, for what belongs to somebody else."""
    with new_scope(docker_engine) as scope:
        yield scope


def remove_project(client: docker.DockerClient, project: str) -> None:
    """Remove every container, network and volume that carries the label of `project`."""
    filters = {"label": f"{PREFIX}project={project}"}
    remove_containers(client.containers.list(all=True, filters=filters, ignore_removed=True))
    for network in client.networks.list(filters=filters):
        _remove_network(network)
    for volume in client.volumes.list(filters=filters):
        volume.remove(force=True)


def remove_containers(containers: Iterable[Container]) -> None:
    """With their volumes that have no name. Some at a time, since the engine mostly waits for each to end."""

    def remove(container: Container) -> None:
        with suppress(docker.errors.NotFound):
            try:
                container.remove(force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                container.wait(condition="removed")  # a run that was killed had asked for it

    with ThreadPoolExecutor(4) as together:
        list(together.map(remove, containers))


def _remove_network(network: Network) -> None:
    """Engine 20.10 at times counts an endpoint of a container that is long gone, until it is restarted: nothing but the engine
    can take that network away."""
    try:
        network.remove()
    except docker.errors.APIError as error:
        network.reload()
        if "has active endpoints" not in str(error) or network.attrs["Containers"]:
            raise
