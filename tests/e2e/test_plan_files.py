"""`plan -o`, `show FILE` and `apply FILE` as a user meets them: on a real engine, in processes of their own."""

import json
import shutil
import stat
from pathlib import Path

import pytest

from e2e.project import RELEASES, Project, limits, variables

pytestmark = pytest.mark.docker
MIB = 1024 * 1024


def test_exactly_the_plan_is_applied_whatever_the_specs_say_since(fleet: Project) -> None:
    fleet.agent("planner")["deploy"] = {"resources": {"limits": {"memory": "96M"}}}
    printed = fleet.must("plan", "-o", "p1")
    path = fleet.root / "p1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "sutazai apply p1" in printed
    digest = json.loads(path.read_text())["plan_digest"]

    fleet.agent("planner")["image"] = RELEASES[1]
    fleet.agent("base")["restart"] = "no"
    before = fleet.ids()
    applied = fleet.must("apply", "p1", "--approved-by", "Grace Hopper", "-m", "reviewed")
    assert "Plan: 0 to add, 1 to change, 0 to replace, 0 to destroy." in applied
    assert fleet.ids() == before
    assert limits(fleet.container("planner")) == 96 * MIB
    operation = fleet.recorded()["operation"]
    assert operation["plan_digest"] == digest
    assert operation["approved_by"] == "Grace Hopper"
    shown = fleet.must("show")
    assert digest in shown
    assert "Grace Hopper" in shown
    assert json.loads(fleet.must("history", "--json"))[0]["plan_digest"] == digest


def test_broken_specs_do_not_keep_a_plan_file_from_being_applied(project: Project) -> None:
    project.must("plan", "-o", "p1")
    specs = project.root / "specs" / "project.yaml"
    specs.write_text("agents: [this is: no\n")
    shutil.rmtree(project.root / "modules")
    (project.root / "environments" / "lab.yaml").write_text("provider: {kind: nothing}\n")
    assert _raw(project, "apply", "p1")[0] == 0
    assert len(project.containers()) == 4


def test_the_file_shows_what_the_plan_showed_without_specs_state_or_docker(
    fleet: Project, tmp_path: Path
) -> None:
    fleet.agent("planner")["image"] = RELEASES[1]
    text = fleet.must("plan", "-o", "p1")
    document = json.loads(fleet.must("plan", "--json"))
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(fleet.root / "p1", empty / "p1")
    nowhere = {"DOCKER_HOST": "unix:///nonexistent.sock"}

    code, out, err = _raw(fleet, "show", "p1", root=empty, **nowhere)
    assert code == 0, err
    plan_as_shown = text[: text.index("\nSaved as p1")]
    assert out.endswith(plan_as_shown)
    found = json.loads(_raw(fleet, "show", "p1", "--json", root=empty, **nowhere)[1])
    assert found.pop("timestamp")[:10] == document.pop("timestamp")[:10]
    assert found == document
    markdown = _raw(fleet, "show", "p1", "--markdown", root=empty, **nowhere)[1]
    assert markdown == fleet.must("plan", "--markdown")


def test_destroy_and_rollback_from_a_file(fleet: Project) -> None:
    fleet.agent("loner")["environment"]["MOOD"] = "new"
    fleet.apply()
    fleet.must("plan", "--to-serial", "1", "-o", "back")
    fleet.must("apply", "back")
    assert fleet.recorded()["operation"]["command"] == "rollback"
    assert fleet.recorded()["operation"]["of_serial"] == 1
    assert "MOOD" not in variables(fleet.container("loner"))

    fleet.must("plan", "--destroy", "-o", "down")
    fleet.must("apply", "down")
    assert fleet.recorded()["operation"]["command"] == "destroy"
    assert not fleet.containers()


def test_narrowed_plans_keep_their_options(fleet: Project) -> None:
    before = fleet.ids()
    for name in ("planner", "writer"):
        fleet.agent(name)["restart"] = "no"
    fleet.must("plan", "--target", "planner", "--replace", "planner", "-o", "p1")
    fleet.must("apply", "p1")
    after = fleet.ids()
    assert {name for name in before if before[name] != after[name]} == {"planner"}
    assert fleet.actions() == {"agent.writer": ["update"]}


def test_a_variable_of_the_command_line_is_in_the_file(project: Project) -> None:
    project.must("plan", "--var", "release=1.1", "-o", "p1")
    project.must("apply", "p1")
    assert project.container("base").attrs["Config"]["Image"] == RELEASES[1]


def test_a_refresh_only_plan_records_what_was_found_when_it_was_made(fleet: Project) -> None:
    fleet.container("planner").update(mem_limit="80m", memswap_limit="160m")
    for name in ("p1", "p2"):
        fleet.must("plan", "--refresh-only", "-o", name)
    assert "Changed outside" in fleet.must("show", "p1")
    fleet.container("planner").update(mem_limit="96m", memswap_limit="192m")
    ended = fleet.run("apply", "p1")
    assert ended.returncode == 1
    assert "agent.planner: it was changed again since its difference was found" in ended.stderr
    fleet.container("planner").update(mem_limit="80m", memswap_limit="160m")
    fleet.must("apply", "p1")
    assert fleet.serials() == [1, 2]
    assert limits(fleet.container("planner")) == 80 * MIB
    assert fleet.run("apply", "p2").returncode == 1


def test_a_plan_that_trusted_the_state_is_held_against_docker(fleet: Project) -> None:
    fleet.agent("planner")["image"] = RELEASES[1]
    fleet.must("plan", "--no-refresh", "-o", "p1")
    fleet.must("apply", "p1")
    assert fleet.container("planner").attrs["Config"]["Image"] == RELEASES[1]
    fleet.agent("planner")["image"] = RELEASES[0]
    fleet.must("plan", "--no-refresh", "-o", "p2")
    fleet.container("planner").remove(force=True)
    ended = fleet.run("apply", "p2")
    assert ended.returncode == 1
    assert "agent.planner: a replacement was planned, and now it would be a creation" in ended.stderr


def test_a_plan_that_the_specs_forbid_is_shown_and_saved_and_ends_with_1(fleet: Project) -> None:
    fleet.agent("loner")["lifecycle"] = {"prevent_destroy": True}
    fleet.apply()
    for options in (("--destroy",), ("--replace", "loner"), ("--detailed-exitcode", "--replace", "loner")):
        ended = fleet.run("plan", *options, "-o", "p1")
        assert ended.returncode == 1, ended.stderr
        assert "This plan can't be applied: 1 error above." in ended.stdout
        document = json.loads(fleet.must("show", "p1", "--json"))
        assert (document["errored"], document["applyable"], document["complete"]) == (True, False, False)
    assert fleet.run("apply", "p1").returncode == 1
    assert json.loads(fleet.must("plan", "--json"))["errored"] is False


def test_no_secret_is_in_the_file_and_a_plan_with_errors_is_shown_and_refused(project: Project) -> None:
    """Secrets are not carried out yet, which is an error of the plan: it can be saved and reviewed, not applied."""
    (project.root / "token.txt").write_text("hunter2-in-a-file")
    project.spec["secrets"] = {"token": {"file": "./token.txt"}, "other": {"environment": "OTHER_TOKEN"}}
    project.agent("loner")["environment"]["TOKEN"] = "{{ secret.token }}"
    project.agent("loner")["secrets"] = ["token", "other"]
    assert project.run("plan", "-o", "p1", OTHER_TOKEN="hunter2-in-a-variable").returncode == 0
    data = (project.root / "p1").read_text()
    assert "secret.token" in data or '"token"' in data
    assert "hunter2" not in data
    for option in ("--json", "--markdown", "--verbose"):
        shown = project.must("show", "p1", option)
        assert "hunter2" not in shown
    assert "This plan can't be applied" in shown
    ended = project.run("apply", "p1")
    assert ended.returncode == 1
    assert "this plan can't be applied" in ended.stderr
    assert not project.containers()


def test_a_file_whose_run_failed_is_gone_on_with_by_resume(fleet: Project) -> None:
    check = fleet.agent("loner")["checks"][0]
    fleet.agent("loner")["environment"]["MOOD"] = "new"
    fleet.agent("loner")["checks"] = [{**check, "path": "/nothing"}]
    fleet.agent("loner")["rollout"] = {"healthy_deadline": "1s"}
    fleet.must("plan", "-o", "p1")
    ended = fleet.run("apply", "p1", "--on-failure", "pause")
    assert ended.returncode == 4
    assert "sutazai apply --resume -e lab" in ended.stderr
    assert fleet.run("apply", "p1").returncode == 1, "the file of a run that failed is stale"
    resumed = fleet.run("apply", "--resume", "--auto-approve", "--on-failure", "pause")
    assert resumed.returncode == 4, "it went on, and is as ill as before"


def test_stale(fleet: Project) -> None:
    fleet.agent("planner")["restart"] = "no"
    fleet.must("plan", "-o", "p1")
    fleet.must("plan", "-o", "p2")
    fleet.must("apply", "p1")
    state = (fleet.state / "state.json").read_bytes()
    ended = fleet.run("apply", "p2")
    assert ended.returncode == 1
    assert "Error: Saved plan is stale" in ended.stderr
    assert "plan again" in ended.stderr
    assert (fleet.state / "state.json").read_bytes() == state


def test_a_resource_is_no_longer_as_it_was_planned_against(fleet: Project) -> None:
    fleet.agent("planner")["restart"] = "no"
    fleet.agent("writer")["restart"] = "no"
    fleet.agent("base")["environment"] = {"SEASON": "winter"}
    fleet.must("plan", "-o", "p1")
    fleet.container("planner").remove(force=True)
    fleet.container("writer").update(mem_limit="80m", memswap_limit="160m")
    fleet.container("base").stop(timeout=1)
    before = fleet.ids()
    ended = fleet.run("apply", "p1")
    assert ended.returncode == 1
    assert (
        "agent.planner: an update in place was planned, and now it would be a creation (its container is gone)"
        in ended.stderr
    )
    assert "agent.writer: deploy.resources.limits.memory was 64M when planned, and is 80M now" in ended.stderr
    assert "agent.base: it ran when planned, and its container exited" in ended.stderr
    assert fleet.ids() == before
    assert fleet.serials() == [1]


@pytest.mark.parametrize(
    "change", ["environment", "SUTAZAI_ENV", "project", "altered", "json", "target", "var"]
)
def test_refused_before_anything_is_touched(project: Project, change: str) -> None:
    project.must("plan", "-o", "p1")
    path, arguments, environ = project.root / "p1", ["apply", "p1"], {}
    match change:
        case "environment":
            arguments += ["-e", "production"]
            says = "this plan is for the environment lab, not production"
        case "SUTAZAI_ENV":
            environ = {"SUTAZAI_ENV": "production"}
            says = "this plan is for the environment lab, not production"
        case "project":
            project.spec["project"] = "bakery"
            project.write()
            says = "here is the project bakery"
        case "altered":
            path.write_text(path.read_text().replace("64M", "65M").replace(str(64 * MIB), str(65 * MIB)))
            says = "was altered or damaged since it was written"
        case "json":
            path.write_text(project.must("plan", "--json"))
            says = "is not a plan file"
        case "target":
            arguments += ["--target", "base"]
            says = "--target can't be given with a plan file"
        case _:
            arguments += ["--var", "release=1.1"]
            says = "--var can't be given with a plan file"
    code, _, err = _raw(project, *arguments, **environ)
    assert code == 1
    assert says in err
    assert not project.containers()
    assert not project.state.exists()


def _raw(project: Project, *arguments: str, root: Path | None = None, **environ: str) -> tuple[int, str, str]:
    """The command without -e, and with the files as they are."""
    import subprocess
    import sys

    line = [sys.executable, "-m", "sutazai", "--chdir", str(root or project.root), *arguments]
    ended = subprocess.run(
        line,
        env=project.environ(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stdout, ended.stderr
