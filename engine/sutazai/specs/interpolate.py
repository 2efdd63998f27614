"""Rendering: a tree whose texts hold Jinja2 expressions to one that holds their values.

A text that is exactly one expression takes the value's type; any other stays a text. Keys are not rendered. A
problem is reported at the text it is in, and the value there becomes unknown (`Failed`), which is not
reported again.
"""

import operator
import re
from collections.abc import Mapping as AbstractMapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias

from jinja2 import Template, Undefined
from jinja2.exceptions import TemplateError, TemplateSyntaxError, UndefinedError

from sutazai.diagnostics import did_you_mean
from sutazai.specs.nodes import Entry, Mapping, Node, Plain, Scalar, Sequence, Where, from_plain
from sutazai.specs.report import Report
from sutazai.specs.sandbox import FILTERS, MAX_OUTPUT, Sandbox, quote_names
from sutazai.specs.tree import UNSOUND

Context: TypeAlias = AbstractMapping[str, Any]

_RENDERING_FAILS = (
    TemplateError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    RecursionError,
    MemoryError,
    SyntaxError,
)
"""What the evaluation of somebody's expression can raise; SyntaxError and MemoryError come from nesting too
deep for Python."""


class Failed(Exception):
    """The value is wrong, and that is reported already where it was written."""


class SecretReference:
    """`{{ secret.NAME }}`: says which secret, and is replaced by no value here. As a text it is what stands
    in the spec."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"{{{{ secret.{self.name} }}}}"


class Renderer:
    """Renders trees against contexts. Texts are compiled once, however many workloads share them."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._sandbox = Sandbox()
        self._compiled: dict[str, tuple[Template, bool]] = {}
        self._captured: list[Any] = []
        self._constant: dict[int, Node] = {}
        """By their `id()`, lists and maps without an expression: what a module gives to many is looked through once."""
        self._sandbox.globals["_keep"] = self._keep

    def render(self, node: Node, context: Context, where: Where = lambda _mark: []) -> Node:
        """`node` with its texts rendered, itself where it has no expression. Raises Failed after everything below it was
        tried."""
        if id(node) in self._constant:
            return node
        try:
            if isinstance(node, Scalar):
                return self._scalar(node, context, where)
        except RecursionError:
            self._report.error(node.mark, "this expression is nested too deep", "bad-expression")
            raise Failed from None
        made = (
            self._sequence(node, context, where)
            if isinstance(node, Sequence)
            else self._mapping(node, context, where)
        )
        if made is node:
            self._constant[id(node)] = node
        return made

    def _sequence(self, node: Sequence, context: Context, where: Where) -> Sequence:
        items: list[Node] = []
        for item in node.items:
            with suppress(Failed):
                items.append(self.render(item, context, where))
        if len(items) < len(node.items):
            raise Failed
        same = all(map(operator.is_, items, node.items))
        return node if same else Sequence(tuple(items), node.mark, node.tag)

    def _mapping(self, node: Mapping, context: Context, where: Where) -> Mapping:
        failed = False
        entries: dict[str, Entry] = {}
        for key, entry in node.entries.items():
            try:
                name = str(self.value(Scalar(key, entry.key), context, where)) if entry.templated else key
                found = self.render(entry.node, context, where)
            except Failed:
                failed = True
                continue
            same = found is entry.node and not entry.templated
            entries[name] = entry if same else Entry(entry.key, found)
        if failed:
            raise Failed
        same = all(map(operator.is_, entries.values(), node.entries.values()))
        return node if same else Mapping(entries, node.mark, node.tag)

    def _scalar(self, node: Scalar, context: Context, where: Where) -> Node:
        if not isinstance(node.value, str) or not is_template(node.value):
            return node
        made = from_plain(self.value(node, context, where), node.mark)
        return made if node.tag is None else replace(made, tag=node.tag)

    def value(self, node: Scalar, context: Context, where: Where = lambda _mark: []) -> Plain:
        """The value of one text. Raises Failed."""
        text = node.value
        if not isinstance(text, str) or not is_template(text):
            return node.value
        try:
            return _sound(self._evaluate(text, context))
        except Failed:
            raise
        except _RENDERING_FAILS as error:
            summary, hint = _explain(error, context)
            self._report.error(node.mark, summary, "bad-expression", hint=hint, related=where(node.mark))
            raise Failed from None

    def _keep(self, value: Any) -> str:
        self._captured.append(value)
        return ""

    def _evaluate(self, text: str, context: Context) -> Plain:
        compiled = self._compiled.get(text)
        if compiled is None:
            compiled = self._compiled[text] = self._compile(text)
        template, single = compiled
        if not single:
            chunks: list[str] = []
            size = 0
            self._sandbox.begin()
            for chunk in template.generate(context):
                size += len(chunk)
                if size > MAX_OUTPUT:
                    raise ValueError(f"the text becomes longer than {MAX_OUTPUT >> 10} KiB")
                chunks.append(chunk)
            return "".join(chunks)
        self._sandbox.begin()
        depth = len(self._captured)
        for _ in template.generate(context):
            pass
        value = self._captured.pop()
        del self._captured[depth:]
        return _plain(value)

    def _compile(self, text: str) -> tuple[Template, bool]:
        tree, single = self._sandbox.prepare(quote_names(text))
        code = self._sandbox.compile(tree)
        return Template.from_code(self._sandbox, code, self._sandbox.globals), single


def is_template(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text


def _plain(value: Any) -> Plain:
    """What an expression gave, as YAML could have said it. Raises ValueError for anything else."""
    if isinstance(value, Undefined):
        str(value)  # raises UndefinedError with the reason
    if value is None or isinstance(value, (str, bool, int, float)):
        if isinstance(value, int) and abs(value) > 1 << 63:
            raise ValueError("the number is too large")
        return value
    if isinstance(value, SecretReference):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return [_plain(item) for item in value]
    if hasattr(value, "__next__"):
        return [_plain(item) for _, item in zip(range(MAX_OUTPUT), value, strict=False)]
    what = getattr(type(value), "noun", None) or f"a {type(value).__name__}"
    raise ValueError(f"the expression gives {what}, not a value; name one of its members")


def _sound(value: Plain) -> Plain:
    """The value, if its texts can be written to files and given to programs. Raises ValueError."""
    if isinstance(value, str) and UNSOUND.search(value):
        raise ValueError("the text has a character that can't be written: a NUL or half of a surrogate pair")
    for item in value.items() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _sound(list(item) if isinstance(item, tuple) else item)
    return value


def _explain(error: BaseException, context: Context) -> tuple[str, str | None]:
    message = str(getattr(error, "message", None) or error) or type(error).__name__
    if isinstance(error, (RecursionError, MemoryError)):
        return "this expression is nested too deep", None
    if isinstance(error, UndefinedError):
        summary, _, hint = message.partition("\n")
        unknown = re.fullmatch(r"'(\w+)' is undefined", summary)
        if unknown:
            return _unknown_word(unknown[1], context)
        return summary, hint or None
    if "No filter named" in message:
        name = message.split("'")[1]
        return f"there is no filter {name!r}", did_you_mean(
            name, FILTERS
        ) or f"the filters are {', '.join(FILTERS)}"
    hint = "to write {{ itself, put the text in {% raw %}…{% endraw %}"
    if isinstance(error, TemplateSyntaxError):
        return f"this expression can't be read: {message.rstrip('.')}", hint
    return f"this expression can't be evaluated: {message.rstrip('.')}", None


def _unknown_word(word: str, context: Context) -> tuple[str, str | None]:
    for space in ("inputs", "var"):
        names = getattr(context.get(space), "names", ())
        if word in names:
            return f"{word!r} is not defined here", f"write {space}.{word}"
    known = [name for name in context if not name.startswith("_")]
    return f"{word!r} is not defined here", did_you_mean(
        word, known
    ) or f"the names here are {', '.join(known)}"
