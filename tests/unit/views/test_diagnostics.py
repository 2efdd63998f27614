from hypothesis import example, given, settings
from hypothesis import strategies as st

from sutazai.diagnostics import Diagnostic, Position, Severity
from sutazai.views.diagnostics import diagnostic_lines, render_plain
from sutazai.views.text import ansi, cells


def at(line: int, column: int, length: int = 1) -> Position:
    return Position("specs/a.yaml", line, column, length)


EXAMPLES = (
    Diagnostic('unknown key "memroy"', "unknown-key", position=at(12, 9, 6), source="        memroy: 128M",
               hint='did you mean "memory"?'),
    Diagnostic("agent planner is declared twice", "duplicate", position=at(128, 3, 7), source="\t\tplanner: {}",
               related=(("first declared here", at(3, 3)),)),
    Diagnostic("wide", "wide", Severity.WARNING, at(5, 7, 2), "\t日本: 表示x", hint="two words " * 12),
    Diagnostic("far right", "long", position=at(5, 300, 4), source="a" * 299 + "MARK" + "b" * 300),
    Diagnostic("past the end", "end", position=at(6, 10, 4), source="abc"),
    Diagnostic("nothing here\nsecond line", "empty-project", hint="sutazai init makes a project"),
)  # fmt: skip


def test_golden(golden):
    golden("diagnostics.txt", render_plain(EXAMPLES, width=80))


def test_mark_stands_under_the_marked_text_after_tabs_and_wide_characters():
    text = render_plain([Diagnostic("x", "x", position=at(1, 4, 2), source="\t日本ab: 1")])
    source, mark = text.splitlines()[1:3]
    assert cells(source[: source.index("ab")]) == mark.index("^")
    assert mark.rstrip().endswith("^~")


def test_counts_errors_and_warnings():
    text = render_plain([*EXAMPLES[:3]])
    assert text.endswith("2 errors, 1 warning\n")


@example("000000000\x1f\x1f\x1f\r\u2427\u2d26\U0001f7d9", 1, 1, 20)
@example("漢" * 30, 29, 2, 20)
@example("0" * 51, 52, 1, 56)
@settings(deadline=None)
@given(st.text(max_size=200), st.integers(1, 250), st.integers(1, 250), st.integers(20, 120))
def test_any_source_line_is_shown_without_control_characters_and_within_the_width(
    source, column, length, width
):
    text = render_plain([Diagnostic("s", "c", position=at(1, column, length), source=source)], width=width)
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in text.replace("\n", ""))
    assert all(cells(row) <= max(width, 40) for row in text.splitlines())
    assert text.count("^") >= 1


def test_colour_adds_nothing_but_colour():
    import re

    coloured = ansi(diagnostic_lines(EXAMPLES, width=80))
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured).replace(" \n", "\n") == render_plain(EXAMPLES, width=80)
