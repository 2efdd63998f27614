import re
from dataclasses import replace

import pytest

from sutazai.address import agent
from sutazai.plan.change import Action, Finding, Reason, ResourceChange
from sutazai.views.plan_markdown import LIMIT, marker, to_markdown
from unit.views.sample import body, every_action, large


def test_golden(golden):
    golden("plan.md", to_markdown(every_action()))


@pytest.mark.parametrize("size", [(131, 21), (3000, 2000)])
def test_never_longer_than_a_comment_may_be(size):
    text = to_markdown(large(*size))
    assert len(text) <= LIMIT
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0


def test_says_what_was_left_out():
    assert "Left out for want of room" in to_markdown(large(10, 2000))
    assert "Left out" not in to_markdown(every_action())


def test_long_findings_do_not_break_the_limit():
    findings = tuple(Finding("error", f"code-{n}", f"{n} " + "x" * 3000) for n in range(100))
    assert len(to_markdown(replace(every_action(), findings=findings))) <= LIMIT


def test_marker_is_the_first_line_and_belongs_to_one_environment():
    plan = every_action()
    assert to_markdown(plan).splitlines()[0] == marker(plan)
    assert marker(plan) != marker(replace(plan, environment="production"))


def test_markup_of_others_stays_text():
    nasty = "`|</details>@team <script> *x*"
    plan = replace(
        every_action(),
        findings=(Finding("warning", "w", nasty),),
        changes=(
            ResourceChange(
                agent("a"), Action.CREATE, Reason.NEW, after=body(environment={"A": "```\n" + nasty})
            ),
        ),
    )
    text = to_markdown(plan)
    outside = re.sub(r"(`{3,})diff\n.*?\n\1", "", text, flags=re.DOTALL)
    assert "<script>" not in outside
    assert "@team" not in outside
    assert outside.count("</details>") == outside.count("<details>")
