"""One simulated history: people edit a small fleet and run commands, while the engine, the disk and the process fail by
chance; then the failures stop, and a run or two must make everything as it should be.

The executor, the planner, the store, the journal and the lock are the real ones. Simulated are time, the engine, and what
the disk refuses. Everything is drawn from one seed, so that a failure happens again: `python -m simulation SEED`.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from simulation.chance import Chance, Killed
from simulation.disk import Disk
from simulation.engine import FailingProvider, lanes_in
from simulation.fleets import IMAGES, SCOPE, new_engine
from simulation.timing import VirtualClock, VirtualLoop
from sutazai.address import Address, agent
from sutazai.errors import RolledBack, SutazaiError
from sutazai.events import Event
from sutazai.model.backend import LocalBackend
from sutazai.model.checks import Check
from sutazai.model.fleet import SWITCH, Fleet, Network, ProviderOptions, Volume
from sutazai.model.workload import Workload
from sutazai.operations import records
from sutazai.operations.changing import reverts
from sutazai.operations.plan import (
    Planned,
    make_plan,
    plan_destroy,
    plan_refresh,
    plan_resume,
    plan_rollback,
    plan_take_back,
)
from sutazai.operations.recovery import unfinished_runs
from sutazai.operations.run import OnFailure, Result, carry_out_plan
from sutazai.operations.saving import reopen, save
from sutazai.operations.session import Session, Stop
from sutazai.operations.taking_back import take_back
from sutazai.plan.build import PlanOptions
from sutazai.plan.change import MADE
from sutazai.plan.saved import read, write
from sutazai.ports import CheckResult, InstanceSpec, Target
from sutazai.providers.simulated import SimulatedProvider
from sutazai.state.scope import Scope, Slot
from sutazai.state.traffic import LaneKey, LaneState
from sutazai.store.local import LocalStore
from sutazai.traffic import ROUTERS
from sutazai.views.departures import words

T = TypeVar("T")
FOREIGN = (Scope("shop", "other"), Scope("bank", "test"))
START = 1_700_000_000.0
FROM_FILE = "apply FILE"
Planner = Callable[[Session], Planned]


class Calls:
    """`ports.Calls` without threads: a call happens at one moment, some time after it was asked for and some time before its
    answer is back."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    async def __call__(self, function: Callable[..., T], /, *args: Any) -> T:
        draw = self._chance.random
        self._chance.alive()
        try:
            await asyncio.sleep(draw.random() * 0.2)
        except asyncio.CancelledError:
            if draw.random() < 0.5 and not self._chance.dead:  # it was under way: nothing takes it back
                self._chance.note("given up on, and done all the same:")
                _unheard(function, args)
            raise
        slow = self._chance.happens(self._chance.odds.slow)
        try:
            return function(*args)
        finally:
            self._chance.alive()
            await asyncio.sleep(draw.random() * (30.0 if slow else 0.2))
            self._chance.alive()


def _unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a process died of in a task of its own, nobody comes to ask."""
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


def _unheard(function: Callable[..., Any], args: Any) -> None:
    try:
        function(*args)
    except SutazaiError:
        return


class Account:
    """What one process planned, said, and whether it was interrupted. `planned` is None until it has a plan that it may carry
    out."""

    def __init__(self, on_failure: OnFailure, *, takes_back: bool = False) -> None:
        self.on_failure = on_failure
        self.takes_back = takes_back
        self.runs = 0
        self.planned: Planned | None = None
        self.events: list[Event] = []
        self.interrupted = False


class World:
    def __init__(self, folder: Path, chance: Chance) -> None:
        self.folder, self.chance = folder, chance
        self.engine = new_engine()
        self.disk = Disk(folder, chance)
        self.numbers = itertools.count()
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(_unless_killed)
        self.clock = VirtualClock(self.loop, START)
        self.committed: dict[int, bytes] = {}
        self.sick: set[tuple[str, str]] = set()
        self.beside: set[Address] = set()
        self.account = Account("pause")
        self.file: bytes | None = None
        self.moved = False
        for scope in FOREIGN:
            self._make_foreign(scope)
        self.foreign = self.others()

    def close(self) -> None:
        self.loop.close()

    def hooks_end(self, how: tuple[int, str]) -> None:
        """How hooks end from now on."""
        for image in (*self.engine.images.values(), *self.engine.registry.values()):
            image.commands["hook"] = how  # type: ignore[index]  # it is a dict, and one for all

    # What is not ours

    def _make_foreign(self, scope: Scope) -> None:
        provider = SimulatedProvider(scope, self.engine)
        provider.create_network("n", Network(), {})
        provider.create_volume("data", Volume(), {})
        body = {"image": IMAGES[0], "labels": {"foreign": "yes"}, "networks": ["n"], "restart": "always"}
        workload = Workload.model_validate(body)
        name = scope.instance_name("a", Slot.BLUE, 1, 1)
        spec = InstanceSpec(name, agent("a"), workload, Slot.BLUE, 1, IMAGES[0], {}, ("a",))
        provider.start(provider.create_instance(spec))

    def others(self) -> object:
        """All that belongs to other scopes, as it is now."""
        return [
            SimulatedProvider(scope, self.engine).observe(Fleet(project=scope.project, environment=scope.environment))
            for scope in FOREIGN
        ]  # fmt: skip

    def lanes(self) -> Sequence[Mapping[Address, Mapping[LaneKey, LaneState]]]:
        """What each container of the traffic switch that runs makes of each route."""
        return lanes_in(SimulatedProvider(SCOPE, self.engine))

    # Processes

    def run(self, check: Check, target: Target) -> CheckResult:  # noqa: ARG002 - the port's own words
        """The check runner: everything is well but a version that is sick, and whatever does not run."""
        self.chance.alive()
        container = self.engine.containers.get(target.instance_id)
        sick = container is not None and (target.address.name, container.instance.image) in self.sick
        passed = container is not None and container.instance.status == "running" and not sick
        return CheckResult(passed, "200" if passed else "503", 0.0)

    def session(self) -> Session:
        """Everything that one process has."""
        provider = FailingProvider(SimulatedProvider(SCOPE, self.engine), self.chance, self.beside)
        return Session(
            scope=SCOPE, provider=provider, store=self.store(),
            checks=self, clock=self.clock, calls=Calls(self.chance), events=self._hear, who="ada@host",
            version="0", new_id=lambda: f"00000000-0000-4000-8000-{next(self.numbers):012d}", parallelism=3,
            router=lambda _, containers: ROUTERS["simulated"](provider, containers),  # type: ignore[arg-type]
        )  # type: ignore[arg-type]  # fmt: skip

    def _hear(self, event: Event) -> None:
        self.chance.alive()
        self.account.events.append(event)

    def store(self) -> LocalStore:
        return LocalStore(self.folder / "state", SCOPE.project, SCOPE.environment)

    def process(
        self,
        command: str,
        planner: Planner,
        *,
        interrupts: tuple[float, ...] = (),
        on_failure: OnFailure = "pause",
        takes_back: bool = False,
    ) -> Result | None:
        """One command from its beginning to its end, whatever that is. None when it died or was refused. `takes_back`: what
        failed is taken back under the same lock, and the result is that of the way back."""
        said = "rollback" if takes_back else on_failure
        self.chance.note(f"--- {command}{f' --on-failure {said}' * (said != 'pause')}")
        self.account = Account(on_failure, takes_back=takes_back)
        with self.disk.process():
            try:
                return self._command(command, planner, interrupts)
            except Killed:
                return None
            except SutazaiError as error:
                self.chance.note(f"refused: {error.message}")
                return None

    def _command(self, command: str, planner: Planner, interrupts: tuple[float, ...]) -> Result | None:
        session = self.session()
        with session.store.lock(command):
            planned = planner(session)
            self._expect(session, planned)
            if not planned.plan.applyable:
                words = "; ".join(finding.summary for finding in planned.plan.findings)
                self.chance.note(f"not applyable: {words}")
                return None
            for change in planned.plan.actions:
                self.chance.note(f"plan: {change.action} {change.address} {change.detail}")
            result = self._run(session, planned, command, interrupts)
            if self.account.takes_back and reverts(planned, result):
                result = self._taken_back(session, planned, result)
        return result

    def _run(self, session: Session, planned: Planned, command: str, interrupts: tuple[float, ...]) -> Result:
        self.account.planned = planned
        self.account.runs += 1
        try:
            result = self.loop.run_until_complete(self._carried_out(session, planned, command, interrupts))
        finally:
            self._bury()
        for failure in result.failures:
            self.chance.note(f"failed: {failure.address}: {failure.cause}")
            assert not failure.cause.startswith("this is a bug"), failure.cause
        self.chance.note(f"{result.outcome}, serial {result.state.serial if result.state else None}")
        return result

    def _taken_back(self, session: Session, failed: Planned, result: Result) -> Result:
        """How the way back ended, or the run itself where it could not be begun."""
        results = [result]

        def carried_out(back: Planned, command: str, why: str) -> Result:
            self.chance.note(f"--- {command}: {why}")
            self._expect(session, back)
            results.append(self._run(session, back, command, ()))
            return results[-1]

        try:
            take_back(
                session,
                failed,
                result,
                carried_out,
                lambda work, _: self.loop.run_until_complete(work(Stop())),
            )
        except RolledBack as error:
            self.chance.note(error.message)
            assert results[-1].outcome == "done"
        except SutazaiError as error:
            self.chance.note(f"not taken back: {error.message}")
        return results[-1]

    def _expect(self, session: Session, planned: Planned) -> None:
        """What a run may do, from what it is to reach."""
        desired = planned.plan.desired
        for address, workload in desired.workloads():
            several = workload.deploy.replicas > 1
            if workload.switched or several or workload.rollout.strategy not in (None, "recreate"):
                self.beside.add(address)
        stays = planned.plan.kind in ("apply", "rollback")
        insists = stays and not planned.options.manner.keeps_going
        led = {address for address, *_ in desired.switched()} if insists else set()
        session.provider.led = led  # type: ignore[attr-defined]  # it is the one of `session`
        acted_on = {change.address for change in planned.plan.actions}
        session.provider.tends = bool(acted_on & {SWITCH, *led})  # type: ignore[attr-defined]
        session.provider.prepared = {  # type: ignore[attr-defined]
            change.address
            for change in planned.plan.actions
            if planned.plan.kind == "apply"
            and change.action in MADE
            and (workload := desired.workload(change.address)) is not None
            and workload.hooks.pre_deploy is not None
        }

    def _bury(self) -> None:
        """A process that died while its tasks waited for one another has left them on the loop: they are no part of the next."""
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            assert self.chance.dead, f"left behind: {left}"
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    async def _carried_out(
        self, session: Session, planned: Planned, command: str, interrupts: tuple[float, ...]
    ) -> Result:
        stop = Stop()
        name = "rollback" if command.startswith("rollback") else command.split(maxsplit=1)[0]
        if command == FROM_FILE:
            name = planned.plan.kind
        if name == "resume":
            name = unfinished_runs(session.store)[-1].command
        work = carry_out_plan(session, planned, stop, command=name, on_failure=self.account.on_failure)
        task = asyncio.ensure_future(work)

        def interrupt() -> None:
            if stop.recording:
                return
            self.chance.note("SIGINT")
            self.account.interrupted = True
            if stop.interrupted.is_set():
                task.cancel()
            stop.interrupt()

        timers = [self.loop.call_later(after, interrupt) for after in interrupts]
        try:
            return await task
        finally:
            for timer in timers:
                timer.cancel()
            alone = {asyncio.current_task()}
            left = [other for other in asyncio.all_tasks() if other not in alone]
            assert self.chance.dead or not left, f"still running behind the run's back: {left}"
            for other in left:
                other.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    # Commands

    def save(self, command: str, planner: Planner) -> None:
        """Plan to a file, in place of the one that was there."""
        self.chance.note(f"--- {command}")
        self.chance.new_process()
        session = self.session()
        try:
            saved = save(session, planner(session), ProviderOptions(), LocalBackend())
        except SutazaiError as error:
            self.chance.note(f"refused: {error.message}")
        else:
            self.file = write(saved)

    def move(self, old: str, new: str) -> None:
        """`state mv`: what is recorded under one name is so under another."""
        self.chance.note(f"--- state mv {old} {new}")
        self.chance.new_process()
        self.account = Account("pause")
        session = self.session()
        with self.disk.process():
            try:
                with session.store.lock("mv"):
                    self.account.runs, self.moved = 1, True
                    records.commit(session, records.move(session, agent(old), agent(new)), "mv")
            except Killed:
                return
            except SutazaiError as error:
                self.chance.note(f"refused: {error.message}")

    def reopen(self) -> Planner:
        content = self.file or b""
        return lambda session: reopen(session, read(content, "FILE"), words)

    def refresh(self, fleet: Fleet) -> Planner:
        return lambda session: plan_refresh(session, fleet, PlanOptions())

    def apply(self, fleet: Fleet, **options: Any) -> Planner:
        return lambda session: make_plan(session, fleet, PlanOptions(**options))

    def destroy(self, fleet: Fleet, *, volumes: bool) -> Planner:
        return lambda session: plan_destroy(session, fleet, PlanOptions(destroy_volumes=volumes))

    def rollback(self, serial: int, **options: Any) -> Planner:
        return lambda session: plan_rollback(session, serial, PlanOptions(**options))

    def resume(self) -> Planner:
        return lambda session: plan_resume(session, unfinished_runs(session.store)[-1])

    def take_back(self, **options: Any) -> Planner:
        return lambda session: plan_take_back(
            session, unfinished_runs(session.store)[-1], PlanOptions(**options)
        )
