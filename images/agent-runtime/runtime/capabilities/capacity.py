"""Work on what fits where."""

import math

from runtime.capabilities import inputs
from runtime.capabilities.inputs import InputError
from runtime.http1 import Json

MAX_STEPS = 10_000


def pack(value: Json) -> Json:
    """{needs: {NAME: NUMBER}, capacity: {HOST: NUMBER}} → a place for each need, and what is left.

    First fit decreasing: the largest need first, to the first host with room for it."""
    request = inputs.fields(value)
    free = inputs.figures(request.get("capacity"), "capacity", least=0)
    needs = inputs.figures(request.get("needs"), "needs", least=0)
    placed: dict[str, Json] = {}
    unplaced: list[Json] = []
    for name, size in sorted(needs.items(), key=lambda item: (-item[1], item[0])):
        host = next((host for host in free if free[host] >= size), None)
        if host is None:
            unplaced.append(name)
        else:
            placed[name] = host
            free[host] -= size
    return {
        "placed": placed,
        "unplaced": unplaced,
        "free": {host: inputs.tidy(left) for host, left in free.items()},
    }


def share_out(value: Json) -> Json:
    """{tasks: {NAME: EFFORT}, workers: [NAME]} → tasks for each worker.

    The longest task first, to whoever has least to do."""
    request = inputs.fields(value)
    workers = inputs.texts(request.get("workers"), "workers")
    if not workers:
        raise InputError("workers must not be empty")
    tasks = inputs.figures(request.get("tasks"), "tasks", least=0)
    load = dict.fromkeys(workers, 0.0)
    shares: dict[str, list[Json]] = {worker: [] for worker in workers}
    for name, effort in sorted(tasks.items(), key=lambda item: (-item[1], item[0])):
        worker = min(load, key=lambda each: load[each])
        shares[worker].append(name)
        load[worker] += effort
    return {
        "assignments": {worker: list(names) for worker, names in shares.items()},
        "load": {worker: inputs.tidy(effort) for worker, effort in load.items()},
    }


def replicas(value: Json) -> Json:
    """{rate, seconds_per_request, concurrency, headroom} → the replicas for that rate, by Little's law."""
    request = inputs.fields(value)
    rate = inputs.number(request.get("rate"), "rate", least=0)
    seconds = inputs.number(request.get("seconds_per_request"), "seconds_per_request", least=0)
    concurrency = inputs.number(request.get("concurrency", 1), "concurrency", least=1)
    headroom = inputs.number(request.get("headroom", 0.2), "headroom", least=0)
    busy = rate * seconds
    needed = busy * (1 + headroom) / concurrency
    if not math.isfinite(needed):
        raise InputError("rate times seconds_per_request is too large")
    # Rounded first, or 10 * 1.2 / 4 would need a fourth replica for its last binary digit.
    count = max(1, math.ceil(round(needed, 9)))
    return {
        "in_flight": inputs.tidy(busy),
        "replicas": count,
        "utilisation": inputs.tidy(busy / concurrency / count),
    }


def best_within_budget(value: Json) -> Json:
    """{budget: WHOLE NUMBER, options: {NAME: {cost: WHOLE NUMBER, gain}}} → the options that gain most.

    Exact, by dynamic programming over the budget."""
    request = inputs.fields(value)
    budget = _whole(request.get("budget"), "budget")
    options = inputs.fields(request.get("options"), "options")
    best: list[tuple[float, tuple[str, ...]]] = [(0.0, ())] * (budget + 1)
    for name in sorted(options):
        option = inputs.fields(options[name], f"options.{name}")
        cost = _whole(option.get("cost"), f"options.{name}.cost")
        gain = inputs.number(option.get("gain"), f"options.{name}.gain", least=0)
        for room in range(budget, cost - 1, -1):
            before, chosen = best[room - cost]
            if before + gain > best[room][0]:
                best[room] = (before + gain, (*chosen, name))
    gain, chosen = best[budget]
    return {"chosen": list(chosen), "gain": inputs.tidy(gain)}


def _whole(value: Json, what: str) -> int:
    number = inputs.number(value, what, least=0)
    if number != int(number) or number > MAX_STEPS:
        raise InputError(f"{what} must be a whole number up to {MAX_STEPS}")
    return int(number)
