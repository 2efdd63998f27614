"""Logical names of the spec ↔ names of objects in the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sutazai.model.fleet import Fleet, Network, Volume
from sutazai.state.scope import Scope


@dataclass(frozen=True, slots=True)
class Names:
    """`networks` and `volumes` hold those that are not simply `PROJECT-ENV-NAME`: logical → object name."""

    scope: Scope
    networks: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(scope: Scope, fleet: Fleet) -> "Names":
        return Names(scope, _special(fleet.networks), _special(fleet.volumes))

    def network(self, name: str) -> str:
        return self.networks.get(name) or self.scope.object_name(name)

    def volume(self, name: str) -> str:
        return self.volumes.get(name) or self.scope.object_name(name)

    def logical_network(self, object_name: str) -> str:
        return _logical(object_name, self.networks, self.scope)

    def logical_volume(self, object_name: str) -> str:
        return _logical(object_name, self.volumes, self.scope)


def called(fleet: Fleet) -> frozenset[str]:
    """What networks and volumes of the fleet's own are called by a `name`."""
    networks = (network.name for network in fleet.networks.values() if not network.external)
    volumes = (volume.name for volume in fleet.volumes.values() if not volume.external)
    return frozenset(name for name in (*networks, *volumes) if name)


def _special(declared: Mapping[str, Network] | Mapping[str, Volume]) -> dict[str, str]:
    """As in Compose: an external object is called what its `name` says, else what its key says; `name`
    alone renames an object of our own."""
    return {key: item.name or key for key, item in declared.items() if item.external or item.name}


def _logical(object_name: str, special: Mapping[str, str], scope: Scope) -> str:
    return next(
        (key for key, name in special.items() if name == object_name), scope.logical_name(object_name)
    )
