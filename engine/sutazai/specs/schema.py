"""The JSON Schema (draft 2020-12) of spec, module and environment files, made from the models that read them.

The schema says what a file may hold before it is merged and rendered, so it is wider than the models in three ways: a
body may be a part of one (a module or an override gives the rest), any value may be an expression, and short forms
stand beside long ones. Editors use it for completion; `validate` remains the judge.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from sutazai.model.backend import BACKENDS
from sutazai.model.base import SpecModel
from sutazai.model.checks import Check, HookCommand
from sutazai.model.compose import NAME, Build, Device, FileGrant, Mount, Ulimit
from sutazai.model.fleet import Config, Network, Policy, ProviderOptions, Secret, Traffic, Volume
from sutazai.model.rollout import Rollout
from sutazai.model.workload import Workload
from sutazai.specs.environment import KEYS as ENVIRONMENT_KEYS
from sutazai.specs.modules import TYPES
from sutazai.specs.project import KEYS as SPEC_KEYS

Schema = dict[str, Any]
KINDS = ("spec", "module", "environment")

_MODELS: tuple[type[BaseModel], ...] = (
    Workload,
    Network,
    Volume,
    Config,
    Secret,
    Rollout,
    Policy,
    Check,
    ProviderOptions,
    Traffic,
    *BACKENDS.values(),
)
_TEXT: Schema = {"type": "string"}
_SHORT: dict[type[BaseModel], Schema] = {
    Mount: _TEXT,
    Build: _TEXT,
    Device: _TEXT,
    FileGrant: _TEXT,
    Ulimit: {"type": ["integer", "string"]},
    HookCommand: {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
}
"""What a model's `before` validator takes in place of a map; pydantic can't see into it. A test holds them together."""

_LISTED = ("Mount", "Port", "Device", "FileGrant", "Check", "DeviceRequest", "IpamPool", "Step", "Policy")
"""Members of lists: merging replaces lists whole, so these are never parts of one."""

_EXPRESSION = "Expression"
_NUMERIC = r"^\s*-?[0-9]+(\.[0-9]+)?\s*$"


def schema(kind: str) -> Schema:
    """The schema of one of KINDS."""
    make = {"spec": _spec, "module": _module, "environment": _environment}[kind]
    _, base = models_json_schema([(model, "validation") for model in _MODELS], ref_template="#/$defs/{model}")
    texts = {model.__name__: _field_texts(model) for model in _models_under(SpecModel)}
    definitions = {name: _definition(name, found, texts[name]) for name, found in base["$defs"].items()}
    for model, short in _SHORT.items():
        definitions[model.__name__] = {"anyOf": [short, definitions[model.__name__]]}
    definitions[_EXPRESSION] = {
        "type": "string",
        "pattern": r"\{\{|\{%",
        "description": "A Jinja expression: {{ var.NAME }}.",
    }
    root = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"sutazai {kind} file",
        **make(),
    }
    return {**root, "$defs": _reachable(root, definitions)}


# --- the three kinds of file


def _spec() -> Schema:
    named = {
        "networks": "Network",
        "volumes": "Volume",
        "configs": "Config",
        "secrets": "Secret",
        "services": "Workload",
        "agents": "Workload",
    }
    properties: Schema = {
        "project": {
            "type": "string",
            "pattern": NAME,
            "maxLength": 63,
            "description": "The project's name, said once.",
        },
        "variables": _variables(),
        **{key: _table(model) for key, model in named.items()},
        "rollout": _ref("Rollout"),
        "checks": {"type": "array", "items": _ref("Check")},
        "policies": {"type": "array", "items": _ref("Policy")},
    }
    return _file(
        {key: properties[key] for key in SPEC_KEYS}, "Part of a project; all files under specs/ are merged."
    )


def _module() -> Schema:
    declared: Schema = {
        "type": {"enum": list(TYPES)},
        "default": {},
        "required": {"type": "boolean"},
        "description": _TEXT,
        "enum": {"type": "array"},
        "min": {"type": "number"},
        "max": {"type": "number"},
        "pattern": {"type": "string", "format": "regex"},
    }
    item = {"type": "object", "properties": declared, "required": ["type"], "additionalProperties": False}
    properties: Schema = {
        "description": _TEXT,
        "inputs": _or_null({"type": "object", "additionalProperties": item}),
        "template": {
            **_ref("Workload"),
            "description": "The service body; {{ inputs.NAME }} stands for an input.",
        },
    }
    return {**_file(properties, "A reusable service body with typed inputs."), "required": ["template"]}


def _environment() -> Schema:
    selector = {"type": "string", "description": "A selector: NAME, agent.*, tier:critical, +x, x+ …"}
    override = {
        "type": "object",
        "properties": {"select": selector, "set": _ref("Workload")},
        "required": ["select", "set"],
        "additionalProperties": False,
    }
    properties: Schema = {
        "extends": {"type": "string", "description": "The environment that this one is laid over."},
        "variables": _variables(),
        "provider": _ref("ProviderOptions"),
        "state": {"anyOf": [_ref(model.__name__) for model in BACKENDS.values()]},
        "traffic": _ref("Traffic"),
        "defaults": {**_ref("Workload"), "description": "Merged under every workload."},
        "overrides": {
            "type": "array",
            "items": override,
            "description": "Laid over the workloads that `select` names.",
        },
        "exclude": {"type": "array", "items": selector, "description": "What this environment leaves out."},
        "rollout": _ref("Rollout"),
        "policies": {"type": "array", "items": _ref("Policy")},
    }
    return _file({key: properties[key] for key in ENVIRONMENT_KEYS}, "What one environment does its own way.")


def _file(properties: Schema, description: str) -> Schema:
    known = {key: _or_null(value) for key, value in properties.items()}
    return {
        "description": description,
        "type": ["object", "null"],
        "properties": known,
        "additionalProperties": False,
    }


def _variables() -> Schema:
    return {"type": "object", "description": "Values for {{ var.NAME }}."}


def _table(model: str) -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": NAME, "maxLength": 63},
        "additionalProperties": _or_null(_ref(model)),
    }


def _ref(model: str) -> Schema:
    return {"$ref": f"#/$defs/{model}"}


def _or_null(value: Schema) -> Schema:
    return {
        "anyOf": [value, {"type": "null"}],
        **({"description": value["description"]} if "description" in value else {}),
    }


# --- widening what pydantic makes of a model


def _models_under(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for inner in model.__subclasses__():
        yield inner
        yield from _models_under(inner)


def _field_texts(model: type[BaseModel]) -> dict[str, str]:
    """What stands under the fields of a model in its source. pydantic would look for it too, but each time that the model
    is loaded, which takes longer than the rest of that."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    lines = body.body if isinstance(body, ast.ClassDef) else []
    return {
        model.model_fields[field.target.id].alias or field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(lines)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _definition(name: str, found: Schema, texts: Mapping[str, str]) -> Schema:
    """A model's schema as it holds in a file: descriptions for people, expressions anywhere, parts where merging
    completes them. `texts` are those of its fields."""
    properties = {
        key: _value({**value, **({"description": texts[key]} if key in texts else {})})
        for key, value in found.get("properties", {}).items()
    }
    made: Schema = {
        **{k: v for k, v in found.items() if k not in ("properties", "title", "required")},
        "properties": properties,
    }
    if name in _LISTED and "required" in found:
        made["required"] = found["required"]
    if "description" in made:
        made["description"] = inspect.cleandoc(made["description"])
    return {"anyOf": [made, _ref(_EXPRESSION)]} if name != "Workload" else made


def _value(value: Schema) -> Schema:
    """A field: what it was, an expression, or null, which `!reset` leaves and Compose takes for absent."""
    description = {"description": value["description"]} if "description" in value else {}
    kept = {key: item for key, item in value.items() if key not in ("default", "title", "description")}
    return {**description, "anyOf": [_widened(kept), _ref(_EXPRESSION), {"type": "null"}]}


def _widened(value: Any) -> Any:
    """Numbers and booleans may be written as texts; items of lists and values of maps may be expressions."""
    if not isinstance(value, dict):
        return value
    made = {
        key: [_widened(item) for item in item_or_list]
        if isinstance(item_or_list := value[key], list) and key == "anyOf"
        else value[key]
        for key in value
        if key != "title"
    }
    if made.get("items") == _TEXT:
        # Texts in lists may be what YAML reads as numbers and booleans: `expose: [9090]`.
        made["items"] = {"type": ["string", "number", "boolean"]}
    if isinstance(made.get("items"), dict):
        made["items"] = {"anyOf": [_widened(made["items"]), _ref(_EXPRESSION)]}
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = {
            "anyOf": [_widened(made["additionalProperties"]), _ref(_EXPRESSION), {"type": "null"}]
        }
    if made.get("type") in ("integer", "number"):
        return {"anyOf": [made, {"type": "string", "pattern": _NUMERIC}]}
    if made.get("type") == "boolean":
        return {"anyOf": [made, {"enum": ["true", "false"]}]}
    items = made.get("items")
    if made.get("type") == "array" and isinstance(items, dict) and _single(items):
        return {"anyOf": [made, items]}
    return made


def _single(items: Schema) -> bool:
    """`status: 200` for `status: [200]`: lists of integers take one."""
    return any(option.get("type") == "integer" for part in items["anyOf"] for option in part.get("anyOf", ()))


def _reachable(root: Schema, definitions: Schema) -> Schema:
    """The definitions that the root leads to, sorted."""
    found: set[str] = set()
    pending: list[Any] = [root]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                pending.append(definitions[name])
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return {name: definitions[name] for name in sorted(found)}


__all__ = ["KINDS", "schema"]
