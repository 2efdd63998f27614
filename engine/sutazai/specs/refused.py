"""Values that Docker is known to refuse, found before it is asked.

The model takes what has the right form, so that it can also hold what a container reports and what an old state recorded.
Here is told what no engine would carry out: each rule says what Docker does with the value, and none is stricter than
Docker is, except where Docker takes a text that can mean nothing. The rules of networks are in `refused_networks`.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from posixpath import isabs

from sutazai.diagnostics import did_you_mean
from sutazai.model.places import path_of, place_of
from sutazai.model.quoting import quoted
from sutazai.model.units import format_bytes
from sutazai.model.workload import Workload, declared
from sutazai.specs import words
from sutazai.specs.nodes import Path

_LEAST_MEMORY = 6 << 20
_LEAST_CPUS = 0.01  # 1 ms of every 100 ms
_LEAST_INTERVAL = 0.001
_LARGEST = (1 << 63) - 1
_MANY_DIGITS = re.compile("[0-9]{19}")  # as many as the largest has


@dataclass(frozen=True, slots=True)
class Flaw:
    """A value that is refused: where it is in the body, what is wrong, what to do."""

    path: Path
    summary: str
    hint: str | None = None


Flaws = Iterator[Flaw]


def flaws(workload: Workload) -> Flaws:
    """Everything in a body that Docker would refuse on its face."""
    for rule in _RULES:
        yield from rule(workload)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _image(workload: Workload) -> Flaws:
    image = workload.image
    if image is not None and not words.IMAGE.fullmatch(image):
        lower = image.lower()
        hint = "a reference is [HOST[:PORT]/]NAME[:TAG][@DIGEST], the name in lower case"
        if image != lower and words.IMAGE.fullmatch(lower):
            hint = f"names of images are in lower case: {lower}"
        yield Flaw(("image",), f"image: {quoted(image)} is not the reference of an image", hint)


def _process(workload: Workload) -> Flaws:
    hostname, place, signal = workload.hostname, workload.working_dir, workload.stop_signal
    if hostname and not words.HOSTNAME.fullmatch(hostname):
        hint = "it has letters, digits, hyphens and dots, and at most 64 of them"
        yield Flaw(("hostname",), f"hostname: {quoted(hostname)} is not the name of a host", hint)
    if place and not isabs(place):
        hint = "begin it with a /"
        yield Flaw(("working_dir",), f"working_dir: {quoted(place)} is not an absolute path", hint)
    if signal is not None and not _is_signal(signal):
        name = signal.upper().removeprefix("SIG")
        hint = (
            did_you_mean(name, sorted(words.SIGNALS))
            or "write a name of signal(7), such as SIGTERM, or a number"
        )
        yield Flaw(("stop_signal",), f"stop_signal: {quoted(signal)} is no signal", hint)
    for name in workload.environment:
        if not name or "=" in name or "\0" in name:
            hint = "write NAME=VALUE or NAME: VALUE"
            yield Flaw(
                ("environment", name), f"environment: {quoted(name)} can't be the name of a variable", hint
            )


def _is_signal(text: str) -> bool:
    if text.isascii() and text.isdigit():
        return len(text) < 4 and int(text) > 0
    return text.upper().removeprefix("SIG") in words.SIGNALS


def _capabilities(workload: Workload) -> Flaws:
    for field in ("cap_add", "cap_drop"):
        for index, text in enumerate(getattr(workload, field)):
            name = text.upper().removeprefix("CAP_")
            if name != "ALL" and name not in words.CAPABILITIES:
                hint = (
                    did_you_mean(name, sorted(words.CAPABILITIES))
                    or "capabilities(7) lists them; ALL is all of them"
                )
                yield Flaw((field, index), f"{field}: {quoted(text)} is no capability", hint)


def _security(workload: Workload) -> Flaws:
    hint = "write no-new-privileges:true, seccomp=unconfined, apparmor=PROFILE or label=…"
    for index, text in enumerate(workload.security_opt):
        cut = min((at for at in (text.find("="), text.find(":")) if at > 0), default=len(text))
        about, value = text[:cut], text[cut + 1 :]
        known = about in words.LABELS and bool(value)
        if about == "no-new-privileges":
            known = value in (
                "",
                "true",
                "false",
                "1",
                "0",
                "t",
                "f",
                "T",
                "F",
                "TRUE",
                "FALSE",
                "True",
                "False",
            )
        if text == "disable" or known:
            continue
        yield Flaw(("security_opt", index), f"security_opt: Docker has no option {quoted(text)}", hint)


def _limits(workload: Workload) -> Flaws:
    for name, limit in workload.ulimits.items():
        path = ("ulimits", name)
        if name.lower() not in words.ULIMITS:
            hint = did_you_mean(name, sorted(words.ULIMITS)) or f"they are {', '.join(sorted(words.ULIMITS))}"
            yield Flaw(path, f"ulimits: {quoted(name)} is no limit of getrlimit(2)", hint)
        soft, hard = (math.inf if number == -1 else number for number in (limit.soft, limit.hard))
        if soft < 0 or hard < 0:
            yield Flaw(path, f"ulimits.{name} is below zero", "-1 is unlimited")
        elif soft > hard:
            yield Flaw(path, f"ulimits.{name}: the soft limit {limit.soft} is above the hard limit {limit.hard}",
                       "the soft limit is at most the hard one; -1 is unlimited")  # fmt: skip
    yield from _resources(workload)


def _resources(workload: Workload) -> Flaws:
    limits, reservations = workload.deploy.resources.limits, workload.deploy.resources.reservations
    path: Path = ("deploy", "resources", "limits", "memory")
    if limits.memory is not None and 0 < limits.memory < _LEAST_MEMORY:
        hint = "write 6M or more; without one, or with 0, there is no limit"
        yield Flaw(
            path, f"a limit of {format_bytes(limits.memory)} of memory is below Docker's least, 6M", hint
        )
    if reservations.memory is not None and 0 < reservations.memory < _LEAST_MEMORY:
        summary = f"{format_bytes(reservations.memory)} of memory are reserved, below Docker's least, 6M"
        hint = "write 6M or more; without one, or with 0, nothing is reserved"
        yield Flaw(("deploy", "resources", "reservations", "memory"), summary, hint)
    if limits.cpus is not None and 0 < limits.cpus < _LEAST_CPUS:
        summary = f"a limit of {limits.cpus:g} CPUs is below the kernel's least, {_LEAST_CPUS:g}"
        hint = f"write {_LEAST_CPUS:g} or more; without one, or with 0, there is no limit"
        yield Flaw(("deploy", "resources", "limits", "cpus"), summary, hint)
    if limits.memory and reservations.memory and reservations.memory > limits.memory:
        summary = f"{format_bytes(reservations.memory)} are reserved, above the limit of {format_bytes(limits.memory)}"
        yield Flaw(("deploy", "resources", "reservations", "memory"), summary, "reserve at most the limit")
    for index, request in enumerate(reservations.devices):
        if request.count is not None and request.device_ids:
            at = ("deploy", "resources", "reservations", "devices", index, "count")
            yield Flaw(
                at, "devices are reserved by count or by device_ids, not by both", "remove one of them"
            )
    for part, number in (("limits", limits.pids), ("reservations", reservations.pids)):
        if number is not None and number < -1:
            yield Flaw(("deploy", "resources", part, "pids"), f"{part}.pids is below zero", "-1 is unlimited")


def _sysctls(workload: Workload) -> Flaws:
    for name in workload.sysctls:
        own = name in words.SYSCTLS or name.startswith(("net.", "fs.mqueue."))
        if not own:
            summary = f"sysctls: {quoted(name)} is the host's, not one that a container has for itself"
            yield Flaw(
                ("sysctls", name),
                summary,
                "net.*, fs.mqueue.* and the IPC ones of kernel.* are; set others on the host",
            )
        elif name.startswith("net.") and workload.network_mode == "host":
            yield Flaw(
                ("sysctls", name),
                f"sysctls: {name} can't be set in the host's network",
                "remove network_mode: host, or it",
            )
        elif workload.ipc == "host" and not name.startswith("net.") and name != "kernel.domainname":
            yield Flaw(
                ("sysctls", name),
                f"sysctls: {name} can't be set in the host's IPC",
                "remove ipc: host, or it",
            )


_MODES = {
    "network_mode": ("none, host, bridge, service:NAME, container:NAME", None),
    "pid": ("host, service:NAME or container:NAME", ("host", "private", "")),
    "ipc": ("none, private, shareable, host, service:NAME or container:NAME",
            ("none", "private", "shareable", "host", "")),
}  # fmt: skip


def _modes(workload: Workload) -> Flaws:
    for field, (choice, known) in _MODES.items():
        mode = getattr(workload, field)
        if mode is None:
            continue
        kind, colon, target = mode.partition(":")
        shared = kind in ("service", "container") and bool(target)
        named = mode in known if known is not None else bool(mode) and not colon
        if not shared and not named:
            yield Flaw((field,), f"{field} can't be {quoted(mode)}", f"write {choice}")


def _hosts(workload: Workload) -> Flaws:
    for name, addresses in workload.extra_hosts.items():
        for address in addresses:
            if not name or (address != "host-gateway" and not is_address(address)):
                summary = f"extra_hosts: {quoted(address)} is not an IP address"
                summary = summary if name else "extra_hosts: a host has a name"
                yield Flaw(("extra_hosts", name), summary, "write HOST=ADDRESS or HOST=host-gateway")
    for index, text in enumerate(workload.dns):
        if not is_address(text):
            yield Flaw(
                ("dns", index),
                f"dns: {quoted(text)} is not an IP address",
                "name servers are given by address",
            )
    if workload.route and not is_address(workload.route.bind):
        yield Flaw(("route", "bind"), f"route.bind: {quoted(workload.route.bind)} is not an IP address",
                   "127.0.0.1 is this machine only, 0.0.0.0 all of its addresses")  # fmt: skip


def _ports(workload: Workload) -> Flaws:
    for index, text in enumerate(workload.expose):
        match = words.PORTS.fullmatch(text)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high <= 65535:
            yield Flaw(
                ("expose", index), f"expose: {quoted(text)} is not a port", "write 8080, 8080-8090 or 53/udp"
            )
    for index, port in enumerate(workload.ports):
        if port.host_ip and not is_address(port.host_ip):
            yield Flaw(("ports", index, "host_ip"), f"ports: {quoted(port.host_ip)} is not an IP address",
                       "ports are published on addresses of the host, such as 127.0.0.1")  # fmt: skip


def _mounts(workload: Workload) -> Flaws:
    taken: dict[str, str] = {}
    for index, mount in enumerate(workload.volumes):
        path: Path = ("volumes", index, "target")
        yield from _target(path, "volumes", mount.target, taken)
        if mount.type == "bind" and not mount.source:
            yield Flaw(("volumes", index), "volumes: a bind mount has a source", "write source: PATH")
        shared = mount.bind.propagation if mount.bind else None
        if shared and shared not in words.PROPAGATIONS:
            hint = f"it is one of {', '.join(words.PROPAGATIONS)}"
            place = ("volumes", index, "bind", "propagation")
            yield Flaw(place, f"volumes: there is no propagation {quoted(shared)}", hint)
    memory: dict[str, str] = {}
    for index, text in enumerate(workload.tmpfs):
        yield from _target(("tmpfs", index), "tmpfs", text.partition(":")[0], memory)


def _configs(workload: Workload) -> Flaws:
    taken: set[str] = set()
    for index, grant in enumerate(workload.configs):
        place, path = place_of(grant.target, grant.source), ("configs", index, "target")
        if place == "/":
            yield Flaw(path, f"configs: {quoted(grant.target)} is no place for a file", "name a file below /")
        elif place in taken:
            yield Flaw(path, f"configs: two are at {quoted(place)}", "give one of them another target")
        taken.add(place)
        for name in ("uid", "gid"):
            text = getattr(grant, name) or "0"
            if not (text.isascii() and text.isdigit()):
                summary = f"configs: the {name} {quoted(text)} is not a number"
                yield Flaw(("configs", index, name), summary, "files have owners by number, such as 1000")


def _target(path: Path, field: str, target: str, taken: dict[str, str]) -> Flaws:
    place = path_of(target)
    if not isabs(target):
        yield Flaw(
            path,
            f"{field}: {quoted(target)} is not an absolute path",
            "where it is in the container begins with a /",
        )
    elif place.strip("/") == "":
        yield Flaw(
            path, f"{field}: nothing can be mounted over {quoted(target)}", "name a directory or file below /"
        )
    elif place in taken:
        yield Flaw(path, f"{field}: two mounts are at {quoted(target)}", "remove one of them")
    taken[place] = target


def _devices(workload: Workload) -> Flaws:
    hint = "write HOST_PATH[:CONTAINER_PATH[:rwm]]"
    for index, device in enumerate(workload.devices):
        if words.CDI_DEVICE.fullmatch(device.source) and device.target == device.source:
            continue
        for text in dict.fromkeys((device.source, device.target)):
            if not isabs(text):
                yield Flaw(("devices", index), f"devices: {quoted(text)} is not an absolute path", hint)
        if not device.permissions or set(device.permissions) - set("rwm"):
            yield Flaw(
                ("devices", index), f"devices: {quoted(device.permissions)} is not made of r, w and m", hint
            )


def _platform(workload: Workload) -> Flaws:
    text = workload.platform
    if text is None:
        return
    alone = text.lower() in words.SYSTEMS | words.MACHINES
    if not words.PLATFORM.fullmatch(text) or ("/" not in text and not alone):
        yield Flaw(
            ("platform",),
            f"platform: {quoted(text)} is not a platform",
            "write SYSTEM/MACHINE[/VARIANT], such as linux/amd64",
        )


def _health(workload: Workload) -> Flaws:
    check = workload.healthcheck
    for name in ("interval", "timeout", "start_period", "start_interval") if check else ():
        seconds = getattr(check, name)
        if seconds is not None and 0 < seconds < _LEAST_INTERVAL:
            yield Flaw(
                ("healthcheck", name), f"healthcheck.{name} is below Docker's least, 1ms", "write 1ms or more"
            )
    if check and check.retries is not None and check.retries < 0:
        yield Flaw(("healthcheck", "retries"), "healthcheck.retries is below zero", "write 1 or more")


def _sizes(workload: Workload) -> Flaws:
    """Numbers that do not fit into the 64 bits that they are sent in."""
    if not _MANY_DIGITS.search(workload.model_dump_json(exclude_unset=True)):
        return
    yield from (
        Flaw(
            path,
            f"{'.'.join(map(str, path))}: {quoted(number)} is too large a number",
            "it must fit into 64 bits",
        )
        for path, number in _numbers(declared(workload), ())
        if abs(number) > _LARGEST
    )


def _numbers(value: object, path: Path) -> Iterator[tuple[Path, int]]:
    children: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    elif isinstance(value, int):
        yield path, value
    for key, item in children:
        yield from _numbers(item, (*path, key))


_RULES: tuple[Callable[[Workload], Flaws], ...] = (
    _image, _process, _capabilities, _security, _limits, _sysctls, _modes, _hosts, _ports, _mounts, _configs, _devices,
    _platform, _health, _sizes,
)  # fmt: skip
