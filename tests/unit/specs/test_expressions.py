"""Jinja2 in specs: types, bounds, and what is refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.specs.interpolate import Failed, Renderer
from sutazai.specs.nodes import NOWHERE, Scalar, from_plain, plain
from sutazai.specs.report import Report
from sutazai.specs.sandbox import quote_names


def render(text: str, **context: object) -> object:
    return plain(Renderer(Report()).render(Scalar(text, NOWHERE), context))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 62), 1 << 62) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(VALUES)
def test_a_single_expression_has_the_type_of_its_value(value: object) -> None:
    assert render("{{ x }}", x=value) == value
    assert type(render("{{ x }}", x=value)) is type(value)


@given(st.integers())
def test_anything_beside_it_makes_a_text(value: int) -> None:
    assert render("a{{ x }}", x=value) == f"a{value}"
    assert render("{{ x }}{{ x }}", x=value) == f"{value}{value}"


@given(st.text().filter(lambda text: "{" not in text))
def test_a_text_without_expressions_is_itself(text: str) -> None:
    assert render(text) == text


def test_what_yaml_cannot_say_is_refused() -> None:
    with pytest.raises(Failed):
        render("{{ x }}", x=object())


@pytest.mark.parametrize(
    "text",
    [
        "{{ range(10**9) | list }}",
        "{{ 'x' * 10**9 }}",
        "{{ [0] * 10**9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%09999999999d' % 1 }}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{% set x = 'a' %}{% for i in range(99) %}{% set x = x ~ x %}{% endfor %}{{ x * 1000000 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 'a'.center(10**9) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{{ x.y }}",
        "{{ cycler }}",
        "{{ lipsum() }}",
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{{ 1 / 0 }}",
        "{{ [1][5] }}",
        "{{ 'a' | replace('', 'b' * 200000) }}",
        "{{ -" * 5,
        "{{ 'a' ~ ('b' * 200000) ~ ('c' * 200000) }}",
        "{{ range(9999) | map('string') | join('x' * 1000) }}",
    ],
)
def test_what_runs_away_or_escapes_is_refused_quickly(text: str) -> None:
    started = time.monotonic()
    report = Report()
    with pytest.raises(Failed):
        Renderer(report).render(Scalar(text, NOWHERE), {})
    assert report.failed
    assert time.monotonic() - started < 2


@given(st.text(alphabet="{}%#()[]'\"abnif or|.~+-*/0123 ", max_size=60))
def test_any_text_has_a_value_or_a_problem(text: str) -> None:
    report = Report()
    try:
        Renderer(report).render(from_plain({"a": "{{" + text + "}}", "b": text}, NOWHERE), {"a": "x"})
    except Failed:
        assert report.failed


@pytest.mark.parametrize("value", [0, False, "x", [], 1.5])
def test_what_is_required_and_there_is_itself(value: object) -> None:
    assert render("{{ x | required('say x') }}", x=value) == value


@pytest.mark.parametrize("context", [{"x": ""}, {"x": None}, {}])
def test_what_is_required_and_missing_is_said_in_the_words_of_who_requires_it(
    context: dict[str, object],
) -> None:
    report = Report()
    with pytest.raises(Failed):
        Renderer(report).render(Scalar("{{ x | required('say x') }}", NOWHERE), context)
    assert [error.summary for error in report.collect().errors] == ["a value is missing here: say x"]


def test_names_with_dashes_need_no_brackets() -> None:
    assert quote_names("{{ agent.ai-critic.port - 1 }}") == '{{ agent["ai-critic"].port - 1 }}'
    assert quote_names("{{ 'agent.a-b' }} agent.a-b") == "{{ 'agent.a-b' }} agent.a-b"
    assert quote_names("{{ x.agent.a-b }}") == "{{ x.agent.a-b }}"
