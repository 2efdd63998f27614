"""Modules: a service body with typed inputs, in `modules/NAME/module.yaml`."""

import re
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass

from sutazai.diagnostics import did_you_mean
from sutazai.specs.merge import canonical
from sutazai.specs.nodes import Mapping, Mark, Node, Scalar, Sequence, Source, kind_of, plain, with_article
from sutazai.specs.read import names_in, one_of, read_file
from sutazai.specs.report import Report
from sutazai.specs.shape import as_mapping, check_keys, workload_keys
from sutazai.specs.world import World

TYPES = ("string", "integer", "number", "boolean", "list", "map")
_INPUT_KEYS = ("type", "default", "required", "description", "enum", "min", "max", "pattern")


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """What a module says about one of its inputs."""

    name: str
    type: str
    mark: Mark
    default: Node | None = None
    required: bool = False
    enum: tuple[object, ...] = ()
    min: float | None = None
    max: float | None = None
    pattern: str | None = None

    def problem(self, value: Node) -> tuple[str, str | None] | None:
        """What is wrong with a value for this input, and what to do; None when nothing is."""
        if not _has_type(value, self.type):
            hint = "put it in quotes" if self.type == "string" and isinstance(value, Scalar) else None
            return f"the input {self.name} is {with_article(self.type)}, not {kind_of(value)}", hint
        data = plain(value)
        if self.enum and data not in self.enum:
            known = ", ".join(map(str, self.enum))
            near = did_you_mean(data, map(str, self.enum)) if isinstance(data, str) else None
            return f"the input {self.name} can't be {data!r}", near or f"it is one of {known}"
        if isinstance(data, (int, float)):
            if self.min is not None and data < self.min:
                return f"the input {self.name} is {data}, less than {self.min:g}", None
            if self.max is not None and data > self.max:
                return f"the input {self.name} is {data}, more than {self.max:g}", None
        if self.pattern is not None and isinstance(data, str) and not re.search(self.pattern, data):
            return f"the input {self.name} is {data!r}, which does not match {self.pattern}", None
        return None


def _has_type(value: Node, type_name: str) -> bool:
    if type_name in ("list", "map"):
        return isinstance(value, Sequence if type_name == "list" else Mapping)
    if not isinstance(value, Scalar):
        return False
    if type_name == "boolean" or isinstance(value.value, bool):
        return type_name == "boolean" and isinstance(value.value, bool)
    types: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float)}
    return isinstance(value.value, types[type_name])


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    name: str
    inputs: AbstractMapping[str, Input]
    template: Mapping


def read_modules(world: World, report: Report) -> dict[str, Module | None]:
    """Every module under `modules/`; None for one that is there but wrong, which `report` then says."""
    found: dict[str, Module | None] = {}
    for name, _ in names_in(world, "modules", report):
        files = (f"modules/{name}/module.yaml", f"modules/{name}/module.yml")
        file = one_of(world, files, f"the module {name}", report)
        if file is not None:
            found[name] = _read_module(world, name, file, report)
    return found


def _read_module(world: World, name: str, file: str, report: Report) -> Module | None:
    before = report.failed
    report.failed = False
    node = read_file(world, file, report, module=name)
    broken = report.failed
    report.failed = report.failed or before
    if broken:
        return None
    tree = as_mapping(node, f"the module {name}", report)
    if tree is None:
        if node is None:
            top = Mark(Source(file, ("",)), 1, 1)
            hint = "a module has a template, and inputs if it wants any"
            report.error(top, f"{file} is empty", "empty-module", hint=hint)
        return None
    check_keys(tree, ("inputs", "template", "description"), "a module", report)
    inputs = as_mapping(tree.get("inputs"), "inputs", report)
    declared = {
        key: _input(key, entry.key, entry.node, report)
        for key, entry in (inputs.entries if inputs else {}).items()
    }
    template = as_mapping(tree.get("template"), "the template of a module", report)
    if template is None:
        if tree.get("template") is None:
            hint = "write template: with a service body"
            report.error(tree.mark, f"the module {name} has no template", "missing-key", hint=hint)
        return None
    check_keys(template, workload_keys("module", "inputs"), "a module's template", report)
    return Module(name, declared, canonical(template))


def _input(name: str, mark: Mark, node: Node, report: Report) -> Input:
    """One declared input. What is wrong with it is reported, and left out of the result."""
    tree = as_mapping(node, f"the input {name}", report)
    if tree is None:
        return Input(name, "string", mark)
    check_keys(tree, _INPUT_KEYS, "an input", report)
    given = tree.get("type")
    kind = given.value if isinstance(given, Scalar) else None
    if kind not in TYPES:
        hint = did_you_mean(str(kind), TYPES) or f"the types are {', '.join(TYPES)}"
        what = f"there is no type {kind!r}" if given is not None else f"the input {name} has no type"
        report.error(given.mark if given else mark, what, "bad-input", hint=hint)
        kind = "string"
    default = tree.get("default")
    result = Input(
        name,
        str(kind),
        mark,
        default,
        bool(_scalar(tree, "required", (bool,), report)),
        _enum(tree, report),
        _number(tree, "min", report),
        _number(tree, "max", report),
        _pattern(tree, report),
    )
    if default is not None and given is not None and not _templated(default):
        problem = result.problem(default)
        if problem and not (isinstance(default, Scalar) and default.value is None):
            report.error(default.mark, f"default: {problem[0]}", "bad-input", hint=problem[1])
    if default is not None and result.required:
        report.warning(
            mark,
            f"the input {name} is required and has a default, which is never used",
            "bad-input",
            hint="remove one of the two",
        )
    return result


def _templated(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str) and "{{" in node.value


def _scalar(tree: Mapping, key: str, types: tuple[type, ...], report: Report) -> object:
    node = tree.get(key)
    if node is None:
        return None
    if (
        not isinstance(node, Scalar)
        or not isinstance(node.value, types)
        or (isinstance(node.value, bool) and bool not in types)
    ):
        words = {bool: "true or false", int: "a number", str: "a text"}
        report.error(node.mark, f"{key} is {words[types[0]]}, not {kind_of(node)}", "bad-input")
        return None
    return node.value


def _number(tree: Mapping, key: str, report: Report) -> float | None:
    value = _scalar(tree, key, (int, float), report)
    return value if isinstance(value, (int, float)) else None


def _enum(tree: Mapping, report: Report) -> tuple[object, ...]:
    node = tree.get("enum")
    if node is None:
        return ()
    if not isinstance(node, Sequence):
        report.error(node.mark, f"enum is a list, not {kind_of(node)}", "bad-input")
        return ()
    return tuple(plain(item) for item in node.items)


def _pattern(tree: Mapping, report: Report) -> str | None:
    value = _scalar(tree, "pattern", (str,), report)
    if not isinstance(value, str):
        return None
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        node = tree.get("pattern")
        report.error(
            node.mark if node else None, f"pattern is not a regular expression: {error}", "bad-input"
        )
        return None
    return value
