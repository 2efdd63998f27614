"""Commands given where there is no project, or wrongly: they say so, fail, and write nothing."""

from pathlib import Path

import pytest

from sutazai.cli.main import main


def said(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["--chdir", str(root), *arguments])
    found = capsys.readouterr()
    return int(ended.value.code or 0), found.out + found.err


@pytest.mark.parametrize("command", [("env", "list"), ("env", "create", "qa"), ("fmt",), ("validate",)])
def test_a_command_outside_of_a_project_says_so(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, tmp_path, *command)
    assert code == 1
    assert "this is no sutazai project" in text
    assert "sutazai init" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [("env", "list"), ("plan",), ("status",), ("destroy",), ("state", "list")]
)
def test_a_project_above_is_named(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "My Shop"
    (root / "specs" / "agents").mkdir(parents=True)
    (root / "specs" / "project.yaml").write_text("project: shop\n")
    code, text = said(capsys, root / "specs" / "agents", *command)
    words = " ".join(text.split())
    assert code == 1
    assert f"there is one in {root}: sutazai --chdir '{root}'" in words  # as a shell takes it


def test_an_environment_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "specs").mkdir()
    assert said(capsys, tmp_path, "env", "create", "qa")[0] == 0
    before = (tmp_path / "environments/qa.yaml").read_text()
    code, text = said(capsys, tmp_path, "env", "create", "qa")
    assert code == 1
    assert "environments/qa.yaml exists" in text
    assert "choose another name" in text
    assert (tmp_path / "environments/qa.yaml").read_text() == before


def test_a_command_that_there_is_not_is_told_from_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, tmp_path, "plna")
    assert code == 1
    assert 'did you mean "plan"?' in text
