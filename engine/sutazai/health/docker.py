"""`docker`: the image's own HEALTHCHECK, as the engine last saw it. It costs no call into the container."""

from collections.abc import Callable

from sutazai.errors import NotFound, ProviderError
from sutazai.health.connection import CheckFailed
from sutazai.model.checks import Check
from sutazai.ports import Target
from sutazai.state.observed import Instance

Inspect = Callable[[str], Instance]

_ANSWERS = {
    "none": "the image has no HEALTHCHECK: declare `healthcheck`, or use another kind of check",
    "starting": "the HEALTHCHECK has not answered yet",
    "unhealthy": "the HEALTHCHECK says unhealthy",
}


def docker(check: Check, target: Target, inspect: Inspect) -> str:  # noqa: ARG001 - every kind is asked alike
    """What the engine says. Raises CheckFailed, also where the engine can't say."""
    try:
        instance = inspect(target.instance_id)
    except NotFound:
        raise CheckFailed("the container is gone") from None
    except ProviderError as error:
        raise CheckFailed(f"the engine does not say: {error.message}") from error
    if instance.status != "running":
        raise CheckFailed(_stopped(instance))
    if instance.health != "healthy":
        raise CheckFailed(_ANSWERS[instance.health])
    return "the HEALTHCHECK says healthy"


def _stopped(instance: Instance) -> str:
    code = "" if instance.exit_code is None else f" with code {instance.exit_code}"
    why = ": out of memory" if instance.oom_killed else f": {instance.error}" if instance.error else ""
    return f"the container is {instance.status}{code}{why}"
