"""Files of variables, held against what `docker compose config` (5.6.1) makes of the same file.

`OUT=outer` is in the process, `DOT=dotted` in `.env`. None: Compose refuses the file.
"""

import pytest

from sutazai.specs.dotenv import DotenvError, read
from unit.specs.conftest import Write, fleet_of, problems

AROUND = {"OUT": "outer", "DOT": "dotted"}
CASES: dict[str, dict[str, str] | None] = {
    'A=1\nB=${A}\n': {'A': '1', 'B': '1'},
    'A="x\\ny"\n': {'A': 'x\ny'},
    'A=a # c\nB=a#c\nC="q" # c\nD=\'q\' # c\n': {'A': 'a', 'B': 'a#c', 'C': 'q', 'D': 'q'},
    'export A=1\nexport  B=2\n': {'A': '1', 'B': '2'},
    'A="multi\nline"\nB=2\n': {'A': 'multi\nline', 'B': '2'},
    "A='multi\nline $X'\n": {'A': 'multi\nline $X'},
    'A=${NO:-dflt}\nB=${NO-d2}\nC=${OUT:+yes}\nD=${OUT}\nE=$OUT\n': {'A': 'dflt', 'B': 'd2', 'C': 'yes', 'D': 'outer', 'E': 'outer'},
    'A="\\$OUT $$OUT \\t \\" \\\\ x"\n': {'A': '$OUT $OUT \t " \\ x'},
    'OUT=inner\nB=${OUT}\n': {'B': 'outer', 'OUT': 'inner'},
    'A\nOUT\nNOPE\n': {'OUT': 'outer'},
    'A: yaml\nB : x\n': {'A': 'yaml', 'B': 'x'},
    'A=\nB=""\n': {'A': '', 'B': ''},
    'A = spaced \n': {'A': 'spaced'},
    'A="${NO:-${OUT}}"\n': {'A': 'outer'},
    'A=${DOT}\n': {'A': 'dotted'},
    'A=a\\nb\n': {'A': 'a\\nb'},
    "A='it\\'s'\n": {'A': "it's"},
    'A=x=y=z\n': {'A': 'x=y=z'},
    'A="a"b\n': {'A': 'a'},
    '  A=1\n\t B=2\n': {'A': '1', 'B': '2'},
    'A=1\r\nB=2\r\n': {'A': '1', 'B': '2'},
    '#c\n\n A=1': {'A': '1'},
    'A=a  #c\nB=a\t#c\n': {'A': 'a', 'B': 'a\t#c'},
    'A="\\u0041 \\x41 \\0101 \\e"\n': {'A': '\\u0041 \\x41 A \\e'},
    'é=1\n': {'é': '1'},
    'A.B-C=1\n': {'A.B-C': '1'},
    'A=`x`\n': {'A': '`x`'},
    'A=$1\n': {'A': '$1'},
    'A=${}\n': None,
    'A="open\n': None,
    '1A=x\n': {'1A': 'x'},
    'A B=1\n': None,
    'A=${OUT:?no}\n': {'A': 'outer'},
    'A=${NO:?no}\n': None,
    'A="a\\': None,
    'A="b\\\\"\n': {'A': 'b\\'},
    'A= "x"\n': {'A': 'x'},
    "A='$OUT'\n": {'A': '$OUT'},
    'A="x" B=2\n': {'A': 'x', 'B': '2'},
    'A=$\n': {'A': '$'},
    'A=cost$\n': {'A': 'cost$'},
    'A="${OUT}}"\n': {'A': 'outer}'},
    'A=a\\$OUT\n': {'A': 'a\\outer'},
    'A={"k": "v"}\n': {'A': '{"k": "v"}'},
    'export\n': {},
    'A=1\nA=2\n': {'A': '2'},
    "A=it's\n": {'A': "it's"},
    'A=\n"x"\n': None,
}  # fmt: skip


@pytest.mark.parametrize("text", CASES)
def test_a_file_is_read_as_compose_reads_it(text: str) -> None:
    try:
        found: dict[str, str] | None = read(text, AROUND.get)
    except DotenvError:
        found = None
    assert found == CASES[text]


def test_variables_come_from_the_process_then_from_dotenv_then_from_lines_above(write: Write) -> None:
    files = {
        ".env": "DOT=dotted\nTOKEN=loses\n",
        "a.env": "BASE=a\nJOINED=${BASE}-${TOKEN}-${DOT}-${NONE:-dflt}\n",
    }
    fleet = fleet_of(
        write("services:\n  s: {image: x, env_file: a.env, environment: [DOT, NONE, BASE=b]}\n", files)
    )
    assert fleet.services["s"].environment == {
        "BASE": "b",
        "JOINED": "a-t0-dotted-dflt",
        "DOT": "dotted",
        "NONE": None,
    }


def test_a_key_that_means_nothing_here_is_named(write: Write) -> None:
    spec = "services:\n  s: {image: x, env_file: [{path: a.env, format: raw}]}\n"
    (found,) = problems(write(spec, {"a.env": "A=1\n"})).diagnostics
    assert (found.code, found.summary) == ("unknown-key", 'unknown key "format" in env_file')
    assert found.hint == "the keys are path, required"


def test_a_broken_line_is_named_with_its_number(write: Write) -> None:
    files = {"a.env": 'A=1\nB="open\n', ".env": "x y\n"}
    found = problems(
        write("services:\n  s: {image: x, env_file: a.env, environment: [C]}\n", files)
    ).diagnostics
    assert {(d.code, d.position.file, d.position.line) for d in found if d.position} == {
        ("bad-env-file", "specs/project.yaml", 4),
        ("bad-env-file", ".env", 1),
    }
    assert any('line 2 of a.env: the quote " is not closed' in d.summary for d in found)
