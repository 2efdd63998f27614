"""The printed schema takes what the loader takes, and refuses what it refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor

from sutazai.model.compose import Build, Device, FileGrant, Mount, Ulimit
from sutazai.model.workload import Workload
from sutazai.specs.schema import KINDS, schema

ROOT = Path(__file__).parents[3]
VALIDATORS = {kind: Draft202012Validator(schema(kind)) for kind in KINDS}


class _Tagged(SafeConstructor):
    """Reads `!append` and `!reset` as what they stand before."""


def _untagged(constructor: Any, _tag: str, node: Any) -> Any:
    if node.id == "sequence":
        return constructor.construct_sequence(node, deep=True)
    return constructor.construct_mapping(node, deep=True) if node.id == "mapping" else None


_Tagged.add_multi_constructor("!", _untagged)


def parsed(text: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Tagged
    return yaml.load(text)


def problems(kind: str, text: str) -> list[str]:
    return [error.message for error in VALIDATORS[kind].iter_errors(parsed(text))]


FILES = [
    *(("spec", path) for path in sorted((ROOT / "specs").glob("*.yaml"))),
    *(("spec", path) for path in sorted((ROOT / "specs").glob("*/*.yaml"))),
    *(("module", path) for path in sorted((ROOT / "modules").glob("*/module.yaml"))),
    *(
        ("environment", path)
        for path in sorted((ROOT / "environments").glob("*.yaml"))
        if not path.name.endswith(".secrets.yaml")
    ),
    *(("spec", path) for path in sorted((ROOT / "tests/golden/compose").glob("*/expected/[ps]*.yaml"))),
    *(
        ("environment", path)
        for path in sorted((ROOT / "tests/golden/compose").glob("*/expected/local.yaml"))
    ),
]


@pytest.mark.parametrize(("kind", "path"), FILES, ids=[str(path.relative_to(ROOT)) for _, path in FILES])
def test_every_real_file_is_accepted(kind: str, path: Path) -> None:
    assert problems(kind, path.read_text()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_a_schema(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))
    assert "Durations in seconds" in json.dumps(schema("spec")["$defs"]["Check"])


@pytest.mark.parametrize(
    "body",
    [
        "{command: a b, entrypoint: [a], environment: [A=1, B], env_file: .env, dns: 1.1.1.1, tmpfs: /t}",
        "{ports: ['80', 80, '1:2/udp', {target: 1, published: '2'}, {target: 3, published: 0}], volumes: ['a:/a', {type: bind, source: ., target: /x}]}",
        "{build: ., devices: [/dev/x], configs: [c], secrets: [{source: s, mode: '0400'}], ulimits: {nofile: 1, nproc: '2'}}",
        "{depends_on: [a], networks: {a: null, b: {aliases: [x]}}, healthcheck: {test: 'true', interval: 5s}}",
        "{deploy: {replicas: '{{ var.n }}', resources: {limits: {cpus: '0.5', memory: 64M}}}, shm_size: 64M}",
        "{module: m, inputs: {a: [1]}, tier: '{{ inputs.t }}', route: {port: '{{ inputs.p }}', target: 80}}",
        "{checks: [{kind: http, status: 200, interval: 1s}], hooks: {pre_stop: quit}, read_only: 'true', ports: '{{ var.p }}'}",
        "{rollout: {strategy: canary, steps: [{set_weight: 10}, {pause: 30s}]}, labels: {a: 1, b: true}, user: 1000}",
    ],
)
def test_short_long_and_rendered_forms_are_accepted(body: str) -> None:
    assert problems("spec", f"services: {{a: {body}}}") == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("spec", "service: {}"),
        ("spec", "project: [a]"),
        ("spec", "services: {a: {imagee: x}}"),
        ("spec", "services: {a: {image: [x]}}"),
        ("spec", "services: {a: {container_name: x}}"),
        ("spec", "services: {a: {tier: big}}"),
        ("spec", "services: {a: {route: {port: 70000, target: 80}}}"),
        ("spec", "services: {a: {checks: [{kind: htp}]}}"),
        ("spec", "services: {a: {checks: [{port: 80}]}}"),
        ("spec", "services: {a: {deploy: {replicas: many}}}"),
        ("spec", "services: {a: {depends_on: {b: {condition: service_happy}}}}"),
        ("spec", "services: {-a: {image: x}}"),
        ("spec", "networks: {a: {drivr: x}}"),
        ("spec", "- a"),
        ("module", "inputs: {}"),
        ("module", "{template: {}, inputs: {a: {}}}"),
        ("module", "{template: {}, inputs: {a: {type: int}}}"),
        ("module", "{template: {imagee: x}}"),
        ("environment", "provider: {kind: podman}"),
        ("environment", "services: {}"),
        ("environment", "overrides: [{select: a}]"),
        ("environment", "overrides: [{select: a, set: {imagee: b}}]"),
        ("environment", "exclude: a"),
    ],
)
def test_broken_files_are_refused(kind: str, text: str) -> None:
    assert problems(kind, text) != []


@pytest.mark.parametrize(
    ("model", "short"), [(Mount, "a:/b"), (Build, "."), (Device, "/dev/x"), (FileGrant, "c"), (Ulimit, 5)]
)
def test_short_forms_are_the_models_own(model: Any, short: object) -> None:
    TypeAdapter(model).validate_python(short)
    definition = {"$ref": f"#/$defs/{model.__name__}", "$defs": schema("spec")["$defs"]}
    assert Draft202012Validator(definition).is_valid(short)


def test_every_field_of_a_workload_is_there() -> None:
    assert set(schema("spec")["$defs"]["Workload"]["properties"]) == set(Workload.model_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_prints_it(kind: str) -> None:
    command = [sys.executable, "-m", "sutazai", "schema", "--kind", kind]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == schema(kind)
