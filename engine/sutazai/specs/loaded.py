"""One environment as its specs declare it."""

from dataclasses import dataclass

from sutazai.diagnostics import Diagnostics
from sutazai.model.backend import BackendOptions
from sutazai.model.fleet import Fleet, ProviderOptions


@dataclass(frozen=True, slots=True)
class Loaded:
    """One environment, resolved. `fleet` is None when there are errors. `spec_digest` is a SHA-256 over the
    fleet. `entry` is the digest of the cache's entry that holds this, empty when none does. `sited`: `provider` and `backend`
    are what the environment says, and not a default that stands in for what could not be read."""

    fleet: Fleet | None
    provider: ProviderOptions
    backend: BackendOptions
    diagnostics: Diagnostics
    spec_digest: str = ""
    entry: str = ""
    sited: bool = True
