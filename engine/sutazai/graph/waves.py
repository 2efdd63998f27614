"""Waves and cycles of the dependency graph; the one user of networkx, loaded only to name a cycle.

`edges` always maps a node to what it depends on. A dependency that is not itself a key is not ordered.
Every result is the same for the same edges, whatever their order, and costs time linear in nodes and edges.
"""

import graphlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from sutazai.address import Address

if TYPE_CHECKING:
    from networkx import DiGraph

Edges = Mapping[Address, Collection[Address]]


class CycleError(ValueError):
    """The nodes can't be ordered. `cycle` is a path along dependencies that ends where it begins."""

    def __init__(self, cycle: tuple[Address, ...]) -> None:
        super().__init__(f"dependency cycle: {describe_cycle(cycle)}")
        self.cycle = cycle


def order_waves(edges: Edges) -> tuple[tuple[Address, ...], ...]:
    """The nodes in layers: each node is in the layer after the last of its dependencies.
    Layers are sorted. Raises `CycleError`."""
    order = _prepared(edges)
    if order is None:
        raise CycleError(_cycle(edges))
    layers = []
    while ready := order.get_ready():
        layers.append(tuple(sorted(ready)))
        order.done(*ready)
    return tuple(layers)


def find_cycle(edges: Edges) -> tuple[Address, ...] | None:
    """A shortest cycle through the first node that is in one, None when there is none. It is the path
    `(a, b, a)` where a depends on b and b on a."""
    return None if _prepared(edges) is not None else _cycle(edges)


def _prepared(edges: Edges) -> "graphlib.TopologicalSorter[Address] | None":
    """None where there is a cycle."""
    order = graphlib.TopologicalSorter({node: [to for to in edges[node] if to in edges] for node in edges})
    try:
        order.prepare()
    except graphlib.CycleError:
        return None
    return order


def _cycle(edges: Edges) -> tuple[Address, ...]:
    import networkx as nx

    graph = _graph(edges)
    knots = [knot for knot in nx.strongly_connected_components(graph) if _is_cyclic(graph, knot)]
    start = min(min(knot) for knot in knots)
    knot = next(knot for knot in knots if start in knot)
    return _shortest_loop(graph.subgraph(knot), start)


def describe_cycle(cycle: tuple[Address, ...]) -> str:
    """`agent.a → agent.b → agent.a`."""
    return " → ".join(map(str, cycle))


def _graph(edges: Edges) -> "DiGraph[Any]":
    import networkx as nx

    graph: DiGraph[Any] = nx.DiGraph()
    nodes = sorted(edges)
    graph.add_nodes_from(nodes)
    graph.add_edges_from((node, to) for node in nodes for to in sorted(set(edges[node])) if to in edges)
    return graph


def _is_cyclic(graph: "DiGraph[Any]", knot: Collection[Address]) -> bool:
    return len(knot) > 1 or any(graph.has_edge(node, node) for node in knot)


def _shortest_loop(graph: "DiGraph[Any]", start: Address) -> tuple[Address, ...]:
    """Breadth first from `start` to the nearest node with an edge back."""
    import networkx as nx

    if graph.has_edge(start, start):
        return (start, start)
    came_from: dict[Address, Address] = dict(nx.bfs_predecessors(graph, start, sort_neighbors=sorted))
    node = next(node for node in came_from if graph.has_edge(node, start))
    path = [start, node]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))
