"""A change as it is shown. A fleet's plan has thousands, and telling what they share, and then showing it, looks
several times at each."""

from collections.abc import Mapping
from functools import cached_property

from sutazai.model.fleet import BODIES
from sutazai.plan.change import ResourceChange
from sutazai.views.body import Leaf, leaves
from sutazai.views.differences import Difference, differences, sensitive_paths
from sutazai.views.values import Path


class Shown:
    """A change with its leaves and its differences, each made when first asked for."""

    def __init__(self, change: ResourceChange) -> None:
        self.change = change

    @cached_property
    def body(self) -> Mapping[Path, Leaf]:
        """The declared body that a change creates, or that a destruction removes."""
        change = self.change
        body = change.after if change.after is not None else change.before
        return leaves(BODIES[change.address.kind], body, sensitive_paths(change))

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """The leaves that differ, in the order of the fields."""
        return differences(self.change)
