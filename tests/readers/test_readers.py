"""Programs that were written for Terraform's JSON plans read those of sutazai; so does a policy in Rego, as Conftest runs it.

They are installed from lock files into a folder of their own, which goes with the tests: none of them is a dependency of this
project. The plans are those of a fleet that changes in every way.
"""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sutazai.plan.change import Plan
from sutazai.views.plan_json import to_json
from unit.plan.world import change_to, fleet_of
from unit.views.sample import every_action

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "docs" / "ci" / "policy"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # with what the first test installs

COMPLIANCE = """
Feature: the fleet as terraform-compliance sees it
  Scenario: every agent has a memory limit
    Given I have sutazai_agent defined
    Then it must have deploy
    And it must have resources
    And it must have limits
    And it must have memory

  Scenario: images
    Given I have sutazai_agent defined
    Then it must have image
    And its value must match the "shop/.*:[0-9.]+" regex

  Scenario: networks of the fleet
    Given I have docker_network defined
    Then its address must be network.fleet
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the readers' programs."""
    home = tmp_path_factory.mktemp("readers")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    lock = ROOT / "requirements" / "readers.lock"
    pip = [
        home / "bin" / "pip",
        "--disable-pip-version-check",
        "install",
        "-q",
        "--no-compile",
        "--require-hashes",
        "-r",
        lock,
    ]
    subprocess.run(pip, check=True, capture_output=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(Path(__file__).with_name(name), home / name)
    # A connection that stands still is given up after 20 s: npm itself would wait for five minutes, each time.
    patience = [
        "--fetch-timeout=20000",
        "--fetch-retries=8",
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-maxtimeout=5000",
    ]
    npm = [home / "bin" / "npm", "ci", "--no-audit", "--no-fund", *patience]
    ended = subprocess.run(npm, cwd=home, env=path_of(home), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return home / "bin"


def path_of(home: Path) -> dict[str, str]:
    """npm and what it starts want to find their own node."""
    import os

    return {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(to_json(every_action(), timestamp="2026-01-31T12:00:00Z"))
    return path


def complied(tools: Path, plan: Path, feature: str, folder: Path) -> subprocess.CompletedProcess[str]:
    features = folder / "features"
    features.mkdir()
    (features / "fleet.feature").write_text(feature)
    line = [tools / "terraform-compliance", "--no-ansi", "-t", "/bin/true", "-f", features, "-p", plan]
    return subprocess.run(line, capture_output=True, text=True, cwd=folder, timeout=120)


def test_terraform_compliance_reads_it(tools: Path, plan_file: Path, tmp_path: Path) -> None:
    ended = complied(tools, plan_file, COMPLIANCE, tmp_path)
    assert "3 scenarios (3 passed)" in ended.stdout, ended.stdout
    assert ended.returncode == 0


def test_terraform_compliance_finds_what_is_not_so(tools: Path, plan_file: Path, tmp_path: Path) -> None:
    ended = complied(tools, plan_file, COMPLIANCE.replace("shop/.*:[0-9.]+", "registry/.*"), tmp_path)
    assert ended.returncode == 1
    assert "agent.scribe" in ended.stdout


@pytest.fixture
def report(tools: Path, plan_file: Path, tmp_path: Path) -> Path:
    """The folder that terraform-visual makes of the plan."""
    home = tools.parent
    program = home / "node_modules" / ".bin" / "terraform-visual"
    subprocess.run(
        [program, "--plan", plan_file, "--out", tmp_path],
        check=True,
        capture_output=True,
        env=path_of(home),
        timeout=60,
    )
    return tmp_path / "terraform-visual-report"


def test_terraform_visual_makes_its_report_of_it(tools: Path, report: Path) -> None:
    # What its page is given, and the fields that the page takes from each change.
    script = "global.window = {}; require(process.argv[1]); console.log(JSON.stringify(window.TF_PLAN))"
    shown = subprocess.run(
        [tools / "node", "-e", script, report / "plan.js"], check=True, capture_output=True, text=True
    )
    for change in json.loads(shown.stdout)["resource_changes"]:
        assert {"address", "type", "name"} <= set(change)
        assert {"actions", "before", "after", "after_unknown"} <= set(change["change"])


@pytest.fixture(scope="module")
def browser() -> str:
    """Chromium, as Debian has it."""
    if shutil.which("chromium") is None:
        subprocess.run(
            [ROOT / "scripts" / "apt-install.sh", "the tests look at a page with it", "chromium"], check=True
        )
    return "chromium"


def test_terraform_visual_draws_each_change_in_the_colour_of_its_action(browser: str, report: Path) -> None:
    shutil.copy(Path(__file__).with_name("recorder.js"), report)
    page = report / "index.html"
    recording = page.read_text().replace("<script", '<script src="./recorder.js"></script><script', 1)
    page.write_text(recording)
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"  # its page asks for a font
    line = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", offline,
            "--virtual-time-budget=5000", "--dump-dom", page.as_uri()]  # fmt: skip
    shown = subprocess.run(line, check=True, capture_output=True, text=True, timeout=120).stdout
    drawn = re.search(r'data-drawn="([^"]*)"', shown)
    assert drawn is not None, shown[:2000]
    colours = {"create": "#28a745", "update": "#ffc107", "delete": "#dc3545", "replace": "#ffc107"}
    expected = {}
    for change in json.loads(to_json(every_action(), timestamp="t"))["resource_changes"]:
        actions = change["change"]["actions"]
        if actions != ["no-op"]:
            expected[change["name"]] = colours[actions[0] if len(actions) == 1 else "replace"]
    found = dict(json.loads(html.unescape(drawn[1])))
    assert {name: colour for name, colour in found.items() if colour in colours.values()} == expected


def judged(tools: Path, plan: Plan) -> dict[str, list[str]]:
    """What the policy of the documentation says of a plan."""
    program = """
import json, pathlib, sys
from regopy import Interpreter
rego = Interpreter()
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.rego")):
    rego.add_module(path.name, path.read_text())
rego.set_input(json.load(sys.stdin))
print(json.dumps({rule: rego.query(f"data.main.{rule}").results[0].expressions[0] for rule in ("deny", "warn")}))
"""
    ended = subprocess.run(
        [tools / "python", "-c", program, POLICY],
        input=to_json(plan, timestamp="t"),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, list[str]] = json.loads(ended.stdout)
    return found


def agents(**body: Any) -> dict[str, Any]:
    return {"image": "shop/a:1", "deploy": {"resources": {"limits": {"memory": "64M"}}}, **body}


def test_the_policy_of_the_documentation_lets_a_good_plan_pass(tools: Path) -> None:
    before = fleet_of({"a": agents()})
    said = judged(tools, change_to(before, fleet_of({"a": agents(image="shop/a:2")})))
    assert said == {"deny": [], "warn": ["agent.a is replaced because of image"]}


def test_the_policy_of_the_documentation_stops_a_bad_one(tools: Path) -> None:
    before = fleet_of({"a": agents(), "b": agents(tier="critical")})
    after = fleet_of({"a": agents(privileged=True), "c": {"image": "shop/c:1"}})
    assert set(judged(tools, change_to(before, after))["deny"]) == {
        "agent.a runs privileged",
        "agent.b is critical and would be destroyed",
        "agent.c has no memory limit",
    }
    assert any("missing-image" in text for text in judged(tools, every_action())["deny"])
