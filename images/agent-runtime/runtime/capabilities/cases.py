"""Comparison of what was expected with what came out."""

from runtime.capabilities import inputs
from runtime.capabilities.inputs import InputError
from runtime.http1 import Json


def run_cases(value: Json) -> Json:
    """[{name, expected, actual}] → which passed, and for each failure the places that differ."""
    failures: list[Json] = []
    cases = inputs.records(value)
    for index, case in enumerate(cases):
        name = inputs.text(case.get("name"), f"input[{index}].name")
        if "expected" not in case or "actual" not in case:
            raise InputError(f"input[{index}] must have expected and actual")
        differences = _differences(case["expected"], case["actual"], "$")
        if differences:
            failures.append({"name": name, "differences": list(differences)})
    return {"cases": len(cases), "passed": len(cases) - len(failures), "failures": failures}


def _differences(expected: Json, actual: Json, place: str) -> list[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        found: list[str] = []
        for key in sorted(expected.keys() | actual.keys()):
            where = f"{place}.{key}"
            if key not in actual:
                found.append(f"{where} is missing")
            elif key not in expected:
                found.append(f"{where} was not expected")
            else:
                found.extend(_differences(expected[key], actual[key], where))
        return found
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [
            line for index, (left, right) in pairs for line in _differences(left, right, f"{place}[{index}]")
        ]
    # In Python True == 1, in JSON true is not 1.
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return [] if same else [f"{place} is {actual!r}, expected {expected!r}"]
