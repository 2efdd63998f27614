"""Work on records: lists of JSON objects."""

import hashlib
import json

from runtime.capabilities import inputs
from runtime.capabilities.inputs import InputError
from runtime.http1 import Json

KINDS: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "list": (list,),
    "object": (dict,),
}


def clean(value: Json) -> Json:
    """[RECORD] → without repeats, blanks around texts and empty fields; the first of equal ones stays."""
    seen: set[str] = set()
    kept: list[Json] = []
    records = inputs.records(value)
    for record in records:
        tidy: dict[str, Json] = {
            key: item.strip() if isinstance(item, str) else item
            for key, item in record.items()
            if item is not None and not (isinstance(item, str) and not item.strip())
        }
        canonical = _canonical(tidy)
        if tidy and canonical not in seen:
            seen.add(canonical)
            kept.append(tidy)
    return {"records": kept, "dropped": len(records) - len(kept)}


def map_fields(value: Json) -> Json:
    """{records: [RECORD], mapping: {NEW NAME: OLD NAME}} → records in the other system's words."""
    request = inputs.fields(value)
    mapping = inputs.fields(request.get("mapping"), "mapping")
    names = {new: inputs.text(old, f"mapping.{new}") for new, old in mapping.items()}
    mapped: list[Json] = []
    missing: list[Json] = []
    for index, record in enumerate(inputs.records(request.get("records"), "records")):
        mapped.append({new: record[old] for new, old in names.items() if old in record})
        missing.extend({"record": index, "field": old} for old in names.values() if old not in record)
    return {"records": mapped, "missing": missing}


def markdown_table(value: Json) -> Json:
    """[RECORD] → a Markdown table with a column for each field, and the sums of columns of numbers."""
    records = inputs.records(value)
    columns = list(dict.fromkeys(key for record in records for key in record))
    lines = [_row(columns), _row(["---"] * len(columns))]
    lines += [_row([_cell(record.get(column)) for column in columns]) for record in records]
    sums: dict[str, Json] = {}
    for column in columns:
        cells = [record.get(column) for record in records]
        if all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells):
            sums[column] = inputs.tidy(sum(inputs.numbers(cells, column)))
    return {"markdown": "\n".join(lines) if columns else "", "rows": len(records), "sums": sums}


def validate(value: Json) -> Json:
    """{record: RECORD, schema: {FIELD: KIND or KIND?}} → its errors; a kind that ends in ? may be absent."""
    request = inputs.fields(value)
    record = inputs.fields(request.get("record"), "record")
    errors: list[Json] = []
    schema = inputs.fields(request.get("schema"), "schema")
    for name, kind in schema.items():
        word = inputs.text(kind, f"schema.{name}")
        types = KINDS.get(word.removesuffix("?"))
        if types is None:
            raise InputError(f"schema.{name} must be one of {', '.join(KINDS)}, with or without ?")
        if name not in record:
            if not word.endswith("?"):
                errors.append({"field": name, "error": "missing"})
        elif not _is(record[name], types):
            errors.append({"field": name, "error": f"not of kind {word.removesuffix('?')}"})
    errors.extend({"field": name, "error": "not in the schema"} for name in record if name not in schema)
    return {"valid": not errors, "errors": errors}


def content_address(value: Json) -> Json:
    """Any value → its canonical JSON's SHA-256 and size; the order of keys makes no difference."""
    canonical = _canonical(value).encode()
    return {"address": f"sha256:{hashlib.sha256(canonical).hexdigest()}", "bytes": len(canonical)}


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _is(value: Json, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (not isinstance(value, bool) or bool in types)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Json) -> str:
    text = "" if value is None else value if isinstance(value, str) else _canonical(value)
    return text.replace("|", "\\|").replace("\n", " ")
