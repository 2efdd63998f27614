"""All that has a share of a route's traffic while a new version is tried, and with what that one is compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sutazai.events import Notice
from sutazai.operations.baseline import Baseline
from sutazai.operations.hand import Hand, Placed
from sutazai.operations.leading import lead
from sutazai.operations.watching import Watching
from sutazai.rollout.comparison import Comparison
from sutazai.state.observed import Instance


@dataclass(slots=True)
class Versions:
    """`placed` is the canary, `old` what runs. `fresh` are the containers of the baseline as long as they are well; `weight` is
    what the canary has."""

    hand: Hand
    placed: Sequence[Placed]
    old: Sequence[Instance]
    baseline: Baseline | None
    fresh: Sequence[Instance] = ()
    comparison: Comparison = field(default_factory=Comparison)
    weight: int = 0
    _watch: Watching | None = None

    async def settled(self) -> None:
        """Wait until the baseline can be compared with, or is given up. Raises `Unhealthy` when the run is interrupted."""
        if self.baseline is None:
            return
        cause = await self.baseline.settled()
        if cause:
            self._say(Comparison(fresh=True).after(cause))
        else:
            self.fresh, self.comparison = await self.baseline.there(), Comparison(fresh=True)

    async def lead(self, weight: int) -> None:
        """Give the canary `weight` percent of the traffic. Raises `TrafficError`."""
        self.weight = weight
        lanes = self.baseline.lanes(self.fresh) if self.baseline else ()
        aside = await self.baseline.aside() if self.baseline and not self.fresh else ()
        await lead(self.hand, self.placed, self.old, weight=weight, baseline=lanes, aside=aside)

    def compared(self, *, fresh: bool) -> Sequence[Instance]:
        """With which containers, where `fresh` ones are asked for."""
        return (self.fresh if fresh else ()) or self.old

    async def look(self) -> None:
        """Ask what it is compared with. New containers that are not well lose their traffic. Raises `TrafficError`."""
        lost = await self._watched().look()
        if lost is None:
            return
        self._say(self.comparison.after(lost[1].waiting))
        if self.fresh:
            self.fresh, self._watch = (), None
            await self.lead(self.weight)

    async def look_at_fresh(self) -> None:
        if self.fresh:
            await self.look()

    def _watched(self) -> Watching:
        if self._watch is None:
            run, hand = self.hand.run, self.hand
            past = self.baseline.hand.workload if self.baseline else None
            workload = past or run.applied.get(hand.address, hand.workload)
            self._watch = Watching(run, workload, [one.id for one in self.fresh or self.old])
        return self._watch

    def _say(self, comparison: Comparison) -> None:
        if comparison != self.comparison:
            self.comparison = comparison
            hand = self.hand
            hand.run.emit(Notice(hand.run.now, "warning", f"{hand.address}: {comparison.words}"))
