"""Running a hook: a command in a workload's container, or in one that is made for it alone and removed afterwards.

A hook is run at least once: a run that was killed meanwhile does not know how it ended, and the next one runs it again. What it
says becomes progress lines. A container that is made for one bears the label `io.sutazai.hook`, by which it is no instance of its
workload, and by which the next run finds and removes it where this one can't.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sutazai.address import Address
from sutazai.errors import Conflict, NotEnded, NotFound, ProviderError
from sutazai.events import Notice, Progress
from sutazai.model.checks import HookCommand, HookName
from sutazai.model.compose import Healthcheck, NetworkAttachment, Resources
from sutazai.model.units import format_duration
from sutazai.model.workload import Deploy, Workload
from sutazai.operations.session import Run
from sutazai.ports import InstanceSpec
from sutazai.state.observed import Instance
from sutazai.state.scope import HOOK, PREFIX, Slot, digest_of, host_in, spec_hash

LOG_LINES = 15
_MOST_LINES = 1000
"""Of one hook's output that are told while it runs."""
_FIRST_POLL, _LONGEST_POLL = 0.1, 1.0
_UNKNOWN_COMMAND = (126, 127)
_NETWORK = ("networks", "network_mode", "dns", "extra_hosts", "platform", "tier", "category")
_EVERYTHING = (
    *_NETWORK, "environment", "volumes", "tmpfs", "configs", "secrets", "user", "working_dir", "cap_add", "cap_drop",
    "security_opt", "read_only", "privileged", "devices", "sysctls", "ulimits", "shm_size", "pid", "ipc",
)  # fmt: skip
"""What a container for a hook has of the workload, where it is of the workload's own image. It publishes nothing, answers to no
name, and is neither restarted nor asked how it is."""
T = TypeVar("T")


class HookFailed(Exception):
    """A hook did not end well. `logs` are its last lines. `interrupted`: it was not waited for any longer."""

    def __init__(self, cause: str, logs: tuple[str, ...] = (), *, interrupted: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.logs = logs
        self.interrupted = interrupted


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook of a workload in a run. `patience` is the workload's `progress_deadline`; None for what is waited for whatever
    happens, as the end of a drain is."""

    run: Run
    address: Address
    name: HookName
    command: HookCommand
    patience: float | None

    def failed(self, how: str, logs: tuple[str, ...] = (), *, interrupted: bool = False) -> HookFailed:
        return HookFailed(f"its {self.name} hook {how}", logs, interrupted=interrupted)

    def say(self, message: str) -> None:
        self.run.emit(Progress(self.run.now, self.address, f"{self.name}: {message}"))

    def given_up(self) -> HookFailed | None:
        """Why it is not waited for any longer."""
        if self.patience is None:
            return None
        if self.run.stop.interrupted.is_set():
            return self.failed("was interrupted", interrupted=True)
        stalled = self.run.pulse.stalled(self.patience)
        return HookFailed(stalled) if stalled else None

    def ended(self, exit_code: int | None, logs: Sequence[str]) -> None:
        """Raises `HookFailed` unless it ended well."""
        if exit_code != 0:
            known = " (there is no such command)" if exit_code in _UNKNOWN_COMMAND else ""
            raise self.failed(f"exited with code {exit_code}{known}", tuple(logs[-LOG_LINES:]))
        self.run.pulse.beat()

    async def call(self, call: str, data: Mapping[str, Any], function: Callable[..., T], *args: Any) -> T:
        async with self.run.gate.turn(call):
            return await self.run.change(self.address, call, {"hook": self.name, **data}, function, *args)


async def in_container(hook: Hook, instance_id: str) -> None:
    """Run a hook in a container that runs. Raises `HookFailed`. One that is not waited for any longer goes on in there: no engine
    has a way to end it."""
    run, command, left = hook.run, hook.command, asyncio.Event()
    hook.say(f"running in {instance_id[:12]}")
    run.pulse.waits[hook.address] = f"running its {hook.name} hook"
    execute = partial(
        run.session.provider.execute, instance_id, command.command,
        timeout=command.timeout, user=command.user or "", environment=_given(command),
        given_up=lambda: left.is_set() or hook.given_up() is not None,
    )  # fmt: skip
    try:
        ended = await run.change(hook.address, "hook", {"hook": hook.name, "id": instance_id}, execute)
    except asyncio.CancelledError:
        left.set()  # or the thread that waits for it would keep the process from its end
        raise
    except NotEnded as error:
        raise hook.given_up() or hook.failed(_too_late(command)) from error
    except ProviderError as error:
        raise hook.failed(f"could not be run: {error.message}") from error
    lines = [*ended.output.splitlines(), *ended.errors.splitlines()]
    for line in lines[-_MOST_LINES:]:
        hook.say(line)
    hook.ended(ended.exit_code, lines)


def _given(command: HookCommand) -> dict[str, str]:
    return {name: value for name, value in command.environment.items() if value is not None}


def _too_late(command: HookCommand) -> str:
    return f"did not end within {format_duration(command.timeout)}"


async def in_one_off(hook: Hook, spec: InstanceSpec) -> None:
    """Run a hook in a container of its own, which is gone afterwards. Raises `HookFailed`, and `ProviderError` when what it left
    can't be removed."""
    provider = hook.run.session.provider
    hook.say(f"running in a container of its own, {spec.name}")
    hook.run.pulse.waits[hook.address] = f"running its {hook.name} hook"
    made = ""
    hook.run.for_hooks.add(spec.name)
    try:
        made = await hook.call("create_hook", {"name": spec.name}, provider.create_instance, spec)
        await hook.call("start", {"id": made}, provider.start, made)
        instance = await _until_ended(hook, made)
    except (HookFailed, ProviderError) as error:
        if made:
            with suppress(ProviderError):  # the next run removes it
                await _end(hook, made, spec)
                hook.run.for_hooks.discard(spec.name)
        if isinstance(error, HookFailed):
            raise
        raise hook.failed(f"could not be run: {error.message}") from error
    await hook.call("remove", {"id": made, "name": spec.name}, provider.remove, made)
    hook.run.for_hooks.discard(spec.name)
    await _remove_own_volumes(hook, instance, spec)


async def _until_ended(hook: Hook, instance_id: str) -> Instance:
    session, said, polls = hook.run.session, 0, 0
    deadline = session.clock.monotonic() + hook.command.timeout
    while True:
        try:
            instance = await session.calls(session.provider.inspect, instance_id)
        except NotFound as error:
            raise hook.failed("did not end: its container was removed from outside") from error
        lines = await _output(hook.run, instance_id)
        for line in lines[said:]:
            hook.say(line)
        said = len(lines)
        if instance.status in ("exited", "dead"):
            hook.ended(instance.exit_code, lines)
            return instance
        if (given_up := hook.given_up()) is not None:
            raise given_up
        left = deadline - session.clock.monotonic()
        if left <= 0:
            raise hook.failed(_too_late(hook.command), tuple(lines[-LOG_LINES:]))
        await session.clock.sleep(min(_FIRST_POLL * 1.5**polls, _LONGEST_POLL, left))
        polls += 1


async def _output(run: Run, instance_id: str) -> tuple[str, ...]:
    try:
        return await run.session.calls(run.session.provider.logs, instance_id, _MOST_LINES)
    except ProviderError as error:
        return (f"(no output: {error.message})",)


async def _end(hook: Hook, instance_id: str, spec: InstanceSpec) -> None:
    """Stop a container that did not end, in the order that its command can follow, and remove it with what is its own."""
    session = hook.run.session
    await hook.call("stop", {"id": instance_id}, session.provider.stop, instance_id, None)
    there = await session.calls(session.provider.inspect, instance_id)
    await hook.call("remove", {"id": instance_id}, session.provider.remove, instance_id)
    await _remove_own_volumes(hook, there, spec)


async def _remove_own_volumes(hook: Hook, instance: Instance, spec: InstanceSpec) -> None:
    """Those without a name that the engine made for it: not what it has of its workload."""
    await _remove_volumes(hook, set(instance.anonymous.values()) - set(spec.inherits.values()))


async def _remove_volumes(hook: Hook, names: Iterable[str]) -> None:
    """Those without a name that the engine made for a container that is gone."""
    remove = hook.run.session.provider.remove_volume
    for name in sorted(names):
        with suppress(NotFound, Conflict):
            await hook.call("remove_volume", {"name": name}, remove, name)


def one_off(
    hook: Hook,
    workload: Workload,
    slot: Slot,
    image: str,
    *,
    replica: int = 1,
    inherits: Mapping[str, str] | None = None,
) -> InstanceSpec:
    """The container for a hook of `workload`. `image` is the reference or ID to make it from. Raises `HookFailed`."""
    run, command, address = hook.run, hook.command, hook.address
    body = _body(workload, command, image)
    if unknown := [grant.source for grant in body.configs if grant.source not in run.configs]:
        raise hook.failed(f"could not be run: nobody knows any more what was in config {unknown[0]}")
    contents = {grant.source: run.configs[grant.source] for grant in body.configs}
    digests = {name: digest_of(content) for name, content in contents.items()}
    labels = {
        **run.labels(address),
        PREFIX + "slot": slot.value,
        PREFIX + "spec-hash": spec_hash(body, image, digests),
        HOOK: hook.name,
    }
    replicas = workload.deploy.replicas if hook.name == "pre_stop" else 1
    host = host_in(run.desired, address)
    name = run.session.scope.one_off_name(host, slot, hook.name, replica, replicas)
    return InstanceSpec(name, address, body, slot, replica, image, labels, (), contents, inherits or {})


def _body(workload: Workload, command: HookCommand, image: str) -> Workload:
    own = command.image is None
    names = (name for name in (_EVERYTHING if own else _NETWORK) if name in workload.model_fields_set)
    fields: dict[str, Any] = {name: getattr(workload, name) for name in names}
    if "networks" in fields:
        fields["networks"] = {name: NetworkAttachment() for name in workload.networks}
    if own:
        resources = workload.deploy.resources
        fields["deploy"] = Deploy(
            resources=Resources(limits=resources.limits, reservations=resources.reservations)
        )
    if command.user is not None:
        fields["user"] = command.user
    return Workload(**{
        **fields, "image": image, "entrypoint": command.command, "init": True, "restart": "no",
        "healthcheck": Healthcheck(disable=True),
        "environment": {**fields.get("environment", {}), **command.environment},
    })  # fmt: skip


async def before_stop(run: Run, instance: Instance) -> None:
    """`pre_stop`, where there is time for one, as it was declared when the container was made. One that fails is told, and
    hinders nothing."""
    workload = run.applied.get(instance.address)
    command = workload.hooks.pre_stop if workload is not None else None
    never = run.manner.drains == "never"
    if workload is None or command is None or never or not await _runs(run, instance):
        return
    hook = Hook(run, instance.address, "pre_stop", command, None)
    try:
        if workload.hooks.is_one_off("pre_stop"):
            image, place = command.image or instance.image_id, instance.slot
            inherits = {} if command.image else instance.anonymous
            spec = one_off(hook, workload, place, image, replica=instance.replica, inherits=inherits)
            await in_one_off(hook, spec)
        else:
            await in_container(hook, instance.id)
    except (HookFailed, ProviderError) as error:
        cause = error.cause if isinstance(error, HookFailed) else error.message
        run.emit(Notice(run.now, "warning", f"{instance.address}: {cause}; it is stopped all the same"))
        for line in error.logs if isinstance(error, HookFailed) else ():
            run.emit(Notice(run.now, "warning", f"{instance.address}: {line}"))


async def _runs(run: Run, instance: Instance) -> bool:
    """Now, and not when it was observed: what a replacement stopped, it removes later."""
    try:
        return (await run.session.calls(run.session.provider.inspect, instance.id)).status == "running"
    except ProviderError:
        return False  # the stop that follows says what is wrong


async def remove_own(run: Run) -> ProviderError | None:
    """Those that this run could not remove, or of which it does not know whether it made them; why one is still there."""
    session, why = run.session, None
    for name in sorted(run.for_hooks):
        try:
            found = await session.calls(session.provider.inspect, name)
            if found.hook:
                await _remove(run, found)
            run.for_hooks.discard(name)
        except NotFound:
            run.for_hooks.discard(name)
        except ProviderError as error:
            why = error
    return why


async def remove_left(run: Run, left: Iterable[Instance]) -> None:
    """Containers for hooks that an earlier run was cut off from. Nobody knows how their hooks would have ended; what stands in
    the plan runs them again. What can't be removed is tried once more at the end (`remove_own`)."""
    for instance in left:
        run.for_hooks.add(instance.name)
    await remove_own(run)


async def _remove(run: Run, instance: Instance) -> None:
    provider = run.session.provider
    run.emit(Progress(run.now, instance.address, f"removing {instance.name}, which was left"))
    data = {"id": instance.id, "name": instance.name, "hook": instance.hook}
    await run.change(instance.address, "stop", data, provider.stop, instance.id, None)
    await run.change(instance.address, "remove", data, provider.remove, instance.id)
