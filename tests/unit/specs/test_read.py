"""YAML to values and places."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.specs.nodes import find, plain
from sutazai.specs.read import parse, read_file
from sutazai.specs.report import Report
from sutazai.specs.world import MAX_BYTES, World
from sutazai.views.diagnostics import render_plain


def value(text: str) -> object:
    report = Report()
    node = parse(f"k: {text}", "f", report)
    assert not report.failed
    assert node is not None
    data = plain(node)
    assert isinstance(data, dict)
    return data["k"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0440", 288),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.2.3", "1.2.3"),
        ("2024-01-01", "2024-01-01"),
        ("10:30", "10:30"),
        ("0899", "0899"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        (".nan", ".nan"),
        ("9" * 30, "9" * 30),
        (json.dumps("party \N{PARTY POPPER}"), "party \N{PARTY POPPER}"),
        (json.dumps({"\N{PARTY POPPER}": 1}), {"\N{PARTY POPPER}": 1}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_places_are_those_of_keys_and_values() -> None:
    node = parse("a:\n  b: [x, {c: yy}]\n", "f", Report())
    assert node is not None
    place = find(node, ("a", "b", 1, "c"))
    assert (place.key.line, place.key.column, place.mark.line, place.mark.column, place.mark.length) == (
        2,
        11,
        2,
        14,
        2,
    )


def test_merge_keys_give_what_is_not_there() -> None:
    node = parse("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], a: 0}\n", "f", Report())
    assert node is not None
    data = plain(node)
    assert isinstance(data, dict)
    assert data["z"] == {"a": 0, "b": 2, "c": 4}


@given(st.text() | st.text(alphabet="ab:- \n\t{}[]&*!|>'\"#%?,<"))
def test_any_text_is_a_tree_or_a_problem(text: str) -> None:
    report = Report()
    node = parse(text, "f", report)
    if node is None:
        assert report.failed or parse(text, "f", Report()) is None
    for problem in report.collect():
        assert problem.position is not None


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_tree_or_a_problem(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp()
    (root / "any.yaml").write_bytes(data)
    read_file(World(root, {}), "any.yaml", Report())


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.yaml").open("wb") as stream:
        stream.truncate(50 << 20)
    report = Report()
    assert read_file(World(tmp_path, {}), "huge.yaml", report) is None
    assert [problem.code for problem in report.collect()] == ["too-large"]
    assert MAX_BYTES < 50 << 20


def test_the_first_line_of_a_file_that_is_too_large_is_shown(tmp_path: Path) -> None:
    (tmp_path / "huge.yaml").write_text("agents:\n" + "  # more\n" * MAX_BYTES)
    report = Report()
    assert read_file(World(tmp_path, {}), "huge.yaml", report) is None
    (problem,) = report.collect()
    assert render_plain([problem]).splitlines()[1:3] == [" 1 | agents:", "   | ^~~~~~~"]


def test_what_is_no_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "dir.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for name in ("dir.yaml", "loop.yaml", "nothing.yaml"):
        report = Report()
        assert read_file(World(tmp_path, {}), name, report) is None
        assert [problem.code for problem in report.collect()] == ["unreadable"]
