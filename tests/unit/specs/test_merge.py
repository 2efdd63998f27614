"""Laws of merging."""

from hypothesis import given
from hypothesis import strategies as st

from sutazai.specs.merge import canonical, merge, settle
from sutazai.specs.nodes import NOWHERE, Entry, Mapping, Node, Scalar, Sequence, Tag, from_plain, plain
from sutazai.specs.report import Report

KEYS = st.sampled_from("abc")


def _map(entries: dict[str, Node], tag: Tag | None = None) -> Mapping:
    return Mapping({key: Entry(NOWHERE, node) for key, node in entries.items()}, NOWHERE, tag)


SCALARS = st.builds(Scalar, st.integers(0, 9), st.just(NOWHERE), st.sampled_from([None, None, Tag.RESET]))
LISTS = st.builds(
    lambda numbers, tag: Sequence(tuple(Scalar(n, NOWHERE) for n in numbers), NOWHERE, tag),
    st.lists(st.integers(0, 9), max_size=3),
    st.sampled_from([None, Tag.APPEND]),
)
TREES = st.recursive(
    SCALARS | LISTS, lambda inner: st.dictionaries(KEYS, inner, max_size=3).map(_map), max_leaves=8
)
MAPS = st.dictionaries(KEYS, TREES, max_size=3).map(_map)


def settled(node: Node | None) -> object:
    result = settle(node, Report()) if node is not None else None
    return None if result is None else plain(result)


@given(MAPS, MAPS, MAPS)
def test_is_associative(a: Node, b: Node, c: Node) -> None:
    assert settled(merge(merge(a, b), c)) == settled(merge(a, merge(b, c)))


@given(MAPS)
def test_nothing_is_neutral(tree: Node) -> None:
    assert settled(merge(tree, _map({}))) == settled(tree) == settled(merge(_map({}), tree))


@given(st.dictionaries(KEYS, st.integers()), st.dictionaries(KEYS, st.integers()))
def test_flat_maps_merge_as_dicts_do(a: dict[str, int], b: dict[str, int]) -> None:
    assert settled(merge(from_plain(a, NOWHERE), from_plain(b, NOWHERE))) == {**a, **b}


@given(MAPS, KEYS)
def test_a_reset_key_is_gone(tree: Node, key: str) -> None:
    result = settled(merge(tree, _map({key: Scalar(None, NOWHERE, Tag.RESET)})))
    assert isinstance(result, dict)
    assert key not in result


@given(st.lists(st.integers()), st.lists(st.integers()))
def test_append_adds_and_a_plain_list_replaces(a: list[int], b: list[int]) -> None:
    base, over = from_plain(a, NOWHERE), from_plain(b, NOWHERE)
    assert isinstance(over, Sequence)
    assert settled(merge(base, over)) == b
    assert settled(merge(base, Sequence(over.items, NOWHERE, Tag.APPEND))) == a + b


def test_what_is_appended_to_one_item_that_stands_for_a_list_comes_after_it() -> None:
    def body(dns: object, command: object) -> Mapping:
        found = from_plain({"dns": dns, "command": command}, NOWHERE)
        assert isinstance(found, Mapping)
        return canonical(found)

    base, over = body("1.1.1.1", "sleep 9"), body(["8.8.8.8"], ["true"])
    more = over.entries["dns"].node
    assert isinstance(more, Sequence)
    joined = merge(base.entries["dns"].node, Sequence(more.items, NOWHERE, Tag.APPEND))
    assert settled(joined) == ["1.1.1.1", "8.8.8.8"]
    assert plain(base)["command"] == "sleep 9"
    assert plain(body("{{ var.dns }}", "x"))["dns"] == "{{ var.dns }}"


def test_list_forms_become_maps() -> None:
    body = from_plain(
        {
            "environment": ["A=1", "B", "C=x=y"],
            "depends_on": ["a", "b"],
            "networks": {"n": None},
            "labels": ["k=v"],
            "extra_hosts": ["h:10.0.0.1", "i=::1", "h=10.0.0.2", "h:[::2]"],
            "build": ".",
            "command": ["a=b"],
        },
        NOWHERE,
    )
    assert isinstance(body, Mapping)
    assert plain(canonical(body)) == {
        "environment": {"A": "1", "B": None, "C": "x=y"},
        "depends_on": {"a": {}, "b": {}},
        "networks": {"n": {}},
        "labels": {"k": "v"},
        "extra_hosts": {"h": ["10.0.0.1", "10.0.0.2", "::2"], "i": "::1"},
        "build": {"context": "."},
        "command": ["a=b"],
    }
