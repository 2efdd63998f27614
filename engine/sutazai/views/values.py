"""Values as the spec files write them: `128M` for bytes, `10s` for seconds, and Compose's short forms.

Units come from the model's own annotations, so that a field added there needs nothing here.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator

from sutazai.model.units import format_bytes, format_duration, parse_bytes, parse_duration
from sutazai.model.workload import Workload
from sutazai.views.text import clean

Unit = Literal["", "bytes", "seconds"]
Path = tuple[str, ...]

UNKNOWN = "(known after apply)"


@lru_cache(maxsize=4096)
def unit_of(model: type[BaseModel], path: Path) -> Unit:
    """What the numbers at `path` of a model count; empty for plain numbers and for paths it does not know."""
    kind: Any = model
    metadata: list[Any] = []
    for word in path:
        kind, metadata = _step(kind, word)
        if kind is None:
            return ""
    return _unit(kind, metadata)


def _unit(kind: Any, metadata: Sequence[Any]) -> Unit:
    for item in metadata:
        if isinstance(item, BeforeValidator):
            if item.func is parse_bytes:
                return "bytes"
            if item.func is parse_duration:
                return "seconds"
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        return _unit(inner, more)
    if get_origin(kind) in (Union, UnionType):
        return next((found for arg in get_args(kind) if (found := _unit(arg, ()))), "")
    return ""


def _step(kind: Any, word: str) -> tuple[Any, list[Any]]:
    """The type one word further into a type, with the metadata of the field that leads there."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _step(get_args(kind)[0], word)
    if origin in (Union, UnionType):
        found = (_step(arg, word) for arg in get_args(kind))
        return next((pair for pair in found if pair[0] is not None), (None, []))
    if origin is dict:
        return get_args(kind)[1], []
    if origin is tuple and word.isdigit():
        return get_args(kind)[0], []
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(word)
        return (field.annotation, list(field.metadata)) if field else (None, [])
    return None, []


def scalar(value: Any, unit: Unit = "") -> str:
    """One value that is no list or map. Text is quoted only where it would read as something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        if unit == "bytes":
            return format_bytes(int(value))
        return format_duration(value) if unit == "seconds" else f"{value:.10g}"
    return text(str(value))


_WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "~"})
_MARKS = ("->", " #", ": ", '"')


@lru_cache(maxsize=4096)
def text(value: str) -> str:
    """A string, quoted where it is empty, padded, or would be taken for a number, a boolean or part of the
    layout."""
    shown = clean(value)
    plain = (
        shown == value
        and value == value.strip() != ""
        and value.lower() not in _WORDS_OF_YAML
        and not value.replace(".", "", 1).replace("-", "", 1).isdigit()
        and value[0] not in "[]{},&*!|>%@`'\"#("
        and not any(mark in value for mark in _MARKS)
    )
    return shown if plain else '"' + (shown.replace('"', '\\"') if shown == value else shown) + '"'


def inline(model: type[BaseModel], path: Path, value: Any) -> str:
    """Any value on one line, lists and maps in YAML's flow style; Compose's short form where there is one."""
    if not isinstance(value, (Mapping, list, tuple)):
        return octal(value) if _is_mode(path, value) else scalar(value, unit_of(model, path))
    if model is Workload and (short := _short_form(path, value)):
        return short
    if isinstance(value, Mapping):
        items = (
            f"{clean(str(key))}: {inline(model, (*path, str(key)), item)}" for key, item in value.items()
        )
        return "{" + ", ".join(items) + "}"
    return "[" + ", ".join(inline(model, (*path, str(n)), item) for n, item in enumerate(value)) + "]"


def _is_mode(path: Path, value: Any) -> bool:
    return path[-1:] == ("mode",) and path[0] in ("configs", "secrets") and isinstance(value, int)


def octal(value: int) -> str:
    return f"0{value:o}"


def _short_form(path: Path, value: Any) -> str:
    """The short form of one item at `path`, empty where it has none or would lose something."""
    if not isinstance(value, Mapping):
        return ""
    if path == ("route",):
        return route(value)
    if len(path) == 2 and path[1].isdigit():
        form = _SHORT_FORMS.get(path[0])
        return form(value) if form else ""
    return ""


def route(value: Mapping[str, Any]) -> str:
    """`127.0.0.1:11001 -> 8080 (http)`."""
    bind = value.get("bind", "127.0.0.1")
    return f"{_host(bind)}{value.get('port')} -> {value.get('target')} ({value.get('protocol', 'http')})"


def port(value: Mapping[str, Any]) -> str:
    """`127.0.0.1:8080 -> 80/tcp`; a port on every address of the host says so by `0.0.0.0`."""
    published = value.get("published")
    known = {"target", "published", "host_ip", "protocol", "mode", "name", "app_protocol"}
    if set(value) - known:
        return ""
    host = _host(value.get("host_ip") or "0.0.0.0")  # noqa: S104 - shown, not bound
    return f"{host}{published or '(a free port)'} -> {value.get('target')}/{value.get('protocol', 'tcp')}"


def _host(address: str) -> str:
    return f"[{clean(address)}]:" if ":" in address else f"{clean(address)}:"


def mount(value: Mapping[str, Any]) -> str:
    """`data:/var/lib/data`, `bind /srv:/srv:ro`; empty when it has options that this can't say."""
    if set(value) - {"type", "source", "target", "read_only"}:
        return ""
    source = f"{clean(str(value['source']))}:" if value.get("source") else ""
    kind = "" if value.get("type") == "volume" else f"{value.get('type')} "
    return f"{kind}{source}{clean(str(value.get('target')))}{':ro' if value.get('read_only') else ''}"


def grant(value: Mapping[str, Any]) -> str:
    """`settings`, `settings -> /etc/settings.yaml`; empty when it has owners or a mode."""
    if set(value) - {"source", "target"}:
        return ""
    target = f" -> {clean(str(value['target']))}" if value.get("target") else ""
    return clean(str(value["source"])) + target


def device(value: Mapping[str, Any]) -> str:
    """`/dev/kmsg:/dev/kmsg:rwm`."""
    return clean(":".join(str(value[key]) for key in ("source", "target", "permissions") if key in value))


_CHECK_WORDS = {
    "name",
    "kind",
    "phase",
    "interval",
    "timeout",
    "retries",
    "port",
    "path",
    "method",
    "scheme",
    "status",
}


def check(value: Mapping[str, Any]) -> str:
    """`readiness http GET :8080/health = 200, every 2s, timeout 2s, 3 tries`, saying only what is
    declared."""
    if set(value) - _CHECK_WORDS:
        return ""
    kind = value.get("kind", "")
    parts = [value.get("phase", ""), kind]
    if kind == "http":
        parts.append(value.get("method", ""))
    where = f":{value['port']}" if "port" in value else ""
    parts.append(where + (clean(value.get("path", "")) if kind != "ping" else ""))
    if "status" in value and kind == "http":
        parts.append("= " + " or ".join(map(str, value["status"])))
    more = [
        f"{word} {format_duration(value[key])}"
        for key, word in (("interval", "every"), ("timeout", "timeout"))
        if key in value
    ]
    if "retries" in value:
        more.append(f"{value['retries']} tries" if value["retries"] != 1 else "1 try")
    named = f"{clean(value['name'])}: " if value.get("name") not in (None, "", kind) else ""
    return named + ", ".join([" ".join(part for part in parts if part), *more])


def limits(value: Mapping[str, Any]) -> str:
    """`0.5 cpus, 512M memory, 64 pids`."""
    parts = [
        f"{inline(Workload, ('deploy', 'resources', 'limits', key), item)} {key}"
        for key, item in value.items()
        if key != "devices"
    ]
    devices = value.get("devices") or ()
    parts += [f"device {inline(Workload, (), dict(item))}" for item in devices]
    return ", ".join(parts)


def dependency(name: str, value: Mapping[str, Any]) -> str:
    """`redis`, `db (started)`, `cache (optional)`."""
    notes = []
    if value.get("condition"):
        notes.append(str(value["condition"]).removeprefix("service_").replace("_", " "))
    if value.get("required") is False:
        notes.append("optional")
    if value.get("restart"):
        notes.append("restarts with it")
    return clean(name) + (f" ({', '.join(notes)})" if notes else "")


_SHORT_FORMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "ports": port,
    "volumes": mount,
    "checks": check,
    "configs": grant,
    "secrets": grant,
    "devices": device,
}
