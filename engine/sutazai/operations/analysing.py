"""The analysis of a canary: what the switch counted and logged of both versions since it began, judged again and again until
it is known (`rollout/verdict.py`)."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from sutazai.address import Address
from sutazai.events import CanaryStep, Figures
from sutazai.model.rollout import Analysis
from sutazai.operations.hand import Hand, Unhealthy, last_lines
from sutazai.operations.measuring import Measured, measure
from sutazai.operations.switchboard import Switchboard
from sutazai.operations.versions import Versions
from sutazai.operations.watching import Watching
from sutazai.rollout.comparison import Comparison
from sutazai.rollout.statistics import percentile
from sutazai.rollout.verdict import Sample, Verdict, judge
from sutazai.state.traffic import Counted, Counters
from sutazai.state.v2 import VerdictRecord

_MEASURED_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class _Counting:
    """What is counted of the canary and of what it is compared with, since when."""

    canary: Measured
    baseline: Measured
    first: Counted
    since: float


@dataclass(frozen=True, slots=True)
class Analyst:
    """The canary is compared with new containers of the old version, where there are such and the analysis asks for them, or else
    with what runs. `step` is what is said of it, with figures each time that it is judged."""

    hand: Hand
    board: Switchboard
    versions: Versions
    step: CanaryStep

    @property
    def name(self) -> str:
        """That of an analysis of the workload's rollout, or of the environment's."""
        return self.step.analysis

    @property
    def options(self) -> Analysis:
        return self.hand.run.desired.rollout_of(self.hand.workload).analysis[self.name]

    async def judged(self) -> Verdict:
        """The verdict that it passes with. Raises `Unhealthy` with the figures when it fails, or is not known in time."""
        clock, options = self.hand.run.session.clock, self.options
        watch = Watching(self.hand.run, self.hand.workload, [one.id for one in self.versions.placed])
        await watch.look()  # a restart from now on is one of this analysis
        await self.versions.look()
        self.hand.run.emit(replace(self.step, seconds=options.timeout))
        began, counting, looks = clock.monotonic(), await self._counting(), 0
        while True:
            await self._interval((counting.canary, counting.baseline), began)
            lost = await watch.look()
            if self.hand.run.stop.interrupted.is_set():
                raise Unhealthy(f'interrupted during the analysis "{self.name}"', None, (), interrupted=True)
            now = await self.board.counters()
            if now.epoch != counting.first.epoch:  # the switch began to count anew, and so do we
                counting, looks = replace(counting, first=now, since=clock.now()), 0
            await self.versions.look()
            if self._compared != counting.baseline.instances:
                # what was counted of those that are lost is no measure
                counting = await self._counting()
                now = counting.first
            canary = await self._sample(counting.canary, counting, now, watch)
            baseline = await self._sample(counting.baseline, counting, now)
            elapsed = clock.monotonic() - began
            verdict = judge(canary, baseline, options, elapsed, looks, self._comparison)
            looks = verdict.looks
            if lost is not None:
                await self._fail(f'analysis "{self.name}": {lost[1].waiting}; {verdict.because}')
            ended = verdict.outcome != "inconclusive" or elapsed >= options.timeout
            self._say(canary, baseline, verdict, 0.0 if ended else options.timeout - elapsed)
            if ended:
                return await self._settled(verdict)

    @property
    def _comparison(self) -> Comparison:
        comparison = self.versions.comparison
        return comparison if self.options.baseline == "fresh" else replace(comparison, lost="")

    @property
    def _compared(self) -> list[str]:
        return [one.id for one in self.versions.compared(fresh=self.options.baseline == "fresh")]

    async def _counting(self) -> _Counting:
        """From now on."""
        base = self.versions.compared(fresh=self.options.baseline == "fresh")
        placed, slot = self.versions.placed, self.hand.slot
        return _Counting(
            Measured([one.id for one in placed], {(slot, one.replica) for one in placed}),
            Measured([one.id for one in base], {(one.slot, one.replica) for one in base}),
            await self.board.counters(),
            self.hand.run.session.clock.now(),
        )

    def _say(self, canary: Sample, baseline: Sample, verdict: Verdict, left: float) -> None:
        self.hand.run.emit(
            replace(
                self.step,
                at=self.hand.run.now,
                seconds=left,
                canary=_figures(canary),
                baseline=_figures(baseline),
                outcome="" if left else verdict.outcome,
                message=verdict.because,
            )
        )

    async def _interval(self, memory: Sequence[Measured], began: float) -> None:
        """Wait until it is time to judge, and measure meanwhile."""
        run, clock = self.hand.run, self.hand.run.session.clock
        until = clock.monotonic() + self.options.interval
        while (left := until - clock.monotonic()) > 0:
            pause = clock.sleep(min(left, _MEASURED_EVERY))
            await asyncio.gather(pause, measure(run, memory, began))

    async def _settled(self, verdict: Verdict) -> Verdict:
        await self._record(verdict)
        settled = self.options.inconclusive if verdict.outcome == "inconclusive" else verdict.outcome
        if settled == "pass":
            return verdict
        unsure = (
            f" ({self.options.timeout:g}s were not enough to tell)"
            if verdict.outcome == "inconclusive"
            else ""
        )
        return await self._fail(
            f'analysis "{self.name}" {verdict.outcome}: {verdict.because}{unsure}',
            held=settled == "pause",
        )

    async def _record(self, verdict: Verdict) -> None:
        judgements = [asdict(judgement) for judgement in verdict.judgements]
        found = {"analysis": self.name, "outcome": verdict.outcome, "judgements": judgements}
        run, address = self.hand.run, self.hand.address
        run.verdicts.append(VerdictRecord.model_validate({"address": address, **found}))
        await run.note(address, "verdict", found)

    async def _fail(self, cause: str, *, held: bool = False) -> Verdict:
        logs = await last_lines(self.hand.run, self.versions.placed[0].id)
        raise Unhealthy(cause, None, logs, interrupted=False, held=held)

    async def _sample(
        self, side: Measured, counting: _Counting, now: Counted, watch: Watching | None = None
    ) -> Sample:
        address = self.hand.address
        before, after = (_counters(counted, address, side) for counted in (counting.first, now))
        route = self.hand.workload.switched
        times: list[float] | None = None
        if route is not None and route.protocol == "http":
            asked = [
                one for one in await self.board.requests(address, counting.since) if one.seconds is not None
            ]
            times = [one.seconds or 0.0 for one in asked if (one.slot, one.replica) in side.lanes]
        return Sample(
            after.requests - before.requests,
            after.errors - before.errors,
            times,
            watch.restarts if watch else 0,
            watch.failed_checks if watch else 0,
            tuple(side.points),
        )


def _figures(sample: Sample) -> Figures:
    times = sorted(sample.latencies or ())
    median, tail = (percentile(times, share) if times else None for share in (0.5, 0.95))
    memory = sample.memory[-1][1] if sample.memory else None
    return Figures(sample.requests, sample.errors, median, tail, memory)


def _counters(counted: Counted, address: Address, side: Measured) -> Counters:
    route = counted.routes.get(address)
    return route.of(side.lanes) if route is not None else Counters()
