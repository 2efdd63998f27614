"""Nonsense in every field, alone and nested: each ends in diagnostics with a place or in a plan, never in a traceback.

A batch is one project with a service for each value, since all problems of a project are found in one run. Those that are
accepted go on through the plan to the body that would be sent to Docker.
"""

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.errors import ProviderError
from sutazai.model.fleet import Config, Fleet, Network, Secret, Volume
from sutazai.model.workload import Workload
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.ports import InstanceSpec
from sutazai.providers.docker.create import Surroundings, to_engine
from sutazai.providers.docker.look import image_path
from sutazai.providers.names import Names
from sutazai.specs.load import Loaded, load
from sutazai.state.observed import Observed
from sutazai.state.scope import Scope, Slot
from sutazai.views.diagnostics import render_plain
from sutazai.views.plan_json import to_json
from unit.specs.conftest import Write

RAW = re.compile(
    r"Input should|Unable to|ydantic|Exceeds the limit|set_int_max|invalid literal|codec can't|has no attribute|NoneType|"
    r"function-|value_error|Traceback"
)
SCALARS = (
    "true", "-1", "0", "1.5", "99999999999999999999999999999", '""', '"a b"', '".."', '"/"', r'"\0"', '"{{ 1 }}"',
    '"{{ [1, 2] }}"', '"{{ {} }}"', ".inf", ".nan", "2020-01-01", '"héé☃"', '"a:b:c:d:e"', '"0:0"', '"70000:1"', '"1-2:3"',
    '"1-65535:1-65535"', '"::"', '":"', '"="', '"a="', '"=a"', '"1e999"', '"-5s"', '"99999999999999999999999999g"',
    r'"\ud800"', r'"a\nb"', '"²"', r'"\uff11\uff12"', '"²:80"', '"80/²"', '"²m"', '"٣"', '"service:"', '"service:nope"',
    '"container:"', "host", '"on-failure:99999999999999999999"', '"{{ 10 ** 5000 }}"', "'{{ \"\\ud800\" }}'", "1e400",
    '"sha256:"', '"@"', '"a@b"', '"/a:/b"', '"a/../b"', "9" * 5000, f'"{"x" * 5000}"', '"{{ var.nope }}"', "~",
)  # fmt: skip
SHAPES = (
    "{0}",
    "[{0}]",
    "[[{0}]]",
    "{{a: {0}}}",
    "{{a: [{0}]}}",
    "[{{a: {0}}}]",
    "{{a: {{a: {0}}}}}",
    "{{? {0} : 1}}",
)
FIXED = (
    "!reset", "!append [a]", "[]", "{}", "{[a]: 1}", "{1: 2}", "{null: 1}", "{test: 5}", "{limits: 5}", "{context: null}",
    "{resources: {limits: {cpus: -1, memory: -5}}}", "{resources: {limits: {cpus: 1e400, memory: 1e400, pids: 1e400}}}",
    "{replicas: -1}", "{replicas: 100000000}", "{replicas: 1.5}", "{strategy: [], max_parallel: 0}",
    "[{name: a, kind: http, port: 99999999999}]", "[{name: a, kind: http, status: 99999}]",
    "[{name: a, kind: ping}, {name: a, kind: ping}]", "{port: 0}", "{port: .inf}", "{nofile: -5}",
    "{nofile: {soft: 5, hard: 1}}", '{interval: "9999999999999999999s", test: [CMD]}', "[{type: bind}]",
    "[{target: 80, published: 99999999999999999999999}]", "[{source: x, mode: '999999'}]",
    "[{type: tmpfs, target: /x, tmpfs: {size: 9e99, mode: 9e99}}]",
)  # fmt: skip
VALUES = (*FIXED, *(shape.format(scalar) for scalar in SCALARS for shape in SHAPES))
OTHERS = {"networks": Network, "volumes": Volume, "configs": Config, "secrets": Secret}
NESTED = [(table, field) for table, model in OTHERS.items() for field in model.model_fields]


def checked(loaded: Loaded) -> None:
    """What is said is in our own words, can be printed, and has a place; what is accepted can be planned and sent."""
    text = render_plain(loaded.diagnostics)
    text.encode()
    raw = next((line for line in text.splitlines() if RAW.search(line)), None)
    assert raw is None
    assert max((len(problem.summary) for problem in loaded.diagnostics), default=0) < 400
    for problem in loaded.diagnostics:
        assert problem.position, problem
    assert (loaded.fleet is None) == bool(loaded.diagnostics.errors)
    if loaded.fleet is not None:
        _sent(loaded.fleet)


def _sent(fleet: Fleet) -> None:
    """As far as one comes without Docker."""
    plan = build_plan(fleet, Observed(), None, PlanOptions())
    to_json(plan, timestamp="").encode()
    around = Surroundings(Names(Scope("shop", "local")), (1, 41), {}, lambda name: name)
    for address, workload in fleet.workloads():
        image_path(workload.image or "")
        try:
            body = to_engine(
                InstanceSpec("n", address, workload, Slot.BLUE, 1, "i", {}, (address.name,)), around
            ).body
        except ProviderError:
            continue
        json.dumps(body).encode()


def together(write: Write, spec: Callable[[dict[str, str]], str], items: dict[str, str], first: int) -> None:
    """All of them in one project, and then those of which nothing was said: what is no YAML hides the rest. They are on
    lines of their own, from `first`."""
    loaded = None
    while loaded is None or loaded.diagnostics.errors:
        root = write("", {"specs/project.yaml": "project: shop\n" + spec(items)})
        loaded = load(root, "local", variables={}, environ={})
        checked(loaded)
        wrong = {problem.position.line - first for problem in loaded.diagnostics.errors if problem.position}
        kept = {name: body for index, (name, body) in enumerate(items.items()) if index not in wrong}
        assert len(kept) < len(items) or loaded.fleet is not None, render_plain(loaded.diagnostics)
        items = kept


def table(name: str, items: dict[str, str]) -> str:
    return f"{name}:\n" + "".join(f"  {key}: {value}\n" for key, value in items.items())


@pytest.mark.parametrize("field", Workload.model_fields)
def test_nonsense_in_a_field_of_a_body(field: str, write: Write) -> None:
    image = "" if field == "image" else "image: x, "
    bodies = {f"s{n}": f"{{{image}{field}: {value}}}" for n, value in enumerate(VALUES)}
    together(write, lambda items: table("services", items), bodies, 3)


@pytest.mark.parametrize(("kind", "field"), NESTED)
def test_nonsense_in_a_field_of_what_workloads_use(kind: str, field: str, write: Write) -> None:
    key = "volumes" if kind == "volumes" else kind
    use = "{0}:/{0}" if kind == "volumes" else "{0}"

    def spec(items: dict[str, str]) -> str:
        users = {name: f"{{image: x, {key}: ['{use.format(name)}']}}" for name in items}
        return table(kind, items) + table("services", users or {"s": "{image: x}"})

    together(write, spec, {f"n{n}": f"{{{field}: {value}}}" for n, value in enumerate(VALUES)}, 3)


@pytest.mark.parametrize("key", ["extends", "variables", "provider", "state", "defaults", "overrides", "exclude", "rollout", "policies"])  # fmt: skip
def test_nonsense_in_an_environment(key: str, write: Write) -> None:
    for value in (*FIXED, *(shape.format(scalar) for scalar in SCALARS for shape in SHAPES[:2])):
        root = write("services: {s: {image: x}}\n", {"environments/local.yaml": f"{key}: {value}\n"})
        checked(load(root, "local", variables={}, environ={}))


LEAVES = st.sampled_from(SCALARS)
KEYS = st.sampled_from(
    ("a", "target", "source", "type", "port", "name", "kind", "limits", "resources", "cpus", "soft", "path")
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda found: "{" + ", ".join(f"{key}: {value}" for key, value in found.items()) + "}"
        )
    ),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from(sorted(Workload.model_fields)), TREES, max_size=6))
def test_nonsense_in_many_fields(body: dict[str, str], write: Write) -> None:
    lines = "".join(f", {name}: {value}" for name, value in body.items() if name != "inputs")
    root = write(f"services:\n  s: {{inputs: {body.get('inputs', '~')}{lines}}}\n")
    checked(load(root, "local", variables={}, environ={}))
