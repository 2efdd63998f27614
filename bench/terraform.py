"""Terraform on resources of its own, without a provider: nothing but planning is left."""

import os
from pathlib import Path

from bench.timing import Timed, timed


def write(folder: Path, count: int) -> None:
    """`count` resources with a few fields each, of which all but the first need the first."""
    blocks = [
        f'resource "terraform_data" "a{number:05}" {{\n'
        f'  input = {{ image = "agent:1.0", name = "a{number:05}", port = {20_000 + number}, memory = "64M" }}\n'
        + ("" if number == 0 else "  depends_on = [terraform_data.a00000]\n")
        + "}\n"
        for number in range(count)
    ]
    (folder / "main.tf").write_text("".join(blocks))


def environ() -> dict[str, str]:
    return {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "PATH": os.environ["PATH"]}


def prepare(folder: Path, count: int, *, applied: bool) -> None:
    write(folder, count)
    timed(["terraform", "init", "-input=false"], folder, environ())
    if applied:
        timed(["terraform", "apply", "-auto-approve", "-input=false"], folder, environ())


def plan(folder: Path) -> Timed:
    return timed(["terraform", "plan", "-input=false"], folder, environ())


def plan_creation(folder: Path, count: int, runs: int) -> list[Timed]:
    prepare(folder, count, applied=False)
    return [plan(folder) for _ in range(runs)]
