"""The format of a plan file: a whole plan with what it takes to check that it still fits, and to carry it out without specs.

Reading gives exactly what was written, or a `PlanFileError` that says why not. Two digests: `plan_digest` names the plan,
and is the same for the same plan whoever made it and when; `sha256` covers all that the file says, and one that says it with
other spaces, or twice, is refused too. Neither is a signature: they detect alteration, and don't prove who wrote the file.
No sensitive value is in it.

A later format gets a number of its own and a pure upgrade from this one, as the formats of the state do.
"""

import json
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sutazai.errors import PlanFileError
from sutazai.model.backend import BackendOptions
from sutazai.model.fleet import ProviderOptions
from sutazai.plan.change import Beside, Plan, ResourceChange
from sutazai.plan.manner import DEFAULT
from sutazai.plan.redact import redacted
from sutazai.plan.situation import PlanOptions, stored_options
from sutazai.state.scope import digest_of

FORMAT = "sutazai-plan"
BEGIN = f'{{"format": "{FORMAT}", '.encode()
"""What every plan file begins with."""
NEWEST = 1


class Made(BaseModel):
    """When a plan file was made (ISO 8601, UTC), by whom, and with which version of this program."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str
    by: str
    version: str


class Engine(BaseModel):
    """The engine that answered when a plan was made: what it calls itself, and the machine it runs on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    host: str


class SavedPlan(BaseModel):
    """A plan file, format 1. `provider` and `backend` say how the engine is reached and which state the plan is for, and `engine`
    who answered there, None where that has no name of its own; `options` are what it was made with, so that it can be made
    again and compared; `state_sha256` is the hash of the serial that it was made against, None before the first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["sutazai-plan"]
    format_version: Literal[1]
    made: Made
    provider: ProviderOptions
    engine: Engine | None = None
    backend: BackendOptions
    options: PlanOptions
    state_sha256: str | None
    plan: Plan
    plan_digest: str
    sha256: str = ""


def seal(
    plan: Plan,
    options: PlanOptions,
    *,
    made: Made,
    provider: ProviderOptions,
    engine: Engine | None,
    backend: BackendOptions,
    state_sha256: str | None,
) -> SavedPlan:
    """The plan as a file holds it: redacted, with its digests."""
    saved = SavedPlan(
        format="sutazai-plan",
        format_version=1,
        made=made,
        provider=provider,
        engine=engine,
        backend=backend,
        options=options,
        state_sha256=state_sha256,
        plan=without_secrets(plan),
        plan_digest=digest_of_plan(plan, options, state_sha256),
    )
    return saved.model_copy(update={"sha256": _digest(_document(saved))})


def digest_of_plan(plan: Plan, options: PlanOptions, state_sha256: str | None) -> str:
    """What identifies a plan: everything that it would do, and against what."""
    dumped = _plans().dump_python(without_secrets(plan), mode="json", exclude_unset=True)
    asked = stored_options().dump_python(options, mode="json")
    # files of versions that did not know these have their digest
    if not options.no_canary:
        del asked["no_canary"]
    if options.strategy == DEFAULT:
        del asked["strategy"]
    if plan.strategy in (None, DEFAULT):
        del dumped["strategy"]
    if plan.capacity is not None and plan.capacity.beside == Beside():
        del dumped["capacity"]["beside"]
    return digest_of({"plan": _ordered(dumped), "options": asked, "state_sha256": state_sha256})


def without_secrets(plan: Plan) -> Plan:
    return replace(plan, changes=tuple(map(redacted, plan.changes)), drift=tuple(map(redacted, plan.drift)))


def as_data(change: ResourceChange) -> dict[str, Any]:
    """A change as plain JSON data, redacted: equal for equal changes, whether read from a file or just made."""
    found: dict[str, Any] = _changes().dump_python(redacted(change), mode="json")
    return found


def write(saved: SavedPlan) -> bytes:
    """The file's content: one line of JSON, in the plan's own order, which is the one it is shown in."""
    return _written(_document(saved))


def read(data: bytes, source: str) -> SavedPlan:
    """The plan in `data`; `source` names it in the errors. Raises `PlanFileError` when it is no plan file, of a newer
    format, or not as it was written."""
    document = _plan_document(data, source)
    version = document.get("format_version")
    if isinstance(version, int) and version > NEWEST:
        made = document.get("made")
        by = made.get("version", "a newer version") if isinstance(made, dict) else "a newer version"
        raise PlanFileError(
            f"{source} is a plan file of format {version}, written by sutazai {by}; this version reads format {NEWEST}",
            hint="apply it with the version that wrote it, or plan again with this one",
        )
    if document.get("sha256") != _digest(document):
        raise _altered(source, "its sha256 does not match what it holds")
    try:
        saved = SavedPlan.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(word) for word in first["loc"])
        raise _altered(source, f"{where}: {first['msg']}") from error
    if saved.plan_digest != digest_of_plan(saved.plan, saved.options, saved.state_sha256):
        raise _altered(source, "its plan_digest does not match its plan")
    # which no digest sees: other spaces, or a key that stands there twice, the last of which was read
    if data != _written(document):
        raise _altered(source, "it says the same, and is not written as a plan file is")
    return saved


def _plan_document(data: bytes, source: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and document.get("format") == FORMAT:
        return document
    hint = "plan files are written by: sutazai plan -o FILE"
    if isinstance(document, dict) and "resource_changes" in document:
        hint = f"it is the output of plan --json, which is for programs to read; {hint}"
    elif data.lstrip()[:1] == b"{" and FORMAT.encode() in data:
        raise _altered(source, "it is not whole JSON")
    raise PlanFileError(f"{source} is not a plan file", hint=hint)


def _altered(source: str, why: str) -> PlanFileError:
    return PlanFileError(
        f"{source} was altered or damaged since it was written: {why}",
        hint="a plan file must never be edited: plan again with sutazai plan -o FILE",
    )


def _document(saved: SavedPlan) -> dict[str, Any]:
    document: dict[str, Any] = saved.model_dump(mode="json", exclude_unset=True)
    document["plan"] = _ordered(document["plan"])
    return document


def _written(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _ordered(plan: dict[str, Any]) -> dict[str, Any]:
    """Sets in one order, so that the same plan is the same bytes."""
    return plan | {name: sorted(plan[name]) for name in ("pending", "tainted")}


def _digest(document: dict[str, Any]) -> str:
    return digest_of({key: value for key, value in document.items() if key != "sha256"})


@cache
def _plans() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


@cache
def _changes() -> TypeAdapter[ResourceChange]:
    return TypeAdapter(ResourceChange)
