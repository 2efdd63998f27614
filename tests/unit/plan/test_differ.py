"""Plain data held against plain data. None is how it says that nothing is there, so it is no value here."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.plan.differ import Sides, at, differences, facing, with_values
from sutazai.plan.normal import Shape

plain = st.recursive(
    st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from("abcd"), plain, max_size=4)


@given(documents)
def test_nothing_differs_from_itself(data: dict[str, Any]) -> None:
    assert list(differences(data, data)) == []


@given(documents, documents)
def test_differences_are_where_two_sides_differ(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = list(differences(before, after))
    assert bool(found) == (before != after)
    for path, old, new in found:
        assert (old, new) == (at(before, path), at(after, path))
        assert path


@given(documents, documents)
def test_what_differs_put_in_gives_the_other_side(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert with_values(before, [(path, new) for path, _, new in differences(before, after)]) == after


def test_each_difference_has_its_path() -> None:
    before = {"a": {"b": 1, "c": [1, {"x": 1}], "same": 0}, "gone": 1, "n": 1}
    after = {"a": {"b": 2, "c": [1, {"x": 2}], "same": 0}, "new": {"x": 1}, "n": 1.0}
    assert list(differences(before, after)) == [
        (("a", "b"), 1, 2),
        (("a", "c"), [1, {"x": 1}], [1, {"x": 2}]),
        (("gone",), 1, None),
        (("new",), None, {"x": 1}),
    ]
    assert list(differences({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}})) == [(("a", "b", "c"), 1, 2)]
    assert list(differences(None, {"a": 1})) == [((), None, {"a": 1})]
    assert list(differences({"a": 1}, [1])) == [((), {"a": 1}, [1])]


def test_values_are_put_in_and_taken_away_by_path() -> None:
    data = {"a": {"b": 1, "c": 2}, "d": "text"}
    assert with_values(data, [(("a", "b"), 3), (("d",), None)]) == {"a": {"b": 3, "c": 2}}
    assert with_values(data, [(("d", "x", "y"), 1)]) == {"a": {"b": 1, "c": 2}, "d": {"x": {"y": 1}}}
    assert with_values(data, [(("a", "b"), None), (("new", "x"), 0)])["a"] == {"c": 2}
    assert at(data, ("a", "b")) == 1
    assert at(data, ("d", "x")) is None
    assert data == {"a": {"b": 1, "c": 2}, "d": "text"}


# What is held against what: (shape, wanted, past, have, default) → (before, after)


@pytest.mark.parametrize(
    ("shape", "sides", "facing_each_other"),
    [
        (Shape.VALUE, (None, None, "x", "y"), (None, None)),
        (Shape.SET, (None, None, ["x"], []), (None, None)),
        (Shape.VALUE, ("x", None, "x", "y"), (None, None)),
        (Shape.VALUE, ("x", None, "y", "y"), ("y", "x")),
        (Shape.VALUE, (None, "x", "x", "y"), ("x", "y")),
        (Shape.VALUE, (None, "x", "y", "y"), (None, None)),
        (Shape.VALUE, ([], None, None, "y"), (None, None)),
        (Shape.VALUE, (False, None, None, True), (None, None)),
        (Shape.SET, (["a", "b"], None, ["a", "b", "d"], ["d"]), (["a", "b"], ["a", "b"])),
        (Shape.SET, (["a", "d"], None, ["a", "d", "x"], ["d"]), (["a", "d", "x"], ["a", "d"])),
        (Shape.SET, (None, ["a"], ["a", "d"], ["d"]), (["a", "d"], ["d"])),
        (Shape.SET, (["a"], None, None, None), ([], ["a"])),
        (Shape.MAP, ({"a": 1}, None, {"a": 1, "d": 2}, {"d": 2}), ({"a": 1}, {"a": 1})),
        (Shape.MAP, ({"a": 1}, None, {"a": 2, "d": 3}, {"d": 2}), ({"a": 2, "d": 3}, {"a": 1, "d": 2})),
        (Shape.MAP, ({"a": 1}, {"b": 1}, {"b": 1}, None), ({"b": 1}, {"a": 1})),
        (Shape.MAP, (None, {"a": 1}, {"a": 1}, {"a": 0}), ({"a": 1}, {"a": 0})),
        (Shape.MAP, ({"a": {"x": 1}}, None, {"a": {"x": 1, "y": 2}}, None), ({"a": {}}, {"a": {}})),
        (Shape.MAP, ({"a": {"x": 1}}, None, {}, None), ({}, {"a": {"x": 1}})),
        (Shape.MAP, ({"a": {"x": 1}}, {"a": {"y": 1}}, {"a": {"x": 2, "y": 1}}, {"a": {"y": 0}}),
         ({"a": {"y": 1, "x": 2}}, {"a": {"y": 0, "x": 1}})),
        (Shape.RECORD, ({"x": 1}, None, {"x": 1, "y": 2}, {}), ({}, {})),
        (Shape.RECORD, ({"x": 1}, {"y": 2}, {"x": 0, "y": 2}, {"y": 9}), ({"y": 2, "x": 0}, {"y": 9, "x": 1})),
        (Shape.RECORD, ({"x": {"z": 1}}, None, {"x": {"z": 2, "w": 3}}, None), ({"x": {"z": 2}}, {"x": {"z": 1}})),
        (Shape.RECORD, (None, {"x": {"z": 1}}, {"x": {"z": 1}}, {"x": {"z": 0}}), ({"x": {"z": 1}}, {"x": {"z": 0}})),
        (Shape.RECORD, ({"x": None}, {"y": None}, {"x": 1}, None), ({}, {})),
    ],
)  # fmt: skip
def test_what_is_held_against_what(
    shape: Shape, sides: tuple[Any, ...], facing_each_other: tuple[Any, Any]
) -> None:
    assert facing(shape, Sides(*sides)) == facing_each_other
