"""A plan that is known to have nothing to do: it loads next to nothing, and whatever happens outside it says what the long
way says."""

import re
from collections.abc import Callable

import pytest

from e2e.project import ENVIRONMENT, Project, until
from sutazai.store.lock import Lock

pytestmark = pytest.mark.docker
HEAVY = {
    "pydantic",
    "jinja2",
    "ruamel",
    "networkx",
    "rich",
    "docker",
    "requests",
    "asyncio",
    "ssl",
    "psutil",
}
MOST_MODULES = 185
"""Of Python's own, click's and ours."""
NOTHING = "No changes. The fleet matches the specs.\n"


def loaded(project: Project, *arguments: str) -> list[str]:
    """The modules that a command loads, in a process of its own."""
    done = project.run(*arguments, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == NOTHING
    return re.findall(r"^import time:\s+\d+ \|\s+\d+ \| +([\w.]+)$", done.stderr, re.MULTILINE)


def is_short(project: Project) -> bool:
    return "sutazai.model.base" not in loaded(project, "plan")


def plan_until_known(project: Project) -> None:
    """Others use the same engine: a network of theirs that comes or goes between two plans makes the second one look again."""
    until(lambda: project.run("plan").stdout == NOTHING and is_short(project), "no plan is known again")


@pytest.mark.parametrize("command", [("plan",), ("plan", "--detailed-exitcode"), ("apply", "--auto-approve")])
def test_nothing_to_do_loads_next_to_nothing(fleet: Project, command: tuple[str, ...]) -> None:
    plan_until_known(fleet)
    modules = loaded(fleet, *command)
    assert not {module.partition(".")[0] for module in modules} & HEAVY
    assert not [module for module in modules if module.startswith("sutazai.model.")]
    assert len(modules) <= MOST_MODULES, sorted(modules)


def test_whatever_happens_it_says_what_the_long_way_says(fleet: Project) -> None:
    planner = fleet.container("planner")
    spec = fleet.root / "specs" / "more.yaml"
    journal = fleet.state / "journal.jsonl"

    def limit(size: str) -> None:
        fleet.container("planner").update(mem_limit=size, memswap_limit=size)

    changes: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "stopped": (lambda: planner.stop(timeout=3), planner.start),
        "paused": (planner.pause, planner.unpause),
        "limited": (lambda: limit("80m"), lambda: limit("64m")),
        "renamed": (lambda: planner.rename(f"{fleet.name}-x"), lambda: planner.rename(f"{fleet.name}-{ENVIRONMENT}-planner-blue")),
        "a spec more": (lambda: spec.write_text('{"agents": {"more": {"image": "none"}}}'), spec.unlink),
        "a journal": (lambda: journal.write_text("{"), lambda: journal.write_text("")),
    }  # fmt: skip
    for what, (do, undo) in changes.items():
        plan_until_known(fleet)
        do()
        short = fleet.run("plan", "--detailed-exitcode")
        long = fleet.run("plan", "--detailed-exitcode", SUTAZAI_CACHE="off")
        assert (short.returncode, short.stdout) == (long.returncode, long.stdout), what
        assert (long.stdout != NOTHING) == (what != "a journal"), what
        undo()
        assert fleet.run("plan", "--detailed-exitcode").stdout == NOTHING, what


def test_another_variable_another_plan(fleet: Project) -> None:
    plan_until_known(fleet)
    assert "1.1" in fleet.run("plan", "--var", "release=1.1").stdout
    plan_until_known(fleet)


def test_an_apply_that_has_nothing_to_do_still_waits_for_the_lock(fleet: Project) -> None:
    plan_until_known(fleet)
    with Lock(fleet.state.absolute(), "a test").hold("apply", 0):
        done = fleet.run("apply", "--auto-approve")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "is locked" in done.stderr
