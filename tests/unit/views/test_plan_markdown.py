"""The comment is read by a Markdown parser, as GitHub's would: whatever a plan holds, it stays the page that was meant."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sutazai.address import agent
from sutazai.model.base import Effect
from sutazai.plan.change import Action, FieldChange, Finding, Plan, Reason, ResourceChange, Wave
from sutazai.views.plan_markdown import LIMIT, marker, to_markdown
from unit.views.sample import body, every_action, large

PARSER = MarkdownIt("commonmark").enable("table")
OPENING = re.compile(r"<details><summary>(<code>(\S+)</code> )?([^<>]*)</summary>\n?")
NASTY = "`|</details>@team <script> *x* [a](http://b) ![c](d) ~~e~~ $f$ \\ &lt; ```"


def test_golden(golden):
    golden("plan.md", to_markdown(every_action()))


def checked(plan: Plan, text: str) -> dict[str, Any]:
    """The comment's parts; fails where it is not the page that was meant."""
    assert len(text) <= LIMIT
    assert text.endswith("._\n")
    tokens = PARSER.parse(text)
    html = [token.content for token in tokens if token.type == "html_block"]
    assert html[0].strip() == marker(plan)
    titles = [OPENING.fullmatch(block) for block in html if block.startswith("<details>")]
    assert all(titles)
    assert len(html) == 1 + 2 * len(titles), "blocks are not balanced, or there is HTML of others"
    assert [block.strip() for block in html if block.startswith("</")] == ["</details>"] * len(titles)
    inline = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "softbreak", "code_inline", "strong_open", "strong_close", "em_open", "em_close",
                                                "text_special"}  # fmt: skip
    assert {token.info for token in tokens if token.type == "fence"} <= {"diff", "mermaid"}
    for token in tokens:
        if token.info == "mermaid":
            assert_mermaid(token.content)
    headings = [token.content for token in tokens if token.type == "inline" and token.level == 1]
    return {"titles": titles, "headings": headings, "tokens": tokens}


def assert_mermaid(text: str) -> None:
    first, *rows = text.splitlines()
    assert first == "flowchart TD"
    for row in rows:
        assert re.fullmatch(
            r'  w\d+\["[\w.\-: ]+(<br/>[\w.\- ]+)*"\](:::canary)?|  w\d+ --> (w\d+|more\["\d+ more waves"\])|'
            r'  classDef canary [\w:#,-]+|  beside\["beside them(<br/>[\w.\- ]+)+"\]',
            row,
        ), row


def shown(parts: dict[str, Any]) -> int:
    """How many resources the folded blocks are about."""
    changes = [match for match in parts["titles"] if match[1]]
    return sum(int(found[0]) if (found := re.match(r"\d+(?= \w+s )", match[3])) else 1 for match in changes)


def left_out(text: str, what: str) -> int:
    found = re.search(rf"Left out for want of room:.*?(\d+) {what}", text)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("size", [(0, 0), (131, 21), (10, 2000), (3000, 2000)])
def test_whatever_the_size_it_fits_and_every_resource_is_shown_or_counted(size):
    plan = large(*size)
    text = to_markdown(plan)
    assert shown(checked(plan, text)) + left_out(text, "changed resource") == len(plan.actions)


def test_every_resource_apart_and_thousands_of_them():
    changes = tuple(
        ResourceChange(agent(f"a{n:04}"), Action.CREATE, Reason.NEW, after=body(environment={f"V{n}": "x" * (n % 97)}, hostname=f"h{n}", user=str(n)))
        for n in range(2500)
    )  # fmt: skip
    waves = tuple(Wave(n, (change.address,)) for n, change in enumerate(changes, 1))
    plan = replace(every_action(), changes=changes, waves=waves)
    text = to_markdown(plan)
    assert shown(checked(plan, text)) + left_out(text, "changed resource") == 2500
    assert len(text) > LIMIT / 2, "there was room for more"


def test_what_is_left_out_is_named():
    assert re.search(
        r"Left out for want of room: \d+ changed resources\. `sutazai plan` shows everything",
        to_markdown(large(10, 2000)),
    )
    assert "Left out" not in to_markdown(every_action())


def test_one_enormous_change_is_cut_and_says_so():
    change = ResourceChange(
        agent("a"),
        Action.CREATE,
        Reason.NEW,
        after=body(environment={f"V{n}": "y" * 100 for n in range(5000)}),
    )
    plan = replace(every_action(), changes=(change,))
    text = to_markdown(plan)
    checked(plan, text)
    assert re.search(r"\.\.\. \d+ lines more", text)


def test_a_value_of_any_length_does_not_hide_what_differs_below_it():
    """One line was longer than a part may be, and the part was cut before it: `... 17 lines more` was all of the diff."""
    fields = tuple(
        FieldChange(("environment", name), "x" * 90_000, "x" * 90_001, effect=Effect.REPLACE) for name in "AB"
    )
    fields += (FieldChange(("privileged",), before=False, after=True, effect=Effect.REPLACE),)
    change = ResourceChange(
        agent("a"), Action.REPLACE, Reason.CANNOT_UPDATE, before=body(), after=body(), fields=fields
    )
    plan = replace(every_action(), changes=(change,))
    text = to_markdown(plan)
    checked(plan, text)
    assert "privileged: false -> true" in text
    assert re.search(r"x… \(\d+ characters more\)\n", text)


def test_a_list_among_the_values_of_what_is_new_is_not_shown_as_taken_away():
    after = body(environment={}, volumes=["one:/srv/one", "two:/srv/two"])
    text = to_markdown(
        replace(every_action(), changes=(ResourceChange(agent("a"), Action.CREATE, Reason.NEW, after=after),))
    )
    assert "            - one:/srv/one\n" in text
    assert not re.search(r"^-\s", text.split("```diff")[1], re.MULTILINE)


def test_long_and_many_findings_do_not_break_the_limit():
    findings = tuple(
        Finding(severity, f"code-{n}", f"{n} " + "x" * 3000, hint="h" * 3000)
        for severity in ("error", "warning", "info")
        for n in range(100)
    )
    plan = replace(every_action(), findings=findings)
    text = to_markdown(plan)
    checked(plan, text)
    assert left_out(text, "errors?") + text.count("[!CAUTION]") == 100


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.text(max_size=60) | st.just(NASTY), min_size=5, max_size=5),
    st.sampled_from(["error", "warning", "info"]),
)
def test_no_text_of_others_becomes_markup(texts, severity):
    value, key, detail, summary, hint = texts
    change = ResourceChange(
        agent("a"),
        Action.CREATE,
        Reason.NEW,
        detail,
        after=body(environment={"A": value, "B": "```\n" + key}),
    )
    plan = replace(
        every_action(), changes=(change,), findings=(Finding(severity, "code", summary, agent("a"), hint),)
    )
    checked(plan, to_markdown(plan, "ab" * 32))


def test_nobody_is_mentioned_by_a_finding():
    plan = replace(every_action(), findings=(Finding("error", "c", "ask @octocat"),))
    assert "@octocat" not in to_markdown(plan)


def test_marker_is_the_first_line_and_belongs_to_one_environment():
    plan = every_action()
    assert to_markdown(plan).splitlines()[0] == marker(plan)
    assert marker(plan) != marker(replace(plan, environment="production"))


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (replace(every_action(), kind="destroy"), "shop, local (destroy)"),
        (replace(every_action(), kind="rollback", of_serial=3), "shop, local, back to serial 3"),
        (replace(every_action(), kind="refresh", changes=()), "shop, local (refresh only)"),
    ],
)
def test_the_title_says_what_kind_of_plan_it_is(plan, says):
    assert to_markdown(plan).splitlines()[1] == f"## sutazai plan: {says}"


def test_the_summary_is_a_table_with_a_row_for_each_action():
    rows = [
        token
        for token in checked(every_action(), to_markdown(every_action()))["tokens"]
        if token.type == "tr_open"
    ]
    assert len(rows) == 1 + 6


def test_it_names_what_it_was_made_from():
    assert "_Planned against serial 6; specs `abababababab`; plan `cdcdcdcdcdcd`._" in to_markdown(
        every_action(), "cd" * 32
    )
    assert "_Planned with nothing recorded yet; " in to_markdown(large())
