"""The engines that can carry an environment: one dict, one factory per `provider.kind` of an environment
file.

A factory imports its adapter when it is called, so that naming a kind costs nothing. The contract suite
(tests/contract/test_provider.py) runs over every kind.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sutazai.model.fleet import ProviderOptions
    from sutazai.ports import Provider
    from sutazai.state.scope import Scope

Factory: TypeAlias = "Callable[[Scope, ProviderOptions, Path, Mapping[str, str]], Provider]"


def _docker(scope: "Scope", options: "ProviderOptions", root: Path, environ: Mapping[str, str]) -> "Provider":
    from sutazai.providers.docker.provider import DockerProvider

    return DockerProvider(scope, options, root, environ)


def _simulated(
    scope: "Scope",
    options: "ProviderOptions",
    root: Path,
    environ: Mapping[str, str],  # noqa: ARG001 - one shape
) -> "Provider":
    from sutazai.providers.simulated import SimulatedProvider
    from sutazai.providers.simulated.file import DEFAULT_PATH, FileEngine

    return SimulatedProvider(scope, FileEngine(root / (options.path or DEFAULT_PATH)), root)


PROVIDERS: "Mapping[str, Factory]" = {"docker": _docker, "simulated": _simulated}
"""`ProviderOptions.kind` → factory of `(scope, options, project root, environment variables)`."""


def open_provider(
    options: "ProviderOptions", scope: "Scope", root: Path, environ: Mapping[str, str]
) -> "Provider":
    """The engine that an environment names. Nothing is asked of it yet."""
    return PROVIDERS[options.kind](scope, options, root, environ)
