"""With what a canary is compared.

New containers of the old version that are not well any more are no measure: their errors would make every canary look good. Their
figures are dropped, and from then on it is compared with the running version. That one is what is replaced, and what users
have. So whatever becomes of it is what the canary must not be worse than, or a version that crashes could never be mended.
The verdict says either.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Comparison:
    """`fresh`: with new containers of the old version. `lost` is why no longer, `ill` what was wrong with the running one."""

    fresh: bool = False
    lost: str = ""
    ill: str = ""

    def after(self, cause: str) -> "Comparison":
        """When what it is compared with was found not to be well."""
        return Comparison(lost=cause) if self.fresh else replace(self, ill=cause)

    @property
    def words(self) -> str:
        """What is not as it was meant to be; empty when all is."""
        lost = f"compared with the running version, as a new container of it is not well: {self.lost}"
        ill = f"the running version is not well itself: {self.ill}"
        return "; ".join([lost] * bool(self.lost) + [ill] * bool(self.ill))
