"""Work on source code."""

import keyword

from runtime.capabilities import inputs
from runtime.capabilities.inputs import InputError
from runtime.http1 import Json

FIELD_TYPES = ("bool", "bytes", "float", "int", "str")
LONGEST_LINE = 110


def generate_dataclass(value: Json) -> Json:
    """{name, fields: {NAME: bool|bytes|float|int|str}} → a frozen Python dataclass."""
    request = inputs.fields(value)
    name = _identifier(inputs.text(request.get("name"), "name"), "name")
    lines = [
        "from dataclasses import dataclass",
        "",
        "",
        "@dataclass(frozen=True, slots=True)",
        f"class {name}:",
    ]
    fields = inputs.fields(request.get("fields"), "fields")
    for field, kind in fields.items():
        if kind not in FIELD_TYPES:
            raise InputError(f"fields.{field} must be one of {', '.join(FIELD_TYPES)}")
        lines.append(f"    {_identifier(field, 'fields')}: {kind}")
    if not fields:
        lines.append("    pass")
    return {"language": "python", "code": "\n".join(lines) + "\n"}


def quality_findings(value: Json) -> Json:
    """Source TEXT → lines that are too long, end in blanks, hold tabs or are marked as unfinished."""
    findings: list[Json] = []
    lines = inputs.text(value).splitlines()
    for number, line in enumerate(lines, start=1):
        findings.extend({"line": number, "finding": finding} for finding in _line_findings(line))
    return {"lines": len(lines), "findings": findings}


def _line_findings(line: str) -> list[str]:
    found: list[str] = []
    if len(line) > LONGEST_LINE:
        found.append(f"{len(line)} characters, more than {LONGEST_LINE}")
    if line != line.rstrip():
        found.append("blanks at the end")
    if "\t" in line:
        found.append("a tab")
    if "TODO" in line or "FIXME" in line:
        found.append("marked as unfinished")
    return found


def _identifier(name: str, what: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise InputError(f"{what}: {name!r} is not a Python name")
    return name
