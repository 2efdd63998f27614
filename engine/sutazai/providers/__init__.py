"""The engines that can carry an environment: one dict, one factory per `provider.kind` of an environment
file.

A factory imports its adapter when it is called, so that naming a kind costs nothing. The contract suite
(tests/contract/test_provider.py) runs over every kind.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sutazai.errors import NotCarriedOut

if TYPE_CHECKING:
    from sutazai.model.fleet import ProviderOptions
    from sutazai.ports import Provider
    from sutazai.state.scope import Scope

Factory: TypeAlias = "Callable[[Scope, ProviderOptions, Path, Mapping[str, str]], Provider]"


def _docker(scope: "Scope", options: "ProviderOptions", root: Path, environ: Mapping[str, str]) -> "Provider":
    from sutazai.providers.docker.provider import DockerProvider

    return DockerProvider(scope, options, root, environ)


PROVIDERS: "Mapping[str, Factory]" = {"docker": _docker}
"""`ProviderOptions.kind` → factory of `(scope, options, project root, environment variables)`."""


def open_provider(
    options: "ProviderOptions", scope: "Scope", root: Path, environ: Mapping[str, str]
) -> "Provider":
    """The engine that an environment names. Raises NotCarriedOut for a kind that this version does not
    have."""
    factory = PROVIDERS.get(options.kind)
    if factory is None:
        raise NotCarriedOut(
            f"provider kind {options.kind} is not carried out yet", hint="use provider: {kind: docker}"
        )
    return factory(scope, options, root, environ)
