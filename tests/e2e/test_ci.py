"""The pipelines of docs/ci, run: every command in them, in their order, on a real engine, with a stand-in for GitHub.

The workflow's own words decide what runs (`run`, `env`, `if`, `working-directory`); this file only plays the runner. An expression
or a condition that it does not know fails the test, so that one is never passed over.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
from ruamel.yaml import YAML

from conftest import remove_project
from e2e.github_api import TOKEN, Repository, github
from sutazai.state.scope import PREFIX

DOCS = Path(__file__).parents[2] / "docs"
WORKFLOW: dict[str, Any] = YAML(typ="safe").load((DOCS / "ci" / "github-actions.yml").read_text())
JENKINSFILE = (DOCS / "ci" / "Jenkinsfile").read_text()
GITHUB = DOCS / "ci" / "github.py"
NUMBER = 7
RUN = "4711"


@dataclass
class Checkout:
    """A repository with a small project in it, as a job checks it out."""

    root: Path
    state: Path
    api: str
    project: str = field(default_factory=lambda: f"e2e-{secrets.token_hex(4)}")
    greeting: str = "hello"
    kept: bool = False

    def write(self) -> None:
        agent = {
            "image": "sutazai/agent-runtime:1.0",
            "networks": ["fleet"],
            "environment": {"AGENT_NAME": "web", "GREETING": self.greeting},
            "checks": [{"name": "up", "kind": "http", "phase": "readiness", "port": 8080, "path": "/health", "status": 200,
                        "interval": "500ms", "timeout": "2s"}],
            "deploy": {"resources": {"limits": {"memory": "64M"}}},
            "stop_grace_period": "2s",
            "lifecycle": {"prevent_destroy": self.kept},
        }  # fmt: skip
        files = {
            "specs/project.yaml": {"project": self.project, "networks": {"fleet": {}}},
            "specs/agents/web.yaml": {"agents": {"web": agent}},
            "environments/production.yaml": {"state": {"kind": "local", "path": str(self.state)}},
        }
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w") as stream:
                YAML().dump(content, stream)
        for folder in (".github", "ci"):
            (self.root / folder).mkdir(exist_ok=True)
            shutil.copy(GITHUB, self.root / folder / "github.py")
        self.bash("sutazai fmt", {})

    def bash(self, script: str, environ: Mapping[str, str], *, codes: tuple[int, ...] = (0,)) -> str:
        """As a runner runs a script; what it printed."""
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        ended = subprocess.run(line, cwd=self.root, env={**os.environ, "PATH": programs, **environ}, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=120)  # fmt: skip
        assert ended.returncode in codes, (
            f"{script}\nended with {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        )
        return ended.stdout


@pytest.fixture
def repository() -> Repository:
    return Repository(
        approvals={
            RUN: [{"state": "approved", "user": {"login": "grace"}, "environments": [{"name": "production"}]}]
        }
    )


@pytest.fixture
def checkout(
    tmp_path: Path, repository: Repository, docker_engine: docker.DockerClient
) -> Iterator[Checkout]:
    with github(repository) as api:
        made = Checkout(tmp_path / "checkout", tmp_path / "state", api)
        made.write()
        try:
            yield made
        finally:
            remove_project(docker_engine, made.project)


CONDITIONS = {
    "github.event_name == 'push' || github.event.pull_request.head.repo.full_name == github.repository": {
        "pull_request",
        "push",
    },
    "github.event_name == 'pull_request'": {"pull_request"},
    "github.event_name == 'push' && needs.plan.outputs.changes == 'true'": {"push"},
}
"""Which events each condition of the workflow lets through, for a branch of the repository itself and a plan with changes."""


@dataclass
class Actions:
    """A runner of GitHub Actions, as far as the workflow needs one."""

    checkout: Checkout
    event: str
    artefacts: Path
    outputs: dict[str, str] = field(default_factory=dict)
    """Of the job `plan`: what it puts out, and what `apply` needs of it."""
    summary: str = ""

    def job(self, name: str) -> bool:
        """Run a job; whether its condition let it."""
        job = WORKFLOW["jobs"][name]
        if not self.wanted(job):
            return False
        for step in job["steps"]:
            if self.wanted(step):
                self.step(step)
        return True

    def wanted(self, part: Mapping[str, Any]) -> bool:
        return "if" not in part or self.event in CONDITIONS[part["if"]]

    def step(self, step: Mapping[str, Any]) -> None:
        if "uses" in step:
            self.action(step["uses"], step.get("with", {}))
        else:
            self.run(step["run"], step.get("env", {}))

    def action(self, uses: str, given: Mapping[str, Any]) -> None:
        match uses.partition("@")[0]:
            case "actions/upload-artifact":
                shutil.copy(self.checkout.root / given["path"], self.artefacts / given["name"])
            case "actions/download-artifact":
                # An artefact loses its mode, and comes under the name of the file that was kept.
                shutil.copyfile(self.artefacts / given["name"], self.checkout.root / "sutazai.plan")
            case "actions/checkout":
                assert given["persist-credentials"] is False
            case other:
                assert other == "actions/setup-python"

    def run(self, script: str, environ: Mapping[str, Any]) -> None:
        files = {name: self.artefacts / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        given = {name: self.expanded(str(value)) for name, value in {**WORKFLOW["env"], **environ}.items()}
        runner = {"GITHUB_API_URL": self.checkout.api, "GITHUB_REPOSITORY": "owner/repository", "GITHUB_RUN_ID": RUN,
                  "GITHUB_SERVER_URL": "https://github.example",
                  "PIP_NO_INDEX": "1"}  # fmt: skip  # what is to be installed is: this very checkout
        self.checkout.bash(script, {**runner, **{name: str(path) for name, path in files.items()}, **given})
        self.outputs.update(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()

    def expanded(self, text: str) -> str:
        """A value with its expressions filled in."""
        needed = {f"needs.plan.outputs.{name}": value for name, value in self.outputs.items()}
        steps = {f"steps.plan.outputs.{name}": value for name, value in self.outputs.items()}
        known = {"github.token": TOKEN, "github.event.pull_request.number": str(NUMBER), **needed, **steps}
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda match: known[match[1]], text)


@pytest.mark.docker
def test_the_workflow_from_a_pull_request_to_an_approved_apply(
    checkout: Checkout, repository: Repository, tmp_path: Path
) -> None:
    artefacts = tmp_path / "artefacts"
    artefacts.mkdir()
    repository.write(NUMBER, "looks good", "ada")

    def on(event: str, *jobs: str, needs: Actions | None = None) -> Actions:
        actions = Actions(checkout, event, artefacts, outputs=dict(needs.outputs) if needs else {})
        assert [actions.job(name) for name in jobs] == [True] * len(jobs)
        return actions

    first = on("pull_request", "validate", "plan")
    assert first.outputs["changes"] == "true"
    assert not Actions(checkout, "pull_request", artefacts).job("apply")
    checkout.greeting = "good day"
    checkout.write()
    second = on("pull_request", "validate", "plan")
    remark, comment = repository.of(NUMBER)
    assert remark == "looks good"
    assert comment == second.summary != first.summary
    assert "good day" in comment
    assert not containers(checkout), "a pull request was applied"

    merged = on("push", "validate", "plan")
    assert merged.summary == second.summary
    assert repository.of(NUMBER) == [remark, comment]
    shutil.rmtree(checkout.root)  # the job that applies starts from a checkout of its own
    checkout.write()
    kept = (artefacts / "sutazai-plan").read_bytes()
    (artefacts / "sutazai-plan").write_bytes(kept + b" ")
    with pytest.raises(AssertionError, match=r"sutazai\.plan: FAILED"):
        on("push", "apply", needs=merged)
    (artefacts / "sutazai-plan").write_bytes(kept)
    approvals, repository.approvals = repository.approvals, {}
    with pytest.raises(AssertionError, match="nobody approved this run for production"):
        on("push", "apply", needs=merged)
    assert not containers(checkout), "what nobody approved was applied"
    repository.approvals = approvals
    on("push", "apply", needs=merged)
    (running,) = containers(checkout)
    assert "GREETING=good day" in running.attrs["Config"]["Env"]
    shown = checkout.bash("sutazai show -e production", {})
    assert "grace" in shown
    assert f"https://github.example/owner/repository/actions/runs/{RUN}" in shown
    digest = re.search(r"plan `(\w+)`", merged.summary)
    assert digest is not None
    assert digest[1] in shown
    assert on("push", "validate", "plan").outputs["changes"] == "false"


@pytest.mark.docker
def test_a_plan_that_the_specs_forbid_is_posted_and_fails_the_job(
    checkout: Checkout, repository: Repository, tmp_path: Path
) -> None:
    checkout.kept = True
    checkout.write()
    checkout.bash("sutazai apply -e production --auto-approve", {})
    checkout.greeting = "good day"
    checkout.write()
    actions = Actions(checkout, "pull_request", tmp_path)
    with pytest.raises(AssertionError, match=r"PLAN_CODE.* = 2\s+ended with 1"):
        actions.job("plan")
    (comment,) = repository.of(NUMBER)
    assert "This plan can't be applied" in comment
    assert "lifecycle.prevent\\_destroy is set" in comment
    assert "changes" not in actions.outputs
    (checkout.root / "specs" / "project.yaml").write_text("agents: [no]\n")
    with pytest.raises(AssertionError, match="sutazai plan --detailed-exitcode"):
        actions.job("plan")
    assert repository.of(NUMBER) == [comment]


def containers(checkout: Checkout) -> list[Any]:
    client = docker.from_env()
    try:
        found: list[Any] = client.containers.list(
            all=True, filters={"label": f"{PREFIX}project={checkout.project}"}, ignore_removed=True
        )
        return found
    finally:
        client.close()


def test_jenkins_decides_before_it_takes_a_machine() -> None:
    """Otherwise a fork is checked out on the one that reaches the engine, and only then left out."""
    stages = [stage for stage in JENKINSFILE.split("stage('")[1:] if "when {" in stage]
    taking = [stage for stage in stages if "agent {" in stage]
    assert [stage.partition("'")[0] for stage in taking] == ["Plan", "Apply"]
    assert all(re.search(r"when \{\s+beforeAgent true\n", stage) for stage in taking)


@pytest.mark.docker
def test_the_jenkinsfile(checkout: Checkout, repository: Repository) -> None:
    repository.login = "jenkins-bot"
    environ = {"SUTAZAI_ENV": "production", "GITHUB_API_URL": checkout.api, "GITHUB_TOKEN": TOKEN, "COMMENT_AUTHOR": "jenkins-bot",
               "GITHUB_REPOSITORY": "owner/repository", "PULL_REQUEST": str(NUMBER), "APPROVER": "grace",
               "BUILD_URL": "https://jenkins.example/job/1"}  # fmt: skip
    scripts = re.findall(r"'''(.*?)'''", JENKINSFILE, re.DOTALL)
    stages = (
        "fmt --check",
        "plan --detailed-exitcode -o",
        "show sutazai.plan",
        "sha256sum < sutazai.plan",
        "github.py comment",
        "apply sutazai.plan",
    )
    assert len(scripts) == len(stages)
    for script, what in zip(scripts, stages, strict=True):
        assert what in script
        returns_status = f"returnStatus: true, script: '''{script}'''" in JENKINSFILE
        printed = checkout.bash(script, environ, codes=(0, 2) if returns_status else (0,))
        if f"PLAN_SHA256 = sh(returnStdout: true, script: '''{script}''').trim()" in JENKINSFILE:
            environ["PLAN_SHA256"] = printed.strip()
    assert len(containers(checkout)) == 1
    (comment,) = repository.of(NUMBER)
    assert comment.startswith(f"<!-- sutazai-plan {checkout.project}/production -->")
    assert "grace" in checkout.bash("sutazai show -e production", {})


@pytest.mark.docker
def test_the_commands_of_the_page(checkout: Checkout) -> None:
    page = (DOCS / "ci.md").read_text()
    commands = re.findall(r"^\$ (sutazai .*)$", page, re.MULTILINE)
    assert len(commands) == 8
    for command in commands:
        changes = command.endswith("-o sutazai.plan")
        checkout.bash(command, {"SUTAZAI_ENV": "production"}, codes=(2,) if changes else (0,))
    assert len(containers(checkout)) == 1


def test_the_page_shows_no_other_command_than_those_that_are_run() -> None:
    page = (DOCS / "ci.md").read_text()
    others = re.findall(r"^(?!\$ )\s*sutazai .*$", page, re.MULTILINE)
    assert others == ["sutazai show sutazai.plan --json > plan.json"]


def test_nothing_of_a_pull_request_gets_into_a_script() -> None:
    """An expression in a script is code for whoever names a branch; in `env` it is a value."""
    scripts = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    assert len(scripts) == 8
    assert not [script for script in scripts if "${{" in script]


def test_a_fork_gets_no_access() -> None:
    triggers = WORKFLOW.get("on", WORKFLOW.get(True))
    assert set(triggers) == {"pull_request", "push"}
    assert WORKFLOW["permissions"] == {"contents": "read"}
    validate, plan, apply = (WORKFLOW["jobs"][name] for name in ("validate", "plan", "apply"))
    assert validate["runs-on"] == "ubuntu-latest"
    assert "head.repo.full_name == github.repository" in plan["if"]
    assert "github.event_name == 'push'" in apply["if"]
    assert apply["environment"] == "production"
    assert apply["concurrency"]["cancel-in-progress"] is False
    for job in (
        plan,
        apply,
    ):  # a group is the whole repository's: a workflow for staging is not to cancel this one
        assert WORKFLOW["env"]["SUTAZAI_ENV"] in job["concurrency"]["group"]
    assert all("timeout-minutes" in job for job in (validate, plan, apply))
    assert "secrets." not in (DOCS / "ci" / "github-actions.yml").read_text()


# The script that comments


def called(api: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {"GITHUB_API_URL": api, "GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "owner/repository", "PULL_REQUEST": str(NUMBER),
             "GITHUB_RUN_ID": RUN, "PATH": os.environ["PATH"], **environ}  # fmt: skip
    return subprocess.run(
        [sys.executable, GITHUB, *arguments],
        env={k: v for k, v in given.items() if v},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def api(repository: Repository) -> Iterator[str]:
    with github(repository) as address:
        yield address


def test_the_comment_is_found_behind_hundreds_of_others(
    api: str, repository: Repository, tmp_path: Path
) -> None:
    path = tmp_path / "plan.md"
    for n in range(150):
        repository.write(NUMBER, f"remark {n}", "ada")
    path.write_text("<!-- sutazai-plan shop/local -->\nfirst\n")
    assert called(api, "comment", str(path)).returncode == 0
    path.write_text("<!-- sutazai-plan shop/local -->\nsecond\n")
    ended = called(api, "comment", str(path))
    assert ended.stdout.strip() == repository.comments[150]["html_url"]
    assert repository.of(NUMBER)[150:] == ["<!-- sutazai-plan shop/local -->\nsecond\n"]


def test_comments_of_others_with_the_marker_and_of_other_environments_stay(
    api: str, repository: Repository, tmp_path: Path
) -> None:
    path = tmp_path / "plan.md"
    forged, other = (
        "<!-- sutazai-plan shop/local -->\nall is well",
        "<!-- sutazai-plan shop/staging -->\nno changes",
    )
    repository.write(NUMBER, forged, "mallory")
    repository.write(NUMBER, other, repository.login)
    path.write_text("<!-- sutazai-plan shop/local -->\ntrue\n")
    assert called(api, "comment", str(path)).returncode == 0
    assert repository.of(NUMBER) == [forged, other, path.read_text()]


def test_what_github_refuses_is_one_line_and_exit_1(api: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    path.write_text("<!-- sutazai-plan shop/local -->\n" + "x" * 70_000)
    for ended in (called(api, "comment", str(path)), called(api, "comment", str(path), GITHUB_TOKEN="wrong"),
                  called(api, "comment", str(path), GITHUB_TOKEN=""), called("http://127.0.0.1:1", "comment", str(path)), called(api)):  # fmt: skip
        assert ended.returncode == 1
        assert len(ended.stderr.splitlines()) == 1
        assert "Traceback" not in ended.stderr


def test_a_connection_that_breaks_is_one_line_too_and_what_is_no_plan_is_not_posted(
    api: str, repository: Repository, tmp_path: Path
) -> None:
    path = tmp_path / "plan.md"
    path.write_text("<!-- sutazai-plan shop/local -->\n")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        broken = called(f"http://127.0.0.1:{server.getsockname()[1]}", "comment", str(path))
        hanging_up.join()
    path.write_text("")  # what wrote it failed
    for ended in (broken, called(api, "comment", str(path)), called(api, "comment", str(tmp_path / "none"))):
        assert ended.returncode == 1
        assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert repository.comments == []


def test_who_approved(api: str, repository: Repository) -> None:
    assert called(api, "approver", "production").stdout == "grace\n"
    repository.approvals[RUN] += [
        {"state": state, "user": {"login": login}, "environments": [{"name": name}]}
        for state, login, name in (("rejected", "mallory", "production"), ("approved", "ada", "staging"),
                                   ("approved", "edsger", "production"), ("approved", "grace", "production"))
    ]  # fmt: skip
    assert called(api, "approver", "production").stdout == "grace, edsger\n"


@pytest.mark.parametrize(
    "approvals",
    [[], [{"state": "approved", "user": {"login": "ada"}, "environments": [{"name": "staging"}]}]],
)
def test_what_nobody_approved_is_not_applied_in_somebodys_name(
    api: str, repository: Repository, approvals: list[dict[str, Any]]
) -> None:
    repository.approvals[RUN] = approvals
    ended = called(api, "approver", "production")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "required reviewers" in ended.stderr


def test_of_several_comments_of_ours_one_stays(api: str, repository: Repository, tmp_path: Path) -> None:
    """Two runs that posted at the same time; and comments of an account that is gone, or without a text."""
    path = tmp_path / "plan.md"
    path.write_text("<!-- sutazai-plan shop/local -->\nnew\n")
    for login in (repository.login, "ada", repository.login):
        repository.write(NUMBER, "<!-- sutazai-plan shop/local -->\nold", login)
    repository.comments += [
        {"id": 98, "issue": NUMBER, "body": "a remark", "user": None},
        {"id": 99, "issue": NUMBER, "body": None, "user": {"login": repository.login}},
    ]
    assert called(api, "comment", str(path)).returncode == 0
    old = "<!-- sutazai-plan shop/local -->\nold"
    assert repository.of(NUMBER) == [path.read_text(), old, "a remark", None]
