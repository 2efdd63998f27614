"""Work on measurements."""

import math

from runtime.capabilities import inputs
from runtime.capabilities.inputs import InputError
from runtime.http1 import Json

COMPARISONS = (">", ">=", "<", "<=", "==", "!=")
PERCENTILES = (50, 90, 95, 99)


def summary(value: Json) -> Json:
    """{SERIES: [NUMBER]} → for each series its count, extremes, mean, last value and trend."""
    return {name: _series(inputs.some_numbers(points, name)) for name, points in inputs.fields(value).items()}


def percentiles(value: Json) -> Json:
    """[NUMBER] → its percentiles by the nearest-rank method, mean and standard deviation."""
    points = sorted(inputs.some_numbers(value))
    mean = sum(points) / len(points)
    deviation = math.sqrt(sum((point - mean) ** 2 for point in points) / len(points))
    ranks: dict[str, Json] = {
        f"p{rank}": inputs.tidy(points[math.ceil(rank / 100 * len(points)) - 1]) for rank in PERCENTILES
    }
    return {
        "count": len(points),
        "mean": inputs.tidy(mean),
        "standard_deviation": inputs.tidy(deviation),
        **ranks,
        "max": inputs.tidy(points[-1]),
    }


def firing_alerts(value: Json) -> Json:
    """{values: {NAME: NUMBER}, rules: [{name, value, is, than}]} → the rules that hold or lack a value.

    `is` is one of > >= < <= == !=."""
    request = inputs.fields(value)
    values = inputs.figures(request.get("values"), "values")
    firing: list[Json] = []
    unknown: list[Json] = []
    for index, rule in enumerate(inputs.records(request.get("rules"), "rules")):
        where = f"rules[{index}]"
        name = inputs.text(rule.get("name"), f"{where}.name")
        source = inputs.text(rule.get("value"), f"{where}.value")
        comparison = inputs.text(rule.get("is"), f"{where}.is")
        bound = inputs.number(rule.get("than"), f"{where}.than")
        if source not in values:
            unknown.append({"name": name, "value": source})
        elif _holds(values[source], comparison, bound, where):
            firing.append({"name": name, "value": inputs.tidy(values[source])})
    return {"firing": firing, "unknown": unknown}


def efficiency(value: Json) -> Json:
    """{useful: NUMBER, spent: NUMBER} or a list of such → the share that was useful and what was wasted."""
    parts = inputs.records(value if isinstance(value, list) else [value])
    useful = sum(inputs.number(part.get("useful"), "useful", least=0) for part in parts)
    spent = sum(inputs.number(part.get("spent"), "spent", least=0) for part in parts)
    if not spent:
        raise InputError("spent must be more than 0")
    return {"efficiency": inputs.tidy(useful / spent), "wasted": inputs.tidy(max(0.0, spent - useful))}


def _series(points: list[float]) -> dict[str, Json]:
    return {
        "count": len(points),
        "min": inputs.tidy(min(points)),
        "max": inputs.tidy(max(points)),
        "mean": inputs.tidy(sum(points) / len(points)),
        "last": inputs.tidy(points[-1]),
        "slope": inputs.tidy(_slope(points)),
    }


def _slope(points: list[float]) -> float:
    """Least squares, per step."""
    middle = (len(points) - 1) / 2
    spread = sum((index - middle) ** 2 for index in range(len(points)))
    mean = sum(points) / len(points)
    moved = sum((index - middle) * (point - mean) for index, point in enumerate(points))
    return moved / spread if spread else 0.0


def _holds(value: float, comparison: str, bound: float, where: str) -> bool:
    match comparison:
        case ">":
            return value > bound
        case ">=":
            return value >= bound
        case "<":
            return value < bound
        case "<=":
            return value <= bound
        case "==":
            return value == bound
        case "!=":
            return value != bound
    raise InputError(f"{where}.is must be one of {' '.join(COMPARISONS)}")
