"""A workload: one agent or service, with every field of the spec language's service body."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, field_validator

from sutazai.model.base import EMPTY, Effect, SpecModel, declared
from sutazai.model.checks import Backup, Check, Hooks
from sutazai.model.compose import (
    Build,
    Dependencies,
    Device,
    EnvFiles,
    FileGrant,
    Healthcheck,
    Limits,
    Logging,
    Mount,
    Networks,
    Ports,
    Reservations,
    Resources,
    Ulimit,
)
from sutazai.model.forms import Environment, Hosts, TextMap, Texts, Words
from sutazai.model.rollout import Rollout
from sutazai.model.units import Bytes, Seconds, Text, if_said

Replace = Effect.REPLACE
InPlace = Effect.IN_PLACE
Engine = Effect.ENGINE
Input = Effect.INPUT

SECRET = re.compile(r"\{\{ secret\.([A-Za-z0-9][A-Za-z0-9_.-]*) \}\}")
"""A reference to a secret, as it stands in the text of a variable."""
NAMESPACES = ("network_mode", "pid", "ipc")
"""The fields that may name another workload, as `service:NAME`, to share what it has of a kernel namespace."""

Tier = Literal["critical", "specialized", "auxiliary"]


class Route(SpecModel):
    """Where the workload is reached: `bind:port` on the host leads to `target` in the container."""

    port: Annotated[int, Field(ge=1, le=65535)]
    target: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["http", "tcp"] = "http"
    bind: str = "127.0.0.1"
    switched: bool | None = None
    """Whether the traffic switch carries it; else the container publishes the port itself, and can't change without a
    gap. None: as the environment's `traffic` says, which a resolved fleet never leaves open."""


class Lifecycle(SpecModel):
    prevent_destroy: bool = False
    ignore_changes: Texts = ()
    replace_triggered_by: Texts = ()


class Deploy(SpecModel):
    replicas: Annotated[int, Field(ge=0, le=1000), InPlace] = 1
    resources: Annotated[Resources, InPlace] = Resources()
    labels: Annotated[TextMap, Engine] = EMPTY


class Workload(SpecModel):
    """The canonical service body. `model_fields_set` are the declared fields; the others are left to the image and to
    Docker and are never compared."""

    # Compose's fields
    image: Annotated[str | None, Replace] = None
    build: Annotated[Build | None, Engine] = None
    command: Annotated[Words | None, Replace] = None
    entrypoint: Annotated[Words | None, Replace] = None
    environment: Annotated[Environment, Replace] = EMPTY
    env_file: Annotated[EnvFiles, Input] = ()
    expose: Annotated[Texts, Replace] = ()
    ports: Annotated[Ports, Replace] = ()
    volumes: Annotated[tuple[Mount, ...], Replace] = ()
    tmpfs: Annotated[Texts, Replace] = ()
    networks: Annotated[Networks, InPlace] = EMPTY
    depends_on: Annotated[Dependencies, Engine] = EMPTY
    restart: Annotated[
        str, Field(pattern=r"^(no|always|unless-stopped|on-failure(:[0-9]{1,9})?)$"), InPlace
    ] = "no"
    deploy: Annotated[Deploy, InPlace] = Deploy()
    healthcheck: Annotated[Healthcheck | None, Replace] = None
    labels: Annotated[TextMap, Replace] = EMPTY
    user: Annotated[Text | None, if_said, Replace] = None
    working_dir: Annotated[str | None, if_said, Replace] = None
    hostname: Annotated[str | None, if_said, Replace] = None
    dns: Annotated[Texts, Replace] = ()
    extra_hosts: Annotated[Hosts, Replace] = EMPTY
    cap_add: Annotated[Texts, Replace] = ()
    cap_drop: Annotated[Texts, Replace] = ()
    security_opt: Annotated[Texts, Replace] = ()
    read_only: Annotated[bool, Replace] = False
    init: Annotated[bool, Replace] = False
    privileged: Annotated[bool, Replace] = False
    devices: Annotated[tuple[Device, ...], Replace] = ()
    sysctls: Annotated[TextMap, Replace] = EMPTY
    ulimits: Annotated[dict[str, Ulimit], Replace] = EMPTY
    shm_size: Annotated[Bytes | None, Replace] = None
    stop_signal: Annotated[str | None, if_said, Replace] = None
    stop_grace_period: Annotated[Seconds | None, Replace] = None
    logging: Annotated[Logging | None, Replace] = None
    configs: Annotated[tuple[FileGrant, ...], Replace] = ()
    secrets: Annotated[tuple[FileGrant, ...], Replace] = ()
    platform: Annotated[str | None, if_said, Replace] = None
    pull_policy: Annotated[
        Annotated[
            str, Field(pattern=r"^(always|never|missing|if_not_present|build|daily|weekly|every_[0-9a-z]+)$")
        ]
        | None,
        Engine,
    ] = None
    network_mode: Annotated[str | None, if_said, Replace] = None
    pid: Annotated[str | None, if_said, Replace] = None
    ipc: Annotated[str | None, if_said, Replace] = None

    # this engine's own
    module: Annotated[str | None, Input] = None
    inputs: Annotated[dict[str, Any], Input] = EMPTY
    category: Annotated[str | None, Replace] = None
    tier: Annotated[Tier | None, Replace] = None
    route: Annotated[Route | None, Replace] = None
    checks: Annotated[tuple[Check, ...], Engine] = ()
    rollout: Annotated[Rollout, Engine] = Rollout()
    lifecycle: Annotated[Lifecycle, Engine] = Lifecycle()
    hooks: Annotated[Hooks, Engine] = Hooks()
    backup: Annotated[Backup | None, Engine] = None

    @field_validator("checks")
    @classmethod
    def _named_checks(cls, checks: tuple[Check, ...]) -> tuple[Check, ...]:
        named = tuple(c if c.name else c.model_copy(update={"name": c.kind}) for c in checks)
        names = [check.name for check in named]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two checks are named {min(twice)!r}; give each a name of its own")
        return named

    @property
    def readiness(self) -> tuple[Check, ...]:
        """The checks that must pass before the workload counts as healthy."""
        return tuple(check for check in self.checks if check.phase != "liveness")

    @property
    def secret_names(self) -> frozenset[str]:
        """The secrets that it refers to, as files and in variables."""
        names = {grant.source for grant in self.secrets}
        for value in self.environment.values():
            names.update(SECRET.findall(value or ""))
        return frozenset(names)

    @property
    def images(self) -> tuple[str, ...]:
        """The references of its own image and of those that its hooks take."""
        return (*((self.image,) if self.image else ()), *self.hooks.images)

    @property
    def switched(self) -> Route | None:
        """The route that the traffic switch carries."""
        return self.route if self.route is not None and self.route.switched else None

    @property
    def shares(self) -> tuple[str, ...]:
        """The workloads, by the names it uses for them, whose containers it needs as they are: it joins their namespaces."""
        modes = (getattr(self, name) or "" for name in NAMESPACES)
        return tuple(dict.fromkeys(mode[8:] for mode in modes if mode.startswith("service:")))

    @property
    def main_port(self) -> int | None:
        """The port others reach it on inside its network: the route's target, else the first port it declares."""
        if self.route:
            return self.route.target
        if self.ports:
            return self.ports[0].target
        match = re.match("[0-9]{1,5}", self.expose[0]) if self.expose else None
        return int(match[0]) if match else None


def without_refused(values: Mapping[str, Any], instead: Mapping[str, Any] = EMPTY) -> Workload:
    """A workload of these values; a field that it does not take is as it is `instead`. Only what was made or changed by hand has
    such."""
    try:
        return Workload.model_validate(values)
    except ValidationError as error:
        refused = {str(problem["loc"][0]) for problem in error.errors()}
    kept = {name: value for name, value in values.items() if name not in refused}
    return Workload.model_validate({**kept, **{name: instead[name] for name in refused & instead.keys()}})


def effect_of(path: tuple[str, ...]) -> Effect:
    """What changing the field at `path` of a workload does: the effect annotated nearest to it. An item of a list or map
    is a word of the path, whatever it is (`("networks", "fleet", "aliases")`)."""
    model: type[BaseModel] | None = Workload
    effect: Effect | None = None
    words = iter(path)
    for word in words:
        field = model.model_fields.get(word) if model else None
        if field is None:
            break
        effect = next((item for item in field.metadata if isinstance(item, Effect)), effect)
        model = model_in(field.annotation)
        if get_origin(field.annotation) in (dict, tuple):
            next(words, None)
    if effect is None:
        raise KeyError(f"no field {'.'.join(path)} in a workload")
    return effect


@cache
def fields_with(effect: Effect) -> frozenset[str]:
    """The fields of a workload that changing has this effect."""
    return frozenset(name for name in Workload.model_fields if effect_of((name,)) is effect)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, or holds many of; None for plain values."""
    return next(
        (
            part
            for part in (annotation, *get_args(annotation))
            if isinstance(part, type) and issubclass(part, BaseModel)
        ),
        None,
    )


__all__ = [
    "NAMESPACES",
    "Deploy",
    "Lifecycle",
    "Limits",
    "Reservations",
    "Route",
    "Tier",
    "Workload",
    "declared",
    "effect_of",
    "fields_with",
    "without_refused",
]
