"""The whole command with its state here, in PostgreSQL and in S3: one writer, whatever happens to it."""

import json
import re
import signal
from collections.abc import Callable

import pytest

from contract.state_servers import PostgresServer
from e2e.project import Project, until
from sutazai.model.backend import BackendOptions, LocalBackend

OPTIONS: dict[str, Callable[[pytest.FixtureRequest], BackendOptions]] = {
    "local": lambda _request: LocalBackend(),
    "postgres": lambda request: request.getfixturevalue("postgres").options(),
    "s3": lambda request: request.getfixturevalue("s3").options(),
}


@pytest.fixture(params=OPTIONS)
def slow(request: pytest.FixtureRequest, project: Project, aws_keys: None) -> Project:
    """A project whose apply takes as long as `base` is held, and leaves its state in one kind of store."""
    options = OPTIONS[request.param](request)
    project.environment["state"] = options.model_dump(mode="json", by_alias=True, exclude_none=True)
    project.hold("base")
    return project


def refused(project: Project) -> str:
    """What a second apply says while another one is under way."""
    ended = project.run("apply", "--auto-approve")
    assert ended.returncode == 5, ended.stdout + ended.stderr
    return ended.stderr


def test_a_second_apply_names_the_holder_and_a_killed_one_does_not_block(slow: Project) -> None:
    with slow.started("apply", "--auto-approve") as first:
        until(slow.containers, "the first apply did not begin")
        said = refused(slow)
        assert "is locked: ID" in said
        assert "apply by" in said
        first.send_signal(signal.SIGKILL)
        first.wait()
    seen = slow.ids()
    del slow.agent("base")["entrypoint"]
    ended = slow.run("apply", "--auto-approve", "--lock-timeout", "1s")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "an earlier apply was cut off" in ended.stdout + ended.stderr
    assert set(slow.ids()) == {"base", "planner", "writer", "loner"}
    assert slow.ids()["loner"] == seen.get("loner", slow.ids()["loner"])
    slow.nothing_to_do()
    slow.must("state", "verify")
    assert slow.must("state", "pull").startswith("{")


def test_force_unlock_by_the_id_from_the_message(slow: Project) -> None:
    with slow.started("apply", "--auto-approve") as first:
        until(slow.containers, "the first apply did not begin")
        found = re.search(r"sutazai state unlock ([0-9a-f-]{36})", refused(slow))
        assert found is not None
        wrong = slow.run("state", "unlock", "00000000-0000-0000-0000-000000000000")
        assert wrong.returncode == 1
        assert "does not match the existing lock" in wrong.stderr
        assert "Unlocked: apply by" in slow.must("state", "unlock", found[1])
        slow.let_go("base")
        _, errors = first.communicate(timeout=60)
    assert first.returncode == 4
    assert "was taken from this run" in errors
    assert "Traceback" not in errors
    slow.apply()
    slow.nothing_to_do()
    slow.must("state", "verify")


def test_a_state_moves_to_a_database_and_the_fleet_does_not_notice(
    project: Project, postgres: PostgresServer
) -> None:
    project.apply()
    before = project.ids()
    options = postgres.options().model_dump(mode="json", by_alias=True, exclude_none=True)
    said = project.must("state", "migrate", "--to", json.dumps(options))
    assert "1 serial moved from" in said
    assert postgres.password not in said
    refused = project.run("apply", "--auto-approve", "--replace", "agent.base")
    assert refused.returncode != 0
    assert "was moved to postgres" in refused.stderr
    assert project.ids() == before
    for looks in (("plan",), ("status",), ("state", "verify", "--no-docker")):
        assert " was moved to " in " ".join(project.must(*looks).split())
    project.environment["state"] = options
    project.nothing_to_do()
    project.agent("loner")["deploy"] = {"resources": {"limits": {"memory": "80M"}}}
    project.apply()
    assert project.ids() == before
    assert project.serials() == [1]
    assert [row["serial"] for row in json.loads(project.must("history", "--json"))] == [2, 1]
    project.must("state", "verify")
    wrong = project.run("state", "migrate", "--to", "{kind: postgress}")
    assert wrong.returncode == 1
    assert 'did you mean "postgres"?' in wrong.stderr
