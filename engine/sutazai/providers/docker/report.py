"""What the engine reports of a container, in the words of the model: the way back from `create`.

`form` says every field that the engine reports, explicitly; what it can't report (`build`, `route`,
`checks`, `deploy.replicas`, `reservations.cpus`, a port's `name`) is missing. The ports of a route are
among `ports`. `defaults` says what the image and the engine fill in by themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, cast, get_args

from sutazai.address import Address, agent
from sutazai.model.base import keep_form
from sutazai.model.compose import DeviceRequest, FileGrant, Mount, Resources
from sutazai.model.workload import NAMESPACES, Deploy, Limits, Reservations, Tier, Workload, without_refused
from sutazai.providers import marks
from sutazai.providers.docker.defaults import FilledIn, Usual, exposed, port_key, process
from sutazai.providers.docker.mounts import read_anonymous, read_mounts, read_tmpfs
from sutazai.providers.names import Names
from sutazai.state.observed import HealthStatus, Instance, Reported, Status
from sutazai.state.scope import HOOK, PREFIX

Json = Mapping[str, Any]
_EPOCH = "0001-01-01T00:00:00Z"
"""Go's zero time: the engine's word for "never"."""
_MOST_OUTPUT = 200
"""Characters of a HEALTHCHECK's output; Docker keeps 4096 bytes."""
_UNSAYABLE: Json = {"stop_grace_period": 10.0}
"""What stands for a value that no spec may say: one that is never to be killed is, as soon as one that says nothing of it."""
_STATUSES, _HEALTHS, _TIERS = (frozenset(get_args(words)) for words in (Status, HealthStatus, Tier))


@dataclass(frozen=True, slots=True)
class Context:
    """What all containers of one look have in common. `siblings` are the scope's containers as ID → address, `lenders` those
    whose namespaces they share as ID → name."""

    names: Names
    siblings: Mapping[str, Address]
    usual: Usual = field(default_factory=Usual)
    lenders: Mapping[str, str] = field(default_factory=dict)


def from_engine(container: Json, image: Json, context: Context) -> Instance:
    """`container` and `image` are the answers of `/containers/ID/json` and `/images/ID/json` (empty when
    the image is gone)."""
    config, state = container["Config"], container["State"]
    labels: dict[str, str] = config.get("Labels") or {}
    name = container["Name"].removeprefix("/")
    words = marks.words_in(labels)
    reported = _reported(container, image, context, words)
    return Instance(
        id=container["Id"],
        name=name,
        address=marks.address_in(labels) or agent(name),
        slot=marks.slot_in(labels),
        replica=marks.number_in(labels, "replica", 1),
        status=_status(state.get("Status", "")),
        health=_health(state),
        health_output=_health_output(state),
        image=labels.get(PREFIX + "image") or config["Image"],
        image_id=container["Image"],
        reported=reported,
        filled_in=FilledIn(
            container["Id"][:12],
            container["Image"],
            image,
            reported.form,
            context.usual,
            marks.composes_labels(labels),
        ),
        lineage=labels.get(PREFIX + "lineage", ""),
        serial=marks.number_in(labels, "serial", 0),
        spec_hash=labels.get(PREFIX + "spec-hash", ""),
        configs=marks.configs_in(labels),
        exit_code=state.get("ExitCode") if state.get("Status") in ("exited", "dead", "restarting") else None,
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        restart_count=container.get("RestartCount") or 0,
        started_at="" if state.get("StartedAt") == _EPOCH else state.get("StartedAt") or "",
        created_at=container.get("Created") or "",
        addresses=_addresses(container, context.names),
        published=_published(container),
        answers=_answers(container, context.names),
        anonymous=read_anonymous(container, context.names, words.get("config_folders", ())),
        lenders=_lenders(reported.form, context),
        adopted=not marks.owner_in(labels),
        owner=marks.owner_in(labels),
        hook=labels.get(HOOK, ""),
    )


def _lenders(form: Json, context: Context) -> dict[str, str]:
    modes = (mode for name in NAMESPACES if (mode := form[name])) if context.lenders else ()
    shared = {mode.partition(":")[2] for mode in modes}
    return {identity: name for identity, name in context.lenders.items() if identity in shared}


def _status(text: str) -> Status:
    return cast("Status", text) if text in _STATUSES else "dead"


def _health(state: Json) -> HealthStatus:
    text = (state.get("Health") or {}).get("Status", "none")
    return cast("HealthStatus", text) if text in _HEALTHS else "none"


def _health_output(state: Json) -> str:
    """Of the last attempt: its output, and its exit code where that says more."""
    attempts = (state.get("Health") or {}).get("Log") or []
    if not attempts:
        return ""
    output = " ".join(str(attempts[-1].get("Output") or "").split())
    shown = f"{output[:_MOST_OUTPUT]}…" if len(output) > _MOST_OUTPUT else output
    code = attempts[-1].get("ExitCode")
    return ", ".join(part for part in (shown, f"exit code {code}" if code else "") if part)


def _addresses(container: Json, names: Names) -> dict[str, str]:
    networks = container["NetworkSettings"].get("Networks") or {}
    found = {
        name: network.get("IPAddress") or network.get("GlobalIPv6Address")
        for name, network in networks.items()
    }
    return {names.logical_network(name): address for name, address in found.items() if address}


def _answers(container: Json, names: Names) -> dict[str, tuple[str, ...]]:
    networks = container["NetworkSettings"].get("Networks") or {}
    return {
        names.logical_network(name): tuple(network.get("Aliases") or ()) for name, network in networks.items()
    }


def _published(container: Json) -> dict[str, tuple[str, int]]:
    ports = container["NetworkSettings"].get("Ports") or {}
    return {key: (found[0]["HostIp"], int(found[0]["HostPort"])) for key, found in ports.items() if found}


def _reported(container: Json, image: Json, context: Context, words: Json) -> Reported:
    """Nothing in the plain form may be written in another way than in that of the model."""
    config, host = container["Config"], container["HostConfig"]
    labels: dict[str, str] = config.get("Labels") or {}
    mode = _network_mode(host.get("NetworkMode") or "", context)
    own, mounts = process(config), read_mounts(container, context.names, words.get("config_folders", ()))
    deploy = _deploy(host, words)
    form: dict[str, Any] = {
        **own,
        **_security(host, words),
        "image": labels.get(PREFIX + "image") or config["Image"],
        "expose": _expose(config, words),
        "ports": _ports(host),
        "volumes": [mount.form for mount in mounts],
        "tmpfs": list(read_tmpfs(host)),
        "networks": _networks(container, words, context.names),
        "restart": _restart(host.get("RestartPolicy") or {}),
        "deploy": deploy.form,
        "labels": marks.user_labels(labels),
        "hostname": config.get("Hostname") or None,
        "dns": host.get("Dns") or [],
        "extra_hosts": _extra_hosts(host),
        "init": bool(host.get("Init")),
        "devices": [
            {
                "source": d["PathOnHost"],
                "target": d["PathInContainer"],
                "permissions": d["CgroupPermissions"],
            }
            for d in host.get("Devices") or ()
        ],
        "sysctls": host.get("Sysctls") or {},
        "ulimits": {u["Name"]: {"soft": u["Soft"], "hard": u["Hard"]} for u in host.get("Ulimits") or ()},
        "shm_size": host.get("ShmSize") or None,
        "logging": _logging(host.get("LogConfig") or {}),
        "configs": [FileGrant.model_validate(grant).form for grant in words.get("configs", ())],
        "platform": _platform(container, image),
        "network_mode": mode,
        "pid": _namespace(host.get("PidMode") or "", context),
        "ipc": _namespace(host.get("IpcMode") or "", context),
        "category": labels.get(PREFIX + "category"),
        "tier": tier if (tier := labels.get(PREFIX + "tier")) in _TIERS else None,
    }
    if "stop_grace_period" in words:
        form["stop_grace_period"] = words["stop_grace_period"]
    return Reported(form, partial(_model, form, mounts, deploy))


def _model(form: dict[str, Any], mounts: Sequence[Mount], deploy: Deploy) -> Workload:
    """Without what the engine takes and no spec may say (`docker run --stop-timeout -1`): only `form` tells of that."""
    body = without_refused({**form, "volumes": mounts, "deploy": deploy}, _UNSAYABLE)
    keep_form(body, form)
    return body


def _security(host: Json, words: Json) -> dict[str, Any]:
    options = [option for option in host.get("SecurityOpt") or () if _was_declared(option, host, words)]
    return {
        "cap_add": [_capability(name) for name in host.get("CapAdd") or ()],
        "cap_drop": [_capability(name) for name in host.get("CapDrop") or ()],
        "security_opt": options,
        "read_only": bool(host.get("ReadonlyRootfs")),
        "privileged": bool(host.get("Privileged")),
    }


def _was_declared(option: str, host: Json, words: Json) -> bool:
    """The engine adds `label=disable` by itself where a container is privileged or shares the host's
    namespaces."""
    added = host.get("Privileged") or host.get("PidMode") == "host" or host.get("IpcMode") == "host"
    return option != "label=disable" or not added or option in words.get("security_opt", ())


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _expose(config: Json, words: Json) -> list[str]:
    """In the words of the declaration, which the engine mixes with the ports of the image and the published
    ones."""
    if "expose" in words:
        return list(words["expose"])
    return exposed(config)


def _ports(host: Json) -> list[dict[str, Any]]:
    bindings: Mapping[str, list[dict[str, str]] | None] = host.get("PortBindings") or {}
    return [
        {"target": port_key(key)[1], "protocol": port_key(key)[0],
         "published": _host_port(binding.get("HostPort") or ""), "host_ip": binding.get("HostIp") or None}
        for key in sorted(bindings, key=port_key) for binding in bindings[key] or ()
    ]  # fmt: skip


def _host_port(text: str) -> int | str | None:
    """A range, of which the engine takes a port that is free, stays the text that it is: no declaration says that."""
    return text if "-" in text else int(text or 0) or None


def _networks(container: Json, words: Json, names: Names) -> dict[str, dict[str, Any]]:
    mode = container["HostConfig"].get("NetworkMode") or "default"
    found = dict(container["NetworkSettings"].get("Networks") or {})
    if mode in ("default", "bridge"):
        found.pop("bridge", None)
    if mode in ("host", "none") or mode.startswith("container:"):
        return {}
    added = {container["Id"][:12], container["Name"].removeprefix("/"), *words.get("hosts", ())}
    old_mac = container["Config"].get("MacAddress") if len(found) == 1 or mode in found else None
    attachments = {}
    for name, network in sorted(found.items()):
        mac = old_mac if name == mode else None
        attachments[names.logical_network(name)] = _attachment(network, added, mac)
    return attachments


def _attachment(network: Json, added: set[str], mac: str | None) -> dict[str, Any]:
    ipam = network.get("IPAMConfig") or {}
    fields: dict[str, Any] = {
        "aliases": [alias for alias in network.get("Aliases") or () if alias not in added],
        "ipv4_address": ipam.get("IPv4Address") or None,
        "ipv6_address": ipam.get("IPv6Address") or None,
        "link_local_ips": ipam.get("LinkLocalIPs") or [],
    }
    if found := mac or network.get("MacAddress"):
        fields["mac_address"] = found
    return fields


def _restart(policy: Json) -> str:
    name, count = policy.get("Name") or "no", policy.get("MaximumRetryCount")
    return f"{name}:{count}" if count else str(name)


def _deploy(host: Json, words: Json) -> Deploy:
    uncounted = words.get("all_devices", ())
    devices = tuple(
        _device_request(request, counted=n not in uncounted)
        for n, request in enumerate(host.get("DeviceRequests") or ())
    )
    pids = max(host.get("PidsLimit") or 0, 0) or None
    sizes = (_cpus(host), host.get("Memory") or None, pids, host.get("MemoryReservation") or None)
    return _deploy_of(*sizes, devices) if devices else _same_deploy_of(*sizes)


def _deploy_of(
    cpus: float | None,
    memory: int | None,
    pids: int | None,
    reserved: int | None,
    devices: tuple[DeviceRequest, ...] = (),
) -> Deploy:
    limits = Limits(cpus=cpus, memory=memory, pids=pids)
    return Deploy(
        resources=Resources(limits=limits, reservations=Reservations(memory=reserved, devices=devices))
    )


_same_deploy_of = lru_cache(maxsize=1024)(_deploy_of)
"""One for all containers of the same sizes, as most of a fleet are: nothing can change it."""


def _cpus(host: Json) -> float | None:
    if nano := host.get("NanoCpus"):
        return float(nano) / 1e9
    if quota := host.get("CpuQuota"):
        return float(quota) / float(host.get("CpuPeriod") or 100_000) if quota > 0 else None
    return None


def _device_request(request: Json, *, counted: bool) -> DeviceRequest:
    """Only what says something: an empty driver is nobody's declaration."""
    count = (request.get("Count") or 0) if counted else 0
    found = {
        "driver": request.get("Driver"),
        "count": "all" if count == -1 else count,
        "device_ids": tuple(request.get("DeviceIDs") or ()),
        "capabilities": tuple((request.get("Capabilities") or [[]])[0]),
        "options": request.get("Options"),
    }
    return DeviceRequest(**{name: value for name, value in found.items() if value})


def _extra_hosts(host: Json) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in host.get("ExtraHosts") or ():
        name, _, address = text.partition(":")
        found.setdefault(name, []).append(address)
    return found


def _logging(config: Json) -> dict[str, Any]:
    return {"driver": config.get("Type") or None, "options": config.get("Config") or {}}


def _network_mode(mode: str, context: Context) -> str | None:
    """What was made without a word on it is in the engine's own bridge, whatever the engine calls that."""
    return "bridge" if mode == "default" else _namespace(mode, context)


def _namespace(mode: str, context: Context) -> str | None:
    """`host`, `container:ID` and the like; None for a network by name and for the engine's own choice. A
    container of the scope is `service:NAME` again."""
    kind, colon, target = mode.partition(":")
    if kind == "container" and target in context.siblings:
        owner = context.siblings[target]
        shared = any(a.name == owner.name and a != owner for a in context.siblings.values())
        return f"service:{owner if shared else owner.name}"
    return mode if colon or mode in ("host", "none", "bridge", "private", "shareable") else None


def _platform(container: Json, image: Json) -> str | None:
    architecture = image.get("Architecture")
    if not architecture:
        return None
    variant = image.get("Variant") or ""
    usual = not variant or (architecture, variant) == ("arm64", "v8")
    return "/".join(
        (
            image.get("Os") or container.get("Platform") or "linux",
            architecture,
            *(() if usual else (variant,)),
        )
    )
