"""A workload in the Engine API's words: the body of `POST /containers/create`.

Every declared field with an effect on the container is carried into it or refused with a `ProviderError`; a
field that nobody declared is left out, so that the image and the engine decide. Source: Docker Engine API
1.40 to 1.47.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sutazai.errors import ProviderError
from sutazai.model.compose import DeviceRequest, Healthcheck, NetworkAttachment
from sutazai.model.workload import Workload
from sutazai.ports import InstanceSpec
from sutazai.providers.docker.anonymous import NO_FOLDERS, Anonymous, Folders
from sutazai.providers.docker.mounts import mounts_of
from sutazai.providers.marks import anonymous_labels, labels_of
from sutazai.providers.names import Names
from sutazai.state.published import published_ports

Json = dict[str, Any]
ENDPOINTS_AT_CREATE = (1, 44)
"""The API that takes several networks, and a MAC address for each, when a container is made."""
_START_INTERVAL = (1, 44)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the translation needs to know beside the workload. `image` is the image's own `Config`;
    `sibling` finds the container ID of another workload of the scope by name (for `network_mode:
    service:NAME`); `folders` get volumes for configs."""

    names: Names
    api: tuple[int, int]
    image: Mapping[str, Any]
    sibling: Callable[[str], str]
    folders: Folders = NO_FOLDERS


@dataclass(frozen=True, slots=True)
class Creation:
    """`body` for the create call; `later` are the networks to join before the start, as object name →
    settings."""

    name: str
    body: Json
    platform: str | None
    later: Mapping[str, Json]


def to_engine(spec: InstanceSpec, around: Surroundings) -> Creation:
    """Raises ProviderError for what this engine can't do."""
    workload = spec.workload
    _refuse_secrets(workload)
    labels = anonymous_labels(around.names.scope, spec.address)
    host = _host_config(workload, around, Anonymous(labels, spec.inherits, around.image, around.folders))
    body: Json = {
        "Image": spec.image,
        "Labels": labels_of(spec, around.names.scope, around.folders.places),
        **_process(workload, around.image),
    }
    if workload.healthcheck is not None:
        body["Healthcheck"] = _healthcheck(workload.healthcheck, around.api)
    exposed, bindings = _ports(workload)
    if exposed:
        body["ExposedPorts"] = {port: {} for port in exposed}
    if bindings:
        host["PortBindings"] = bindings
    later: dict[str, Json] = {}
    if workload.network_mode is not None:
        host["NetworkMode"] = _namespace(workload.network_mode, around)
    elif workload.networks:
        later = _endpoints(spec, around)
        first = next(iter(later))
        host["NetworkMode"] = first
        now = list(later) if around.api >= ENDPOINTS_AT_CREATE else [first]
        body["NetworkingConfig"] = {"EndpointsConfig": {name: later.pop(name) for name in now}}
        _old_mac(body, first, later, around.api)
    body["HostConfig"] = host
    return Creation(spec.name, body, workload.platform, later)


def _refuse_secrets(workload: Workload) -> None:
    if workload.secrets:
        raise ProviderError("secrets are not carried out yet", hint="leave `secrets` out of this workload")


def _process(workload: Workload, image: Mapping[str, Any]) -> Json:
    body: Json = {}
    given = workload.model_fields_set
    if workload.entrypoint is not None:
        body["Entrypoint"] = list(workload.entrypoint) or [""]  # [""] is the engine's word for "none"
    if workload.command is not None:
        body["Cmd"] = list(workload.command)
        if not workload.command and workload.entrypoint is None:
            # An empty Cmd takes the image's, unless an entrypoint is given: give the image's own.
            body["Entrypoint"] = list(image.get("Entrypoint") or [""])
    if workload.environment:
        body["Env"] = [
            key if value is None else f"{key}={value}" for key, value in workload.environment.items()
        ]
    names = {"User": "user", "WorkingDir": "working_dir", "Hostname": "hostname", "StopSignal": "stop_signal"}
    body.update({key: value for key, name in names.items() if (value := getattr(workload, name)) is not None})
    if "stop_grace_period" in given and workload.stop_grace_period is not None:
        body["StopTimeout"] = math.ceil(workload.stop_grace_period)
    return body


def _host_config(workload: Workload, around: Surroundings, anonymous: Anonymous) -> Json:
    reservations = workload.deploy.resources.reservations
    host: Json = {**resources(workload), "RestartPolicy": restart_policy(workload.restart)}
    host.update(mounts_of(workload, around.names, around.api, anonymous))
    lists = {
        "Dns": workload.dns,
        "CapAdd": workload.cap_add,
        "CapDrop": workload.cap_drop,
        "SecurityOpt": workload.security_opt,
    }
    host.update({key: list(values) for key, values in lists.items() if values})
    host["ExtraHosts"] = [
        f"{name}:{address}" for name, found in workload.extra_hosts.items() for address in found
    ]
    flags = {"ReadonlyRootfs": "read_only", "Init": "init", "Privileged": "privileged"}
    host.update(
        {key: getattr(workload, name) for key, name in flags.items() if name in workload.model_fields_set}
    )
    host["Devices"] = [
        {
            "PathOnHost": device.source,
            "PathInContainer": device.target,
            "CgroupPermissions": device.permissions,
        }
        for device in workload.devices
    ]
    host["DeviceRequests"] = [_device_request(request) for request in reservations.devices]
    host["Ulimits"] = [{"Name": name, "Soft": u.soft, "Hard": u.hard} for name, u in workload.ulimits.items()]
    if workload.sysctls:
        host["Sysctls"] = dict(workload.sysctls)
    if workload.shm_size is not None:
        host["ShmSize"] = workload.shm_size
    if workload.logging is not None:
        host["LogConfig"] = {"Type": workload.logging.driver or "", "Config": dict(workload.logging.options)}
    for key, mode in (("PidMode", workload.pid), ("IpcMode", workload.ipc)):
        if mode is not None:
            host[key] = _namespace(mode, around)
    return host


def resources(workload: Workload) -> Json:
    """Limits and reservations as `HostConfig` and `POST /containers/ID/update` take them. As in Compose,
    `reservations.cpus` is for placing workloads and has no counterpart on one engine."""
    limits, reservations = workload.deploy.resources.limits, workload.deploy.resources.reservations
    found: Json = {}
    if limits.cpus is not None:
        found["NanoCpus"] = round(limits.cpus * 1e9)
    if limits.memory is not None:
        found["Memory"] = limits.memory
    if limits.pids is not None:
        found["PidsLimit"] = limits.pids
    if reservations.memory is not None:
        found["MemoryReservation"] = reservations.memory
    return found


def restart_policy(restart: str) -> Json:
    name, _, count = restart.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def _device_request(request: DeviceRequest) -> Json:
    count = -1 if request.count == "all" else request.count
    if count is None and not request.device_ids:
        count = -1  # Compose: neither a count nor IDs means all
    return {
        "Driver": request.driver or "", "Count": count or 0, "DeviceIDs": list(request.device_ids),
        "Capabilities": [list(request.capabilities)], "Options": dict(request.options),
    }  # fmt: skip


def _healthcheck(check: Healthcheck, api: tuple[int, int]) -> Json:
    if check.disable:
        return {"Test": ["NONE"]}
    found: Json = {"Test": list(check.test)} if check.test else {}
    if check.start_interval is not None and api < _START_INTERVAL:
        raise ProviderError(
            f"healthcheck.start_interval needs API 1.44 (Docker 25); this engine speaks {api[0]}.{api[1]}",
            hint="leave start_interval out, or upgrade Docker",
        )
    times = {"Interval": check.interval, "Timeout": check.timeout, "StartPeriod": check.start_period,
             "StartInterval": check.start_interval}  # fmt: skip
    found.update({key: round(seconds * 1e9) for key, seconds in times.items() if seconds is not None})
    if check.retries is not None:
        found["Retries"] = check.retries
    return found


def _ports(workload: Workload) -> tuple[list[str], dict[str, list[Json]]]:
    exposed = [text for port in workload.expose for text in expose_range(port)]
    bindings: dict[str, list[Json]] = {}
    for port in published_ports(workload):
        key = f"{port.target}/{port.protocol}"
        exposed.append(key)
        binding = {"HostIp": port.host_ip or "", "HostPort": str(port.published or "")}
        if binding not in bindings.setdefault(key, []):  # one that Docker is to choose may be asked for twice
            bindings[key].append(binding)
    return list(dict.fromkeys(exposed)), bindings


def expose_range(text: str) -> list[str]:
    """`3000-3002/udp` as `3000/udp`, `3001/udp`, `3002/udp`."""
    ports, _, protocol = text.partition("/")
    first, _, last = ports.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ProviderError(f"expose: {text!r} is not a port")
    return [f"{port}/{protocol or 'tcp'}" for port in range(int(first), int(last or first) + 1)]


def _endpoints(spec: InstanceSpec, around: Surroundings) -> dict[str, Json]:
    """By object name, the network with the highest priority first, as in Compose."""
    networks = sorted(spec.workload.networks.items(), key=lambda item: (-(item[1].priority or 0), item[0]))
    return {around.names.network(name): endpoint(attachment, spec.hosts) for name, attachment in networks}


def endpoint(attachment: NetworkAttachment, hosts: tuple[str, ...]) -> Json:
    settings: Json = {"Aliases": list(dict.fromkeys((*hosts, *attachment.aliases)))}
    ipam = {"IPv4Address": attachment.ipv4_address, "IPv6Address": attachment.ipv6_address}
    given: Json = {key: address for key, address in ipam.items() if address}
    if attachment.link_local_ips:
        given["LinkLocalIPs"] = list(attachment.link_local_ips)
    if given:
        settings["IPAMConfig"] = given
    if attachment.mac_address:
        settings["MacAddress"] = attachment.mac_address
    return settings


def _old_mac(body: Json, first: str, later: Mapping[str, Json], api: tuple[int, int]) -> None:
    """Before API 1.44 a container has one MAC address, that of its first network."""
    if api >= ENDPOINTS_AT_CREATE:
        return
    if any("MacAddress" in settings for settings in later.values()):
        raise ProviderError(
            f"mac_address on a second network needs API 1.44 (Docker 25); this engine speaks {api[0]}.{api[1]}",
            hint="give that network the highest priority, or upgrade Docker",
        )
    mac = body["NetworkingConfig"]["EndpointsConfig"][first].pop("MacAddress", None)
    if mac:
        body["MacAddress"] = mac


def _namespace(mode: str, around: Surroundings) -> str:
    """`service:NAME` as the container that it means."""
    kind, _, name = mode.partition(":")
    return f"container:{around.sibling(name)}" if kind == "service" else mode
