"""The text of the new project's files. What is written reads back as exactly what was converted, in the layout that
`fmt` wants."""

import re
import textwrap
from collections.abc import Iterable
from collections.abc import Mapping as Map
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, FoldedScalarString, LiteralScalarString

from sutazai.diagnostics import Diagnostic
from sutazai.specs.compose_import.convert import Converted
from sutazai.specs.compose_import.interpolate import Variables, literal
from sutazai.specs.compose_import.nodes import Mapping, plain

_SEXAGESIMAL = re.compile(r"[0-9]+(:[0-9]+)+")
"""`22:22` is a text in YAML 1.2 and a number in 1.1, which many tools still read."""


def files(
    project: str,
    converted: Converted,
    variables: Variables,
    sources: Iterable[str],
    notes: tuple[Diagnostic, ...],
) -> dict[str, str]:
    """Path → text of every file of the project."""
    origin = f"# Written from {', '.join(sources)}."
    defaults = {name: _text(_default(variables, name)) for name in sorted(variables.uses)}
    parts = [f"{origin} The services are in services.yaml.\n", _dump({"project": project})]
    if defaults:
        parts.append(
            "# What ${VARIABLES} were; environments may set them.\n" + _dump({"variables": defaults})
        )
    parts += [_dump({kind: _plain(table)}) for kind, table in converted.tables.items() if table.items]
    return {
        "specs/project.yaml": "\n".join(parts),
        "specs/services.yaml": _services(origin, converted, notes),
        "environments/local.yaml": _local(converted, variables),
    }


def _default(variables: Variables, name: str) -> str:
    return variables.default(name) or ""


def _services(origin: str, converted: Converted, notes: tuple[Diagnostic, ...]) -> str:
    head = [origin]
    if notes:
        head += ["#", "# What differs:"]
        for note in notes:
            place = f"{note.position.file}:{note.position.line}: " if note.position else ""
            head += textwrap.wrap(
                " ".join(f"{place}{note.summary}".split()),
                116,
                initial_indent="# - ",
                subsequent_indent="#   ",
                break_on_hyphens=False,
                break_long_words=False,
            )
    bodies = (textwrap.indent(_dump({name: _plain(body)}), "  ") for name, body in converted.services.items())
    return "\n".join(head) + "\n\nservices:\n" + "\n".join(bodies)


def _local(converted: Converted, variables: Variables) -> str:
    parts = ["# This machine.\n", "provider: {kind: docker}\n"]
    values = {
        name: _text(value)
        for name in sorted(variables.uses)
        if (value := variables.value(name)) != _default(variables, name)
    }
    if values:
        parts.append(
            "# From .env and the environment of the command that wrote this.\n" + _dump({"variables": values})
        )
    if converted.excluded:
        parts.append(
            "# Only a profile started these.\n"
            + _dump({"exclude": [f"service.{n}" for n in converted.excluded]})
        )
    return "\n".join(parts)


def _text(value: str) -> str:
    quoted: str = DoubleQuotedScalarString(literal(value))
    return quoted


def _plain(node: Mapping) -> dict[str, Any]:
    data: dict[str, Any] = _written(plain(node))
    return data


def _written(value: Any) -> Any:
    """Texts in a style that keeps them what they are: expressions quoted, blocks literal only where that is exact."""
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_written(item) for item in value]
    if isinstance(value, LiteralScalarString) and (
        value[:1].isspace() or any(line != line.rstrip() for line in value.split("\n"))
    ):
        return DoubleQuotedScalarString(value)
    if isinstance(value, FoldedScalarString):
        return str(value) if "\n" not in value else DoubleQuotedScalarString(value)
    if (
        isinstance(value, str)
        and ("{{" in value or _SEXAGESIMAL.fullmatch(value))
        and not isinstance(value, LiteralScalarString)
    ):
        return DoubleQuotedScalarString(value)
    return value


def _dump(data: Map[str, Any]) -> str:
    yaml = YAML()
    yaml.width = 1 << 20
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda rep, _: rep.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    stream = StringIO()
    yaml.dump(dict(data), stream)
    return stream.getvalue()
