"""JSON is read as `json` reads it, whichever parser does."""

import json
import sys
from typing import Any

import pydantic_core  # it is the parser that is held against `json`
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.plain import parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ODD = [b"NaN", b"[-Infinity]", b'{"a": 1, "a": 2}', b'"\\ud800"', b"\xef\xbb\xbf[]", "[1]".encode("utf-16"),
       b"[" * 300 + b"]" * 300, b"1" * 100, b"1e999", b"-0", b"1.0", b"0.1e-7", b" [1 , 2 ] "]  # fmt: skip
WRONG = [b"", b"{", b"[1,]", b"{'a': 1}", b'"\n"', b"01", b"\xff", b"nul", b'{"a" 1}', b"[1] 2"]


def spelt(value: Any) -> str:
    """Tells 1, 1.0 and True apart, and the order of keys."""
    return json.dumps(value)


@given(VALUES, st.booleans())
def test_what_is_written_is_read_as_json_reads_it(value: Any, plain: bool) -> None:
    data = json.dumps(value, ensure_ascii=plain).encode(errors="surrogatepass")
    assert spelt(parsed(data)) == spelt(json.loads(data))


@pytest.mark.parametrize("data", ODD, ids=repr)
def test_what_is_odd_is_read_as_json_reads_it(data: bytes) -> None:
    assert spelt(parsed(data)) == spelt(json.loads(data))


@pytest.mark.parametrize("data", WRONG, ids=repr)
def test_what_is_wrong_is_said_in_the_words_of_json(data: bytes) -> None:
    with pytest.raises(ValueError) as ours:  # noqa: PT011 - the words are compared
        parsed(data)
    with pytest.raises(ValueError) as theirs:  # noqa: PT011
        json.loads(data)
    assert str(ours.value) == str(theirs.value)


def test_it_loads_nothing_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, pydantic_core.__name__)
    assert parsed(b'{"a": [1.0]}') == {"a": [1.0]}
    assert pydantic_core.__name__ not in sys.modules
