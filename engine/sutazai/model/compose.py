"""The parts of a service body that the Compose Specification defines, with its short forms.

Source of names and meanings: Compose Specification, chapters 05-services and deploy. A short form is turned into the
long one by a `before` validator, so that the rest of the engine knows one form only.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from sutazai.model.base import EMPTY, Effect, SpecModel
from sutazai.model.forms import TextMap, Texts, each, port_range, problem
from sutazai.model.quoting import quoted
from sutazai.model.units import Bytes, Cpus, Seconds, Text, if_said

NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$"


class Build(SpecModel):
    """How an image is made: `context` is a directory, relative to the project root; empty where `dockerfile_inline` needs
    none."""

    context: str = ""
    dockerfile: str = "Dockerfile"
    dockerfile_inline: str | None = None
    args: TextMap = EMPTY
    target: str | None = None
    labels: TextMap = EMPTY
    platforms: Texts = ()

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"context": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_instructions(self) -> "Build":
        if not self.context and self.dockerfile_inline is None:
            raise ValueError("a build needs context, a directory, or dockerfile_inline")
        if self.dockerfile_inline is not None and "dockerfile" in self.model_fields_set:
            raise ValueError("dockerfile and dockerfile_inline exclude each other")
        return self


_SHORT_PORT = re.compile(
    r"(?:(?:(?P<ip>\[[^\]]+\]|[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:]*):)?(?P<published>[0-9-]*):)?(?P<target>[0-9-]+)(?:/(?P<protocol>\w+))?"
)
_FREE = (None, "", "0", 0)
"""What lets Docker choose the published port."""


def _published(value: Any) -> Any:
    return None if value in _FREE and not isinstance(value, bool) else value


class Port(SpecModel):
    """A container port published on the host. `published` None lets Docker choose a free one."""

    target: Annotated[int, Field(ge=1, le=65535)]
    published: Annotated[
        Annotated[int, Field(ge=1, le=65535)] | None,
        BeforeValidator(_published, json_schema_input_type=int | str | None),
    ] = None
    host_ip: str | None = None
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    mode: Literal["host", "ingress"] = "ingress"
    name: str | None = None
    app_protocol: str | None = None


def _ports(value: Any) -> Any:
    """Short ports (`"127.0.0.1:8000-8001:80-81/udp"`) as long ones; a range becomes one entry a port."""
    if not isinstance(value, (list, tuple)):
        return value
    return tuple(port for ports in each(value, _checked_ports) for port in ports)


def _checked_ports(item: Any) -> list[Port]:
    return [Port.model_validate(port) for port in _long_ports(item)]


def _long_ports(item: Any) -> list[Any]:
    if isinstance(item, Port):
        return [item]
    if isinstance(item, (bool, float)) or not isinstance(item, (str, int, Mapping)):
        raise ValueError(f"{quoted(item)} is not a port")
    if isinstance(item, Mapping):
        published = item.get("published")
        if isinstance(published, str) and published not in _FREE:
            low, high = port_range(published)
            if low != high:
                raise ValueError(
                    f"published range {quoted(published)} needs the short form with a range of targets"
                )
            return [{**item, "published": low}]
        return [dict(item)]
    match = _SHORT_PORT.fullmatch(str(item))
    if not match:
        raise ValueError(
            f"{quoted(item)} is not a port: write TARGET, PUBLISHED:TARGET or IP:PUBLISHED:TARGET"
        )
    low, high = port_range(match["target"])
    base: dict[str, Any] = {"protocol": match["protocol"].lower()} if match["protocol"] else {}
    if match["ip"]:
        base["host_ip"] = match["ip"].strip("[]")
    if match["published"] in _FREE:
        return [{**base, "target": target} for target in range(low, high + 1)]
    first, last = port_range(match["published"])
    if last - first != high - low:
        raise problem(
            f"{quoted(item)}: the published and the target range differ in length",
            f"publish one port, or write {match['target']} alone, and Docker chooses a free one",
        )
    return [{**base, "target": low + n, "published": first + n} for n in range(high - low + 1)]


Ports = Annotated[tuple[Port, ...], BeforeValidator(_ports, json_schema_input_type=list[str | int | Port])]


class BindOptions(SpecModel):
    propagation: str | None = None
    create_host_path: bool = True
    selinux: str | None = None


class VolumeOptions(SpecModel):
    nocopy: bool = False
    subpath: str | None = None


def _octal(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"(0o?)?[0-7]{1,4}", value):
            raise ValueError(f"{quoted(value)} is not a file mode: write it in octal, such as 0440")
        return int(value, 8)
    return value


Mode = Annotated[int, BeforeValidator(_octal, json_schema_input_type=str | int)]
"""The mode of a file, in octal where it is a text."""


class TmpfsOptions(SpecModel):
    size: Bytes | None = None
    mode: Mode | None = None


class Mount(SpecModel):
    """A volume, a host path or a tmpfs in the container. `source` of a volume is its name in the spec."""

    type: Literal["volume", "bind", "tmpfs"]
    target: str
    source: str | None = None
    read_only: bool = False
    bind: BindOptions | None = None
    volume: VolumeOptions | None = None
    tmpfs: TmpfsOptions | None = None
    consistency: str | None = None

    @model_validator(mode="after")
    def _options_of_its_type(self) -> "Mount":
        """A volume takes SELinux's label too, as in Compose; any other option of another type would be ignored."""
        given = {name for name in ("bind", "volume", "tmpfs") if getattr(self, name) is not None} - {
            self.type
        }
        relabels = (
            self.type == "volume" and self.bind is not None and self.bind.model_fields_set <= {"selinux"}
        )
        for name in sorted(given - ({"bind"} if relabels else set())):
            raise ValueError(f"the options of {name} have no effect on a mount of type {self.type}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.split(":")
        if len(parts) == 1:
            return {"type": "volume", "target": value}
        source, target, *options = parts
        if not target or len(options) > 1:
            raise ValueError(f"{quoted(value)} is not a volume: write [SOURCE:]TARGET[:ro]")
        mount: dict[str, Any] = {"source": source, "target": target}
        mount["type"] = "bind" if source.startswith((".", "/", "~")) else "volume"
        for option in options[0].split(",") if options else []:
            _mount_option(mount, option, value)
        return mount


def _mount_option(mount: dict[str, Any], option: str, text: str) -> None:
    if option in ("ro", "rw"):
        mount["read_only"] = option == "ro"
    elif option in ("z", "Z"):
        mount["bind"] = {**mount.get("bind", {}), "selinux": option}
    elif option in ("cached", "delegated", "consistent"):
        mount["consistency"] = option
    elif option == "nocopy" and mount["type"] == "volume":
        mount["volume"] = {"nocopy": True}
    elif (
        option in ("rshared", "shared", "rslave", "slave", "rprivate", "private") and mount["type"] == "bind"
    ):
        mount["bind"] = {**mount.get("bind", {}), "propagation": option}
    else:
        raise ValueError(
            f"{quoted(text)}: the volume option {quoted(option)} is not known; use ro, rw, z, Z or nocopy"
        )


class NetworkAttachment(SpecModel):
    """Membership of one network; `aliases` are further names of the workload there."""

    aliases: Texts = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_ips: Texts = ()
    mac_address: Annotated[str | None, Effect.REPLACE] = None
    """Before API 1.44 only a new container can be given one."""
    priority: int | None = None


def _keyed(value: Any) -> Any:
    """`[a, b]` and `{a: null}` as `{a: {}, b: {}}`."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return {item: {} for item in value}
    if isinstance(value, Mapping):
        return {key: {} if item is None else item for key, item in value.items()}
    return value


Networks = Annotated[
    dict[str, NetworkAttachment],
    BeforeValidator(_keyed, json_schema_input_type=list[str] | dict[str, NetworkAttachment | None]),
]


class Dependency(SpecModel):
    """`condition` None means: healthy where the dependency has checks, else started. `required` False lets the
    dependency be absent from the environment, or not well."""

    condition: Literal["service_started", "service_healthy", "service_completed_successfully"] | None = None
    required: bool = True
    restart: bool = False


Dependencies = Annotated[
    dict[str, Dependency],
    BeforeValidator(_keyed, json_schema_input_type=list[str] | dict[str, Dependency | None]),
]


class DeviceRequest(SpecModel):
    """Devices reserved by capability, such as GPUs."""

    capabilities: Texts = ()
    driver: str | None = None
    count: int | Literal["all"] | None = None
    device_ids: Texts = ()
    options: TextMap = EMPTY


class Limits(SpecModel):
    """At most. `memory` in bytes."""

    cpus: Cpus | None = None
    memory: Bytes | None = None
    pids: int | None = None


class Reservations(SpecModel):
    """At least. `memory` in bytes."""

    cpus: Cpus | None = None
    memory: Bytes | None = None
    pids: int | None = None
    devices: Annotated[tuple[DeviceRequest, ...], Effect.REPLACE] = ()


class Resources(SpecModel):
    limits: Limits = Limits()
    reservations: Reservations = Reservations()


class Healthcheck(SpecModel):
    """The image's own check, run by Docker inside the container. Durations in seconds."""

    test: Annotated[
        tuple[Text, ...],
        BeforeValidator(
            lambda value: ("CMD-SHELL", value) if isinstance(value, str) else value,
            json_schema_input_type=str | list[str],
        ),
    ] = ()
    interval: Seconds | None = None
    timeout: Seconds | None = None
    retries: int | None = None
    start_period: Seconds | None = None
    start_interval: Seconds | None = None
    disable: bool = False

    @model_validator(mode="after")
    def _first_word(self) -> "Healthcheck":
        if self.test and self.test[0] not in ("NONE", "CMD", "CMD-SHELL"):
            raise ValueError("test: a list starts with CMD, CMD-SHELL or NONE")
        return self


class Device(SpecModel):
    source: str
    target: str
    permissions: str = "rwm"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {"target": value["source"], **value} if "source" in value else value
        if not isinstance(value, str):
            return value
        source, _, rest = value.partition(":")
        target, _, permissions = rest.partition(":")
        if target and not permissions and not target.startswith("/") and not set(target) - set("rwm"):
            target, permissions = source, target
        return {"source": source, "target": target or source, "permissions": permissions or "rwm"}


class Ulimit(SpecModel):
    soft: int
    hard: int

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        one = isinstance(value, (int, str)) and not isinstance(value, bool)
        return {"soft": value, "hard": value} if one else value


class Logging(SpecModel):
    driver: Annotated[str | None, if_said] = None
    options: TextMap = EMPTY


class FileGrant(SpecModel):
    """A config or secret as a file in the container. `target` defaults to `/NAME` (configs) or `/run/secrets/NAME`."""

    source: str
    target: str | None = None
    uid: Text | None = None
    gid: Text | None = None
    mode: Mode | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value


class EnvFile(SpecModel):
    """A file of variables; one that is not `required` may be missing."""

    path: str
    required: bool = True


EnvFiles = Annotated[
    tuple[str | EnvFile, ...],
    BeforeValidator(
        lambda value: value if isinstance(value, (list, tuple)) else (value,),
        json_schema_input_type=str | list[str | EnvFile],
    ),
]
