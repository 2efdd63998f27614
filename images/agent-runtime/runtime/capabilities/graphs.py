"""Work on what must come before what: {NAME: [NAMES THAT IT NEEDS]}."""

from runtime.capabilities import inputs
from runtime.capabilities.inputs import InputError
from runtime.http1 import Json


def ordered_steps(value: Json) -> Json:
    """{TASK: [TASKS BEFORE IT]} → numbered steps; tasks of one step can be done side by side."""
    waves = _waves(_needs(value))
    return {
        "steps": [{"step": number, "tasks": list(wave)} for number, wave in enumerate(waves, start=1)],
        "order": [task for wave in waves for task in wave],
    }


def layers(value: Json) -> Json:
    """{COMPONENT: [COMPONENTS IT USES]} → its layers from the ground up, and who is used by how many."""
    needs = _needs(value)
    users = {name: sum(name in used for used in needs.values()) for name in sorted(needs)}
    return {
        "layers": [list(wave) for wave in _waves(needs)],
        "used_by": {name: count for name, count in users.items() if count},
        "unused": [name for name, count in users.items() if not count],
    }


def _needs(value: Json) -> dict[str, frozenset[str]]:
    needs = {name: frozenset(inputs.texts(before, name)) for name, before in inputs.fields(value).items()}
    for name, before in needs.items():
        unknown = sorted(before - needs.keys())
        if unknown:
            raise InputError(f"{name} needs {', '.join(unknown)}, not in the input")
    return needs


def _waves(needs: dict[str, frozenset[str]]) -> list[list[str]]:
    waves: list[list[str]] = []
    done: set[str] = set()
    while len(done) < len(needs):
        wave = sorted(name for name, before in needs.items() if name not in done and before <= done)
        if not wave:
            raise InputError(f"these wait for each other: {', '.join(sorted(needs.keys() - done))}")
        waves.append(wave)
        done.update(wave)
    return waves
