"""The whole desired state of one environment."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sutazai.address import Address, Kind
from sutazai.model.base import EMPTY, SpecModel
from sutazai.model.compose import NAME, Build, Resources
from sutazai.model.forms import TextMap, problem
from sutazai.model.rollout import FleetCanary, Rollout
from sutazai.model.units import if_said
from sutazai.model.workload import Route, Workload

LONGEST_NAME = 63
Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
_empty_if_null = BeforeValidator(lambda value: {} if value is None else value)


def is_name(text: str) -> bool:
    """Whether a resource can be called so."""
    return len(text) <= LONGEST_NAME and re.fullmatch(NAME, text) is not None


class IpamPool(SpecModel):
    subnet: str | None = None
    gateway: str | None = None
    ip_range: str | None = None
    aux_addresses: TextMap = EMPTY


class Ipam(SpecModel):
    driver: Annotated[str | None, if_said] = None
    config: tuple[IpamPool, ...] = ()
    options: TextMap = EMPTY


class Network(SpecModel):
    """`external` networks are used, never created or removed; `name` replaces `PROJECT-ENV-NAME` then."""

    driver: Annotated[str | None, if_said] = None
    driver_opts: TextMap = EMPTY
    internal: bool = False
    attachable: bool = False
    enable_ipv6: bool = False
    ipam: Ipam | None = None
    labels: TextMap = EMPTY
    external: bool = False
    name: str | None = None


class Volume(SpecModel):
    driver: Annotated[str | None, if_said] = None
    driver_opts: TextMap = EMPTY
    labels: TextMap = EMPTY
    external: bool = False
    name: str | None = None


class Config(SpecModel):
    """A file for containers. After the specs are read `content` holds it, whatever it came from (`file`,
    `environment`), so that a serial is enough to bring it back."""

    content: str | None = None
    file: str | None = None
    environment: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Config":
        if sum(source is not None for source in (self.content, self.file, self.environment)) != 1:
            raise ValueError("a config has exactly one of content, file, environment")
        return self


class Secret(SpecModel):
    """A reference to a secret of the environment, by name and version; never its value."""

    description: str | None = None
    file: str | None = None
    environment: str | None = None
    external: bool = False
    version: int | None = None


class TlsOptions(SpecModel):
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    verify: bool = True


class ProviderOptions(SpecModel):
    """Which engine carries the environment. Empty means what the docker command would use."""

    kind: Literal["docker", "simulated"] = "docker"
    host: str | None = None
    context: str | None = None
    tls: TlsOptions | None = None
    path: str | None = None

    @field_validator("host")
    @classmethod
    def _no_password(cls, host: str | None) -> str | None:
        """Docker has no use for one, and plan files hold the address."""
        if host is not None and re.match(r"(\w+://)?[^/@:]*:[^@/]+@", host):
            raise problem(
                "the address holds a password, which Docker does not ask for",
                "take it out; tls is how to be known over tcp, a key over ssh",
            )
        return host


class Traffic(SpecModel):
    """The traffic switch of an environment: what carries its routes, so that a workload can change without downtime.
    `none`: every container publishes its route's port itself. Without `image` and `build` it is built from the
    distribution's package."""

    kind: Literal["haproxy", "none"] = "haproxy"
    image: str | None = None
    build: Build | None = None
    resources: Resources | None = None


SWITCH = Address(Kind.SERVICE, "traffic-switch")
"""The workload that carries the routes. It is declared by the engine, where there are routes for it to carry."""


class Policy(SpecModel):
    """A rule over the plan."""

    rule: str
    level: Literal["deny", "warn"] = "deny"
    select: str | None = None
    message: str | None = None
    options: dict[str, Any] = EMPTY


BODIES: Mapping[Kind, type[Workload | Network | Volume | Config | Secret]] = {
    Kind.AGENT: Workload,
    Kind.SERVICE: Workload,
    Kind.NETWORK: Network,
    Kind.VOLUME: Volume,
    Kind.CONFIG: Config,
    Kind.SECRET: Secret,
}
"""What declares a resource, by the kind of its address."""


def meanings(reference: str) -> tuple[Address, ...]:
    """What a name in `depends_on` may mean, the first that there is."""
    kind, dot, name = reference.partition(".")
    named = (Address(Kind(kind), name),) if dot and kind in (Kind.AGENT, Kind.SERVICE) else ()
    return (*named, Address(Kind.AGENT, reference), Address(Kind.SERVICE, reference))


class Fleet(SpecModel):
    """Everything one environment declares, fully resolved: variables rendered, modules and overrides merged, what the
    environment excludes gone. A network, volume, config or secret is here only if a workload uses it, or may since it
    ignores what its own body says of them."""

    project: Name
    environment: Name
    networks: dict[Name, Annotated[Network, _empty_if_null]] = EMPTY
    volumes: dict[Name, Annotated[Volume, _empty_if_null]] = EMPTY
    configs: dict[Name, Config] = EMPTY
    secrets: dict[Name, Annotated[Secret, _empty_if_null]] = EMPTY
    services: dict[Name, Workload] = EMPTY
    agents: dict[Name, Workload] = EMPTY
    rollout: Rollout = Rollout()
    fleet_canary: FleetCanary | None = None
    policies: tuple[Policy, ...] = ()
    traffic: Traffic | None = None
    """The switch that carries the routes; None where there is none."""

    def workloads(self) -> Iterator[tuple[Address, Workload]]:
        """Every workload with its address, services first, each kind by name."""
        return iter(self._workloads)

    @cached_property
    def _workloads(self) -> tuple[tuple[Address, Workload], ...]:
        return (
            *((Address(Kind.SERVICE, name), self.services[name]) for name in sorted(self.services)),
            *((Address(Kind.AGENT, name), self.agents[name]) for name in sorted(self.agents)),
        )

    def workload(self, address: Address) -> Workload | None:
        table = self.agents if address.kind is Kind.AGENT else self.services
        return table.get(address.name) if address.kind.is_workload else None

    def rollout_of(self, workload: Workload) -> Rollout:
        """How a workload changes: its own words over those of the environment and the project. Analyses are told apart by
        their names."""
        own = {name: getattr(workload.rollout, name) for name in workload.rollout.model_fields_set}
        if "analysis" in own:
            own["analysis"] = {**self.rollout.analysis, **workload.rollout.analysis}
        return self.rollout.model_copy(update=own)

    def switched(self) -> Iterator[tuple[Address, Workload, Route]]:
        """The workloads whose routes the traffic switch carries."""
        for address, workload in self.workloads():
            if workload.switched is not None:
                yield address, workload, workload.switched

    def resolve(self, reference: str) -> Address | None:
        """What a name in `depends_on` means: `NAME` (an agent, else a service), `agent.NAME` or `service.NAME`."""
        return next((a for a in meanings(reference) if self.workload(a) is not None), None)

    def dependencies(self, address: Address) -> tuple[Address, ...]:
        """The workloads that `address` waits for, in this environment, sorted."""
        workload = self.workload(address)
        found = {self.resolve(name) for name in workload.depends_on} if workload else set()
        if workload is not None and workload.switched and self.workload(SWITCH):
            found.add(SWITCH)
        return tuple(sorted(target for target in found if target is not None))

    def optional(self, address: Address) -> frozenset[Address]:
        """The workloads that `address` waits for, and does without where they are not well (`required: false`)."""
        workload = self.workload(address)
        if workload is None:
            return frozenset()
        without = {self.resolve(name) for name, named in workload.depends_on.items() if not named.required}
        needed = {self.resolve(name) for name, named in workload.depends_on.items() if named.required}
        needed |= {SWITCH, *(self.resolve(name) for name in workload.shares)}
        return frozenset(target for target in without - needed if target is not None)

    def finishing(self) -> frozenset[Address]:
        """The workloads that others wait for to end, so that ending with code 0 is their health."""
        targets = (
            self.resolve(name)
            for _, workload in self.workloads()
            for name, dependency in workload.depends_on.items()
            if dependency.condition == "service_completed_successfully"
        )
        return frozenset(target for target in targets if target is not None)

    def resource(self, address: Address) -> SpecModel | None:
        """The declaration behind an address, of any kind."""
        if address.kind.is_workload:
            return self.workload(address)
        tables: dict[Kind, dict[str, Any]] = {
            Kind.NETWORK: self.networks,
            Kind.VOLUME: self.volumes,
            Kind.CONFIG: self.configs,
            Kind.SECRET: self.secrets,
        }
        found: SpecModel | None = tables[address.kind].get(address.name)
        return found

    def addresses(self) -> Iterator[Address]:
        """Every address, in address order."""
        for kind, names in (
            (Kind.NETWORK, self.networks),
            (Kind.VOLUME, self.volumes),
            (Kind.CONFIG, self.configs),
            (Kind.SECRET, self.secrets),
            (Kind.SERVICE, self.services),
            (Kind.AGENT, self.agents),
        ):
            for name in sorted(names):
                yield Address(kind, name)
