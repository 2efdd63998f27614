"""A whole engine in memory: time that passes only when somebody waits, checks that answer as told, and a provider that can
be cut off at any call."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from simulation.timing import VirtualLoop
from sutazai.address import Address
from sutazai.events import Event
from sutazai.model.backend import LocalBackend
from sutazai.model.checks import Check
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.operations.plan import Planned, look, make_plan, plan_destroy, plan_rollback
from sutazai.operations.run import OnFailure, Result, carry_out_plan
from sutazai.operations.session import Session, Stop
from sutazai.plan.build import PlanOptions
from sutazai.ports import CheckResult, Target
from sutazai.providers.simulated import SimulatedEngine, SimulatedImage, SimulatedProvider
from sutazai.state.observed import Instance
from sutazai.state.scope import Scope
from sutazai.store import open_store
from sutazai.traffic import ROUTERS

T = TypeVar("T")
SCOPE = Scope("shop", "test")
CHECK = {"name": "up", "kind": "http", "port": 80, "path": "/", "status": 200, "interval": "1s"}
IMAGES = ("shop/a:1", "shop/a:2")
CHANGING = ("create", "start", "stop", "remove", "rename", "update", "connect", "disconnect")


class Killed(BaseException):
    """The process died here. Not an Exception, so that nothing tidies up after it."""


class Time:
    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        until = self.at + seconds
        await asyncio.sleep(seconds)
        self.at = max(self.at, until)


def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """On a loop that jumps to the next timer when everybody waits."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


async def at_once(function: Callable[..., T], /, *args: Any) -> T:
    return function(*args)


class Willing:
    """A reviewer who approves of whatever is planned."""

    def show(self, planned: Planned) -> None: ...
    def approve(self, planned: Planned) -> str:  # noqa: ARG002 - the port's own words
        return "ada"


class Cut:
    """A provider that dies at its nth call that changes something, before it is carried out or after."""

    def __init__(self, provider: SimulatedProvider, at: int, *, after: bool) -> None:
        self._provider, self._left, self._after = provider, at, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._provider, name)
        return self._counted(call) if name.startswith(CHANGING) else call

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                if self._after:
                    call(*args)
                raise Killed
            return call(*args)

        return counted


@dataclass(slots=True)
class Lab:
    root: Path
    engine: SimulatedEngine
    sick: dict[Address, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    clock: Time = field(default_factory=Time)
    numbers: Any = field(default_factory=itertools.count)

    def run(self, check: Check, target: Target) -> CheckResult:  # noqa: ARG002 - the port's own words
        """The check runner: everything is well but what is `sick`."""
        answer = self.sick.get(target.address)
        return CheckResult(answer is None, answer or "200", 0.0)

    def session(self, provider: Any = None) -> Session:
        return Session(
            scope=SCOPE, provider=provider or SimulatedProvider(SCOPE, self.engine),
            store=open_store(LocalBackend(), self.root, SCOPE.project, SCOPE.environment), checks=self, clock=self.clock,
            calls=at_once, events=self.events.append, who="ada@host", version="0",
            new_id=lambda: f"00000000-0000-4000-8000-{next(self.numbers):012d}",
            router=lambda _, containers: ROUTERS["simulated"](provider or SimulatedProvider(SCOPE, self.engine), containers),
        )  # fmt: skip

    def plan(self, fleet: Fleet, **options: Any) -> Planned:
        return make_plan(self.session(), fleet, PlanOptions(**options))

    def carry_out(
        self,
        planned: Planned,
        provider: Any = None,
        stop: Callable[[], Stop] = Stop,
        on_failure: OnFailure = "pause",
        command: str = "apply",
    ) -> Result:
        async def go() -> Result:
            session = self.session(provider)
            look(session, planned.plan.desired, planned.prior)  # as the provider that the plan was made with
            with closing(session.store):
                return await carry_out_plan(session, planned, stop(), command=command, on_failure=on_failure)

        return to_its_end(go())

    def apply(self, fleet: Fleet) -> Result:
        return self.carry_out(self.plan(fleet))

    def rollback(self, serial: int) -> Planned:
        return plan_rollback(self.session(), serial, PlanOptions())

    def destroy(self, fleet: Fleet, *, volumes: bool = False) -> Planned:
        return plan_destroy(self.session(), fleet, PlanOptions(destroy_volumes=volumes))

    def runs(self, fleet: Fleet) -> tuple[Instance, ...]:
        return self.session().provider.observe(fleet).instances


def lab(root: Path) -> Lab:
    images = {
        name: SimulatedImage("sha256:" + str(n) * 64, Workload.model_validate({"entrypoint": ["run"]}))
        for n, name in enumerate(IMAGES, 1)
    }
    return Lab(root, SimulatedEngine(images=images))


def fleet(*, image: str = IMAGES[0], memory: str = "64M", last: bool = True) -> Fleet:
    """a <- b <- c on one network, a with a volume; `image` and `memory` are b's."""

    def body(**fields: object) -> dict[str, object]:
        return {
            "image": IMAGES[0],
            "networks": ["net"],
            "checks": [CHECK],
            "rollout": {"healthy_deadline": "20s"},
            **fields,
        }

    agents = {
        "a": body(volumes=["data:/data"]),
        "b": body(image=image, depends_on=["a"], deploy={"resources": {"limits": {"memory": memory}}}),
        "c": body(depends_on=["b"]),
    }
    if not last:
        del agents["c"]
    return Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment, "networks": {"net": {}}, "volumes": {"data": {}}, "agents": agents,
    })  # fmt: skip
