"""What `lifecycle` names must exist: fields of a body in `ignore_changes`, resources in `replace_triggered_by`. A word that
means nothing would protect nothing, without anybody noticing."""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AbstractMapping
from typing import Protocol, get_origin

from pydantic import BaseModel

from sutazai.address import Address, Kind
from sutazai.diagnostics import did_you_mean
from sutazai.model.base import Effect
from sutazai.model.workload import Workload, effect_of, model_in
from sutazai.specs.nodes import Entry, Mark
from sutazai.specs.report import Report

EVERYTHING = "all"
_BY_NAME = ("volumes", "configs", "tmpfs")
"""Lists whose items are told apart: volumes and tmpfs by target, configs by name. Other lists differ as a whole."""
_RESOURCES = tuple(kind for kind in Kind if not kind.is_workload)


class Member(Protocol):
    @property
    def address(self) -> Address: ...
    @property
    def model(self) -> Workload: ...
    def mark(self, *path: str | int) -> Mark: ...


def check_lifecycle(
    members: Iterable[Member], tables: AbstractMapping[str, AbstractMapping[str, Entry]], report: Report
) -> None:
    for member in members:
        lifecycle = member.model.lifecycle
        for index, path in enumerate(lifecycle.ignore_changes):
            for problem, hint in _of_path(path):
                report.error(
                    member.mark("lifecycle", "ignore_changes", index), problem, "unknown-field", hint=hint
                )
        for index, reference in enumerate(lifecycle.replace_triggered_by):
            if report.may_be_declared(reference.rpartition(".")[2]):
                continue
            for problem, hint in _of_trigger(member.address, reference, tables):
                mark = member.mark("lifecycle", "replace_triggered_by", index)
                report.error(mark, problem, "unknown-trigger", hint=hint)


def _of_path(path: str) -> Iterator[tuple[str, str | None]]:
    """What is wrong with a path of `ignore_changes`, and what to write instead; nothing when it names a field."""
    if path == EVERYTHING:
        return
    model: type[BaseModel] | None = Workload
    words = path.split(".")
    for position, word in enumerate(words):
        here = ".".join(words[:position]) or "a body"
        if model is None:
            yield f'ignore_changes: {here} has no field "{word}"', f"write {here}"
            return
        field = model.model_fields.get(word)
        if field is None or (position == 0 and effect_of((word,)) is Effect.INPUT):
            known = [
                name for name in model.model_fields if position or effect_of((name,)) is not Effect.INPUT
            ]
            known += [] if position else [EVERYTHING]
            yield f'ignore_changes: {here} has no field "{word}"', did_you_mean(word, known)
            return
        many = get_origin(field.annotation) in (dict, tuple)
        if many and get_origin(field.annotation) is tuple and word not in _BY_NAME:
            if words[position + 1 :]:
                whole = ".".join(words[: position + 1])
                yield f"ignore_changes: {whole} differs as a whole", f"write {whole}"
            return
        if many:
            return  # any key, and what is under it
        model = model_in(field.annotation)


def _of_trigger(
    owner: Address, reference: str, tables: AbstractMapping[str, AbstractMapping[str, Entry]]
) -> Iterator[tuple[str, str | None]]:
    declared = [str(Address(kind, name)) for kind in Kind for name in tables.get(f"{kind.value}s", {})]
    plain = [name for kind in (Kind.AGENT, Kind.SERVICE) for name in tables.get(f"{kind.value}s", {})]
    if reference in (owner.name, str(owner)):
        yield f"replace_triggered_by: {owner} can't trigger itself", "remove it"
    elif reference not in declared and reference not in plain:
        words = ", ".join(kind.value for kind in _RESOURCES)
        hint = (
            did_you_mean(reference, sorted([*declared, *plain]))
            or f"write NAME or KIND.NAME, KIND also being {words}"
        )
        yield f'replace_triggered_by: there is no "{reference}"', hint
