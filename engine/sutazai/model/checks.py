"""Health checks, hooks and backups as declared. What carries checks out is under `health`, and hooks `operations/hooks.py`;
backups are not carried out yet."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from sutazai.model.base import EMPTY, SpecModel
from sutazai.model.forms import Environment, TextMap, Texts, Words, problem
from sutazai.model.units import Seconds, Text

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
        if isinstance(value, str):
            raise problem("a status is a number", "write status: 200, or a list: [200, 204]")
        return (value,) if isinstance(value, int) else value

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError(f"path {value!r} must begin with /")
        return value


HookName = Literal["pre_deploy", "post_deploy", "pre_stop"]
HOOK_NAMES: tuple[HookName, ...] = get_args(HookName)


class HookCommand(SpecModel):
    """A command in the workload's container, or in a container made for it alone (`one_off`): of the workload's own image with
    what the workload has, or of another `image` in the workload's networks. It is run as it is, without an entrypoint."""

    command: Words
    image: str | None = None
    one_off: bool | None = None
    """None: true of `pre_deploy`, whose version has no container yet, and where there is an `image`. A `pre_deploy` that is
    none runs in the old container."""
    user: Text | None = None
    environment: Environment = EMPTY
    """Beside the container's own."""
    timeout: Annotated[Seconds, Field(gt=0)] = 60.0

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, (str, list, tuple)) else value

    @field_validator("command")
    @classmethod
    def _not_empty(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if not command or not command[0]:
            raise ValueError("there is no command in it")
        return command

    @model_validator(mode="after")
    def _an_image_is_for_a_container(self) -> "HookCommand":
        if self.image is not None and self.one_off is False:
            raise ValueError("image makes it a one-off container, and one_off says that it is none")
        return self


class Hooks(SpecModel):
    """What is run along the way of a deployment: before anything changes, in the new container once it has its traffic, in
    the old one before it is stopped."""

    pre_deploy: HookCommand | None = None
    post_deploy: HookCommand | None = None
    pre_stop: HookCommand | None = None

    def of(self, name: HookName) -> HookCommand | None:
        found: HookCommand | None = getattr(self, name)
        return found

    def is_one_off(self, name: HookName) -> bool:
        """Whether a hook runs in a container of its own; False where there is no such hook."""
        hook = self.of(name)
        if hook is None:
            return False
        return hook.one_off if hook.one_off is not None else hook.image is not None or name == "pre_deploy"

    @property
    def images(self) -> tuple[str, ...]:
        """Those that it takes beside the workload's own."""
        hooks = (self.of(name) for name in HOOK_NAMES)
        return tuple(dict.fromkeys(hook.image for hook in hooks if hook is not None and hook.image))


class Backup(SpecModel):
    """How a workload's data is saved and brought back."""

    kind: Literal["volume", "postgres", "redis", "command"]
    volume: str | None = None
    database: str | None = None
    user: str | None = None
    save: Words | None = None
    restore: Words | None = None
