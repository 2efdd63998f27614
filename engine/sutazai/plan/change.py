"""The plan as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from sutazai.address import Address
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet
from sutazai.plan.manner import Strategy
from sutazai.state.scope import Slot


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """Stop the old one first."""
    REPLACE_START_FIRST = "replace-start-first"
    DESTROY = "destroy"
    ADOPT = "adopt"
    NOOP = "no-op"

    @property
    def symbol(self) -> str:
        return _SYMBOLS[self]

    @property
    def terraform(self) -> tuple[str, ...]:
        """The `actions` of Terraform's JSON plan."""
        return _TERRAFORM[self]


REPLACED = (Action.REPLACE, Action.REPLACE_START_FIRST)
TIERS: Mapping[str | None, int] = {"auxiliary": 0, "specialized": 1, None: 2, "critical": 3}
"""Which goes first where something has to."""
MADE = (Action.CREATE, *REPLACED)
"""What makes a new container or object."""
_SYMBOLS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.REPLACE_START_FIRST: "+/-",
    Action.DESTROY: "-",
    Action.ADOPT: "<=",
    Action.NOOP: " ",
}
_TERRAFORM = {
    Action.CREATE: ("create",),
    Action.UPDATE: ("update",),
    Action.REPLACE: ("delete", "create"),
    Action.REPLACE_START_FIRST: ("create", "delete"),
    Action.DESTROY: ("delete",),
    Action.ADOPT: ("no-op",),
    Action.NOOP: ("no-op",),
}


class Reason(StrEnum):
    """Why a resource changes. Terraform's words (`action_reason`) where it has them."""

    NONE = ""
    MISSING = "create_because_missing"
    NEW = "create_because_declared"
    CHANGED = "update_because_changed"
    DRIFTED = "update_because_drifted"
    STOPPED = "update_because_not_running"
    SCALED = "update_because_replicas_changed"
    RESTARTED = "update_because_dependency_replaced"
    RECORD = "update_because_recorded_only"
    CANNOT_UPDATE = "replace_because_cannot_update"
    TAINTED = "replace_because_tainted"
    REQUESTED = "replace_by_request"
    TRIGGERED = "replace_by_triggers"
    IMAGE_MOVED = "replace_because_image_moved"
    UNDECLARED = "delete_because_no_resource_config"
    DESTROYING = "delete_because_destroy"
    ADOPTED = "adopt_by_request"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs. `path` is the field's place in the body (`("environment", "MODE")`); before and after
    are plain JSON values, None where absent. `known` False: only Docker can know the new value."""

    path: tuple[str, ...]
    before: Any
    after: Any
    effect: Effect
    sensitive: bool = False
    known: bool = True
    drift: bool = False
    """The difference was made outside: the declared value did not change since it was applied."""


Step = Literal[
    "start",
    "restart",
    "scale",
    "rename",
    "update",
    "networks",
    "route",
    "record",
    "remove-deposed",
    "wait",
    "post-deploy",
]


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What happens to one resource. `before` and `after` are the declared views of it as plain JSON data (None: absent).
    `slot` is where a workload runs after the change. `steps` of an in-place update say which kinds of call it needs; what is
    destroyed by the step `record` is forgotten only."""

    address: Address
    action: Action
    reason: Reason = Reason.NONE
    detail: str = ""
    """The reason in words for people, naming the fields or the trigger."""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    fields: tuple[FieldChange, ...] = ()
    slot: Slot | None = None
    steps: tuple[Step, ...] = ()
    strategy: str = ""
    strategy_reason: str = ""
    fresh_baseline: bool = False
    """Its canary is compared with new containers of the old version, beside those that run."""
    image_id: str | None = None
    """The image a workload will run, when it is known before Docker is asked."""
    imported_id: str = ""
    """The container that was imported and to which nothing was applied yet."""

    @property
    def changes(self) -> bool:
        return self.action is not Action.NOOP

    @property
    def starts_something(self) -> bool:
        return self.address.kind.is_workload and (
            self.action in MADE or not {"start", "scale"}.isdisjoint(self.steps)
        )

    @property
    def is_waited_for(self) -> bool:
        """Whether it must be healthy before its wave is done."""
        return self.starts_something or not {"wait", "networks"}.isdisjoint(self.steps)


@dataclass(frozen=True, slots=True)
class Wave:
    """Addresses that are changed together; the next wave starts when every one of these is healthy."""

    index: int
    addresses: tuple[Address, ...]
    canary: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """The containers that run beside those that are desired, for a while, when a plan is carried out, and the sums over them: old
    versions that wait until the new ones have done well, and baselines of canaries. Memory in bytes."""

    containers: int = 0
    memory_limits: int = 0
    cpu_limits: float = 0.0
    unlimited: int = 0
    unlimited_cpus: int = 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the fleet may use against what the host has. Memory in bytes, CPUs as a number."""

    memory_limits: int
    memory_reserved: int
    cpu_limits: float
    cpu_reserved: float
    workloads: int
    unlimited: int
    """How many instances have no memory limit."""
    host_memory: int | None = None
    host_cpus: int | None = None
    unlimited_cpus: int = 0
    """How many instances have no limit of CPUs."""
    beside: Beside = field(default_factory=Beside)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the plan that the reader must know before approving. An `error` forbids applying."""

    severity: Literal["error", "warning", "info"]
    code: str
    summary: str
    address: Address | None = None
    hint: str = ""


PREVENTED = "prevent-destroy"
"""The code of what a `lifecycle.prevent_destroy` forbids."""
FORBIDDEN = frozenset({PREVENTED, "hook-nowhere", "object-renamed", "port-shared", "volume-changed"})
"""The codes of errors in what the specs ask for: no other host and no later version makes them good."""
UNRECORDABLE, PARTLY_RECORDABLE = "not-recordable", "partly-recordable"
"""The codes of drift of which a refresh can record nothing, and not all."""

PlanKind = Literal["apply", "destroy", "rollback", "refresh"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run would do, in the order in which it would do it, and why. `desired` is what will be
    recorded; `changes` holds every resource, no-ops too, in address order."""

    kind: PlanKind
    project: str
    environment: str
    lineage: str | None
    serial: int
    """The serial planned against; 0 before the first."""
    spec_digest: str
    desired: Fleet
    changes: tuple[ResourceChange, ...]
    drift: tuple[ResourceChange, ...] = ()
    waves: tuple[Wave, ...] = ()
    capacity: Capacity | None = None
    findings: tuple[Finding, ...] = ()
    targeted: bool = False
    """True when `--target` or `--exclude` left something out, or what can't be done is left out."""
    of_serial: int | None = None
    """Rollback: the serial that is brought back."""
    destroy_volumes: bool = False
    pending: frozenset[Address] = field(default_factory=frozenset)
    """Addresses that differ but are left out by `--target` or `--exclude`."""
    tainted: frozenset[Address] = field(default_factory=frozenset)
    """Addresses that were changed before but never became healthy."""
    strategy: Strategy | None = None
    """Rollback: how it goes."""

    @property
    def actions(self) -> tuple[ResourceChange, ...]:
        return tuple(change for change in self.changes if change.changes)

    @property
    def recorded(self) -> tuple[ResourceChange, ...]:
        """Refresh: the drift that it records, wholly or in part."""
        left = {finding.address for finding in self.findings if finding.code == UNRECORDABLE}
        return tuple(change for change in self.drift if change.address not in left)

    @property
    def records_all(self) -> bool:
        """Refresh: whether no drift is left once it is recorded."""
        return not any(finding.code in (UNRECORDABLE, PARTLY_RECORDABLE) for finding in self.findings)

    @property
    def beside(self) -> tuple[ResourceChange, ...]:
        """The workloads that are changed while the waves are, and are in none."""
        ordered = {address for wave in self.waves for address in wave.addresses}
        actions = self.actions if ordered else ()
        return tuple(one for one in actions if one.address.kind.is_workload and one.address not in ordered)

    @property
    def canaries(self) -> tuple[Address, ...]:
        """The few of the replaced that go first."""
        return tuple(address for wave in self.waves if wave.canary for address in wave.addresses)

    @property
    def replaced(self) -> int:
        """How many workloads are replaced."""
        return sum(c.action in REPLACED and c.address.kind.is_workload for c in self.changes)

    @property
    def errored(self) -> bool:
        """Whether the specs ask for what may not be, whatever the host has and this version can."""
        return any(one.severity == "error" and one.code in FORBIDDEN for one in self.findings)

    @property
    def applyable(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def count(self, *actions: Action) -> int:
        return sum(change.action in actions for change in self.changes)

    @property
    def summary(self) -> str:
        """`Plan: 3 to add, 1 to change, 2 to replace, 0 to destroy.`"""
        adopt = self.count(Action.ADOPT)
        return (
            f"Plan: {f'{adopt} to adopt, ' if adopt else ''}{self.count(Action.CREATE)} to add, "
            f"{self.count(Action.UPDATE)} to change, "
            f"{self.count(*REPLACED)} to replace, "
            f"{self.count(Action.DESTROY)} to destroy."
        )
