"""The labels by which an adapter finds its own containers again, and what it writes down beside them.

`io.sutazai.words` holds, as JSON, the few declared words that an engine can't report as they were meant:
which ports were declared as exposed (the image's are mixed in), where configs were put and which volumes are
there for them, the names it gave in networks itself.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from sutazai.address import Address
from sutazai.state.scope import PREFIX, Scope, Slot

if TYPE_CHECKING:
    from sutazai.ports import InstanceSpec

WORDS = PREFIX + "words"
ANONYMOUS = PREFIX + "anonymous"
"""On a volume whose name the engine made up: the workload that it was made for. Such a volume has no address of its own."""
_COMPOSE = "com.docker.compose."
_CONFIG = PREFIX + "config."


def labels_of(spec: "InstanceSpec", scope: Scope, config_folders: Collection[str] = ()) -> dict[str, str]:
    """All labels of a container: the user's, the scope's, and `spec.labels` above everything. `config_folders` are the places of
    volumes that it has for its configs only."""
    workload = spec.workload
    labels = {
        **workload.labels,
        **scope.labels(spec.address),
        PREFIX + "slot": spec.slot.value,
        PREFIX + "replica": str(spec.replica),
        PREFIX + "image": workload.image or spec.image,
    }
    for name in ("tier", "category"):
        if text := getattr(workload, name):
            labels[PREFIX + name] = text
    for name in sorted({grant.source for grant in workload.configs} & spec.configs.keys()):
        labels[_CONFIG + name] = hashlib.sha256(spec.configs[name].encode()).hexdigest()
    labels.update(spec.labels)
    if words := {**_words(spec), **({"config_folders": list(config_folders)} if config_folders else {})}:
        labels[WORDS] = json.dumps(words, sort_keys=True, separators=(",", ":"))
    return labels


def _words(spec: "InstanceSpec") -> dict[str, Any]:
    from sutazai.model.workload import declared

    workload = spec.workload
    aliases = {alias for attachment in workload.networks.values() for alias in attachment.aliases}
    grace = workload.stop_grace_period
    devices = workload.deploy.resources.reservations.devices
    words = {
        "hosts": [name for name in spec.hosts if name not in aliases],
        "expose": list(workload.expose),
        "configs": [declared(grant) for grant in workload.configs],
        "all_devices": [
            n for n, request in enumerate(devices) if not request.count and not request.device_ids
        ],
        "security_opt": [option for option in workload.security_opt if option == "label=disable"],
        "stop_grace_period": grace if grace is not None and not grace.is_integer() else None,
    }
    return {name: value for name, value in words.items() if value}


def anonymous_labels(scope: Scope, address: Address) -> dict[str, str]:
    """All labels of a volume whose name the engine makes up."""
    return {
        PREFIX + "project": scope.project,
        PREFIX + "environment": scope.environment,
        ANONYMOUS: str(address),
    }


def anonymous_in(labels: Mapping[str, str] | None) -> Address | None:
    """The workload that a volume without a name was made for."""
    try:
        return Address.parse((labels or {}).get(ANONYMOUS, ""))
    except ValueError:
        return None


def words_in(labels: Mapping[str, str]) -> dict[str, Any]:
    """What `labels_of` wrote down; nothing where the label is missing or was altered by hand."""
    try:
        words = json.loads(labels.get(WORDS, "{}"))
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}


def is_own(labels: Mapping[str, str] | None, scope: Scope) -> bool:
    """Whether an object belongs to this scope, and so may be changed."""
    found = labels or {}
    return (
        found.get(PREFIX + "project") == scope.project
        and found.get(PREFIX + "environment") == scope.environment
    )


def owner_in(labels: Mapping[str, str]) -> str:
    """`PROJECT/ENVIRONMENT`, empty where the labels name none."""
    project = labels.get(PREFIX + "project", "")
    return f"{project}/{labels.get(PREFIX + 'environment', '')}" if project else ""


def address_in(labels: Mapping[str, str]) -> Address | None:
    try:
        return Address.parse(labels.get(PREFIX + "address", ""))
    except ValueError:
        return None


def slot_in(labels: Mapping[str, str]) -> Slot:
    return Slot.GREEN if labels.get(PREFIX + "slot") == Slot.GREEN.value else Slot.BLUE


def number_in(labels: Mapping[str, str], name: str, default: int) -> int:
    text = labels.get(PREFIX + name, "")
    return int(text) if text.isdigit() else default


def configs_in(labels: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(_CONFIG): digest for name, digest in labels.items() if name.startswith(_CONFIG)}


def user_labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if not name.startswith(PREFIX)}


def composes_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """What Docker Compose writes on the containers that it makes, by which it knows them again; none of ours is one of them."""
    if owner_in(labels):
        return {}
    return {name: value for name, value in labels.items() if name.startswith(_COMPOSE)}


def scope_filters(scope: Scope) -> list[str]:
    return [f"{PREFIX}project={scope.project}", f"{PREFIX}environment={scope.environment}"]
