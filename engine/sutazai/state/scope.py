"""Who owns an object: the names and labels by which this engine finds what is its own, and only that."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sutazai.address import Address, Kind

if TYPE_CHECKING:
    from sutazai.model.fleet import Fleet
    from sutazai.model.workload import Workload

PREFIX = "io.sutazai."
HOOK = PREFIX + "hook"
"""On a container that was made to run a hook: the name of the hook. It is none of its workload's instances."""


class Slot(StrEnum):
    """The two places where a version of a workload can run side by side."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Slot":
        return Slot.GREEN if self is Slot.BLUE else Slot.BLUE


@dataclass(frozen=True, slots=True)
class Scope:
    """One environment of one project. Objects outside of it are never touched."""

    project: str
    environment: str

    def object_name(self, name: str) -> str:
        """The Docker name of a network or volume."""
        return f"{self.project}-{self.environment}-{name}"

    def logical_name(self, object_name: str) -> str:
        """The inverse of `object_name`; names of other owners come back as they are."""
        return object_name.removeprefix(f"{self.project}-{self.environment}-")

    def instance_name(self, host: str, slot: Slot, replica: int, replicas: int) -> str:
        """The Docker name of a container: `-N` is added where there is more than one replica. `host` is
        `host_name(...)` of the workload."""
        suffix = f"-{replica}" if replicas > 1 else ""
        return f"{self.project}-{self.environment}-{host}-{slot.value}{suffix}"

    def one_off_name(self, host: str, slot: Slot, hook: str, replica: int, replicas: int) -> str:
        """The Docker name of a container that runs a hook (`pre_deploy`) and nothing else."""
        suffix = f"-{replica}" if replicas > 1 else ""
        return f"{self.instance_name(host, slot, 1, 1)}-{hook.replace('_', '-')}{suffix}"

    def labels(self, address: Address) -> dict[str, str]:
        """The labels every object of this scope carries."""
        return {
            PREFIX + "project": self.project,
            PREFIX + "environment": self.environment,
            PREFIX + "address": str(address),
        }


def host_name(address: Address, *, shared: bool) -> str:
    """The name others reach a workload by. `shared`: an agent has the name too, so a service is `service.NAME`."""
    return str(address) if shared and address.kind is Kind.SERVICE else address.name


def host_in(fleet: "Fleet", address: Address) -> str:
    """The name that others in its fleet reach a workload by."""
    return host_name(address, shared=address.name in fleet.agents and address.name in fleet.services)


def digest_of(data: object) -> str:
    """SHA-256 (hex) of plain data in one canonical JSON form."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def spec_hash(workload: "Workload", image_id: str | None, configs: Mapping[str, str]) -> str:
    """A digest of everything that a change in would need a new container for. `configs` maps the config names that the
    workload uses to digests of their content. In-place changes leave it as it is, so a label can hold it."""
    from sutazai.model.base import Effect
    from sutazai.model.workload import fields_with

    replacing = fields_with(Effect.REPLACE)
    fields = {name: value for name, value in workload.form.items() if name in replacing}
    return digest_of({"fields": fields, "image": image_id, "configs": dict(sorted(configs.items()))})[:32]
