import json
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.address import agent, service
from sutazai.views.graph import Graph, to_dot, to_json, to_mermaid
from sutazai.views.graph_svg import to_svg

A, B, C, DB = agent("a"), agent("b"), agent('c"<&>'), service("db")
SMALL = Graph(
    {DB: (), A: (DB,), B: (A, DB), C: (B, agent("absent"))},
    ((DB,), (A,), (B,), (C,)),
    {A: "critical"},
    {A: "data", B: "data"},
    "shop, local",
)


def layered(sizes: list[int]) -> Graph:
    """Waves of the given sizes, every node depending on two of the wave before."""
    waves = tuple(tuple(agent(f"w{w}-{n}") for n in range(size)) for w, size in enumerate(sizes))
    edges = {node: waves[w - 1][:2] if w else () for w, wave in enumerate(waves) for node in wave}
    return Graph(edges, waves)


def test_edges_that_follow_from_others_are_not_drawn():
    assert SMALL.reduced == {DB: [], A: [DB], B: [A], C: [B]}


def test_json_has_all_edges_and_no_absent_nodes():
    data = json.loads(to_json(SMALL))
    assert {"from": "agent.b", "to": "service.db"} in data["edges"]
    assert len(data["edges"]) == 4
    assert [node["wave"] for node in data["nodes"]] == [1, 2, 3, 4]


def test_golden(golden):
    golden("graph.dot", to_dot(SMALL))
    golden("graph.mmd", to_mermaid(SMALL))
    golden("graph.svg", to_svg(SMALL))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_svg_is_xml_with_every_node_inside_and_none_on_another(sizes):
    graph = layered(sizes)
    root = ET.fromstring(to_svg(graph))  # noqa: S314 - as above
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    space = "{http://www.w3.org/2000/svg}"
    boxes = [box for group in root.iter(f"{space}g") for box in group.iter(f"{space}rect")]
    places = {(float(box.attrib["x"]), float(box.attrib["y"])) for box in boxes}
    assert len(places) == len(boxes) == sum(sizes)
    assert all(min(x, y) >= 0 and x + 200 <= width and y + 26 <= height for x, y in places)


def test_svg_is_xml_whatever_the_category():
    graph = Graph({A: (), DB: ()}, ((A, DB),), {}, {A: "a\x01\x1b[31m<b>&", DB: "\uffff"})
    ET.fromstring(to_svg(graph))  # noqa: S314 - as above
