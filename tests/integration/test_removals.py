"""Containers whose removal somebody else began, on a real engine: one that is still under way, and one that could not be ended."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from e2e.project import until
from integration.rounds import apply
from sutazai.address import agent
from sutazai.errors import NotFound
from sutazai.model.fleet import Fleet
from sutazai.operations.plan import make_plan
from sutazai.operations.session import Session
from sutazai.plan.build import PlanOptions
from sutazai.plan.change import Action
from sutazai.state.observed import Instance
from sutazai.state.scope import Scope

pytestmark = pytest.mark.docker
FILES = 40_000
"""So many keep the engine busy with the removal for a while."""
WRITE = f"import os; os.mkdir('/many'); [open(f'/many/{{n}}', 'w').close() for n in range({FILES})]"


@pytest.fixture
def fleet(docker_scope: Scope) -> Fleet:
    body = {"image": "sutazai/agent-runtime:1.0", "user": "0", "entrypoint": ["sleep", "1000"], "init": True}
    scope = {"project": docker_scope.project, "environment": docker_scope.environment}
    return Fleet.model_validate({**scope, "agents": {"a": body}})


def there(session: Session, fleet: Fleet) -> Instance:
    (instance,) = session.provider.observe(fleet).of(agent("a"))
    return instance


@contextmanager
def being_removed(session: Session, container: Container) -> Iterator["Future[None]"]:
    written = container.exec_run(["python3", "-c", WRITE])
    assert written.exit_code == 0, written.output
    with ThreadPoolExecutor(1) as beside:
        removal = beside.submit(container.remove, force=True)
        until(lambda: session.provider.inspect(container.id).status == "removing", "it is not being removed")
        yield removal


def test_one_that_is_being_removed_by_others_is_waited_for(
    docker_engine: docker.DockerClient, session: Session, fleet: Fleet
) -> None:
    apply(session, fleet)
    old = there(session, fleet)
    with being_removed(session, docker_engine.containers.get(old.id)) as removal:
        observed = session.provider.observe(fleet)
        session.provider.remove(old.id)
        with pytest.raises(NotFound):
            session.provider.inspect(old.id)
        removal.result(timeout=5)
    assert [(one.status, one.doomed) for one in observed.instances] == [("removing", True)]


def test_one_that_could_not_be_removed_is_replaced(
    docker_engine: docker.DockerClient, session: Session, fleet: Fleet
) -> None:
    apply(session, fleet)
    old = there(session, fleet)
    container = docker_engine.containers.get(old.id)
    with (
        held(Path(container.attrs["GraphDriver"]["Data"]["UpperDir"])),
        pytest.raises(docker.errors.APIError),
    ):
        container.remove(force=True)
    (change,) = make_plan(session, fleet, PlanOptions()).plan.actions
    assert change.action is Action.REPLACE
    assert "its container is dead with code 137" in change.detail
    made = apply(session, fleet)
    assert [(one.status, one.id == old.id) for one in made.observed.instances] == [("running", False)]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Nobody can remove what is in it."""
    kept = folder / "kept"
    kept.touch()
    subprocess.run(["chattr", "+i", kept], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", kept], check=True)
