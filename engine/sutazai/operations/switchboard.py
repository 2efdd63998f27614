"""Where a run leads the traffic of routes.

A run that touches a route first brings the switch into line: every route is led to the slot that is in use, whatever an earlier
run that was killed had made of it. From then on each workload says what its lanes are to be. What several say at the same time
goes to the switch in one write, and each of them has its own intent and outcome in the journal. Where nobody is worse off for
it a write waits for company: a switch that is told of 131 workloads one by one is busier with that than with their traffic.
What a lane was told already it is not told again.

A switch that is made beside the waves of a run leads to nothing before it runs. What it would be told meanwhile it is told
then, in its first write.

On the way back, a workload whose containers of that version still run gets its traffic back in the very first write (`warm.py`).
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sutazai.address import Address, Kind
from sutazai.errors import ProviderError, TrafficError
from sutazai.events import TrafficLed
from sutazai.model.fleet import SWITCH, Fleet
from sutazai.operations.batch import Batch
from sutazai.operations.led import Led
from sutazai.operations.plan import Planned
from sutazai.operations.reach import relays_in
from sutazai.operations.session import Run, Session
from sutazai.operations.upkeep import Journalled, Upkeep
from sutazai.plan.change import Action, ResourceChange
from sutazai.ports import Router
from sutazai.state.observed import Instance
from sutazai.state.scope import Slot
from sutazai.state.traffic import Counted, Entry, LaneKey, LaneState, Move, Request

Lanes = Mapping[LaneKey, LaneState]


@dataclass(frozen=True, slots=True)
class _Told:
    """`patient`: nobody is worse off when it is told a little later."""

    moves: Sequence[Move]
    patient: bool
    kept: Collection[Address] = ()
    """Those that stay led as they are."""


T = TypeVar("T")
TRIES = 10
"""So often a switch is told again that does not answer: it may be starting anew. What has stopped is started."""
_PATIENCE = 5.0
"""Seconds after which a run that goes on without does not tell it again."""
_AGAIN_AFTER = 0.5
_DRAIN_POLL = 0.25
_COMPANY_WITHIN = 2.0
"""A write goes as soon as all that are at work have something in it, or after so many seconds."""
_COMPANY_POLL = 0.1
_LOG_KEPT = 1.0
_NONE = "there is no traffic switch to ask"


@dataclass(slots=True)
class Switchboard:
    """The switch of one run. `led` are the routes that there are when the run begins, those that go away too."""

    session: Session
    desired: Fleet
    journalled: Journalled
    led: Mapping[Address, Led]
    in_the_way: Sequence[Instance] = ()
    """Containers of others that publish ports which the switch is to have."""
    unsettled: bool = False
    """An earlier run was cut off or failed: nobody knows what it had made of the traffic."""
    goes_on: bool = False
    """A switch that does not do as it is told keeps the run from nothing else."""
    company: Callable[[], int] = lambda: 0
    """How many are at work who may have something to tell it too."""
    warm: Mapping[Address, Sequence[Move]] = field(default_factory=dict)
    """The lanes of those that get their traffic back first, in place of what is in use when the run begins."""
    coming: bool = False
    """It is made in this run, and others don't wait for it."""
    hurried: bool = False
    """Nothing is waited for any more: it is told nothing again."""
    router: Router | None = None
    containers: tuple[str, ...] = ()
    """Those that the switch runs in."""
    trouble: TrafficError | ProviderError | None = None
    """Why the run went on without the switch."""
    _early: dict[tuple[Address, LaneKey], Move] = field(default_factory=dict)
    """What it is to be told as soon as it runs."""
    _told: dict[tuple[Address, LaneKey], Move] = field(default_factory=dict)
    _empty: set[tuple[Address, LaneKey]] = field(default_factory=set)
    """Lanes out of use, with nothing under way."""
    _carried: frozenset[Address] = frozenset()
    """Whose routes the switch has: not those that went as another workload has their port now."""
    _upkeep: Upkeep = field(init=False)
    _tells: Batch[_Told, None] = field(init=False)
    _reads: Batch[None, Mapping[Address, Lanes]] = field(init=False)
    _nap: "asyncio.Future[None] | None" = None
    """Until whoever waits for company looks again."""
    _log: tuple[Request, ...] = ()
    _read_at: float = 0.0
    _read_from: float = math.inf

    def __post_init__(self) -> None:
        self._upkeep = Upkeep(self.session, self.journalled)
        self._tells = Batch(self._tell, self._gather)
        self._reads = Batch(lambda _: self._read())

    async def open(self, containers: Sequence[str]) -> None:
        """Take the switch that runs in these containers, and bring it into line. Where it was taken before, what it makes of
        the routes by now is what its new containers are told. Raises `TrafficError`."""
        with self._forgiven():
            entries = self.entries()
            if self.router is not None:
                moves = await self._as_it_is()
                self._take(containers)
                await self._configure(entries, moves)
                return
            self._take(containers)
            kept = {entry.address for entry in entries}
            moves = [
                move
                for led in self.led.values()
                if led.address in kept
                for move in self.warm.get(led.address, led.moves)
            ]
            await self._configure(entries, moves)
            data = {"lanes": len(self._early if self.coming else moves)}
            await self.journalled(SWITCH, "shift", data, lambda: self._tell_first(moves))
            self.trouble = None

    async def _tell_first(self, moves: Sequence[Move]) -> None:
        """Before all that it is told from now on. One that was coming has its lanes out of use."""
        kept = () if self.unsettled else self.led.keys() - self.warm.keys()
        if self.coming:
            moves, kept, self.coming = list(self._early.values()), (), False
        await self._tells(_Told(moves, patient=False, kept=kept))

    async def _as_it_is(self) -> list[Move]:
        """What the lanes are, when all is done that was asked for before."""
        await self._tells.settled()
        lanes = await self._read()
        return [
            Move(address, *key, lane.mode, lane.weight, lane.endpoint)
            for address, found in lanes.items()
            for key, lane in found.items()
        ]

    def _take(self, containers: Sequence[str]) -> None:
        kind = self.desired.traffic.kind if self.desired.traffic else "haproxy"
        self._told.clear()
        self._empty.clear()
        self.containers = tuple(containers)
        self._upkeep.keep(containers)
        self.router = self.session.router(kind, containers) if containers else None

    async def leave(self, containers: Collection[str]) -> None:
        """Those that are about to be stopped are told and asked nothing any more, nor started again."""
        if not set(containers).isdisjoint(self.containers):
            self._take([one for one in self.containers if one not in containers])
            await self._upkeep.settled()

    async def close(self) -> None:
        """Forget the routes that are no longer declared."""
        if self.router is not None and any(self._goes(led) for led in self.led.values()):
            with self._forgiven():
                await self._configure(
                    entry for entry in self.entries() if not self._goes(self.led[entry.address])
                )

    async def settled(self) -> None:
        """Wait for what the switch is being told, and leave it alone."""
        await self._tells.settled()
        await self._reads.settled()
        await self._upkeep.end()

    async def shift(self, moves: Sequence[Move], *, patient: bool = False) -> None:
        """Make these lanes, all of one workload, what they are to be. `patient`: others may join, as nobody is without an
        answer meanwhile. Raises `TrafficError`."""
        if self.coming:
            self._early |= {_lane_of(move): move for move in moves}
            return
        moves = [move for move in moves if self._told.get(_lane_of(move)) != move]
        if self.router is None or not moves:
            return
        data = {"lanes": [f"{move.slot}-{move.replica} {move.mode} {move.weight}" for move in moves]}
        with self._forgiven():
            await self.journalled(moves[0].address, "shift", data, lambda: self._join(_Told(moves, patient)))

    def _join(self, told: _Told) -> Awaitable[None]:
        """Ask for it with the next write, which may have waited for this one."""
        if self._nap is not None:
            self._nap.cancel()
        return self._tells(told)

    async def drain(self, instances: Sequence[Instance], timeout: float | None) -> None:
        """Give these lanes, all of one workload, nothing new, and wait for what they have, at most `timeout` seconds; what is not
        ended by then is cut off. None: nothing is waited for, nor cut off."""
        if self.router is None or not instances or instances[0].address not in self._carried:
            return
        address, keys = instances[0].address, {(one.slot, one.replica) for one in instances}
        lanes = {(address, key) for key in keys}
        if timeout is not None and not lanes <= self._empty:
            with self._forgiven():
                await self._end(address, keys, timeout)
        await self.shift([Move(address, slot, replica, "maint") for slot, replica in sorted(keys)])
        if timeout is not None:
            self._empty |= lanes

    async def _end(self, address: Address, keys: Collection[LaneKey], timeout: float) -> None:
        await self.shift([Move(address, slot, replica, "drain") for slot, replica in sorted(keys)])
        clock = self.session.clock
        deadline = clock.monotonic() + timeout
        while any(lane.connections for key, lane in (await self.lanes(address)).items() if key in keys):
            if clock.monotonic() >= deadline:
                for slot in sorted({slot for slot, _ in keys}):
                    cut = partial(self._sever, address, slot)
                    await self.journalled(address, "sever", {"slot": slot.value}, cut)
                break
            await clock.sleep(_DRAIN_POLL)

    async def lanes(self, address: Address) -> Lanes:
        """What the switch makes of a route now."""
        return (await self._reads(None)).get(address, {})

    async def counters(self) -> Counted:
        """What the switch has counted. Raises `TrafficError` where there is none."""
        if self.router is None:
            raise TrafficError(_NONE)
        return await self._insist(lambda router: self.session.calls(router.counters))

    async def requests(self, address: Address, since: float) -> tuple[Request, ...]:
        """The requests of a route that ended after `since`. The switch's log is read for all that ask within a second."""
        now = self.session.clock.now()
        if self.router is not None and (now - self._read_at >= _LOG_KEPT or since < self._read_from):
            self._read_from = min(since, self._read_from)
            self._read_at = now
            self._log = await self._insist(
                lambda router: self.session.calls(router.requests, self._read_from)
            )
        return tuple(one for one in self._log if one.address == address and one.at >= since)

    def entries(self) -> list[Entry]:
        """All routes, as declared now; of those that go away only what is in nobody's way."""
        stay = [led for led in self.led.values() if not self._goes(led)]
        ports = {led.route.port for led in stay}
        leaving = [led for led in self.led.values() if self._goes(led) and led.route.port not in ports]
        return [
            Entry(led.address, led.route.port, led.route.protocol, led.replicas) for led in (*stay, *leaving)
        ]

    def _goes(self, led: Led) -> bool:
        workload = self.desired.workload(led.address)
        return workload is None or workload.switched is None

    async def _configure(self, entries: Iterable[Entry], moves: Sequence[Move] = ()) -> None:
        wanted = list(entries)
        self._carried = frozenset(entry.address for entry in wanted)
        if self.router is not None:
            act = lambda: self._insist(lambda router: self.session.calls(router.configure, wanted, moves))  # noqa: E731
            await self.journalled(SWITCH, "configure", {"routes": len(wanted)}, act)

    async def _sever(self, address: Address, slot: Slot) -> None:
        if self.router is not None:
            await self._insist(lambda router: self.session.calls(router.sever, address, slot))

    async def _read(self) -> Mapping[Address, Lanes]:
        if self.router is None:
            return {}
        return await self._insist(lambda router: self.session.calls(router.state))

    async def _tell(self, asked: Sequence[_Told]) -> None:
        moves = [move for told in asked for move in told.moves]
        if self.router is None or not moves:
            return
        clock = self.session.clock
        for lane in map(_lane_of, moves):
            self._told.pop(lane, None)
            self._empty.discard(lane)
        began = clock.monotonic()
        await self._insist(lambda router: self.session.calls(router.shift, moves))
        self._told |= {_lane_of(move): move for move in moves}
        ready = ((move.address, told) for told in asked for move in told.moves if move.mode == "ready")
        led = tuple(dict.fromkeys(address for address, told in ready if address not in told.kept))
        if led:
            self.session.events(TrafficLed(clock.now(), led, clock.monotonic() - began))

    async def _gather(self) -> None:
        clock = self.session.clock
        deadline = clock.monotonic() + _COMPANY_WITHIN
        while (left := deadline - clock.monotonic()) > 0:
            waiting = self._tells.waiting
            if len(waiting) >= self.company() or not all(told.patient for told in waiting):
                return
            self._nap = asyncio.ensure_future(clock.sleep(min(_COMPANY_POLL, left)))
            await asyncio.wait({self._nap})

    async def _insist(self, ask: Callable[[Router], Awaitable[T]]) -> T:
        """Ask the switch as it is each time. Raises `TrafficError` where there is none."""
        clock = self.session.clock
        began = clock.monotonic()
        for _ in range(TRIES - 1):
            try:
                return await ask(self._present)
            except (TrafficError, ProviderError):
                if self.goes_on and clock.monotonic() - began > _PATIENCE:
                    raise
                await self._upkeep.look()
                await clock.sleep(_AGAIN_AFTER)
                if self.hurried:
                    raise
        return await ask(self._present)

    @property
    def _present(self) -> Router:
        if self.router is None:
            raise TrafficError(_NONE)
        return self.router

    @contextmanager
    def _forgiven(self) -> Iterator[None]:
        """In a run that goes on without: the switch is told no more. It is taken up again when it is started anew."""
        try:
            yield
        except (TrafficError, ProviderError) as error:
            if not self.goes_on:
                raise
            self.router, self.trouble = None, error
            self._upkeep.keep(())


def _lane_of(move: Move) -> tuple[Address, LaneKey]:
    return move.address, (move.slot, move.replica)


async def reopen(run: Run, planned: Planned, recorded: Collection[Address]) -> None:
    """Take the switch that runs already, and that this run leaves as it is, if it has to do with a route or with the switch
    itself, which may lead what nobody knows of any more. One that is made or started in this run is taken when it runs, and one
    that was cut off from its networks when it is back in them: until then it knows no name that it could be told.
    `recorded` are those of which the state did not know how they are."""
    board, plan = run.board, planned.plan
    touched = {change.address for change in plan.actions} | set(recorded)
    if board is None or not (board.unsettled or touched & {SWITCH, *board.led}):
        return
    change = next((change for change in plan.changes if change.address == SWITCH), None)
    if (
        change is None
        or change.action not in (Action.NOOP, Action.UPDATE)
        or {"start", "restart"} & set(change.steps)
        or _cut_off(run, planned, change)
    ):
        return
    if running := relays_in(planned.observed):
        await board.open(running)


def _cut_off(run: Run, planned: Planned, switch: ResourceChange) -> bool:
    """Whether the switch is in none of its networks, though these are there: it serves nobody then. Only where nothing that takes
    traffic from anybody comes before it is back in them."""
    wanted, actions = run.desired.workload(SWITCH), planned.plan.actions
    earlier = "scale" in switch.steps or any(
        change.address.kind is Kind.NETWORK or change.action is Action.DESTROY for change in actions
    )
    return (
        wanted is not None
        and bool(wanted.networks)
        and not earlier
        and all(
            wanted.networks.keys().isdisjoint(instance.body.networks)
            for instance in planned.observed.of(SWITCH)
        )
    )
