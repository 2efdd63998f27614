"""What a container has in common with its image, and what image and engine fill in by themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sutazai.providers.docker.anonymous import places_of, without_source

Json = Mapping[str, Any]
DEFAULT_SHM = 64 << 20


def process(config: Json) -> dict[str, Any]:
    """The fields that a container and an image have in common, as plain data: `Config` of either."""
    return {
        "command": config.get("Cmd") or [],
        "entrypoint": config.get("Entrypoint") or [],
        "environment": _environment(config.get("Env")),
        "user": config.get("User") or None,
        "working_dir": config.get("WorkingDir") or None,
        "stop_signal": config.get("StopSignal") or None,
        "stop_grace_period": config.get("StopTimeout"),
        "healthcheck": _healthcheck(config.get("Healthcheck")),
    }


def _environment(env: list[str] | None) -> dict[str, str | None]:
    pairs = (item.partition("=") for item in env or ())
    return {key: value if found else None for key, found, value in pairs}


def _healthcheck(check: Json | None) -> dict[str, Any] | None:
    if not check:
        return None
    test = list(check.get("Test") or ())  # none where only times are declared, and the image has no check
    seconds = {
        name: nanoseconds / 1e9 if (nanoseconds := check.get(key)) else None
        for name, key in (("interval", "Interval"), ("timeout", "Timeout"), ("start_period", "StartPeriod"),
                          ("start_interval", "StartInterval"))
    }  # fmt: skip
    return {"test": test, "retries": check.get("Retries") or None, "disable": test == ["NONE"], **seconds}


def short_port(key: str) -> str:
    return key.removesuffix("/tcp")


def port_key(key: str) -> tuple[str, int]:
    port, _, protocol = key.partition("/")
    return protocol, int(port.partition("-")[0])


def exposed(config: Json) -> list[str]:
    """`ExposedPorts` in order, a TCP port without its protocol."""
    return [short_port(key) for key in sorted(config.get("ExposedPorts") or (), key=port_key)]


@dataclass(frozen=True, slots=True)
class Usual:
    """What every container of an image has by itself, made once for all of them. `log_driver` is the daemon's default."""

    log_driver: str = "json-file"
    _made: dict[str, Json] = field(default_factory=dict, compare=False, repr=False)

    def of(self, image_id: str, image: Json) -> Json:
        """`image` is the answer of `/images/ID/json`, empty when it is gone."""
        found = self._made.get(image_id)
        if found is None:
            found = self._made[image_id] = _usual(image, self.log_driver)
        return found


@dataclass(frozen=True, slots=True)
class FilledIn:
    """What would be there had nobody declared anything, made when it is asked for. `name` is the hostname that the engine
    gives, the first twelve digits of the container's ID; `labels` are those that a program beside the image put there by
    itself."""

    name: str
    image_id: str
    image: Json
    form: Json
    usual: Usual
    labels: Mapping[str, str]

    def __call__(self) -> dict[str, Any]:
        """Where the engine's choice can't be told from a declared value (`platform`, the hostname of a shared namespace),
        the value itself counts as the default."""
        usual, form = self.usual.of(self.image_id, self.image), self.form
        mode = form["network_mode"] or ""
        shared = mode == "host" or mode.startswith(("container:", "service:"))
        return {
            **usual,
            # the image's command goes with the image's entrypoint only
            "command": usual["command"] if form["entrypoint"] == usual["entrypoint"] else [],
            "hostname": form["hostname"] if shared else self.name,
            "platform": form["platform"],
            "network_mode": "bridge" if mode == "bridge" else None,
            "labels": {**usual["labels"], **self.labels},
        }


def _usual(image: Json, log_driver: str) -> Json:
    config: Json = image.get("Config") or {}
    return {
        **process(config), "expose": exposed(config), "ports": [],
        "volumes": [without_source(place).form for place in places_of(config)], "tmpfs": [], "networks": {}, "restart": "no",
        "deploy": {"resources": {"limits": {"cpus": None, "memory": None, "pids": None},
                                 "reservations": {"memory": None, "devices": []}}},
        "labels": config.get("Labels") or {}, "hostname": None, "dns": [], "extra_hosts": {}, "cap_add": [], "cap_drop": [],
        "security_opt": [], "read_only": False, "init": False, "privileged": False, "devices": [], "sysctls": {}, "ulimits": {},
        "shm_size": DEFAULT_SHM, "logging": {"driver": log_driver, "options": {}}, "configs": [], "platform": None,
        "network_mode": None, "pid": None, "ipc": "private", "category": None, "tier": None,
    }  # fmt: skip
