"""What Compose connects without being told: the project's own network, and shared namespaces."""

from typing import Any

import pytest

from e2e.project import RELEASES, Project, check, variables

pytestmark = pytest.mark.docker


def bare(**fields: Any) -> dict[str, Any]:
    return {"image": RELEASES[0], "stop_grace_period": "3s", **fields}


def answer_of(project: Project, name: str, url: str) -> int:
    """The status of a request made inside the container of `name`."""
    program = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=5).status)"
    code, output = project.container(name).exec_run(["python3", "-c", program])
    assert code == 0, output.decode()
    return int(output)


def test_workloads_without_networks_reach_each_other_by_name(project: Project) -> None:
    project.spec["agents"] = {"a": bare(checks=[check()]), "b": bare(depends_on=["a"])}
    project.apply()
    own = f"{project.name}-lab-default"
    for name in ("a", "b"):
        attached = project.container(name).attrs["NetworkSettings"]["Networks"]
        assert set(attached) == {own}
        assert name in attached[own]["Aliases"]
    assert answer_of(project, "b", "http://a:8080/health") == 200
    project.nothing_to_do()


def test_a_container_that_is_in_no_network_of_the_project_joins_it_in_place(project: Project) -> None:
    """As those that were made before the project's own network was joined."""
    project.spec["agents"] = {"a": bare(network_mode="bridge", checks=[check()])}
    project.apply()
    own = f"{project.name}-lab-default"
    project.spec["agents"] = {"a": bare(checks=[check()])}
    assert project.actions()["agent.a"] != ["no-op"]
    project.apply()
    assert own in project.container("a").attrs["NetworkSettings"]["Networks"]
    project.nothing_to_do()


def test_a_shared_namespace_is_joined_after_its_owner_and_follows_its_replacement(project: Project) -> None:
    project.spec["agents"] = {
        "rider": bare(network_mode="service:base", environment={"PORT": "8099"}, command=["sleep", "1000"],
                      entrypoint=[], init=True),
        "base": bare(checks=[check()], environment={"MOOD": "calm"}),
    }  # fmt: skip
    assert [wave["addresses"] for wave in project.plan()["sutazai"]["waves"]] == [
        ["agent.base"],
        ["agent.rider"],
    ]
    project.apply()
    first = project.ids()
    assert project.container("rider").attrs["HostConfig"]["NetworkMode"] == f"container:{first['base']}"
    assert answer_of(project, "rider", "http://127.0.0.1:8080/health") == 200
    project.nothing_to_do()

    project.agent("base")["environment"] = {"MOOD": "angry"}
    assert project.reasons() == {
        "agent.base": "replace_because_cannot_update",
        "agent.rider": "replace_by_triggers",
    }
    project.apply()
    second = project.ids()
    assert not {*first.values()} & {*second.values()}
    assert variables(project.container("base"))["MOOD"] == "angry"
    assert project.container("rider").attrs["HostConfig"]["NetworkMode"] == f"container:{second['base']}"
    assert answer_of(project, "rider", "http://127.0.0.1:8080/health") == 200
    project.nothing_to_do()

    project.container("base").remove(force=True)
    assert set(project.actions()) == {"agent.base", "agent.rider"}
    project.apply()
    assert answer_of(project, "rider", "http://127.0.0.1:8080/health") == 200
    project.nothing_to_do()
    project.must("destroy", "--auto-approve")
    assert project.containers() == []
