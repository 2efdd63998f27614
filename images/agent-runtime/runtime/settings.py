"""The environment variables of an agent, read once and checked whole: all problems are told at once."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from runtime.capabilities import CAPABILITIES

NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
A_DAY = 86_400.0


class SettingsError(Exception):
    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Endpoint(NamedTuple):
    name: str
    host: str
    port: int


class FaultSettings(NamedTuple):
    start_delay: float  # seconds
    error_rate: float  # 0 to 1
    latency: float  # seconds
    memory_growth: float  # MiB a minute
    crash_after: float  # seconds; infinity for never
    unhealthy: bool


class Settings(NamedTuple):
    name: str
    category: str
    tier: str
    model: str
    version: str
    port: int
    capabilities: tuple[str, ...]
    services: tuple[Endpoint, ...]
    peers: tuple[Endpoint, ...]
    faults: FaultSettings


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError."""
    reader = _Reader(environment)
    settings = Settings(
        name=reader.text("AGENT_NAME", "agent"),
        category=reader.text("AGENT_CATEGORY", ""),
        tier=reader.text("AGENT_TIER", ""),
        model=reader.text("AGENT_MODEL", ""),
        version=reader.text("AGENT_VERSION", "unknown"),
        port=reader.port("AGENT_PORT", 8080),
        capabilities=reader.capabilities("AGENT_CAPABILITIES"),
        services=reader.endpoints("AGENT_SERVICES"),
        peers=reader.endpoints("AGENT_PEERS"),
        faults=FaultSettings(
            start_delay=reader.number("FAULT_START_DELAY", 0.0, most=A_DAY, unit="seconds"),
            error_rate=reader.number("FAULT_ERROR_RATE", 0.0, most=1.0, unit="a share"),
            latency=reader.number("FAULT_LATENCY", 0.0, most=A_DAY, unit="seconds"),
            memory_growth=reader.number("FAULT_MEMORY_GROWTH", 0.0, most=1e6, unit="MiB a minute"),
            crash_after=reader.number("FAULT_CRASH_AFTER", math.inf, most=A_DAY, unit="seconds"),
            unhealthy=reader.flag("FAULT_HEALTH", "fail"),
        ),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


class _Reader:
    """Reads one variable at a time and keeps the problems. One that is set to nothing counts as not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, variable: str, default: str) -> str:
        return self._environment.get(variable, "").strip() or default

    def number(self, variable: str, default: float, most: float, unit: str) -> float:
        text = self.text(variable, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0.0 <= value <= most:
            self.problems.append(f"{variable} must be {unit} from 0 to {most:g}, not {text!r}")
            return default
        return value

    def port(self, variable: str, default: int) -> int:
        text = self.text(variable, str(default))
        value = _port(text)
        if value is None:
            self.problems.append(f"{variable} must be a port from 1 to 65535, not {text!r}")
            return default
        return value

    def flag(self, variable: str, word: str) -> bool:
        text = self.text(variable, "")
        if text not in ("", word):
            self.problems.append(f"{variable} must be {word!r} or not set, not {text!r}")
        return text == word

    def capabilities(self, variable: str) -> tuple[str, ...]:
        words = tuple(self.text(variable, "").split())
        for word in words:
            if word not in CAPABILITIES:
                known = ", ".join(sorted(CAPABILITIES))
                self.problems.append(f"{variable} names {word!r}, which this runtime lacks; it has {known}")
        return words

    def endpoints(self, variable: str) -> tuple[Endpoint, ...]:
        endpoints: dict[str, Endpoint] = {}
        for word in self.text(variable, "").split():
            endpoint = _endpoint(word)
            if endpoint is None:
                self.problems.append(f"{variable} must hold NAME=HOST:PORT words, not {word!r}")
            elif endpoint.name in endpoints:
                self.problems.append(f"{variable} names {endpoint.name!r} twice")
            else:
                endpoints[endpoint.name] = endpoint
        return tuple(endpoints.values())


def _port(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text) if 1 <= int(text) <= 65535 else None


def _endpoint(word: str) -> Endpoint | None:
    name, _, place = word.partition("=")
    host, _, port_text = place.rpartition(":")
    port = _port(port_text)
    if not name or not host or not NAME_CHARACTERS.issuperset(name) or port is None:
        return None
    return Endpoint(name, host.removeprefix("[").removesuffix("]"), port)
