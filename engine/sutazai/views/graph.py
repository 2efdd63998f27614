"""The dependency graph for people and tools: Graphviz's dot, Mermaid, JSON, and SVG (in `graph_svg`).

Nodes stand in waves. Drawn are only the edges that do not follow from others; JSON has all of them.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sutazai.address import Address

Edges = Mapping[Address, Collection[Address]]

COLOURS = {"critical": "#fde2e1", "specialized": "#e1ecfd", "auxiliary": "#eef0f2", "": "#e3f5e6"}
"""Of a node, by tier; the last one for what has none."""


@dataclass(frozen=True)
class Graph:
    """`edges` map a node to what it depends on; `waves` hold every node once, in the order of change."""

    edges: Edges
    waves: tuple[tuple[Address, ...], ...]
    tiers: Mapping[Address, str] = field(default_factory=dict)
    categories: Mapping[Address, str] = field(default_factory=dict)
    title: str = ""

    def needed(self, node: Address) -> list[Address]:
        """What a node depends on, sorted, of what is in the graph."""
        return sorted(other for other in self.edges.get(node, ()) if other in self.edges)

    @cached_property
    def reduced(self) -> dict[Address, list[Address]]:
        """For each node the dependencies that do not follow from its other ones."""
        behind: dict[Address, frozenset[Address]] = {}
        for wave in self.waves:
            for node in wave:
                direct = self.needed(node)
                behind[node] = frozenset(direct).union(*(behind.get(other, frozenset()) for other in direct))
        return {node: self._not_implied(node, behind) for node in behind}

    def _not_implied(self, node: Address, behind: Mapping[Address, frozenset[Address]]) -> list[Address]:
        direct = self.needed(node)
        implied = frozenset[Address]().union(*(behind.get(other, frozenset()) for other in direct))
        return [other for other in direct if other not in implied]


def to_json(graph: Graph) -> str:
    """Nodes with wave, tier, category and dependencies; all edges, from what depends to what it depends
    on."""
    nodes = [
        {
            "address": str(node),
            "wave": number,
            "tier": graph.tiers.get(node) or None,
            "category": graph.categories.get(node) or None,
            "depends_on": [str(other) for other in graph.needed(node)],
        }
        for number, wave in enumerate(graph.waves, start=1)
        for node in wave
    ]
    edges = [{"from": node["address"], "to": other} for node in nodes for other in _names(node["depends_on"])]
    return json.dumps(
        {"nodes": nodes, "edges": edges, "waves": len(graph.waves)}, indent=2, ensure_ascii=False
    )


def _names(found: object) -> list[str]:
    return found if isinstance(found, list) else []


def to_dot(graph: Graph) -> str:
    """Graphviz: `sutazai graph --format dot | dot -Tpng -o fleet.png`."""
    rows = [
        "digraph sutazai {",
        "  rankdir=LR; ranksep=1.5; nodesep=0.15;",
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=10];',
        '  edge [color="#8895a7", arrowsize=0.6];',
    ]
    if graph.title:
        rows.append(f"  label={_quoted(graph.title)}; labelloc=t;")
    for number, wave in enumerate(graph.waves, start=1):
        rows.append(f"  subgraph wave_{number} {{ rank=same;")
        rows += [f"    {_quoted(str(node))} [fillcolor={_quoted(colour(graph, node))}];" for node in wave]
        rows.append("  }")
    rows += [
        f"  {_quoted(str(other))} -> {_quoted(str(node))};"
        for wave in graph.waves
        for node in wave
        for other in graph.reduced[node]
    ]
    return "\n".join([*rows, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def colour(graph: Graph, node: Address) -> str:
    return COLOURS.get(graph.tiers.get(node, ""), COLOURS[""])


def to_mermaid(graph: Graph) -> str:
    """Mermaid, as GitHub shows it: one box for each wave, arrows from what comes first."""
    rows = ["flowchart LR"]
    ids = {node: f"n{n}" for n, node in enumerate(node for wave in graph.waves for node in wave)}
    for number, wave in enumerate(graph.waves, start=1):
        rows.append(f'  subgraph wave{number}["wave {number}"]')
        rows += [f'    {ids[node]}["{_harmless(node)}"]:::{_style(graph, node)}' for node in wave]
        rows.append("  end")
    arrows = ((other, node) for node in ids for other in graph.reduced[node])
    rows += [f"  {ids[other]} --> {ids[node]}" for other, node in arrows]
    for tier, fill in COLOURS.items():
        rows.append(f"  classDef {tier or 'none'} fill:{fill},stroke:#8895a7,color:#1c2733")
    return "\n".join(rows) + "\n"


def _harmless(node: Address) -> str:
    return re.sub(r"[^\w. -]", "_", str(node))


def _style(graph: Graph, node: Address) -> str:
    tier = graph.tiers.get(node, "")
    return tier if tier in COLOURS and tier else "none"
