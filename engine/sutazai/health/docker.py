"""`docker`: the image's own HEALTHCHECK, as the engine last saw it. It costs no call into the container."""

from collections.abc import Callable

from sutazai.errors import NotFound, ProviderError
from sutazai.health.connection import CheckFailed
from sutazai.model.checks import Check
from sutazai.ports import Target
from sutazai.state.observed import Instance

Inspect = Callable[[str], Instance]


def docker(check: Check, target: Target, inspect: Inspect) -> str:  # noqa: ARG001 - every kind is asked alike
    """What the engine says. Raises CheckFailed, also where the engine can't say."""
    try:
        instance = inspect(target.instance_id)
    except NotFound:
        raise CheckFailed("the container is gone") from None
    except ProviderError as error:
        raise CheckFailed(f"the engine does not say: {error.message}") from error
    if instance.status != "running":
        raise CheckFailed(f"its container {instance.condition}")
    if instance.health != "healthy":
        raise CheckFailed(instance.health_words)
    return instance.health_words
