"""Files of variables (`env_file`, `.env`) as Compose reads them.

Source: the `dotenv` package of compose-go, against whose binary `tests/unit/specs/test_dotenv.py` holds this reader. A
value stands alone, in single quotes (taken as it is) or in double quotes (with escapes), and quoted values may have several
lines. `${NAME}` and its forms with defaults are of what is around the file, else of the lines above.
"""

import re
from collections.abc import Callable

from sutazai.model.quoting import quoted

Lookup = Callable[[str], str | None]
_KEY = re.compile(r"(?:export\s+)?([^\S\n]*(?:[^\W]|[_.\-\[\]])(?:[^\W]|[_.\-\[\]])*)[^\S\n]*([=:\n]|\Z)")
_ESCAPE = re.compile(r"\\(?:[abcfnrtv$\"\\]|0[0-7]{1,3})")
_NAMED = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    '"': '"',
    "\\": "\\",
    "$": "$$",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
_DEEPEST = 20


class DotenvError(ValueError):
    """A line that is no assignment; `line` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def read(text: str, lookup: Lookup) -> dict[str, str]:
    """The assignments of a file, the last of a name winning. A name alone has the value that `lookup` gives it, or is left
    out. Raises DotenvError."""
    text = text.replace("\r\n", "\n")
    values: dict[str, str] = {}
    at = 0
    while (at := _statement(text, at)) < len(text):
        line = text.count("\n", 0, at) + 1
        match = _KEY.match(text, at)
        if match is None:
            raise DotenvError(line, f"{quoted(text[at:].partition(chr(10))[0])} is not NAME=VALUE")
        name, at = match[1].strip(), match.end()
        if match[2] in ("=", ":"):
            raw, at, expands = _value(text, at, line)
            values[name] = expand(raw, lambda key: _found(key, lookup, values), line) if expands else raw
        elif (inherited := lookup(name)) is not None:
            values[name] = inherited
    return values


def _found(name: str, lookup: Lookup, values: dict[str, str]) -> str | None:
    around = lookup(name)
    return values.get(name) if around is None else around


def _statement(text: str, at: int) -> int:
    """Where the next statement begins: blanks and comments are passed over."""
    while at < len(text) and (text[at].isspace() or text[at] == "#"):
        at = (text.find("\n", at) % (len(text) + 1)) if text[at] == "#" else at + 1
    return at


def _value(text: str, at: int, line: int) -> tuple[str, int, bool]:
    """`(value, where it ends, whether variables in it are expanded)`."""
    while at < len(text) and text[at] in " \t\v\f\r":
        at += 1
    quote = text[at : at + 1]
    if quote not in ("'", '"') or not quote:
        end = text.find("\n", at) % (len(text) + 1)
        return text[at:end].partition(" #")[0].rstrip(), end, True
    body = re.compile(rf"(?:[^\\{quote}]|\\.)*", re.DOTALL).match(text, at + 1)
    end = body.end() if body else at
    if text[end : end + 1] != quote:
        raise DotenvError(line, f"the quote {quote} is not closed")
    raw = text[at + 1 : end].replace("\\" + quote, quote)
    return (_ESCAPE.sub(_escape, raw), end + 1, True) if quote == '"' else (raw, end + 1, False)


def _escape(match: re.Match[str]) -> str:
    word = match[0][1:]
    return chr(int(word, 8) & 0xFF) if word[0] == "0" else _NAMED.get(word, match[0])


def expand(text: str, lookup: Lookup, line: int, depth: int = 0) -> str:
    """The text with its variables replaced, as Compose's interpolation does it. Raises DotenvError."""
    found, at = "", 0
    while (dollar := text.find("$", at)) >= 0:
        found += text[at:dollar]
        name = _NAME.match(text, dollar + 1)
        if text.startswith("$$", dollar):
            found, at = found + "$", dollar + 2
        elif text.startswith("${", dollar):
            end = _closing(text, dollar + 2)
            if end < 0 or depth > _DEEPEST:
                raise DotenvError(line, f"{quoted(text)}: a variable is written ${{NAME}}")
            found, at = found + _braced(text[dollar + 2 : end], lookup, line, depth), end + 1
        elif name:
            found, at = found + (lookup(name[0]) or ""), name.end()
        else:
            found, at = found + "$", dollar + 1
    return found + text[at:]


def _closing(text: str, at: int) -> int:
    depth = 1
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at
        at += 1
    return -1


def _braced(inner: str, lookup: Lookup, line: int, depth: int) -> str:
    name = _NAME.match(inner)
    rest = inner[name.end() :] if name else ""
    operator = next((word for word in _OPERATORS if rest.startswith(word)), "")
    if name is None or (rest and not operator):
        raise DotenvError(line, f"{quoted('${' + inner + '}')} is no form of a variable")
    value, argument = lookup(name[0]), rest[len(operator) :]
    there = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return expand(argument, lookup, line, depth + 1) if there else ""
    if there or not operator:
        return value or ""
    if operator.endswith("?"):
        said = expand(argument, lookup, line, depth + 1)
        raise DotenvError(line, f"the variable {name[0]} has no value" + (f": {said}" if said else ""))
    return expand(argument, lookup, line, depth + 1)
