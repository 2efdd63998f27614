"""The only composition root: which adapter stands behind which port, the system's clock, threads and randomness."""

import asyncio
import functools
import gc
import getpass
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sutazai import __version__
from sutazai.errors import InvalidInput
from sutazai.events import Event
from sutazai.model.backend import BackendOptions
from sutazai.model.fleet import Fleet, ProviderOptions
from sutazai.operations.session import Session, Stop
from sutazai.ports import CheckRunner, EventSink, Provider, Router
from sutazai.specs.loaded import Loaded
from sutazai.specs.remembered import load
from sutazai.state.observed import Host
from sutazai.state.scope import Scope

T = TypeVar("T")
THREADS = 32


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> Awaitable[None]:
        return asyncio.sleep(seconds)


@dataclass(slots=True)
class ThreadCalls:
    """Runs blocking calls in threads, as many at a time as `THREADS`."""

    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="sutazai")
    )

    def __call__(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(function, *args))


@dataclass(frozen=True, slots=True)
class Site:
    """One environment of a project, and where it lives: the engine that carries it and the state that records it. Paths in
    the options are relative to `root`."""

    root: Path
    scope: Scope
    provider: ProviderOptions
    backend: BackendOptions


@dataclass(frozen=True, slots=True)
class Project:
    """A loaded environment of a project on disk."""

    root: Path
    environment: str
    loaded: Loaded
    fleet: Fleet

    @property
    def site(self) -> Site:
        scope = Scope(self.fleet.project, self.environment)
        return Site(self.root, scope, self.loaded.provider, self.loaded.backend)


def load_project(
    root: Path, environment: str, variables: Mapping[str, str], environ: Mapping[str, str]
) -> Project:
    """Read and resolve the specs. Raises `InvalidInput` with every problem found."""
    loaded = load(root, environment, variables=variables, environ=environ)
    if loaded.fleet is None or loaded.diagnostics.errors:
        raise InvalidInput(loaded.diagnostics)
    return Project(root, environment, loaded, loaded.fleet)


def known_project(
    root: Path, environment: str, variables: Mapping[str, str], environ: Mapping[str, str]
) -> Project:
    """The environment as the specs say; where they are broken, as its newest serial says, so that looking, going back and
    taking down need no working specs. Raises `InvalidInput` when there is no serial either, and where the specs can't tell which
    engine and which state are this environment's: another's would be looked at, or taken down, in their place."""
    from sutazai.diagnostics import Diagnostic
    from sutazai.store import open_store, recorded_project

    loaded = load(root, environment, variables=variables, environ=environ)
    if loaded.fleet is not None and not loaded.diagnostics.errors:
        return Project(root, environment, loaded, loaded.fleet)
    if not loaded.sited:
        loaded.diagnostics.add(
            Diagnostic(
                f"which engine and which state are those of {environment} can't be told, so this can't go by its newest serial",
                "unknown-site",
                hint=f"mend environments/{environment}.yaml first, and what it extends",
            )
        )
        raise InvalidInput(loaded.diagnostics)
    name = recorded_project(loaded.backend, root, environment)
    state = open_store(loaded.backend, root, name, environment).newest() if name else None
    if state is None:
        raise InvalidInput(loaded.diagnostics)
    return Project(root, environment, loaded, state.desired)


def who() -> str:
    """`user@host` of whoever runs this."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def silent(_event: Event) -> None:
    """An event sink for commands that show their result only."""


def project_here(site: Site) -> str | None:
    """The project of the folder: as its state says, else as its specs do. None where neither can tell."""
    from sutazai.specs.load import declared_name
    from sutazai.store import recorded_project

    recorded = recorded_project(site.backend, site.root, site.scope.environment)
    return recorded or declared_name(site.root)


def host_of(root: Path, environ: Mapping[str, str], options: ProviderOptions | None = None) -> Host | None:
    """The engine of `options`, or that the docker command would use. Raises ProviderError."""
    from sutazai.providers import open_provider

    scope = Scope("none", "none")
    nothing = Fleet(project=scope.project, environment=scope.environment)
    return open_provider(options or ProviderOptions(), scope, root, environ).observe(nothing).host


def open_session(
    site: Site,
    environ: Mapping[str, str],
    *,
    events: EventSink = silent,
    parallelism: int | None = None,
    capped: bool = False,
    parallel_build: bool = True,
) -> Session:
    """Everything a run needs for an environment. Docker is not asked yet."""
    from sutazai.health.runner import Checks
    from sutazai.providers import open_provider
    from sutazai.store import open_store

    scope = site.scope
    provider = open_provider(site.provider, scope, site.root, environ)
    store = open_store(site.backend, site.root, scope.project, scope.environment)
    return Session(
        scope=scope,
        provider=provider,
        store=store,
        checks=provider if isinstance(provider, CheckRunner) else Checks(provider.inspect, provider.script),
        clock=SystemClock(),
        calls=ThreadCalls(),
        events=events,
        who=who(),
        version=__version__,
        new_id=lambda: str(uuid.uuid4()),
        router=_router_over(provider, site.provider.kind),
        parallelism=parallelism,
        capped=capped,
        parallel_build=parallel_build,
    )


def _router_over(provider: Provider, kind: str) -> Callable[[str, Sequence[str]], Router]:
    """The traffic switch of an environment; on a simulated engine it is simulated too."""

    def router(switch: str, containers: Sequence[str]) -> Router:
        from sutazai.traffic import ROUTERS

        return ROUTERS["simulated" if kind == "simulated" else switch](provider, containers)

    return router


def run_async(work: Callable[[Stop], Coroutine[Any, Any, T]], say: Callable[[str], None]) -> T:
    """Run a coroutine with SIGINT and SIGTERM wired: once asks it to end in good order, twice cancels what it waits for.
    What it then writes down is not interrupted, but nothing new begins after it. `say` tells the user what a signal does."""
    import signal

    gc.freeze()  # what the plan is made of stays
    gc.enable()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in signals]

    async def main() -> T:
        stop = Stop()
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work(stop))

        def on_signal() -> None:
            if stop.recording:
                pass  # and what would come after it does not begin
            elif stop.interrupted.is_set():
                say("stopping now; what was done is being recorded")
                task.cancel()
            else:
                say("interrupted: what is under way ends and is recorded; once more stops it at once")
            stop.interrupt()

        for number in signals:
            loop.add_signal_handler(number, on_signal)
        try:
            return await task
        finally:
            for number, handler in zip(signals, before, strict=True):
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    return asyncio.run(main())
