"""Knowing again, after a full look, that there is nothing to do.

A plan of everything is a pure function of three things: the resolved specs, the recorded state, and what the engine
answers about the fleet. When such a plan found nothing to do and had nothing to say, a digest of the three is kept. The next
run looks at all three in full: it reads every spec file and folder (`specs.remembered`), every file of the state, and asks
the engine for every container, network, volume and image of the fleet (`providers.docker.look`). Only making sense of it
all once more is spared, and only where not a byte of what matters is different. In every other case the plan is made, so
this can at worst cost one more look.

What can't be covered is not kept: plans that are narrowed or turned, states that are elsewhere than in a folder of this
machine, engines other than Docker over its own socket or TCP, an interrupted run, anything at all that the plan had to say.

Nothing here loads the model, which takes most of the time that a plan without changes would otherwise need;
`tests/e2e/test_settled.py` counts what is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sutazai.cache import Cache
from sutazai.diagnostics import Diagnostic
from sutazai.providers.docker.connection import Endpoint, resolve
from sutazai.providers.docker.look import Questions, look
from sutazai.providers.docker.reader import HttpReader
from sutazai.specs import remembered
from sutazai.store.folder import fingerprint, in_use, state_folder

if TYPE_CHECKING:
    from sutazai.operations.plan import Planned
    from sutazai.ports import StateStore
    from sutazai.specs.loaded import Loaded


@dataclass(frozen=True, slots=True)
class _Tls:
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class _Options:
    """The `provider` of an environment, from plain data."""

    host: str | None
    context: str | None
    tls: _Tls | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "_Options":
        tls = data.get("tls")
        return cls(data.get("host"), data.get("context"), _Tls(**tls) if tls is not None else None)


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is to be done. `warnings` are those of the specs, which are said every time."""

    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Which fleet is meant: the arguments of loading it."""

    root: Path
    environment: str
    variables: Mapping[str, str]
    environ: Mapping[str, str]

    @property
    def identity(self) -> tuple[object, ...]:
        return "settled", str(self.root.resolve()), self.environment, sorted(self.variables.items())


def find(here: Whereabouts, *, locked: bool) -> Settled | None:
    """Look at everything. None when it is not known that there is nothing to do. `locked`: we hold the lock of the state, so
    no other run is under way, of which a plan would have to speak. Raises ProviderUnreachable."""
    cache = Cache.of(here.environ)
    entry = cache.get(*here.identity)
    if entry is None:
        return None
    kept = entry.value
    specs = remembered.find(
        here.root, here.environment, variables=here.variables, environ=here.environ, cache=cache
    )
    if specs is None or specs.digest != kept["specs"]:
        return None
    folder = state_folder(specs.data["backend"], here.root, here.environment)
    if folder is None or fingerprint(folder) != kept["state"] or (in_use(folder) and not locked):
        return None
    endpoint = resolve(_Options.of(specs.data["provider"]), here.environ, here.root)
    if endpoint.kind == "ssh" or _seen(endpoint, Questions.from_data(kept["questions"])) != kept["look"]:
        return None
    return Settled(specs.diagnostics.warnings)


def folder_of(here: Whereabouts) -> Path | None:
    """The folder of the state that was kept for this fleet; None where nothing was kept, or no folder is there."""
    entry = Cache.of(here.environ).get(*here.identity)
    folder = here.root / entry.value["folder"] if entry is not None else None
    return folder if folder is not None and folder.is_dir() else None


def _seen(endpoint: Endpoint, questions: Questions) -> str:
    reader = HttpReader(endpoint)
    try:
        return look(reader, questions, endpoint).fingerprint()
    finally:
        reader.close()


@dataclass(frozen=True, slots=True)
class Watch:
    """A plan of everything that is being made. `state` is the fingerprint of the state's folder from before it was read."""

    here: Whereabouts
    loaded: "Loaded"
    folder: Path | None
    state: str

    @classmethod
    def begin(cls, here: Whereabouts, loaded: "Loaded") -> "Watch":
        from sutazai.model.workload import declared

        folder = state_folder(declared(loaded.backend), here.root, here.environment)
        return cls(here, loaded, folder, fingerprint(folder) if folder is not None else "")

    def keep(self, store: "StateStore", planned: "Planned") -> None:
        """Keep what the plan was made from, when it found nothing to do and had nothing to say. The state that it read
        is the one in the folder, if the folder was the same before and after."""
        from sutazai.operations.plan import with_past_objects
        from sutazai.providers.docker.inventory import questions_for
        from sutazai.providers.names import Names
        from sutazai.state.claims import claims_of
        from sutazai.state.scope import Scope

        plan, look_ = planned.plan, planned.observed.fingerprint
        quiet = not (plan.actions or plan.drift or plan.findings or plan.pending)
        if not quiet or planned.prior is None or not self.loaded.entry or not look_ or self.folder is None:
            return
        if store.journal().read() or fingerprint(self.folder) != self.state:
            return  # another run is under way, or was cut off
        fleet = with_past_objects(plan.desired, planned.prior)
        names = Names.of(Scope(plan.project, plan.environment), fleet)
        Cache.of(self.here.environ).put(
            {
                "specs": self.loaded.entry,
                "folder": str(self.folder),
                "state": self.state,
                "questions": questions_for(names, fleet, (), claims_of(planned.prior)).as_data(),
                "look": look_,
            },
            *self.here.identity,
        )
