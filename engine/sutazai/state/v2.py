"""Format 2 of the recorded state.

A serial is immutable and holds all that is needed to bring it back: the whole resolved desired model, and for each
resource what was applied and what ran. A later format gets a file of its own and a pure upgrade from this one.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from sutazai.address import Address, Kind
from sutazai.model.fleet import BODIES, Config, Fleet, Network, Secret, Volume
from sutazai.model.workload import Workload
from sutazai.state.scope import Slot


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InstanceRecord(Record):
    """A container as it was when the serial was committed. `adopted`: it was made by others and taken over by `state
    import`, so it has none of our labels and is known by its ID alone. `configs` are the digests of what its config files were
    made with, by name; written only where there are some."""

    id: str
    name: str
    slot: Slot
    replica: int
    image: str
    image_id: str
    image_digest: str | None = None
    spec_hash: str
    adopted: bool = False
    configs: dict[str, str] = {}


def body_of_kind(kind: Kind, body: dict[str, Any]) -> Workload | Network | Volume | Config | Secret:
    """A declared body as the model of its kind."""
    return BODIES[kind].model_validate(body)


class ResourceRecord(Record):
    """One resource. `applied` is what was last applied to it; None where that is what the serial's `desired` says.
    `object_id` is the Docker ID of a network or the name of a volume. `tainted`: it was changed but never became
    healthy, so the next plan goes on with it. `slot` is the slot that is in use. `imported`: its containers were taken
    over and nothing was applied to them yet. `deposed` are adopted ones that a run which failed put others in place of, and did
    not come to remove: no label tells whose they are. Written only where there are some."""

    address: Address
    applied: Workload | Network | Volume | Config | Secret | None = None
    object_id: str | None = None
    slot: Slot | None = None
    instances: tuple[InstanceRecord, ...] = ()
    tainted: bool = False
    imported: bool = False
    deposed: tuple[InstanceRecord, ...] = ()

    @property
    def containers(self) -> tuple[InstanceRecord, ...]:
        """All that are its own, in use or not."""
        return (*self.instances, *self.deposed)

    @field_validator("applied", mode="before")
    @classmethod
    def _body_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """The address says what the body is: `{driver: local}` alone could be a network's or a volume's."""
        address = info.data.get("address")
        return body_of_kind(address.kind, value) if address and isinstance(value, dict) else value


class Released(Record):
    """An object that `state rm` let go: it bears our labels for good, and is not ours. `id` is Docker's ID of a container
    or network, the name of a volume."""

    address: Address
    id: str
    name: str


class JudgementRecord(Record):
    """What was said of one metric: in words, and its figures by name."""

    metric: str
    outcome: Literal["pass", "fail", "inconclusive"]
    text: str
    figures: dict[str, float] = {}


class VerdictRecord(Record):
    """What an analysis of a canary came to in the end. `analysis` is its name in the rollout."""

    address: Address
    analysis: str
    outcome: Literal["pass", "fail", "inconclusive"]
    judgements: tuple[JudgementRecord, ...]

    @property
    def because(self) -> str:
        """The judgements that decided it, in words."""
        return "; ".join(item.text for item in self.judgements if item.outcome == self.outcome)


class Operation(Record):
    """Who made the serial, why, and how it went. Times are ISO 8601 in UTC, `seconds` is the duration."""

    command: Literal[
        "apply", "destroy", "rollback", "refresh", "import", "mv", "rm", "push", "deploy", "recover"
    ]
    who: str
    why: str = ""
    started: str
    seconds: float
    outcome: Literal["done", "failed", "interrupted", "partial"]
    added: int = 0
    changed: int = 0
    replaced: int = 0
    destroyed: int = 0
    error: str | None = None
    of_serial: int | None = None
    """`rollback`: the serial that was brought back. `push`: the serial that the file called itself."""
    plan_digest: str | None = None
    approved_by: str | None = None
    verdicts: tuple[VerdictRecord, ...] = ()
    """In the order in which they were reached; written only where there are some."""


class State(Record):
    """A committed state. `sha256` covers everything else in the file, `previous_sha256` is the one of the serial
    before: a chain."""

    format_version: Literal[2] = 2
    sutazai_version: str
    lineage: str
    serial: Annotated[int, Field(ge=1)]
    project: str
    environment: str
    spec_digest: str
    operation: Operation
    desired: Fleet
    resources: tuple[ResourceRecord, ...] = ()
    released: tuple[Released, ...] = ()
    previous_sha256: str | None = None
    sha256: str = ""

    @property
    def instance_ids(self) -> frozenset[str]:
        """The IDs of all containers that it records."""
        return frozenset(row.id for record in self.resources for row in record.containers)

    def record(self, address: Address) -> ResourceRecord | None:
        return next((record for record in self.resources if record.address == address), None)

    def applied(self, address: Address) -> "Workload | Network | Volume | Config | Secret | None":
        """What was last applied to a resource, None when the state does not know it or nothing was yet."""
        record = self.record(address)
        return self.applied_of(record) if record else None

    def applied_config(self, name: str) -> Config | None:
        """A config with the content that was last applied."""
        found = self.applied(Address(Kind.CONFIG, name))
        return found if isinstance(found, Config) else self.desired.configs.get(name)

    def applied_of(self, record: ResourceRecord) -> "Workload | Network | Volume | Config | Secret | None":
        """As `applied`, of one of its records."""
        if record.imported:
            return None
        if record.applied is not None:
            return record.applied
        found = self.desired.resource(record.address)
        assert found is None or isinstance(found, (Workload, Network, Volume, Config, Secret))  # noqa: S101 - for mypy
        return found
