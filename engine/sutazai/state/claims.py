"""What the newest serial says of Docker's objects, over what their labels say.

Labels of an object never change, so they can't tell what became of it later: a container that was taken over without any
(`state import`), one that serves another address now (`state mv`), one that is nobody's any more (`state rm`). The state
knows them by their IDs, and what it says counts. Nothing else without labels is ever touched, and nothing that is
`released` is, whatever its labels say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sutazai.address import Address
from sutazai.state.observed import Instance
from sutazai.state.scope import Slot

if TYPE_CHECKING:
    from sutazai.state.v2 import State


@dataclass(frozen=True, slots=True)
class Place:
    """What a container serves."""

    address: Address
    slot: Slot
    replica: int


@dataclass(frozen=True, slots=True)
class Claims:
    """`containers` holds every recorded container by its ID; `adopted` are those of them without our labels. `released`
    are the IDs of containers and networks and the names of volumes that were let go."""

    containers: Mapping[str, Place] = field(default_factory=dict)
    adopted: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()

    def owns(self, identity: str, *, labelled: bool) -> bool:
        """Whether an object is ours. `labelled`: its labels say so."""
        return identity not in self.released and (labelled or identity in self.adopted)

    def address_of(self, identity: str, labelled: Address | None) -> Address | None:
        place = self.containers.get(identity)
        return place.address if place else labelled

    def over(self, earlier: "Claims") -> "Claims":
        """With what an earlier serial says of containers that this one says nothing of."""
        return replace(
            self, containers={**earlier.containers, **self.containers}, adopted=earlier.adopted | self.adopted
        )

    def placed(self, instance: Instance) -> Instance:
        """The instance with what it serves."""
        place = self.containers.get(instance.id)
        if place is None or place == Place(instance.address, instance.slot, instance.replica):
            return instance
        return replace(instance, address=place.address, slot=place.slot, replica=place.replica)


NOTHING = Claims()


def claims_of(state: "State | None") -> Claims:
    """What a serial says; nothing where there is none."""
    if state is None:
        return NOTHING
    rows = [(record.address, row) for record in state.resources for row in record.containers]
    return Claims(
        {row.id: Place(address, row.slot, row.replica) for address, row in rows},
        frozenset(row.id for _, row in rows if row.adopted),
        frozenset(one.id for one in state.released),
    )
