"""A rendered body to a `Workload`: what is read from files and from the process's environment is taken in
here."""

import contextlib
import json
import os
import re

from sutazai.model.compose import Mount, NetworkAttachment
from sutazai.model.units import if_said
from sutazai.model.workload import SECRET, Workload
from sutazai.specs import words
from sutazai.specs.around import NAME_VALUE, Around
from sutazai.specs.dotenv import DotenvError, read
from sutazai.specs.nodes import Mapping, Node, Plain, Scalar, Sequence, find, kind_of, plain, scalars
from sutazai.specs.read import read_text
from sutazai.specs.report import Report
from sutazai.specs.resolve import Draft
from sutazai.specs.shape import check_keys
from sutazai.specs.translate import validate_parts
from sutazai.specs.world import World

IMPLICIT_NETWORK = "default"
"""The network of every workload that names none, and no network_mode: as in Compose, one for the project."""
_IF_SAID = frozenset(name for name, field in Workload.model_fields.items() if if_said in field.metadata)
_REMOTE = re.compile(r"^([a-z+]+://|git@|github\.com/)")


def workload(
    draft: Draft, world: World, around: Around, report: Report
) -> tuple[Workload, frozenset[str]] | None:
    """The model of a rendered draft, and the names of its fields that are not in the model since they are wrong, which is
    reported. So what else is wrong with the others is found in the same run. None when nothing is left."""
    if draft.body is None:
        return None
    body = draft.body
    before, report.failed = report.failed, False
    data = _declared(body)
    _environment(draft, body, data, world, around, report)
    _arguments(data, around)
    _profiles(draft, body, data, world, report)
    _secret_places(draft, body, report)
    model, wrong = validate_parts(Workload, body, "", report, draft.where, data)
    if report.failed and not wrong:
        wrong = frozenset({"environment"})
    if not draft.complete:
        wrong |= Workload.model_fields.keys() - data.keys()
    report.failed = report.failed or before
    if model is None:
        return None
    return _with_network(_with_paths(draft, body, model, world, report)), wrong


def _with_network(model: Workload) -> Workload:
    if model.networks or model.network_mode is not None:
        return model
    return model.model_copy(update={"networks": {IMPLICIT_NETWORK: NetworkAttachment()}})


def _declared(body: Mapping) -> dict[str, Plain]:
    """The body's data. A field that is there without a value says nothing, as in Compose; nor does an empty text, of some."""
    return {
        name: data
        for name, entry in body.entries.items()
        if name != "env_file"
        and not (name in _IF_SAID and plain(entry.node) == "")
        and (data := plain(entry.node)) is not None
    }


def _environment(
    draft: Draft, body: Mapping, data: dict[str, Plain], world: World, around: Around, report: Report
) -> None:
    """`env_file` under `environment`; a variable without a value has the one around the project. Where there is none, the
    container is not to have it, whatever a file or the image says."""
    values: dict[str, Plain] = {}
    node = body.get("env_file")
    if node is not None and plain(node) is not None:
        for item in node.items if isinstance(node, Sequence) else (node,):
            values.update(_env_file(draft, item, world, around, report))
    declared = data.get("environment", {})
    if not isinstance(declared, dict):
        return
    for name, value in declared.items():
        values[name] = around.variable(name) if value is None else value
    if values or "environment" in data:
        data["environment"] = values


def _env_file(draft: Draft, item: Node, world: World, around: Around, report: Report) -> dict[str, Plain]:
    """One file of variables; nothing when it is wrong, which is reported."""
    path = item.get("path") if isinstance(item, Mapping) else item
    required = item.get("required") if isinstance(item, Mapping) else None
    if not isinstance(path, Scalar) or not isinstance(path.value, str):
        report.error(
            item.mark,
            f"env_file takes paths, not {kind_of(item)}",
            "bad-value",
            hint="write env_file: FILE or env_file: [{path: FILE, required: false}]",
            related=draft.where(item.mark),
        )
        return {}
    if isinstance(item, Mapping):
        check_keys(item, ("path", "required"), "env_file", report, draft.where)
    if world.kind(path.value) != "file":
        if not (isinstance(required, Scalar) and required.value is False):
            report.error(
                path.mark,
                f"the env_file {path.value} does not exist",
                "missing-file",
                hint="it is looked for in the project; {path: FILE, required: false} does without it",
                related=draft.where(path.mark),
            )
        return {}
    try:
        return dict(read(read_text(world, path.value, report) or "", around.variable))
    except DotenvError as error:
        summary = f"line {error.line} of {path.value}: {error}"
        report.error(path.mark, summary, "bad-env-file", hint=NAME_VALUE, related=draft.where(path.mark))
        return {}


def _arguments(data: dict[str, Plain], around: Around) -> None:
    """A build's argument without a value has the one around the project. Where there is none, the Dockerfile's own counts."""
    build = data.get("build")
    args = build.get("args") if isinstance(build, dict) else None
    if isinstance(build, dict) and isinstance(args, dict):
        found = {name: around.variable(name) if value is None else value for name, value in args.items()}
        build["args"] = {name: value for name, value in found.items() if value is not None}


def _profiles(draft: Draft, body: Mapping, data: dict[str, Plain], world: World, report: Report) -> None:
    """A profile of seccomp in a file as its text: the Engine is given the profile, not a place on this machine."""
    options = data.get("security_opt")
    for index, text in enumerate(options if isinstance(options, list) else ()):
        match = words.PROFILE.fullmatch(text) if isinstance(text, str) else None
        if match is None or not isinstance(options, list):
            continue
        mark, found = find(body, ("security_opt", index)).mark, None
        if world.kind(match[1]) != "file":
            summary, code = f"the seccomp profile {match[1]} does not exist", "missing-file"
        else:
            summary, code = f"the seccomp profile {match[1]} is no JSON", "bad-value"
            with contextlib.suppress(ValueError):
                found = json.loads(read_text(world, match[1], report) or "")
        if isinstance(found, dict):
            options[index] = f"seccomp={json.dumps(found, separators=(',', ':'))}"
            continue
        hint = "it is a JSON file, looked for in the project; unconfined is none"
        report.error(mark, summary, code, hint=hint, related=draft.where(mark))


def _secret_places(draft: Draft, body: Mapping, report: Report) -> None:
    """A secret is a variable's value or a file, and nothing else: everything else ends up in states and on
    command lines."""
    for name, entry in body.entries.items():
        for scalar in scalars(entry.node) if name != "environment" else ():
            if isinstance(scalar.value, str) and SECRET.search(scalar.value):
                report.error(
                    scalar.mark,
                    f"a secret can't be used in {name}",
                    "secret-place",
                    hint="use it in environment, or list it under secrets to have it as a file in /run/secrets",
                    related=draft.where(scalar.mark),
                )


def _with_paths(draft: Draft, body: Mapping, model: Workload, world: World, report: Report) -> Workload:
    """Sources of bind mounts as absolute paths."""
    changes: dict[str, object] = {}
    if any(mount.type == "bind" for mount in model.volumes):
        changes["volumes"] = tuple(_absolute(mount, world) for mount in model.volumes)
    if model.build is not None and model.build.context and not _REMOTE.match(model.build.context):
        place = find(body, ("build", "context"))
        if world.kind(model.build.context) != "folder":
            report.error(
                place.mark,
                f"the build context {model.build.context} does not exist",
                "missing-file",
                hint="it is a directory, looked for from the project's directory",
                related=draft.where(place.mark),
            )
    return model.model_copy(update=changes) if changes else model


def _absolute(mount: Mount, world: World) -> Mount:
    if mount.type != "bind" or mount.source is None:
        return mount
    source = mount.source
    if source == "~" or source.startswith("~/"):
        source = (world.variable("HOME") or "/root") + source[1:]
    return mount.model_copy(update={"source": os.path.normpath(world.root / source)})
