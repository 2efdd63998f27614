"""The hooks of a deployment: `pre_deploy` before anything of the workload changes, `post_deploy` once the new version is healthy
and has its traffic. One that fails is the failure of the change."""

from collections.abc import Sequence
from typing import NoReturn

from sutazai.model.checks import HookName
from sutazai.operations.anonymous import left_behind
from sutazai.operations.hand import Hand, Placed, Unhealthy
from sutazai.operations.hooks import Hook, HookFailed, in_container, in_one_off, one_off
from sutazai.operations.session import together
from sutazai.state.observed import Instance


async def pre_deploy(hand: Hand, old: Sequence[Instance]) -> None:
    """In a container of its own, or in the old ones where it says so. Raises `Unhealthy`: nothing was changed yet."""
    hook = _hook(hand, "pre_deploy")
    if hook is None:
        return
    running = [instance for instance in old if instance.status == "running"]
    try:
        if hand.workload.hooks.is_one_off("pre_deploy"):
            await _in_one_off(hand, hook)
        elif running:
            await together(in_container(hook, one.id) for one in running)
        else:
            hook.say("there is no old container to run it in")
    except HookFailed as failed:
        _is_unhealthy(failed)


async def post_deploy(hand: Hand, placed: Sequence[Placed]) -> None:
    """In each of these containers, or in one of its own. Raises `Unhealthy`."""
    hook = _hook(hand, "post_deploy")
    if hook is None or not placed:
        return
    try:
        if hand.workload.hooks.is_one_off("post_deploy"):
            await _in_one_off(hand, hook)
        else:
            await together(in_container(hook, one.id) for one in placed)
    except HookFailed as failed:
        _is_unhealthy(failed)


def _hook(hand: Hand, name: HookName) -> Hook | None:
    command = hand.workload.hooks.of(name)
    if command is None or not hand.workload.deploy.replicas:
        return None
    patience = hand.run.desired.rollout_of(hand.workload).progress_deadline
    return Hook(hand.run, hand.address, name, command, patience)


async def _in_one_off(hand: Hand, hook: Hook) -> None:
    image = hook.command.image or hand.image
    inherits = left_behind(hand.instances, hand.slot, 1) if hook.command.image is None else {}
    await in_one_off(hook, one_off(hook, hand.workload, hand.slot, image, inherits=inherits))


def _is_unhealthy(failed: HookFailed) -> NoReturn:
    raise Unhealthy(failed.cause, None, failed.logs, interrupted=failed.interrupted) from failed
