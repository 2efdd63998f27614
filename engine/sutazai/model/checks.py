"""Health checks, hooks and backups as declared. What carries them out is under `health` and `backup`."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sutazai.model.base import EMPTY, SpecModel
from sutazai.model.forms import TextMap, Texts, Words
from sutazai.model.units import Seconds

CheckKind = Literal["ping", "http", "deep", "performance", "functional", "integration", "docker"]


class Check(SpecModel):
    """One question asked of every instance of a workload. Durations in seconds.

    `startup` checks must pass once before the others begin, `readiness` decides whether an instance counts as
    healthy and takes traffic, `liveness` whether it must be replaced.
    """

    name: str = ""
    kind: CheckKind
    phase: Literal["startup", "readiness", "liveness"] = "readiness"
    interval: Annotated[Seconds, Field(gt=0)] = 2.0
    timeout: Annotated[Seconds, Field(gt=0)] = 2.0
    retries: Annotated[int, Field(ge=1)] = 3
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    path: str = "/"
    method: str = "GET"
    scheme: Literal["http", "https"] = "http"
    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = (200,)
    headers: TextMap = EMPTY
    body: str | None = None
    expect_headers: TextMap = EMPTY
    expect: dict[str, Any] = EMPTY
    """`deep` and `functional`: JSON path → expected value."""
    requests: Annotated[int, Field(ge=1, le=100_000)] = 20
    """`performance`: how many requests one round sends."""
    percentiles: dict[str, Seconds] = EMPTY
    """`performance`: percentile (`p95`) → longest time."""
    min_throughput: float | None = None
    """`performance`: requests per second."""
    targets: Texts = ()
    """`integration`: the dependencies to ask for; all of them when empty."""

    @field_validator("status", mode="before")
    @classmethod
    def _one_status(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int) else value

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError(f"path {value!r} must begin with /")
        return value


class HookCommand(SpecModel):
    """A command inside the container (`command`), or in a one-off container when `image` is set."""

    command: Words
    image: str | None = None
    timeout: Seconds = 60.0

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, (str, list, tuple)) else value


class Hooks(SpecModel):
    pre_deploy: HookCommand | None = None
    post_deploy: HookCommand | None = None
    pre_stop: HookCommand | None = None


class Backup(SpecModel):
    """How a workload's data is saved and brought back."""

    kind: Literal["volume", "postgres", "redis", "command"]
    volume: str | None = None
    database: str | None = None
    user: str | None = None
    save: Words | None = None
    restore: Words | None = None
