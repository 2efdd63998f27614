"""Selectors: the dbt-like language that names a part of a fleet, for `--target`, `--exclude`, overrides.

    NAME  agent.NAME  network.NAME  data-*  agent.*      workloads by name, anything by address, globs of both
    tier:critical  category:data  label:team=core        by what is declared of them
    state:modified                                       what differs from what was last applied
    +x  x+  2+x  x+1                                     and what x depends on, what depends on x, to a depth
    a,b   a b                                            both; either

A word without a wildcard that matches nothing is an error: a misspelt target must not quietly select nothing.
A glob may match nothing. Pure: the same expression over the same items gives the same addresses.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import get_args

from sutazai.address import Address, Kind
from sutazai.diagnostics import did_you_mean
from sutazai.model.workload import Tier

Items = Mapping[Address, "Selectable"]
Edges = Mapping[Address, Iterable[Address]]

_TERM = re.compile(r"(?:(?P<up>\d*)\+)?(?P<word>[^+]+)(?:\+(?P<down>\d*))?")
_WILDCARDS = re.compile(r"[*?\[]")
_KINDS = tuple(kind.value for kind in Kind)


class SelectorError(ValueError):
    """The expression can't be read, or names what does not exist. `hint` says what to write instead; `unknown` is
    the name that among other items would mean something, empty where more than the name counts."""

    def __init__(self, message: str, hint: str | None = None, *, unknown: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.unknown = unknown


@dataclass(frozen=True, slots=True)
class Selectable:
    """What a selector can ask about one resource. `modified`: it differs from what was last applied; None where that is not
    known yet."""

    address: Address
    tier: str | None
    category: str | None
    labels: Mapping[str, str]
    depends_on: tuple[Address, ...]
    modified: bool | None = None


def select(expression: str, items: Items) -> frozenset[Address]:
    """The addresses that `expression` names out of `items`. Raises `SelectorError`."""
    if not expression.strip():
        raise SelectorError("the selector is empty", "write a name, agent.NAME or tier:critical")
    found: frozenset[Address] = frozenset()
    for union in expression.split():
        terms = union.split(",")
        if not all(terms):
            raise SelectorError(
                f"selector {union!r}: a word is missing beside the comma", "write a,b for both"
            )
        selected = [_term(term, items) for term in terms]
        found |= frozenset.intersection(*selected)
    return found


def reachable(start: Iterable[Address], edges: Edges, depth: int | None = None) -> frozenset[Address]:
    """`start` and everything that `edges` lead to from there, at most `depth` edges away."""
    seen = set(start)
    frontier = list(seen)
    while frontier and depth != 0:
        frontier = [to for to in {to for node in frontier for to in edges.get(node, ())} if to not in seen]
        seen.update(frontier)
        depth = None if depth is None else depth - 1
    return frozenset(seen)


def reversed_edges(edges: Edges) -> dict[Address, list[Address]]:
    """Who depends on a node, out of what a node depends on."""
    back: dict[Address, list[Address]] = {}
    for node, targets in edges.items():
        for target in targets:
            back.setdefault(target, []).append(node)
    return back


def _term(term: str, items: Items) -> frozenset[Address]:
    match = _TERM.fullmatch(term)
    if match is None:
        raise SelectorError(f"selector {term!r} can't be read", "write x, +x, x+, 2+x or x+1")
    base = _word(match["word"], items)
    found = base
    edges = {address: item.depends_on for address, item in items.items()} if "+" in term else {}
    if match["up"] is not None:
        found |= reachable(base, edges, _depth(match["up"]))
    if match["down"] is not None:
        found |= reachable(base, reversed_edges(edges), _depth(match["down"]))
    return frozenset(address for address in found if address in items) if "+" in term else found


def _depth(text: str) -> int | None:
    return int(text) if text else None


def is_pattern(word: str) -> bool:
    """Whether it may name several, or none."""
    return _WILDCARDS.search(word) is not None


def _word(word: str, items: Items) -> frozenset[Address]:
    method, colon, value = word.partition(":")
    if not colon:
        return _by_name(word, items)
    if method not in _METHODS:
        hint = did_you_mean(method, _METHODS) or f"the methods are {', '.join(_METHODS)}"
        raise SelectorError(f"selector {word!r}: there is no method {method!r}", hint)
    if not value:
        raise SelectorError(f"selector {word!r}: a value is missing after {method}:")
    return _METHODS[method](value, items)


def _by_name(word: str, items: Items) -> frozenset[Address]:
    kind, dot, name = word.partition(".")
    if is_pattern(word):
        if dot and kind in _KINDS:
            return frozenset(a for a in items if a.kind == kind and fnmatchcase(a.name, name))
        return frozenset(a for a in items if a.kind.is_workload and fnmatchcase(a.name, word))
    if dot and kind in _KINDS and name:
        address = Address(Kind(kind), name)
        if address in items:
            return frozenset({address})
    found = frozenset(a for a in (Address(Kind.AGENT, word), Address(Kind.SERVICE, word)) if a in items)
    if found:
        return found
    raise _unknown(word, _nearest_name(word, items), word.rpartition(".")[2])


def _unknown(word: str, hint: str | None, name: str = "") -> SelectorError:
    return SelectorError(f"selector {word!r} matches nothing", hint, unknown=name)


def _nearest_name(word: str, items: Items) -> str | None:
    same_name = sorted(address for address in items if address.name == word)
    if same_name:
        return f'did you mean "{same_name[0]}"?'
    kind = word.partition(".")[0]
    if kind in _KINDS and not Kind(kind).is_workload and all(a.kind.is_workload for a in items):
        return "only agents and services are chosen here, by their name, tier, category or label"
    names = [address.name for address in items if address.kind.is_workload]
    return did_you_mean(word, names) or did_you_mean(word, map(str, items))


def _by_tier(value: str, items: Items) -> frozenset[Address]:
    tiers = get_args(Tier)
    if value not in tiers and not is_pattern(value):
        hint = did_you_mean(value, tiers) or f"the tiers are {', '.join(tiers)}"
        raise SelectorError(f"selector 'tier:{value}': there is no tier {value!r}", hint)
    return frozenset(a for a, item in items.items() if item.tier and fnmatchcase(item.tier, value))


def _by_category(value: str, items: Items) -> frozenset[Address]:
    found = frozenset(a for a, item in items.items() if item.category and fnmatchcase(item.category, value))
    if not found and not is_pattern(value):
        known = sorted({item.category for item in items.values() if item.category})
        raise _unknown(f"category:{value}", did_you_mean(value, known))
    return found


def _by_label(value: str, items: Items) -> frozenset[Address]:
    key, equals, wanted = value.partition("=")
    pattern = wanted if equals else "*"
    labelled = {address: item.labels[key] for address, item in items.items() if key in item.labels}
    found = frozenset(address for address, label in labelled.items() if fnmatchcase(label, pattern))
    if not found and not is_pattern(pattern if equals else key):
        known = sorted({f"{k}={v}" for item in items.values() for k, v in item.labels.items()})
        raise _unknown(f"label:{value}", did_you_mean(value if equals else f"{key}=", known))
    return found


def _by_state(value: str, items: Items) -> frozenset[Address]:
    if value != "modified":
        raise SelectorError(f"selector 'state:{value}': there is no state {value!r}", "write state:modified")
    if any(item.modified is None for item in items.values()):
        hint = "ask for it with --target, --exclude or --replace"
        raise SelectorError("selector 'state:modified': only a plan knows what is modified", hint)
    return frozenset(address for address, item in items.items() if item.modified)


_METHODS: Mapping[str, Callable[[str, Items], frozenset[Address]]] = {
    "tier": _by_tier, "category": _by_category, "label": _by_label, "state": _by_state,
}  # fmt: skip
