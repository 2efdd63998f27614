"""Formatting: idempotent, true to the meaning, and nothing of the author's lost."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML, YAMLError

from sutazai.specs.fmt import UnformattableError, format_text
from sutazai.specs.fmt_files import format_files

ROOT = Path(__file__).parents[3]

MESSY = """\
# head

services:
    web:
        image:   nginx    # why
        ports:
        - "80:80"
        -   443:443
        -   name:  x
            list:
            -   - a
                -  'b'
        # end of web

    # before db
    db: {a: 1,
         b: 2}
    cmd: |
          one
            two

          three
    fold: >-
      abc
    q: "multi
      line"
    tagged:
        !append
        # in the list
        - x
    anchored: &a
        k: v
    merged:
        <<: *a
x-last:
- {a: [1,
   2]}


"""

CLEAN = """\
# head

services:
  web:
    image: nginx    # why
    ports:
      - "80:80"
      - 443:443
      - name: x
        list:
          - - a
            - 'b'
      # end of web

  # before db
  db: {a: 1,
       b: 2}
  cmd: |
    one
      two

    three
  fold: >-
    abc
  q: "multi
    line"
  tagged:
    !append
    # in the list
    - x
  anchored: &a
    k: v
  merged:
    <<: *a
x-last:
  - {a: [1,
     2]}
"""


def test_a_messy_file() -> None:
    assert format_text(MESSY) == CLEAN


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("\n\n", ""),
        ("# only this", "# only this\n"),
        ("a: 1  \r\nb: 2\r\n", "a: 1\nb: 2\n"),
        ("a:\n- 1\n\n\n", "a:\n  - 1\n"),
        ("a: |+\n    x\n\n\n", "a: |+\n  x\n\n\n"),
        ("a:\n    b: |2\n        x\n      y\n", "a:\n  b: |2\n      x\n    y\n"),
        ("a: |\n   x\n# after\n", "a: |\n  x\n# after\n"),
        ("a: |\n   x  \n   y\n", "a: |\n  x  \n  y\n"),
        ("a : 1\n'b' :  2\n", "a: 1\n'b': 2\n"),
        ("---\na:   1\n---\nb:\n- 2\n", "---\na: 1\n---\nb:\n  - 2\n"),
        ("- a:  1\n  b: 2\n-\n  c: 3\n", "- a: 1\n  b: 2\n-\n  c: 3\n"),
        ("\ufeffa: 1\n", "a: 1\n"),
        ("a:\n    long text\n      goes on\n", "a:\n  long text\n    goes on\n"),
        ("? a\n:   b\n", "? a\n: b\n"),
    ],
)
def test_small_files(before: str, after: str) -> None:
    assert format_text(before) == after
    assert format_text(after) == after


@pytest.mark.parametrize(
    "text", ["a: [", "a: 1\n b: 2\n", "\ta: 1\n", "a: *b\n", "a: 1\u2028b: 2\n", "a: '\n", "\x00"]
)
def test_what_is_not_yaml_is_refused(text: str) -> None:
    with pytest.raises(UnformattableError):
        format_text(text)


def test_the_files_of_this_project_are_canonical() -> None:
    formatted, problems = format_files(ROOT, ())
    assert problems == ()
    assert len(formatted) >= 25
    assert [file.name for file in formatted if file.changed] == []


WORDS = st.text(st.sampled_from("ab:-#{}[]'\"|>&*!% \n\t,?0"), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS.filter(bool), inner, max_size=3),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """YAML as ruamel writes it, with any indentation, either style, and a comment put between the lines."""
    mapping = draw(st.integers(2, 6))
    offset = draw(st.integers(0, 3))
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = draw(st.sampled_from([False, False, None]))
    yaml.indent = mapping
    yaml.sequence_dash_offset = offset
    yaml.width = draw(st.sampled_from([20, 80, 4096]))
    stream = StringIO()
    yaml.dump(draw(st.dictionaries(st.sampled_from("abcd"), VALUES, min_size=1)), stream)
    lines = stream.getvalue().split("\n")
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines) - 1)), " " * draw(st.integers(0, 8)) + "# note")
    return "\n".join(lines)


def meaning(text: str) -> object:
    return list(YAML(typ="safe", pure=True).load_all(text))


@settings(max_examples=300, deadline=None)
@given(documents())
@example("a: {:!: null}")
def test_formatting_keeps_meaning_and_is_idempotent(text: str) -> None:
    try:
        wanted = meaning(text)
    except YAMLError:
        return  # ruamel writes some keys so that it can't read them itself
    try:
        once = format_text(text)
    except UnformattableError as error:
        # Odd indentation can make ruamel write what is not YAML; nothing else may be refused.
        if "not YAML" not in error.summary:
            raise
        return
    assert format_text(once) == once
    assert meaning(once) == wanted
    assert [line.strip() for line in once.split("\n") if line.strip() == "# note"] == [
        line.strip() for line in text.split("\n") if line.strip() == "# note"
    ]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sutazai", "--chdir", str(root), "fmt", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_check_shows_and_writes_nothing_then_fmt_writes(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    good, bad, broken = (tmp_path / "specs" / name for name in ("good.yaml", "bad.yml", "broken.yaml"))
    good.write_text("a: 1\n")
    bad.write_text("a:\n- 1\n")
    bad.chmod(0o640)
    checked = run(tmp_path, "--check")
    assert checked.returncode == 1
    assert "specs/bad.yml" in checked.stdout
    assert "+  - 1" in checked.stdout
    assert "good" not in checked.stdout
    assert bad.read_text() == "a:\n- 1\n"
    assert run(tmp_path).returncode == 0
    assert bad.read_text() == "a:\n  - 1\n"
    assert bad.stat().st_mode & 0o777 == 0o640
    assert run(tmp_path, "--check").returncode == 0
    broken.write_bytes(b"a: \xff\n")
    failed = run(tmp_path)
    assert failed.returncode == 1
    assert "specs/broken.yaml:1" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert run(tmp_path, "specs/good.yaml").returncode == 0
    assert run(tmp_path, "specs/goood.yaml").returncode == 1


def test_files_that_configs_hand_on_are_nobodys_to_format(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/project.yaml").write_text("configs:\n  c: {file: specs/theirs.yaml}\n")
    (tmp_path / "specs/theirs.yaml").write_text("a:\n- 1\n")
    (tmp_path / "specs/.hidden.yaml").write_text("a:\n- 1\n")
    formatted, problems = format_files(tmp_path, ())
    assert [file.name for file in formatted] == ["specs/project.yaml"]
    assert problems == ()
