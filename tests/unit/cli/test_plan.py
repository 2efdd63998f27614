"""`plan`, and `apply` of what it saved, by command."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from sutazai.cli.context import Globals
from sutazai.cli.main import cli
from sutazai.errors import Refused
from unit.cli.workshop import IMAGES, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "shop").mkdir()
    made = Workshop(tmp_path / "shop")
    made.declare(a=IMAGES[0])
    return made


def test_the_first_plan_of_an_environment_makes_no_state_where_there_is_no_project(
    workshop: Workshop,
) -> None:
    assert workshop.run("plan", "-o", "first.plan").returncode == 0
    file, home, elsewhere = workshop.root / "first.plan", workshop.root, workshop.root.parent / "elsewhere"
    elsewhere.mkdir()
    workshop.root = elsewhere
    refused = workshop.run("apply", str(file))
    assert refused.returncode == 1
    assert "name the project's directory with --chdir" in refused.stderr
    assert list(elsewhere.iterdir()) == []
    workshop.root = home
    assert workshop.run("apply", str(file)).returncode == 0


def test_what_is_wrong_with_the_options_is_said_before_anything_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sutazai.cli.plan.nothing_to_plan", lambda *_: True)
    ended = CliRunner().invoke(cli, ["plan", "--strategy", "graceful"], obj=Globals(), standalone_mode=False)
    assert isinstance(ended.exception, click.UsageError)
    assert "give it with --to-serial" in ended.exception.message


def test_a_comment_is_no_plan_file(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a password in the state's address, which would be in a file, is nothing against it."""
    monkeypatch.setattr("sutazai.operations.saving.holds_password", lambda _url: True)

    def plan(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["plan", *arguments, "--chdir", str(workshop.root)], obj=Globals())

    comment = plan("--markdown")
    assert comment.exception is None
    assert "; plan `" in comment.output
    assert isinstance(plan("-o", "a.plan").exception, Refused)
