"""What a simulated container reports of the workload it was made from, in the way that Docker would."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sutazai.errors import ProviderError
from sutazai.model.compose import Logging, Mount, NetworkAttachment, Resources
from sutazai.model.workload import Deploy, Limits, Reservations, Workload
from sutazai.providers.simulated.engine import SimulatedImage
from sutazai.state.published import published_ports
from sutazai.state.scope import PREFIX

_REPORTED = frozenset(Workload.model_fields) - {
    "build", "env_file", "depends_on", "secrets", "pull_policy", "module", "inputs", "route", "checks", "rollout",
    "lifecycle", "hooks", "backup", "deploy", "image", "labels", "environment", "ports",
}  # fmt: skip
_UNSAID = {
    name: Workload.model_fields[name].get_default() for name in _REPORTED | {"labels", "environment", "ports"}
}


def attachment_of(attachment: NetworkAttachment) -> NetworkAttachment:
    """Everything a network reports of a member, explicitly."""
    fields = {
        name: getattr(attachment, name) for name in NetworkAttachment.model_fields if name != "priority"
    }
    if fields["mac_address"] is None:
        del fields["mac_address"]
    return NetworkAttachment(**fields)


def defaults_of(image: SimulatedImage, identity: str) -> Workload:
    given = {name: getattr(image.body, name) for name in image.body.model_fields_set}
    fields = {**_UNSAID, "command": (), "entrypoint": (), "hostname": identity[:12], "shm_size": 64 << 20,
               "logging": Logging(driver="json-file", options={}), "ipc": "private", "platform": "linux/amd64"}  # fmt: skip
    return Workload(**{**fields, **given, "deploy": _deploy(Deploy())})


def filled_in(image: SimulatedImage, identity: str) -> dict[str, Any]:
    return defaults_of(image, identity).form


def _deploy(deploy: Deploy) -> Deploy:
    """What a container reports of it: limits and reservations, explicitly."""
    limits, reserved = deploy.resources.limits, deploy.resources.reservations
    return Deploy(
        resources=Resources(
            limits=Limits(cpus=limits.cpus, memory=limits.memory, pids=limits.pids),
            reservations=Reservations(memory=reserved.memory, devices=reserved.devices),
        )
    )


def body_of(workload: Workload, image: SimulatedImage, labels: Mapping[str, str], identity: str) -> Workload:
    defaults = defaults_of(image, identity)
    fields = {name: getattr(defaults, name) for name in defaults.model_fields_set}
    declared = workload.model_fields_set & _REPORTED
    fields |= {name: value for name in declared if (value := getattr(workload, name)) is not None}
    if "entrypoint" in declared and "command" not in declared:
        fields["command"] = ()
    fields |= {
        "image": labels[PREFIX + "image"],
        "environment": {**defaults.environment, **workload.environment},
        "labels": {**defaults.labels, **workload.labels},
        "networks": {name: attachment_of(member) for name, member in sorted(workload.networks.items())},
        "deploy": _deploy(workload.deploy),
        "ports": [{name: getattr(port, name) for name in ("target", "published", "host_ip", "protocol")}
                  for port in published_ports(workload)],
        "volumes": [*workload.volumes, *_unless(defaults.volumes, {mount.target for mount in workload.volumes})],
    }  # fmt: skip
    return Workload(**fields)


def _unless(mounts: Iterable[Mount], taken: Collection[str]) -> list[Mount]:
    return [mount for mount in mounts if mount.target not in taken]


def places_without_source(body: Workload) -> list[str]:
    """Where the engine puts volumes of which nobody said a name."""
    return [mount.target for mount in body.volumes if mount.type == "volume" and not mount.source]


def updated(now: Deploy, wanted: Deploy, path: tuple[str, ...]) -> Deploy:
    """`now` with the resources under `path` as wanted. A limit of CPU or memory can't be lifted, as in
    Docker."""
    found = now.resources.model_dump()
    for group, name in (
        ("limits", "cpus"),
        ("limits", "memory"),
        ("limits", "pids"),
        ("reservations", "memory"),
    ):
        if (group, name)[: len(path)] != path:
            continue
        value = getattr(getattr(wanted.resources, group), name)
        if value is None and path == (group, name) and name != "pids":
            raise ProviderError(f"can't lift deploy.resources.{group}.{name} from a running container")
        if value is not None or name == "pids":
            found[group][name] = value
    return _deploy(Deploy(resources=Resources.model_validate(found)))
