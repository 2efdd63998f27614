"""A text gives the same tree and the same problems from whichever parser its events come."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.diagnostics import Diagnostics
from sutazai.specs import tree
from sutazai.specs.events import UnsureError, quick_events_of
from sutazai.specs.nodes import Mark, Node, Scalar, Sequence
from sutazai.specs.read import parse
from sutazai.specs.report import Report

ROOT = Path(__file__).parents[3]
FILES = sorted(
    file
    for folder in ("specs", "modules", "environments", "tests/golden", "docs")
    for file in (ROOT / folder).rglob("*.y*ml")
    if file.is_file()
)


def spelled(node: Node | None) -> object:
    """All that a tree says, and which of its nodes are one."""
    numbers: dict[int, int] = {}

    def at(mark: Mark) -> tuple[int, int, int]:
        return mark.line, mark.column, mark.length

    def of(node: Node) -> tuple[object, ...]:
        if id(node) in numbers:
            return ("again", numbers[id(node)])
        numbers[id(node)] = len(numbers)
        if isinstance(node, Scalar):
            return ("scalar", at(node.mark), node.tag, type(node.value), node.value)
        if isinstance(node, Sequence):
            return ("list", at(node.mark), node.tag, *map(of, node.items))
        entries = [(key, at(entry.key), of(entry.node)) for key, entry in node.entries.items()]
        return ("map", at(node.mark), node.tag, *entries)

    return node and of(node)


def read(text: str) -> tuple[object, Diagnostics]:
    report = Report()
    return spelled(parse(text, "f", report)), report.collect()


def is_read_alike(text: str) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        quickly = read(text)
        patch.setattr(tree, "quick_events_of", unsure)
        return quickly == read(text)


def unsure(_text: str) -> Iterator[object]:
    raise UnsureError


def is_quick(text: str) -> bool:
    try:
        list(quick_events_of(text))
    except UnsureError:
        return False
    return True


def mostly(usual: list[str], odd: list[str]) -> st.SearchStrategy[str]:
    """One of the usual ones, but one time in thirty an odd one: a text with too many of these is read to its end by none."""
    return st.sampled_from([*usual * (30 * len(odd)), *odd * len(usual)])


SCALARS = mostly(
    ["a", "b c", "1", "-1", "0440", "~", "é", "漢字", "😀", "a#b", "a #c", "-x", "''", '""', "'q'", '"q"', "'it''s'", r'"\n\x41"',
     '"a\n      b"', "'a\n\n      b'", "a\n      b", '"a\\\n      b"', "&x a", "!reset", "!append", "!reset a"],
    ["", "a:b", "http://x:80", ":x", r'"\/"', '"漢": 1', "*x", "&x", "!!str 1", "!!map {}", "!", "!x", "&x:y a",
     "?", "?x", "? x", "- x", "%x", "@", "a: b", "x,y", "a]b", "[x", "a-", "a:", "a?", "=", "<<", "'a\n b'", "|", "{{ x }}"],
)  # fmt: skip
KEYS = mostly(
    ["k", "'k'", '"k"', "k k", "漢", "k.k", "-k", "&x k"],
    ["<<", "*x ", "!!str k", "? k", "? [k]", "[k]", "{k: k}", "", "? ", "?k", "- k", "1"],
)
COLONS = mostly([": "], [":", " : ", "", ":\n "])
SPACES = mostly(["", "", " ", " # c"], ["# c", "  #"])
BREAKS = mostly(
    ["", "", "", " ", "\n      ", "\n      # c\n      ", " # c\n      "], ["\n", "#c\n", "\n # c\n "]
)
BEFORE = mostly(
    ["", "", "", "", "&x ", "!reset ", "!append "], ["&x ", "!reset &x ", "&x !reset ", "! ", "&x:y "]
)


@st.composite
def flow(draw: st.DrawFn, depth: int = 2) -> str:
    """A scalar, or a list or map in brackets."""
    kind = draw(st.sampled_from(["scalar", "list", "map"])) if depth else "scalar"
    if kind == "scalar":
        return draw(SCALARS)
    items = []
    for number in range(draw(st.integers(0, 3))):
        paired = draw(st.integers(0, 19)) == 13 if kind == "list" else True
        key = _numbered(draw(KEYS), number) + draw(COLONS) if paired else ""
        items.append(draw(BREAKS) + key + draw(flow(depth - 1)) + draw(BREAKS))
    inside = draw(st.sampled_from([",", ", "])).join(items) + draw(mostly([""], [",", " ,"]))
    return draw(BEFORE) + ("[" + inside + "]" if kind == "list" else "{" + inside + "}")


def _numbered(key: str, number: int) -> str:
    """The key, other than those beside it: what is there twice is refused."""
    return (
        key[:-1] + str(number) + key[-1]
        if key[-1:] in ("'", '"')
        else key + str(number)
        if "k" in key
        else key
    )


@st.composite
def block(draw: st.DrawFn, indent: int = 0, depth: int = 3) -> str:
    """A value after a key, a dash or nothing, to the end of its line."""
    kind = draw(st.sampled_from(["flow", "text", "list", "map", "map"])) if depth else "flow"
    if kind == "flow":
        return draw(flow()) + draw(SPACES) + "\n"
    inner = indent + int(draw(mostly(["2"], ["0", "1", "4"])))
    if kind == "text":
        head = draw(st.sampled_from("|>")) + draw(mostly(["", "-", "+"], ["2", "1-", " ", " # c", "#c"]))
        line = st.sampled_from(["t", "- a", "k: v", "# x", "  more", "'", "漢", ""])
        first = " " * inner + draw(mostly(["t", "k: v", "# x", "'", "漢"], ["", "  t"])) + "\n"
        left = mostly([" " * inner], ["", " " * indent, " " * (inner + 2)])
        return (
            head
            + "\n"
            + first
            + "".join(draw(left) + draw(line) + "\n" for _ in range(draw(st.integers(0, 3))))
        )
    out = draw(BEFORE) + draw(SPACES) + draw(mostly(["\n", "\n", "\n\n", "\n# c\n"], [""]))
    for number in range(draw(st.integers(1, 3))):
        out += " " * inner if out.endswith("\n") else ""
        out += (
            draw(mostly(["- ", "-   "], ["-"]))
            if kind == "list"
            else _numbered(draw(KEYS), number) + draw(COLONS)
        )
        out += draw(block(inner + 2 * (kind == "list"), depth - 1))
        out += draw(mostly(["", "", "", "\n", "# c\n", "  \n", f"{' ' * inner}# c\n"], [" # c\n"]))
    return out


PIECES = st.sampled_from([
    *"-:?{}[],#&*!|>'\"%@`<=~\t\n \\", *("\r", "\r\n", "\x85", "\u2028", "\ufeff", "\xa0", "- ", ": ", "? ", " #", "''", "\n\n", "\n  "),
    *("---\n", "...\n", "...\n...\n", "%YAML 1.1\n", "%TAG ! x\n", "!<x>", "&a ", "*a", "<<: ", "k" * 1023, "漢" * 1025, "", "", ""),
])  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> str:
    """YAML with everything that it has, and what is nearly YAML."""
    before, indent = draw(st.sampled_from([("", -2), ("", -2), ("k: ", 0), ("---\n", -2), ("# c\n", -2)]))
    text = before + draw(block(indent))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(PIECES) + text[start + draw(st.sampled_from([0, 0, 1, 2, 5])) :]
    return text.replace("\n", draw(st.sampled_from(["\n", "\n", "\n", "\r\n"])))


@settings(max_examples=500, deadline=None)
@given(texts())
def test_both_parsers_read_a_text_alike(text: str) -> None:
    assert is_read_alike(text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_both_parsers_read_a_file_alike(file: Path) -> None:
    assert is_read_alike(file.read_bytes().decode(errors="replace"))


@pytest.mark.parametrize(
    "text",
    [
        "# c\na: {b: [1, 'x', \"y\\n\"], 漢: d e} # c\nc:\n- d\n-   - e\n",
        "a: &x {b: c}\nd: *x\ne: [*x, *x]\nf: {<<: *x, g: 1}\n",
        "a: !reset x\nb: !append [c]\n",
        "a: |\n  b\n   c\n\nd: >-\n  e\n",
        "a: b\r\nc: d\r\n",
        "a: 'b\n  c'\n",
        "",
    ],
)
def test_what_specs_are_made_of_is_read_quickly(text: str) -> None:
    assert is_quick(text)
    assert is_read_alike(text)


@pytest.mark.parametrize(
    "text",
    [
        "a:\nb:\n",
        "- \n- a\n",
        "a:\tb\n",
        '[\n"a":b]\n',
        "&a:b c\n",
        "a: >#c\n  b\n",
        "|\n# c\n",
        "a: |2\n    b\n",
        "a: !\n",
        "a: b\rc: d\n",
        "a: b\u2028c: d\n",
        "a: b\ufeff\n",
        "%YAML 1.1\n--- a\n",
        "a\n...\n...\n",
    ],
)
def test_what_the_parsers_read_apart_is_read_by_one(text: str) -> None:
    assert not is_quick(text)
    assert is_read_alike(text)


@pytest.mark.parametrize(
    "text",
    ["a: [\n", "a: 1\na: 2\n", "a: *b\n", "a: &b [*b]\n", "--- a\n--- b\n", "a: !x b\n", "[" * 70 + "]" * 70],
)
def test_what_is_wrong_is_told_once(text: str) -> None:
    assert len(read(text)[1].errors) == 1
    assert is_read_alike(text)


def test_without_libyaml_the_other_parser_reads_all(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: !reset {b: &c [d, 'e']}\nf: *c\n"
    before = read(text)
    monkeypatch.setattr("ruamel.yaml.main.CParser", None)
    assert not is_quick(text)
    assert read(text) == before
