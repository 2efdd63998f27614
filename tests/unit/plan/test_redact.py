"""Sensitive values are taken out of a plan wherever it repeats them."""

from dataclasses import replace

from sutazai.address import agent
from sutazai.model.base import Effect
from sutazai.plan.change import Action, FieldChange, Reason, ResourceChange
from sutazai.plan.redact import SENSITIVE, masked, redacted, with_value

A = agent("a")


def test_a_value_is_replaced_or_taken_out_wherever_it_is() -> None:
    body = {"a": {"b": 1, "c": 2}, "l": [{"x": 1}, "y"], "t": ("p", "q")}
    assert with_value(body, ("a", "b"), "*") == {**body, "a": {"b": "*", "c": 2}}
    assert with_value(body, ("a", "b"), None) == {**body, "a": {"c": 2}}
    assert with_value(body, ("a",), None) == {"l": body["l"], "t": body["t"]}
    assert with_value(body, ("l", "0", "x"), "*") == {**body, "l": [{"x": "*"}, "y"]}
    assert with_value(body, ("l", "1"), "*") == {**body, "l": [{"x": 1}, "*"]}
    assert with_value(body, ("t", "0"), "*") == {**body, "t": ["*", "q"]}
    for nowhere in (("n",), ("a", "n"), ("l", "2"), ("l", "x"), ("a", "b", "c")):
        assert with_value(body, nowhere, "*") == body


def test_only_what_is_sensitive_is_redacted() -> None:
    token, mode = ("environment", "TOKEN"), ("environment", "MODE")
    before = {"environment": {"TOKEN": "old", "MODE": "1"}}
    after = {"environment": {"TOKEN": "new", "MODE": "2"}}
    change = ResourceChange(
        A, Action.REPLACE, Reason.CHANGED, "", before, after,
        (FieldChange(token, "old", "new", Effect.REPLACE, sensitive=True), FieldChange(mode, "1", "2", Effect.REPLACE)),
    )  # fmt: skip
    told = redacted(change)
    assert told.before == {"environment": {"TOKEN": SENSITIVE, "MODE": "1"}}
    assert told.after == {"environment": {"TOKEN": SENSITIVE, "MODE": "2"}}
    assert [(f.path, f.before, f.after) for f in told.fields] == [
        (token, SENSITIVE, SENSITIVE),
        (mode, "1", "2"),
    ]
    assert redacted(told) == told
    plain_change = replace(change, fields=change.fields[1:])
    assert redacted(plain_change) is plain_change
    new = replace(change, before=None, fields=(replace(change.fields[0], before=None),))
    assert (redacted(new).before, redacted(new).fields[0].before) == (None, None)
    gone = replace(change, after=None, fields=(replace(change.fields[0], after=None),))
    assert (redacted(gone).after, redacted(gone).fields[0].after) == (None, None)
    assert masked({"a": 1}, [("a",), ("b",)]) == {"a": SENSITIVE}
    assert before == {"environment": {"TOKEN": "old", "MODE": "1"}}
