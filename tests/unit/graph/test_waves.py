"""Waves and cycles of graphs small enough to be looked through, and of large ones."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.address import Address, agent
from sutazai.graph.waves import CycleError, describe_cycle, find_cycle, order_waves

RELAXED = settings(deadline=None)
"""The first example loads networkx."""
Edges = dict[Address, list[Address]]
NODES = [agent(f"n{number}") for number in range(8)]


@st.composite
def graphs(draw: st.DrawFn) -> Edges:
    return {node: draw(st.lists(st.sampled_from(NODES), max_size=3, unique=True)) for node in NODES}


@st.composite
def trees(draw: st.DrawFn) -> Edges:
    """Without cycles: each depends on earlier ones only."""
    return {
        node: draw(st.lists(st.sampled_from(NODES[:place]), max_size=3, unique=True)) if place else []
        for place, node in enumerate(NODES)
    }


@RELAXED
@given(trees())
def test_a_node_is_in_the_wave_after_its_last_dependency(edges: Edges) -> None:
    waves = order_waves(edges)
    place = {node: number for number, wave in enumerate(waves) for node in wave}
    assert set(place) == set(edges)
    assert sum(map(len, waves)) == len(edges)
    for node, needs in edges.items():
        assert place[node] == max((place[need] + 1 for need in needs), default=0)
    assert all(list(wave) == sorted(wave) for wave in waves)
    assert find_cycle(edges) is None


@RELAXED
@given(trees(), st.randoms())
def test_the_order_of_the_edges_does_not_matter(edges: Edges, chance: random.Random) -> None:
    items = [(node, chance.sample(needs, len(needs))) for node, needs in edges.items()]
    chance.shuffle(items)
    assert order_waves(dict(items)) == order_waves(edges)


@RELAXED
@given(graphs())
def test_a_cycle_is_a_closed_path_along_dependencies(edges: Edges) -> None:
    cycle = find_cycle(edges)
    if cycle is None:
        assert order_waves(edges)
        return
    assert cycle[0] == cycle[-1]
    assert len(set(cycle)) == len(cycle) - 1
    assert all(after in edges[before] for before, after in pairwise(cycle))
    with pytest.raises(CycleError) as caught:
        order_waves(edges)
    assert caught.value.cycle == cycle


def test_the_shortest_way_round_is_shown() -> None:
    a, b, c, d = (agent(name) for name in "abcd")
    edges = {a: [b, c], b: [d], c: [a], d: [c]}
    assert find_cycle(edges) == (a, c, a)
    assert describe_cycle((a, c, a)) == "agent.a → agent.c → agent.a"
    assert find_cycle({a: [a]}) == (a, a)


def test_dependencies_outside_are_not_ordered() -> None:
    a, b = agent("a"), agent("b")
    assert order_waves({a: [b]}) == ((a,),)
    assert order_waves({}) == ()


def test_ten_thousand_nodes_in_a_row() -> None:
    row = [agent(f"n{number:05}") for number in range(10_000)]
    edges: Edges = {node: [row[place - 1]] if place else [] for place, node in enumerate(row)}
    began = time.process_time()
    assert len(order_waves(edges)) == len(row)
    edges[row[0]] = [row[-1]]
    cycle = find_cycle(edges)
    assert cycle is not None
    assert len(cycle) == len(row) + 1
    assert time.process_time() - began < 5
