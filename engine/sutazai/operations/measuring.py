"""The memory of containers, measured again and again while a canary is judged.

What several ask at the same time is one call: an engine may take a second to answer, however much it is about.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sutazai.errors import ProviderError
from sutazai.operations.session import Run
from sutazai.state.traffic import LaneKey


@dataclass(slots=True)
class Measured:
    """The containers of one version and the lanes that lead to them. `points` are of `(seconds, bytes)`: the mean of them all, at
    the moments at which all were measured."""

    instances: Sequence[str]
    lanes: Collection[LaneKey]
    points: list[tuple[float, float]] = field(default_factory=list)


async def measure(run: Run, versions: Sequence[Measured], began: float) -> None:
    """One more point of each, in seconds since `began`. There is none where a container does not run, or the engine does not
    answer just now: whoever watches the containers finds out why."""
    try:
        found = await run.memory([one for version in versions for one in version.instances])
    except ProviderError:
        return
    at = run.session.clock.monotonic() - began
    for version in versions:
        sizes = [found[one] for one in version.instances if one in found]
        if sizes and len(sizes) == len(version.instances):
            version.points.append((at, sum(sizes) / len(sizes)))
