"""`init` and `env create`: what they write loads, and they overwrite nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from sutazai.errors import InvalidInput, Refused
from sutazai.specs.fmt_files import format_files
from sutazai.specs.load import load
from sutazai.specs.scaffold import create_environment, normal_name, scaffold


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sutazai", "--chdir", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_new_project_loads_and_is_canonical(tmp_path: Path) -> None:
    written = scaffold(tmp_path, "shop")
    assert set(written) == set(snapshot(tmp_path))
    loaded = load(tmp_path, "local", variables={}, environ={})
    assert list(loaded.diagnostics) == []
    assert loaded.fleet is not None
    hello = loaded.fleet.agents["hello"]
    assert (hello.image, hello.tier) == ("shop/hello:1.0", "critical")
    assert hello.environment["GREETING"] == "Hello from shop"
    assert [check.path for check in hello.checks] == ["/health"]
    formatted, problems = format_files(tmp_path, ())
    assert problems == ()
    assert not any(file.changed for file in formatted)
    assert "/state/*" in (tmp_path / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", ["123", "1e3", "true", "null", "0x1f"])
def test_a_folder_may_be_called_what_yaml_takes_for_no_text(name: str, tmp_path: Path) -> None:
    scaffold(tmp_path, name)
    loaded = load(tmp_path, "local", variables={}, environ={})
    assert list(loaded.diagnostics) == []
    assert loaded.fleet is not None
    assert loaded.fleet.project == name
    assert not any(file.changed for file in format_files(tmp_path, ())[0])


def test_the_command_refuses_to_overwrite_and_lists_what_is_there(tmp_path: Path) -> None:
    root = tmp_path / "My Shop!"
    root.mkdir()
    (root / ".gitignore").write_text("node_modules")
    first = run(root, "init")
    assert first.returncode == 0
    assert "Project myshop" in first.stdout
    assert "sutazai plan" in first.stdout
    assert (root / ".gitignore").read_text().startswith("node_modules\n/state/*\n")
    before = snapshot(root)
    second = run(root, "init")
    assert second.returncode == 1
    assert "specs/project.yaml" in second.stderr
    assert "environments/local.yaml" in second.stderr
    assert snapshot(root) == before


def test_a_gitignore_of_any_bytes_is_added_to(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"caf\xe9/\r\n/state/*\r\n")
    scaffold(tmp_path, "shop")
    before, _, added = (tmp_path / ".gitignore").read_bytes().partition(b"/state/*\r\n")
    assert before == b"caf\xe9/\r\n"
    assert added
    assert b"/state/*\n" not in added


def test_what_is_in_the_way_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").symlink_to("nowhere")
    with pytest.raises(Refused, match="is no file"):
        scaffold(tmp_path, "shop")
    (tmp_path / ".gitignore").unlink()
    (tmp_path / "images").write_text("")
    with pytest.raises(Refused, match="exist already: images"):
        scaffold(tmp_path, "shop")
    assert set(snapshot(tmp_path)) == {"images"}


def test_init_from_compose_by_command(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {web: {image: nginx, tty: true}}\n")
    found = run(tmp_path, "init", "--from-compose", "compose.yml")
    assert found.returncode == 0
    assert "compose.yml:1" in found.stderr
    assert "tty is left out" in found.stderr
    assert run(tmp_path, "validate").returncode == 0
    assert run(tmp_path, "init", "--from-compose", "nowhere.yml").returncode == 1
    assert run(tmp_path, "init", "--from-compose").returncode == 1


def test_an_environment_extends_another(tmp_path: Path) -> None:
    scaffold(tmp_path, "shop")
    assert create_environment(tmp_path, "staging", "local") == ("environments/staging.yaml",)
    create_environment(tmp_path, "bare", None)
    for name in ("staging", "bare"):
        loaded = load(tmp_path, name, variables={}, environ={})
        assert list(loaded.diagnostics) == []
        assert loaded.fleet is not None
        assert set(loaded.fleet.agents) == {"hello"}
    with pytest.raises(Refused, match=r"staging\.yaml"):
        create_environment(tmp_path, "staging", None)


@pytest.mark.parametrize("extends", [None, "local"])
def test_the_first_environment_of_a_project_is_not_its_only_one(extends: str | None, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/all.yaml").write_text("project: shop\nagents: {a: {image: x}}\n")
    created = run(tmp_path, "env", "create", "staging", *(("--extends", extends) if extends else ()))
    assert created.returncode == 0
    assert "environments/local.yaml and environments/staging.yaml" in created.stdout
    assert run(tmp_path, "validate", "--all").returncode == 0
    assert "* local\n  staging\n" in run(tmp_path, "env", "list").stdout


def test_an_environment_may_be_in_a_file_of_the_other_suffix(tmp_path: Path) -> None:
    scaffold(tmp_path, "shop")
    (tmp_path / "environments/qa.yml").write_text("extends: local\n")
    with pytest.raises(Refused, match=r"qa\.yml exists"):
        create_environment(tmp_path, "qa", None)
    create_environment(tmp_path, "later", "qa")
    assert load(tmp_path, "later", variables={}, environ={}).fleet is not None


@pytest.mark.parametrize(
    ("name", "extends"), [("../x", None), ("", None), ("a.secrets", None), ("x" * 64, None), ("ok", "locl")]
)
def test_an_environment_that_cannot_be_is_refused(name: str, extends: str | None, tmp_path: Path) -> None:
    scaffold(tmp_path, "shop")
    before = snapshot(tmp_path)
    with pytest.raises(InvalidInput) as caught:
        create_environment(tmp_path, name, extends)
    assert caught.value.diagnostics[0].hint
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "name"), [("My Shop", "myshop"), ("--x", "x"), ("é", "project"), ("A_b-1", "a_b-1")]
)
def test_project_names_are_made_as_compose_makes_them(text: str, name: str) -> None:
    assert normal_name(text) == name
