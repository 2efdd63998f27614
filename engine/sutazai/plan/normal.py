"""One form for what is declared and what is reported, so that comparing them finds differences in meaning only.

Each form takes and gives plain JSON data as `model_dump(mode="json")` makes it. Lists whose order means nothing become
sorted sets of texts, lists of things with an identity become maps by it (volumes by target, configs by source), and
different spellings of one value become one.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from sutazai.model.places import path_of, place_of
from sutazai.state.published import EVERY_ADDRESS

Json = Any


class Shape(StrEnum):
    """How two normal forms of a field are compared."""

    VALUE = "value"
    """As a whole."""
    SET = "set"
    """As a whole; members that are there by default and were not declared are left out."""
    MAP = "map"
    """Key by key; keys at their default that were not declared are left out."""
    RECORD = "record"
    """Only the declared keys, recursively."""


def _capabilities(values: Iterable[str]) -> list[str]:
    return sorted({value.upper().removeprefix("CAP_") for value in values})


def _security(values: Iterable[str]) -> list[str]:
    """`key=value` is the old spelling of `key:value`; what is on or off is so in any word that Docker takes for it."""
    return sorted({_option(re.sub(r"^([a-z-]+)=", r"\1:", value)) for value in values})


def _option(text: str) -> str:
    name, _, value = text.partition(":")
    if name != "no-new-privileges":
        return text
    return f"{name}:false" if value.lower() in ("0", "f", "false") else name


def _devices(values: Iterable[Mapping[str, str]]) -> list[str]:
    return sorted(
        {f"{d['source']}:{d['target']}:{_sorted_text(d.get('permissions', 'rwm'))}" for d in values}
    )


def _sorted_text(text: str) -> str:
    return "".join(sorted(text))


def expose(values: Iterable[str]) -> list[str]:
    """Each port as `PORT/PROTOCOL`; ranges become their ports."""
    found: set[str] = set()
    for value in values:
        ports, _, protocol = value.partition("/")
        first, _, last = ports.partition("-")
        found.update(f"{port}/{protocol or 'tcp'}" for port in range(int(first), int(last or first) + 1))
    return sorted(found, key=_port_order)


def _port_order(text: str) -> tuple[int, str]:
    return int(text.partition("/")[0]), text


def _tmpfs(values: Iterable[str]) -> dict[str, str]:
    """By path; the options in one order."""
    pairs = (value.partition(":") for value in values)
    return {path_of(path): ",".join(sorted(filter(None, options.split(",")))) for path, _, options in pairs}


def _volumes(values: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    return {path_of(value["target"]): {k: v for k, v in value.items() if k != "target"} for value in values}


def _grants(values: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """By source, with the owner and mode that a file gets where none is declared; by source and target where one source is
    given at several places."""
    found: dict[str, dict[str, Json]] = {}
    for value in values:
        target = place_of(value.get("target"), value["source"])
        found.setdefault(value["source"], {})[target] = {
            "target": target,
            "uid": value.get("uid") or "0",
            "gid": value.get("gid") or "0",
            "mode": 0o444 if value.get("mode") is None else value["mode"],
        }
    return {source: files if len(files) > 1 else files.popitem()[1] for source, files in found.items()}


def _networks(values: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    return {
        name: {
            key: _MEMBERSHIP[key](value) if value and key in _MEMBERSHIP else value
            for key, value in attachment.items()
        }
        for name, attachment in values.items()
    }


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text


_MEMBERSHIP: Mapping[str, Callable[[Any], Json]] = {
    "aliases": lambda names: sorted(set(names)),
    "link_local_ips": lambda addresses: sorted({*map(_address, addresses)}),
    "ipv4_address": _address,
    "ipv6_address": _address,
    "mac_address": lambda text: text.lower().replace("-", ":"),
}


def _hosts(values: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {name: sorted(addresses) for name, addresses in values.items()}


def _entrypoint(values: list[str]) -> list[str]:
    """The engine's word for "none" is one empty text."""
    return [] if values == [""] else values


def _restart(value: str) -> str:
    name, _, count = value.partition(":")
    return f"{name}:{int(count)}" if count.strip("0") else name


def _signal(value: str) -> str:
    return value.upper().removeprefix("SIG")


def _healthcheck(value: Mapping[str, Json]) -> dict[str, Json]:
    """The engine takes no test, no time and no number of retries for "as the image says"."""
    if value.get("disable") or list(value.get("test") or ()) == ["NONE"]:
        return {"test": ["NONE"]}
    return {key: number(v) for key, v in value.items() if key != "disable" and v not in (0, [])}


def _deploy(value: Mapping[str, Json]) -> dict[str, Json]:
    """Without what is compared elsewhere: the replicas are counted, the labels are for the engine. No limit of processes is
    reported as none, however it was asked for."""
    resources = {
        part: {key: 0 if key == "pids" and v == -1 else number(v) for key, v in values.items()}
        for part, values in value.get("resources", {}).items()
    }
    return {"resources": resources} if resources else {}


def number(value: Json) -> Json:
    """Numbers to nine digits, whole ones as integers: Docker counts in nanoseconds and billionths of a CPU."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    rounded = round(float(value), 9)
    return int(rounded) if rounded.is_integer() else rounded


def _size(value: Json) -> Json:
    """Of nothing: as much as the engine gives by itself."""
    return number(value) or None


def port_text(port: Mapping[str, Json]) -> str:
    """`[IP:]PUBLISHED:TARGET/PROTOCOL`, or `[IP::]TARGET/PROTOCOL` where Docker chooses."""
    ip = port.get("host_ip") or ""
    tail = f"{port['target']}/{port.get('protocol') or 'tcp'}"
    published = port.get("published")
    if published:
        tail = f"{published}:{tail}"
    if ip in EVERY_ADDRESS:
        return tail
    return f"{ip}:{tail}" if published else f"{ip}::{tail}"


def _same(value: Json) -> Json:
    return value


FORMS: Mapping[str, tuple[Shape, Callable[[Any], Json]]] = {
    "command": (Shape.VALUE, _same),
    "entrypoint": (Shape.VALUE, _entrypoint),
    "environment": (Shape.MAP, _same),
    "volumes": (Shape.MAP, _volumes),
    "tmpfs": (Shape.MAP, _tmpfs),
    "networks": (Shape.MAP, _networks),
    "restart": (Shape.VALUE, _restart),
    "deploy": (Shape.RECORD, _deploy),
    "healthcheck": (Shape.RECORD, _healthcheck),
    "labels": (Shape.MAP, _same),
    "user": (Shape.VALUE, _same),
    "working_dir": (Shape.VALUE, path_of),
    "hostname": (Shape.VALUE, _same),
    "dns": (Shape.VALUE, _same),
    "extra_hosts": (Shape.MAP, _hosts),
    "cap_add": (Shape.SET, _capabilities),
    "cap_drop": (Shape.SET, _capabilities),
    "security_opt": (Shape.SET, _security),
    "read_only": (Shape.VALUE, _same),
    "init": (Shape.VALUE, _same),
    "privileged": (Shape.VALUE, _same),
    "devices": (Shape.SET, _devices),
    "sysctls": (Shape.MAP, _same),
    "ulimits": (Shape.MAP, _same),
    "shm_size": (Shape.VALUE, _size),
    "stop_signal": (Shape.VALUE, _signal),
    "stop_grace_period": (Shape.VALUE, number),
    "logging": (Shape.RECORD, _same),
    "configs": (Shape.MAP, _grants),
    "network_mode": (Shape.VALUE, _same),
    "pid": (Shape.VALUE, _same),
    "ipc": (Shape.VALUE, _same),
    "category": (Shape.VALUE, _same),
    "tier": (Shape.VALUE, _same),
}
"""Fields that a container reports. `image`, `ports` with `route`, and `expose` are compared by `compare` itself."""
