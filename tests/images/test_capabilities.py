"""Every capability that the fleet declares is performed by a running agent, and always in the same way."""

from collections.abc import Iterator

import pytest
from ruamel.yaml import YAML

from images.running import ROOT, Agent, end, launch

CLUSTER = {"needs": {"a": 3, "b": 2, "c": 9}, "capacity": {"x": 4, "y": 2}}
PACKED = {"placed": {"a": "x", "b": "y"}, "unplaced": ["c"], "free": {"x": 1, "y": 0}}
CHOICE = {
    "budget": 5,
    "options": {"a": {"cost": 3, "gain": 4}, "b": {"cost": 3, "gain": 4.5}, "c": {"cost": 2, "gain": 1}},
}
CHOSEN = {"chosen": ["b", "c"], "gain": 5.5}
CASES = [
    {"name": "same", "expected": {"a": [1, 2]}, "actual": {"a": [1, 2]}},
    {"name": "other", "expected": {"a": 1, "b": 1}, "actual": {"a": True, "c": 1}},
]
JUDGED = {
    "cases": 2,
    "passed": 1,
    "failures": [
        {
            "name": "other",
            "differences": ["$.a is True, expected 1", "$.b is missing", "$.c was not expected"],
        }
    ],
}
SOURCE = "password = 'hunter2'\nos.system(x)\nfine\n"
FOUND = {
    "findings": [
        {"line": 1, "severity": "high", "finding": "password in plain text"},
        {"line": 2, "severity": "high", "finding": "shell run from text"},
    ],
    "counts": {"high": 2},
}
SERIES = {"cpu": [1, 2, 3]}
SUMMARY = {"cpu": {"count": 3, "min": 1, "max": 3, "mean": 2, "last": 3, "slope": 1}}
VERSIONS = {"running": {"a": "1", "b": "1", "old": "1"}, "wanted": {"a": "1", "b": "2", "c": "1"}, "batch": 1}
CHANGES = {
    "add": ["c"],
    "change": [{"name": "b", "from": "1", "to": "2"}],
    "remove": ["old"],
    "batches": [["b"], ["c"]],
}
TASKS = {"roof": ["walls"], "walls": ["floor"], "floor": [], "garden": []}
STEPS = {
    "steps": [
        {"step": 1, "tasks": ["floor", "garden"]},
        {"step": 2, "tasks": ["walls"]},
        {"step": 3, "tasks": ["roof"]},
    ],
    "order": ["floor", "garden", "walls", "roof"],
}
LATENCIES = list(range(1, 101))
RANKS = {
    "count": 100,
    "mean": 50.5,
    "standard_deviation": 28.86607,
    "p50": 50,
    "p90": 90,
    "p95": 95,
    "p99": 99,
    "max": 100,
}

EXAMPLES: dict[str, tuple[object, object]] = {
    "alerting": (
        {
            "values": {"load": 3},
            "rules": [
                {"name": "high", "value": "load", "is": ">", "than": 2},
                {"name": "low", "value": "load", "is": "<", "than": 2},
                {"name": "blind", "value": "heat", "is": ">", "than": 2},
            ],
        },
        {"firing": [{"name": "high", "value": 3}], "unknown": [{"name": "blind", "value": "heat"}]},
    ),
    "analysis": (
        "One two. Two!\n",
        {
            "characters": 14,
            "lines": 1,
            "words": 3,
            "distinct_words": 2,
            "sentences": 2,
            "mean_word_length": 3,
            "commonest": [{"word": "two", "count": 2}, {"word": "one", "count": 1}],
        },
    ),
    "architecture": (
        {"web": ["db"], "db": [], "batch": ["db"]},
        {"layers": [["db"], ["batch", "web"]], "used_by": {"db": 2}, "unused": ["batch", "web"]},
    ),
    "automated_testing": (CASES, JUDGED),
    "automation": (TASKS, STEPS),
    "code_generation": (
        {"name": "Point", "fields": {"x": "int"}},
        {
            "language": "python",
            "code": "from dataclasses import dataclass\n\n\n"
            "@dataclass(frozen=True, slots=True)\nclass Point:\n    x: int\n",
        },
    ),
    "code_quality_validation": (
        "fine\n\tx \n",
        {
            "lines": 2,
            "findings": [{"line": 2, "finding": "blanks at the end"}, {"line": 2, "finding": "a tab"}],
        },
    ),
    "coordination": (
        {"tasks": {"a": 3, "b": 2, "c": 2}, "workers": ["x", "y"]},
        {"assignments": {"x": ["a"], "y": ["b", "c"]}, "load": {"x": 3, "y": 4}},
    ),
    "deployment": (VERSIONS, CHANGES),
    "docker_management": (
        ["redis", "localhost:5000/a/b:1", "x/y@sha256:ab"],
        [
            {
                "registry": "docker.io",
                "repository": "library/redis",
                "tag": "latest",
                "digest": "",
                "mutable": True,
            },
            {"registry": "localhost:5000", "repository": "a/b", "tag": "1", "digest": "", "mutable": True},
            {
                "registry": "docker.io",
                "repository": "x/y",
                "tag": "",
                "digest": "sha256:ab",
                "mutable": False,
            },
        ],
    ),
    "documentation": (
        "# Top\ntext\n## Part one\n",
        {
            "headings": [{"level": 1, "title": "Top"}, {"level": 2, "title": "Part one"}],
            "table_of_contents": "- [Top](#top)\n  - [Part one](#part-one)",
        },
    ),
    "efficiency": ([{"useful": 3, "spent": 4}, {"useful": 0, "spent": 2}], {"efficiency": 0.5, "wasted": 3}),
    "inference_scaling": (
        {"rate": 10, "seconds_per_request": 1, "concurrency": 4, "headroom": 0.2},
        {"in_flight": 10, "replicas": 3, "utilisation": 0.833333},
    ),
    "infrastructure_provisioning": (CLUSTER, PACKED),
    "integration": (
        {"records": [{"a": 1}, {"b": 2}], "mapping": {"x": "a"}},
        {"records": [{"x": 1}, {}], "missing": [{"record": 1, "field": "a"}]},
    ),
    "integration_testing": (CASES, JUDGED),
    "kubernetes_orchestration": (CLUSTER, PACKED),
    "llm_integration": (
        {"instruction": "Sum up.", "context": ["one two three", "four five"], "budget": 4},
        {"prompt": "four five\n\nSum up.", "words": 4, "left_out": [0]},
    ),
    "model_deployment": (VERSIONS, CHANGES),
    "model_optimization": (CHOICE, CHOSEN),
    "monitoring": (SERIES, SUMMARY),
    "observability": (SERIES, SUMMARY),
    "ollama_model_management": (CHOICE, CHOSEN),
    "optimization": (CHOICE, CHOSEN),
    "performance": (LATENCIES, RANKS),
    "performance_optimization": (CHOICE, CHOSEN),
    "performance_testing": (LATENCIES, RANKS),
    "planning": (TASKS, STEPS),
    "processing": ([{"a": " x "}, {"a": "x", "b": None}, {"c": ""}], {"records": [{"a": "x"}], "dropped": 2}),
    "reporting": (
        [{"a": 1, "b": "x|y"}, {"a": 2}],
        {"markdown": "| a | b |\n| --- | --- |\n| 1 | x\\|y |\n| 2 |  |", "rows": 2, "sums": {"a": 3}},
    ),
    "resource_management": (CLUSTER, PACKED),
    "security_analysis": (SOURCE, FOUND),
    "security_testing": (SOURCE, FOUND),
    "storage": (
        {"b": 1, "a": 2},
        {"address": "sha256:d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772", "bytes": 13},
    ),
    "support": (
        {"question": "reset my password", "articles": {"Reset": "a password", "Pay": "a bill"}},
        {"matches": [{"title": "Reset", "score": 0.5}]},
    ),
    "system_monitoring": (SERIES, SUMMARY),
    "testing": (CASES, JUDGED),
    "validation": (
        {"record": {"a": True, "c": 1}, "schema": {"a": "integer", "b": "string", "d": "list?"}},
        {
            "valid": False,
            "errors": [
                {"field": "a", "error": "not of kind integer"},
                {"field": "b", "error": "missing"},
                {"field": "c", "error": "not in the schema"},
            ],
        },
    ),
}


@pytest.fixture(scope="module")
def able() -> Iterator[Agent]:
    agent = launch({"AGENT_CAPABILITIES": " ".join(EXAMPLES)})
    try:
        assert agent.process.stdout is not None
        assert "listening" in agent.process.stdout.readline()
        yield agent
    finally:
        end(agent)


@pytest.mark.parametrize("capability", EXAMPLES)
def test_a_capability_does_its_work_and_always_the_same(able: Agent, capability: str) -> None:
    value, output = EXAMPLES[capability]
    first = able.invoke(capability, value)
    assert first.code == 200, first.json
    assert first.json["output"] == output
    assert able.invoke(capability, value) == first


@pytest.mark.parametrize("value", [None, True, 1, "text", [1, "x", None], {"x": [None]}, [{}], {}, [[]]])
@pytest.mark.parametrize("capability", EXAMPLES)
def test_any_input_is_answered_or_refused_with_a_reason(able: Agent, capability: str, value: object) -> None:
    reply = able.invoke(capability, value)
    assert reply.code in (200, 400), reply.json
    assert ("output" if reply.code == 200 else "error") in reply.json


@pytest.mark.parametrize(
    ("capability", "value", "said"),
    [
        ("planning", {"a": ["b"], "b": ["a"]}, "these wait for each other: a, b"),
        ("architecture", {"a": ["b"]}, "a needs b, not in the input"),
        ("performance", [], "input must not be empty"),
        ("performance", [1e308, 10**400], "input[1] is too large"),
        (
            "alerting",
            {"values": {"a": 1}, "rules": [{"name": "r", "value": "a", "is": "~", "than": 1}]},
            "rules[0].is",
        ),
        ("optimization", {"budget": 10**6, "options": {}}, "budget must be a whole number up to 10000"),
        ("code_generation", {"name": "class", "fields": {}}, "'class' is not a Python name"),
    ],
)
def test_a_refusal_says_what_is_wanted(able: Agent, capability: str, value: object, said: str) -> None:
    reply = able.invoke(capability, value)
    assert reply.code == 400
    assert said in reply.json["error"]


def test_every_capability_of_the_fleet_has_an_example() -> None:
    declared: set[str] = set()
    for file in sorted((ROOT / "specs" / "agents").glob("*.yaml")):
        for agent in YAML(typ="safe").load(file)["agents"].values():
            declared.update(agent["inputs"]["capabilities"])
    assert declared == EXAMPLES.keys()
