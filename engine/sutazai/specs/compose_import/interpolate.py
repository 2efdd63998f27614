"""Compose's `${VAR}` as variables of the project.

A value is never frozen: `${TAG:-1.0}` becomes `{{ var.TAG }}`, with `TAG: "1.0"` among the project's variables, or the
value from `.env` among the environment's. A variable without a value is the empty text, as in Compose, so that every
form has an expression; `${KEY:?message}` becomes `{{ var.KEY | required('message') }}`, so that whoever has not set it is told.
Grammar: Compose Specification, chapter 12-interpolation.
"""

import re
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace

from sutazai.diagnostics import Position
from sutazai.specs.compose_import.nodes import Mapping, Node, Scalar, Sequence, problem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
_JINJA = re.compile(r"\{\{|\{%|\{#")


@dataclass(frozen=True, slots=True)
class Use:
    """One `${NAME OPERATOR argument}`. The argument is a template itself."""

    name: str
    operator: str
    argument: "Template"


Template = tuple[str | Use, ...]


def parse(text: str, at: Position) -> Template:
    """The literal parts and uses of a text. Raises InvalidInput for what Compose refuses too."""
    template, end = _parse(text, 0, at, inside=False)
    if end != len(text):
        raise problem(f"{text!r} has a brace too many", at)
    return template


def _parse(text: str, start: int, at: Position, *, inside: bool) -> tuple[Template, int]:
    parts: list[str | Use] = []
    pending = ""
    while start < len(text) and not (inside and text[start] == "}"):
        if text[start] != "$":
            pending += text[start]
            start += 1
        elif text.startswith("$$", start):
            pending += "$"
            start += 2
        else:
            use, start = _use(text, start, at)
            parts += [pending, use] if pending else [use]
            pending = ""
    return (*parts, *([pending] if pending else [])), start


def _use(text: str, start: int, at: Position) -> tuple[Use, int]:
    braced = text.startswith("${", start)
    name = _NAME.match(text, start + (2 if braced else 1))
    if not name:
        raise problem(
            f"{text!r}: a $ that is not the start of ${{VARIABLE}}", at, "write $$ for a dollar sign"
        )
    if not braced:
        return Use(name[0], "", ()), name.end()
    operator = next((word for word in _OPERATORS if text.startswith(word, name.end())), "")
    argument, end = _parse(text, name.end() + len(operator), at, inside=True)
    if not text.startswith("}", end) or (argument and not operator):
        raise problem(
            f"{text!r}: this form of ${{{name[0]}…}} is not known",
            at,
            "Compose has ${V}, ${V:-default}, ${V-default}, ${V:?error}, ${V?error}, ${V:+text}, ${V+text}",
        )
    return Use(name[0], operator, argument), end + 1


@dataclass(slots=True)
class Variables:
    """Every variable that the files use. `given` is what `.env` says, `outer` the process environment, which counts
    above it, as in Compose."""

    given: Map[str, str]
    outer: Map[str, str]
    uses: dict[str, list[tuple[Use, Position]]] = field(default_factory=dict)

    def note(self, template: Template, at: Position) -> None:
        for part in template:
            if isinstance(part, Use):
                self.uses.setdefault(part.name, []).append((part, at))
                self.note(part.argument, at)

    def default(self, name: str) -> str | None:
        """The one default that all uses agree on, when it is a text without variables of its own."""
        found = {use.argument for use, _ in self.uses.get(name, ()) if use.operator in (":-", "-")}
        others = any(use.operator not in (":-", "-") for use, _ in self.uses.get(name, ()))
        if len(found) != 1 or others:
            return None
        (template,) = found
        return "".join(map(str, template)) if not any(isinstance(part, Use) for part in template) else None

    def said(self, name: str) -> str | None:
        """What is said of it from outside the files, None where nothing is."""
        return self.outer.get(name, self.given.get(name))

    def value(self, name: str) -> str:
        """What the variable is for the whole project, its default included."""
        said = self.said(name)
        if said is not None and (said or {use.operator for use, _ in self.uses.get(name, ())} <= {"", "-"}):
            return said
        return self.default(name) or ""

    def evaluate(self, template: Template) -> str:
        return "".join(part if isinstance(part, str) else self._one(part) for part in template)

    def _one(self, use: Use) -> str:
        value = self.value(use.name)
        set_empty = not value and self.said(use.name) is not None
        if use.operator in (":+", "+"):
            return self.evaluate(use.argument) if value or (set_empty and use.operator == "+") else ""
        if set_empty and use.operator == "-":
            return ""
        return value or (self.evaluate(use.argument) if use.operator in (":-", "-") else "")

    def render(self, template: Template) -> str:
        """The template as a text with Jinja expressions."""
        return "".join(
            literal(p) if isinstance(p, str) else f"{{{{ {self._expression(p)} }}}}" for p in template
        )

    def _expression(self, use: Use) -> str:
        name = f"var.{use.name}"
        argument = (
            " ~ ".join(_quoted(p) if isinstance(p, str) else f"({self._expression(p)})" for p in use.argument)
            or "''"
        )
        if use.operator in (":+", "+"):
            # A variable that is set to the empty text counts as set for `+` and `-`.
            return (
                argument
                if use.operator == "+" and self.said(use.name) is not None
                else f"{argument} if {name} else ''"
            )
        if use.operator in ("-", "?") and self.said(use.name) is not None:
            return name
        if use.operator in (":?", "?"):
            return f"{name} | required({argument})"
        if use.operator in (":-", "-") and use.argument and self.default(use.name) is None:
            return f"{name} or {argument}" if "~" not in argument else f"{name} or ({argument})"
        return name


def literal(text: str) -> str:
    """A text that Jinja reads as itself."""
    return _JINJA.sub(lambda match: f"{{{{ '{match[0]}' }}}}", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def collect(node: Node, variables: Variables) -> None:
    """Note every use under a node. Comes before `interpolated`: one use alone does not say what the default is."""
    match node:
        case Mapping():
            for item in node.items.values():
                collect(item, variables)
        case Sequence():
            for item in node.items:
                collect(item, variables)
        case Scalar(value=str() as text):
            variables.note(parse(text, node.at), node.at)


def interpolated(node: Node, variables: Variables) -> Node:
    """The tree with Jinja expressions in `value` and today's values in `resolved`."""
    match node:
        case Mapping():
            return node.with_items({key: interpolated(item, variables) for key, item in node.items.items()})
        case Sequence():
            return replace(node, items=tuple(interpolated(item, variables) for item in node.items))
        case Scalar(value=str() as text):
            template = parse(text, node.at)
            return replace(node, value=variables.render(template), resolved=variables.evaluate(template))
        case _:
            return node
