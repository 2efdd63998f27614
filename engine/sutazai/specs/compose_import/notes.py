"""What could not be carried over, said in words that help."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sutazai.diagnostics import Diagnostic, Position, Severity

WHY = {
    "container_name": "containers are named PROJECT-ENV-NAME-SLOT; in its networks the service keeps the old name",
    "links": "networks make services reachable by name; the link became a depends_on and an alias",
    "profiles": "environments choose instead: see `exclude` in environments/local.yaml",
    "develop": "watching source files is left to development tools",
    "volumes_from": "name the volumes in both services",
    "deploy.mode": "there is one replica, or deploy.replicas of them",
    "deploy.placement": "all containers run on the environment's one engine",
    "deploy.update_config": "say how it changes in `rollout`",
    "deploy.rollback_config": "say how it changes back in `rollout`",
    "deploy.restart_policy": "`restart` has its condition and max_attempts, but neither delay nor window",
    "deploy.endpoint_mode": "there is no Swarm",
    "tty": "containers have no terminal",
    "stdin_open": "containers have no terminal",
    "runtime": "reserve devices in deploy.resources instead",
}


@dataclass(slots=True)
class Notes:
    """Everything that differs between the Compose files and the project, in the order of the files."""

    items: dict[Diagnostic, None] = field(default_factory=dict)

    def add(self, what: str, why: str, at: Position | None, *, code: str = "not-carried-over") -> None:
        self.items[Diagnostic(f"{what}: {why}", code, Severity.WARNING, position=at)] = None

    def dropped(self, owner: str, field_name: str, at: Position | None, why: str = "") -> None:
        """A field that is left out, with the advice for it when there is any."""
        reason = why or WHY.get(field_name) or "the spec language has no such field"
        self.add(f"{owner}: {field_name} is left out", reason, at)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(sorted(self.items, key=Diagnostic.sort_key))
