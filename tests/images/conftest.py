"""The images as their users meet them: the runtime as a process, and all of them as containers.

Every process and container that a test starts ends with the test, also when the test fails.
"""

import contextlib
import io
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from images.running import ROOT, Agent, end, launch
from sutazai.specs.traffic import DOCKERFILE, IMAGE

SWITCH, _, SWITCH_VERSION = IMAGE.removeprefix("sutazai/").partition(":")
VERSIONS = {"agent-runtime": "1.0", "redis": "7.0", "postgres": "15", SWITCH: SWITCH_VERSION}


@pytest.fixture
def launch_agent() -> Iterator[Callable[..., Agent]]:
    """Starts an agent and does not wait for it."""
    with contextlib.ExitStack() as stack:

        def launch_one(**environment: str) -> Agent:
            agent = launch(environment)
            stack.callback(end, agent)
            return agent

        yield launch_one


@pytest.fixture
def start_agent(launch_agent: Callable[..., Agent]) -> Callable[..., Agent]:
    """Starts an agent and waits until it says that it listens."""

    def start(**environment: str) -> Agent:
        agent = launch_agent(**environment)
        assert agent.process.stdout is not None
        line = agent.process.stdout.readline()
        assert "listening" in line, f"the agent did not start: {agent.wait()}"
        return agent

    return start


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=120)
    yield client
    client.close()


@pytest.fixture
def run_container(engine: docker.DockerClient) -> Iterator[Callable[..., Container]]:
    """Runs images/NAME at the version that the tests use; what it left, volumes too, goes with it."""
    prefix = f"sutazai-image-test-{secrets.token_hex(4)}"
    started: list[Container] = []

    def run(name: str, *command: str, **options: Any) -> Container:
        tag = f"sutazai/{name}:{VERSIONS[name]}"
        if name == SWITCH:
            engine.images.build(fileobj=io.BytesIO(DOCKERFILE.encode()), tag=tag, rm=True)
        else:
            context = str(ROOT / "images" / name)
            engine.images.build(path=context, tag=tag, buildargs={"VERSION": VERSIONS[name]}, rm=True)
        options["name"] = f"{prefix}-{len(started)}"
        container = engine.containers.create(tag, list(command), **options)
        started.append(container)
        container.start()
        return container

    yield run
    for container in started:
        container.remove(force=True, v=True)
