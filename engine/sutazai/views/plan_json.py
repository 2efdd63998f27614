"""The plan as JSON, in Terraform's format (format_version 1.2), so that what reads Terraform's plans reads
these.

Source: Terraform's "JSON Output Format". Beyond it stands the block `sutazai`. A sensitive value never
appears: where Terraform writes it beside `before_sensitive`, this writes `(sensitive value)`. The same plan
gives the same bytes.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sutazai.address import Address, Kind
from sutazai.model.base import Effect
from sutazai.plan.change import REPLACED, Action, FieldChange, Plan, Reason, ResourceChange
from sutazai.plan.hooks import hooks_of
from sutazai.plan.redact import masked, with_value
from sutazai.views.values import Path

FORMAT_VERSION = "1.2"
STATE_FORMAT_VERSION = "1.0"
TERRAFORM_VERSION = "1.11.4"
"""The Terraform whose output this follows. Readers insist on a version that they know, and refuse a plan without one."""
PROVIDER = "sutazai/docker"
TYPES: Mapping[Kind, str] = {
    Kind.AGENT: "sutazai_agent",
    Kind.SERVICE: "sutazai_service",
    Kind.NETWORK: "docker_network",
    Kind.VOLUME: "docker_volume",
    Kind.CONFIG: "sutazai_config",
    Kind.SECRET: "sutazai_secret",
}

Json = dict[str, Any]

IMAGE, IMAGE_ID = ("image",), ("image_id",)
"""The name of the image that is declared, and of which image a container is: among the values of a change where it differs."""


def to_json(plan: Plan, *, timestamp: str) -> str:
    """The plan as one line of JSON. `timestamp` is when it was made (ISO 8601)."""
    return json.dumps(document(plan, timestamp), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def document(plan: Plan, timestamp: str) -> Json:
    """The plan as plain data."""
    return {
        "format_version": FORMAT_VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "timestamp": timestamp,
        "errored": plan.errored,
        "applyable": plan.applyable and bool(plan.recorded if plan.kind == "refresh" else plan.actions),
        "complete": not plan.targeted and not plan.errored,
        "resource_changes": resource_changes(plan),
        "resource_drift": [_change(change) for change in plan.drift],
        "output_changes": {},
        "checks": [],
        "prior_state": {
            "format_version": STATE_FORMAT_VERSION,
            "terraform_version": TERRAFORM_VERSION,
            "values": _prior(plan),
        },
        "planned_values": _planned(plan),
        "configuration": _configuration(plan),
        "sutazai": _own(plan),
    }


def resource_changes(plan: Plan) -> list[Json]:
    """What happens to each resource, no-ops too, in Terraform's words."""
    return [_change(change) for change in plan.changes if _is_there(change)]


def _identity(address: Address) -> Json:
    return {"address": str(address), "mode": "managed", "type": TYPES[address.kind], "name": address.name}


def _is_there(change: ResourceChange) -> bool:
    """Whether there is anything of it, before or after. What is only wanted and left out by a target is not a change."""
    return change.before is not None or change.after is not None


def _change(change: ResourceChange) -> Json:
    data = {**_identity(change.address), "provider_name": PROVIDER, "change": _values(change)}
    if change.reason is not Reason.NONE:
        data["action_reason"] = change.reason.value
    return data


def _values(change: ResourceChange) -> Json:
    hidden = [field for field in change.fields if field.sensitive]
    unknown = [field.path for field in change.fields if not field.known]
    adopted = change.action is Action.ADOPT
    data: Json = {
        "actions": ["update"] if adopted and change.fields else list(change.action.terraform),
        "before": masked(_before(change), (field.path for field in hidden)),
        "after": masked(_without(_after(change), unknown), (field.path for field in hidden)),
        "after_unknown": _marks(unknown) if change.after is not None else {},
        "before_sensitive": _marked(change.before, hidden, "before"),
        "after_sensitive": _marked(change.after, hidden, "after"),
    }
    if change.imported_id:
        data["importing"] = {"id": change.imported_id}
    if change.action in REPLACED:
        paths = [field.path for field in change.fields if field.effect is Effect.REPLACE]
        if IMAGE in paths:  # which says it already
            paths = [path for path in paths if path != IMAGE_ID]
        found = [_leading(path, (change.before, change.after)) for path in paths]
        data["replace_paths"] = [path for n, path in enumerate(found) if path not in found[:n]]
    return data


def _leading(path: Path, bodies: Iterable[Any]) -> list[str | int]:
    """A path as one leads into the values. What is compared by a key of its own, as a volume is by its target, lies in a list
    there: that ends the path, as a set does in Terraform."""
    places, steps = list(bodies), list[str | int]()
    for n, word in enumerate(path):
        if not word.isdigit() and any(isinstance(place, (list, tuple)) for place in places):
            break
        steps.append(int(word) if word.isdigit() and n else word)
        places = [place[word] for place in places if isinstance(place, Mapping) and word in place]
    return steps


def _before(change: ResourceChange) -> Mapping[str, Any] | None:
    return _with_image(change, change.before, "before")


def _after(change: ResourceChange) -> Mapping[str, Any] | None:
    return _with_image(change, change.after, "after")


def _with_image(
    change: ResourceChange, body: Mapping[str, Any] | None, side: str
) -> Mapping[str, Any] | None:
    found = [getattr(field, side) for field in change.fields if field.path == IMAGE_ID]
    return {**body, IMAGE_ID[0]: found[0]} if body is not None and any(found) else body


def _marked(body: Mapping[str, Any] | None, hidden: Iterable[FieldChange], side: str) -> Json | bool:
    """Terraform's shape: `false` for an absent object, else its sensitive paths as `true`."""
    if body is None:
        return False
    return _marks(field.path for field in hidden if getattr(field, side) is not None)


def _marks(paths: Iterable[Path]) -> Json:
    marks: Json = {}
    for path in paths:
        at = marks
        for word in path[:-1]:
            inner = at.setdefault(word, {})
            if not isinstance(inner, dict):
                break
            at = inner
        else:
            at[path[-1]] = True
    return marks


def _without(body: Mapping[str, Any] | None, paths: Iterable[Path]) -> Mapping[str, Any] | None:
    if body is None:
        return None
    for path in paths:
        body = with_value(dict(body), path, None)
    return body


def _resource(plan: Plan, change: ResourceChange, body: Json) -> Json:
    hidden = [field for field in change.fields if field.sensitive]
    return {
        **_identity(change.address),
        "provider_name": PROVIDER,
        "schema_version": 0,
        "values": masked(body, (field.path for field in hidden)),
        "sensitive_values": _marks(field.path for field in hidden),
        "depends_on": [str(address) for address in plan.desired.dependencies(change.address)],
    }


def _planned(plan: Plan) -> Json:
    found = [
        _resource(plan, change, dict(body)) for change in plan.changes if (body := _after(change)) is not None
    ]
    return {"root_module": {"resources": found}}


def _prior(plan: Plan) -> Json:
    found = [
        _resource(plan, change, dict(body))
        for change in plan.changes
        if (body := _before(change)) is not None
    ]
    for resource in found:
        if Address.parse(resource["address"]) in plan.tainted:
            resource["tainted"] = True
    return {"root_module": {"resources": found}}


def _configuration(plan: Plan) -> Json:
    hidden = {
        change.address: [field.path for field in change.fields if field.sensitive] for change in plan.changes
    }
    resources = []
    for address in plan.desired.addresses():
        body = plan.desired.resource(address)
        values = masked(body.form, hidden.get(address, ())) if body is not None else None
        resources.append({
            **_identity(address),
            "provider_config_key": "docker",
            "schema_version": 0,
            "expressions": {key: {"constant_value": value} for key, value in (values or {}).items()},
            "depends_on": [str(needed) for needed in plan.desired.dependencies(address)],
        })  # fmt: skip
    return {
        "provider_config": {"docker": {"name": "docker", "full_name": PROVIDER}},
        "root_module": {"resources": resources},
    }


def _own(plan: Plan) -> Json:
    """What Terraform's format has no place for."""
    return {
        "project": plan.project,
        "environment": plan.environment,
        "kind": plan.kind,
        "lineage": plan.lineage,
        "serial": plan.serial,
        "of_serial": plan.of_serial,
        "strategy": plan.strategy,
        "spec_digest": plan.spec_digest,
        "summary": plan.summary,
        "destroy_volumes": plan.destroy_volumes,
        "pending": [str(address) for address in sorted(plan.pending)],
        "waves": [{"index": wave.index, "canary": wave.canary, "addresses": [str(a) for a in wave.addresses]}
                  for wave in plan.waves],
        "beside": [str(change.address) for change in plan.beside],
        "capacity": asdict(plan.capacity) if plan.capacity else None,
        "strategies": {str(change.address): {"strategy": change.strategy, "reason": change.strategy_reason}
                       for change in plan.actions if change.strategy},
        "hooks": {str(change.address): [{"hook": hook.name, "where": hook.where} for hook in found]
                  for change in plan.actions if (found := hooks_of(change, plan))},
        "reasons": {str(change.address): change.detail for change in plan.actions if change.detail},
        "findings": [{"severity": finding.severity, "code": finding.code, "summary": finding.summary,
                      "address": str(finding.address) if finding.address else None, "hint": finding.hint}
                     for finding in plan.findings],
    }  # fmt: skip
