"""The Jinja2 sandbox: what an expression in a spec may use, and how much.

Rendering is deterministic (no clock, no randomness), reads nothing outside of its context, and ends: loops,
repeated texts and powers are bounded, and what could get around the bounds (macros, recursion, imports, most
methods) is not there. A name that is not defined is an error with the nearest name that is.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import SandboxedEnvironment

MAX_TEXT = 64 << 10
MAX_OUTPUT = 256 << 10
MAX_ITERATIONS = 10_000

FILTERS = (
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "required",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
)
_METHODS = frozenset(
    (
        "capitalize",
        "count",
        "endswith",
        "find",
        "get",
        "index",
        "items",
        "keys",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
        "values",
    )
)
_STATEMENTS = (nodes.For, nodes.If, nodes.Output, nodes.Assign, nodes.With)


class Namespace:
    """A word of the context whose members are looked up one by one, such as `var`."""

    __slots__ = ()

    def member(self, name: str, undefined: Callable[[str, str | None], Undefined]) -> Any:
        """The member, or `undefined(what is wrong, what to do)`."""
        raise NotImplementedError


class Missing(StrictUndefined):
    """A name that does not exist. Its message is a summary and, on a second line, a hint."""

    __slots__ = ()


class Sandbox(SandboxedEnvironment):
    """The one environment that spec strings are rendered in."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))

    def __init__(self) -> None:
        super().__init__(undefined=Missing, autoescape=False, keep_trailing_newline=True, cache_size=0)
        filters = {name: self.filters[name] for name in FILTERS if name != "required"}
        filters["required"] = _required
        filters["join"] = _bounded(filters["join"])
        filters["replace"] = _bounded_replace
        filters["tojson"] = _bounded(filters["tojson"])
        self.filters = filters
        self.globals = {"range": self._range, "_each": self._each, "_text": self._text}
        self._left = MAX_ITERATIONS

    def begin(self) -> None:
        """Start the budget of one string."""
        self._left = MAX_ITERATIONS

    def missing(self, summary: str, hint: str | None = None) -> Missing:
        return Missing(hint=summary if hint is None else f"{summary}\n{hint}")

    def getattr(self, obj: Any, attribute: str) -> Any:
        return (
            obj.member(attribute, self.missing)
            if isinstance(obj, Namespace)
            else super().getattr(obj, attribute)
        )

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Namespace):
            return obj.member(str(argument), self.missing)
        return super().getitem(obj, argument)

    def wrap_str_format(self, value: Any) -> None:
        """`str.format` is a method like any other that is not allowed: its widths are not bounded."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return super().is_safe_attribute(obj, attr, value) and (not callable(value) or attr in _METHODS)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and (abs(left) > 1 << 32 or abs(right) > 64):
            raise SecurityError("the power is too large")
        if operator == "*" and (isinstance(left, Sized) or isinstance(right, Sized)):
            size = (len(left) if isinstance(left, Sized) else left) * (
                len(right) if isinstance(right, Sized) else right
            )
            _check_size(size)
        if operator == "+" and isinstance(left, Sized) and isinstance(right, Sized):
            _check_size(len(left) + len(right))
        if operator == "%" and isinstance(left, str):
            raise SecurityError("a text has no remainder; join texts with ~")
        if (
            operator == "*"
            and isinstance(left, int)
            and isinstance(right, int)
            and max(abs(left), abs(right)) > 1 << 256
        ):
            raise SecurityError("the product is too large")
        return super().call_binop(context, operator, left, right)

    def prepare(self, text: str) -> tuple[nodes.Template, bool]:
        """The syntax tree of `text`, bounded, and whether it is a single expression. The value of a single
        expression is handed to the global `_keep` as it is; Jinja itself would make a text of it. Raises
        TemplateError."""
        if len(text) > MAX_TEXT:
            raise SecurityError(f"a text with expressions is at most {MAX_TEXT >> 10} KiB long")
        tree = self.parse(text)
        output = tree.body[0] if len(tree.body) == 1 else None
        single = (
            isinstance(output, nodes.Output)
            and len(output.nodes) == 1
            and not isinstance(output.nodes[0], nodes.TemplateData)
        )
        for statement in tree.find_all(nodes.Stmt):
            if not isinstance(statement, _STATEMENTS):
                word = type(statement).__name__.lower()
                raise TemplateSyntaxError(f"{{% {word} %}} can't be used in a spec", statement.lineno)
        for loop in list(tree.find_all(nodes.For)):
            if loop.recursive:
                raise TemplateSyntaxError("a loop can't be recursive in a spec", loop.lineno)
            loop.iter = _call("_each", [loop.iter], loop.lineno)
        _bound_concatenation(tree)
        if single and isinstance(output, nodes.Output):
            output.nodes = [_call("_keep", output.nodes, 1)]
        return tree, single

    def _range(self, *arguments: int) -> range:
        numbers = range(*arguments)
        if len(numbers) > MAX_ITERATIONS:
            raise SecurityError(f"a range has at most {MAX_ITERATIONS:,} numbers")
        return numbers

    def _each(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self._left -= 1
            if self._left < 0:
                raise SecurityError(f"the loops of one text go round at most {MAX_ITERATIONS:,} times")
            yield item

    @staticmethod
    def _text(*parts: Any) -> str:
        texts = [str(part) for part in parts]
        _check_size(sum(map(len, texts)))
        return "".join(texts)


def _call(name: str, arguments: list[Any], line: int) -> nodes.Call:
    return nodes.Call(nodes.Name(name, "load", lineno=line), arguments, [], None, None, lineno=line)


def _bound_concatenation(node: nodes.Node) -> None:
    """Turn `a ~ b` into a call that looks at the length first."""
    for child in node.iter_child_nodes():
        _bound_concatenation(child)
    for field, value in node.iter_fields():
        if isinstance(value, nodes.Concat):
            setattr(node, field, _call("_text", value.nodes, value.lineno))
        elif isinstance(value, list):
            value[:] = [
                _call("_text", v.nodes, v.lineno) if isinstance(v, nodes.Concat) else v for v in value
            ]


def _check_size(size: int) -> None:
    if size > MAX_OUTPUT:
        raise SecurityError(f"a text has at most {MAX_OUTPUT >> 10} KiB")


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose result is checked; what it reads is bounded already."""

    @functools.wraps(function)  # with the mark by which Jinja knows that it wants the environment
    def checked(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        _check_size(len(result))
        return result

    return checked


def _bounded_replace(value: Any, old: str, new: str) -> str:
    text, old, new = str(value), str(old), str(new)
    times = text.count(old)
    _check_size(len(text) + times * max(len(new) - len(old), 0))
    return text.replace(old, new)


def _required(value: Any, message: object = "") -> Any:
    """The value, unless there is none: null, an empty text, a name that is not defined."""
    if isinstance(value, Undefined) or value is None or value == "":
        reason = str(message) or "it must have a value"
        raise UndefinedError(
            f"a value is missing here: {reason}\ngive the variable one: variables of the environment, or --var"
        )
    return value


_DASHED = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?<![\w.])(?P<space>agent|service|secret)\.(?P<name>[A-Za-z0-9_][A-Za-z0-9_-]*)"""
)
_DELIMITED = re.compile(r"{{.*?}}|{%.*?%}", re.DOTALL)


def quote_names(text: str) -> str:
    """`{{ agent.ai-critic.port }}` as Jinja reads it: workloads and secrets have dashes in their names,
    Jinja's have not."""

    def quoted(match: re.Match[str]) -> str:
        return match[0] if match["text"] else f'{match["space"]}["{match["name"]}"]'

    return _DELIMITED.sub(lambda part: _DASHED.sub(quoted, part[0]), text)
