"""The dependency graph as a drawing of its own: waves as bands from top to bottom, their nodes in rows by
category.

It needs no program to be laid out, no script and no font to be shown, and stays readable for a whole fleet:
the number of columns grows with the widest wave. Edges run from a dependency down to what needs it; pointing
at a node tells the rest."""

import re
from dataclasses import dataclass
from html import escape as _escape
from itertools import groupby
from math import ceil, sqrt

from sutazai.address import Address
from sutazai.views.graph import COLOURS, Graph, colour

_WIDTH, _HEIGHT = 200, 26
_GAP_X, _GAP_Y = 14, 12
_LEFT, _TOP, _MARGIN = 120, 70, 20
_BAND_GAP = 46
_LABEL = 18
_CHARS = 30
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that no document of XML may hold, not even written out."""
_NAMESPACE = "http://www.w3.org/2000/svg"
_CSS = """
text { font: 11px Helvetica, Arial, sans-serif; fill: #1c2733 }
.title { font-size: 18px; font-weight: bold } .wave { font-size: 13px; font-weight: bold }
.category, .count { fill: #5b6876 }
.band { fill: #f7f8fa; stroke: #dde2e8 } .node { stroke: #8895a7 }
path { fill: none; stroke: #8895a7; stroke-width: 1; opacity: .28 } path:hover { stroke: #c0392b; opacity: 1 }
g:hover > .node { stroke: #c0392b; stroke-width: 2 }
"""


@dataclass(frozen=True, slots=True)
class _Band:
    """One wave: its place, and within it the places of its nodes and of the names of their categories."""

    y: int
    height: int
    nodes: dict[Address, tuple[int, int]]
    categories: tuple[tuple[str, int, int], ...]


def escape(text: str) -> str:
    """A free word of the specs as text of XML."""
    return _escape(_NO_XML.sub("\ufffd", text))


def to_svg(graph: Graph) -> str:
    """The graph as one SVG document."""
    columns = _columns(graph)
    bands: list[_Band] = []
    y = _TOP
    for wave in graph.waves:
        bands.append(_band(graph, wave, y, columns))
        y += bands[-1].height + _BAND_GAP
    width = _LEFT + columns * (_WIDTH + _GAP_X) + 2 * _MARGIN
    height = y - _BAND_GAP + _MARGIN if bands else _TOP + _MARGIN
    places = {node: place for band in bands for node, place in band.nodes.items()}
    parts = [
        f'<svg xmlns="{_NAMESPACE}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_CSS}</style>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *_head(graph),
        *(row for number, band in enumerate(bands, start=1) for row in _frame(number, band, width)),
        *_paths(graph, places),
        *(_node(graph, node, place) for node, place in places.items()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _columns(graph: Graph) -> int:
    """As many columns as make the widest wave about twice as wide as it is high."""
    widest = max((len(wave) for wave in graph.waves), default=1)
    return max(4, min(ceil(sqrt(widest * 0.6)), 10))


def _band(graph: Graph, wave: tuple[Address, ...], top: int, columns: int) -> _Band:
    def category(node: Address) -> str:
        return graph.categories.get(node, "")

    nodes: dict[Address, tuple[int, int]] = {}
    names: list[tuple[str, int, int]] = []
    y, used, height = top + 10, 0, 0
    for name, members in groupby(sorted(wave, key=lambda node: (category(node), node)), key=category):
        some = list(members)
        if used + min(len(some), columns) > columns:
            y, used, height = y + height, 0, 0
        names.append((name or "other", _x(used), y))
        for number, node in enumerate(some):
            row, column = divmod(number, columns)
            nodes[node] = (_x(used + column), y + _LABEL + row * (_HEIGHT + _GAP_Y))
        height = max(height, _LABEL + ceil(len(some) / columns) * (_HEIGHT + _GAP_Y))
        used += min(len(some), columns)
    return _Band(top, y + height - top, nodes, tuple(names))


def _x(column: int) -> int:
    return _LEFT + _MARGIN + column * (_WIDTH + _GAP_X)


def _head(graph: Graph) -> list[str]:
    parts = [f'<text class="title" x="{_MARGIN}" y="32">{escape(graph.title or "dependencies")}</text>']
    x = _MARGIN
    for tier, fill in COLOURS.items():
        parts.append(f'<rect class="node" x="{x}" y="44" width="12" height="12" rx="2" fill="{fill}"/>')
        parts.append(f'<text x="{x + 17}" y="54">{tier or "no tier"}</text>')
        x += 95
    parts.append(f'<text class="count" x="{x}" y="54">An edge that follows from others is not drawn.</text>')
    return parts


def _frame(number: int, band: _Band, width: int) -> list[str]:
    inner = width - 2 * _MARGIN
    parts = [
        f'<rect class="band" x="{_MARGIN}" y="{band.y}" width="{inner}" height="{band.height}" rx="6"/>',
        f'<text class="wave" x="{_MARGIN + 14}" y="{band.y + 24}">wave {number}</text>',
        f'<text class="count" x="{_MARGIN + 14}" y="{band.y + 42}">{len(band.nodes)} in it</text>',
    ]
    if len(band.categories) > 1 or band.categories[0][0] != "other":
        parts += [
            f'<text class="category" x="{x}" y="{y + 12}">{escape(name)}</text>'
            for name, x, y in band.categories
        ]
    return parts


def _paths(graph: Graph, places: dict[Address, tuple[int, int]]) -> list[str]:
    found = []
    for node, (x, y) in places.items():
        for other in graph.reduced[node]:
            a, b = places[other]
            x1, y1, x2, y2 = a + _WIDTH // 2, b + _HEIGHT, x + _WIDTH // 2, y
            bend = max((y2 - y1) // 2, 12)
            title = f"<title>{escape(f'{node} needs {other}')}</title>"
            line = f"M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
            found.append(f'<path d="{line}">{title}</path>')
    return found


def _node(graph: Graph, node: Address, place: tuple[int, int]) -> str:
    x, y = place
    name = str(node) if node.kind.value != "agent" else node.name
    shown = name if len(name) <= _CHARS else name[: _CHARS - 1] + "…"
    needs = graph.needed(node)
    title = f"{node}\nneeds: {', '.join(map(str, needs)) or 'nothing'}"
    box = f'x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="4" fill="{colour(graph, node)}"'
    text = f'<text x="{x + 8}" y="{y + 17}">{escape(shown)}</text>'
    return f'<g><title>{escape(title)}</title><rect class="node" {box}/>{text}</g>'
