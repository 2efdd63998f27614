"""What stands in the way of a plan, found before anything is touched: capacity, ports, images, what is not carried out yet.

An error forbids applying. Only what the plan changes is looked at; the sums of capacity are over the whole fleet.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sutazai.address import Address
from sutazai.diagnostics import and_more
from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.places import config_places
from sutazai.model.rollout import Rollout
from sutazai.model.workload import Workload
from sutazai.plan.alone import still_held
from sutazai.plan.capacity import too_small
from sutazai.plan.change import MADE, REPLACED, Action, Capacity, Finding, ResourceChange
from sutazai.plan.names import names_of
from sutazai.plan.out_of_reach import out_of_reach
from sutazai.plan.ports import HostPort, held_port, host_ports, publishers, runs_of
from sutazai.plan.situation import Situation
from sutazai.plan.strategy import choose
from sutazai.plan.too_old import too_old
from sutazai.state.observed import Observed, PortUse

CARRIED_OUT_CHECKS = ("ping", "http", "docker")
_MOST_NAMED = 3


def preflight(
    situation: Situation, changes: Iterable[ResourceChange], capacity: Capacity
) -> tuple[Finding, ...]:
    """Every finding about the workloads that a run would bring up or change."""
    if situation.options.kind in ("destroy", "refresh"):
        return ()
    changes = tuple(changes)
    active = [
        (change, workload)
        for change in changes
        if change.changes and (workload := situation.desired.workload(change.address)) is not None
    ]
    found = [*too_small(capacity)] if active else []
    found += _clashes_within(situation)
    found += still_held(situation, changes)
    for change, workload in active:
        found += [
            *_cpus(change, workload, situation.observed),
            *too_old(change, workload, situation.observed.host),
            *out_of_reach(change, workload, situation.desired, situation.observed.host),
            *_not_carried_out(change, workload),
            *_hooks(change, workload, finishes=change.address in situation.finishing),
            *_overruled(change, workload, situation.desired.rollout),
            *_build(change, workload),
        ]
    found += [
        *_ports_in_use(situation.observed.ports, active),
        *_names_taken(situation, active),
        *_handed_over(situation, active),
        *_succeeding(
            situation, active, [change.address for change in changes if change.action is Action.DESTROY]
        ),
        *(_images(situation, active) if situation.options.refreshed else ()),
    ]
    if active:
        found += _declared_for_later(situation.desired)
    if active and situation.desired.policies:
        hint = "take the policies away; until they are carried out nothing would enforce them"
        found.append(Finding("error", "not-carried-out", "policies are not carried out yet", hint=hint))
    if any(check.phase == "liveness" for _, workload in active for check in workload.checks):
        text = "liveness checks are declared; they begin to matter with the monitor, which is not carried out yet"
        found.append(Finding("info", "liveness", text))
    return tuple(found)


def _declared_for_later(desired: Fleet) -> Iterator[Finding]:
    """What is recorded and not needed to apply, but has no effect yet: said, so that nothing is ignored in silence."""
    declared: defaultdict[str, list[Address]] = defaultdict(list)
    for address, workload in desired.workloads():
        if workload.backup is not None:
            declared["backup"].append(address)
    for name, addresses in sorted(declared.items()):
        yield Finding(
            "info",
            "no-effect-yet",
            f"{name} is recorded, but has no effect yet (for {and_more(addresses, _MOST_NAMED)})",
        )


def _cpus(change: ResourceChange, workload: Workload, observed: Observed) -> Iterator[Finding]:
    limit, host = workload.deploy.resources.limits.cpus, observed.host
    sets = change.action in MADE or {"update", "scale"} & set(change.steps)
    if host and limit and limit > host.cpus and sets:
        summary = f"its limit of {limit:g} CPUs is above the host's {host.cpus}, which Docker refuses"
        hint = "lower deploy.resources.limits.cpus for this environment"
        yield Finding("error", "cpus-limit", summary, change.address, hint)


def _names_taken(
    situation: Situation, active: Iterable[tuple[ResourceChange, Workload]]
) -> Iterator[Finding]:
    """A container that is to be made or renamed, under a name that somebody else's has."""
    for change, workload in active if situation.taken else ():
        address = change.address
        names = names_of(situation.desired, change, workload, situation.instances.get(address, ()))
        for name in (name for name in names if name in situation.taken):
            yield Finding(
                "error", "name-taken", f"a container that is not of this state is called {name}", address,
                f"rename or remove it, or take it over: sutazai state import {address} {name}",
            )  # fmt: skip


def _ports_in_use(
    uses: Sequence[PortUse], active: Iterable[tuple[ResourceChange, Workload]]
) -> Iterator[Finding]:
    held: defaultdict[int, list[PortUse]] = defaultdict(list)
    for use in uses:
        held[use.port].append(use)
    hint = "stop the holder, or choose another port"
    for change, workload in active:
        taken: defaultdict[str, list[HostPort]] = defaultdict(list)
        for wanted in host_ports(workload) if held and change.starts_something else ():
            for use in held.get(wanted.port, ()):
                if wanted.clashes(held_port(use.ip, use.port, use.protocol)):
                    taken[use.holder].append(wanted)
                    break
        for holder, ports in taken.items():
            for first, last in runs_of(ports):
                which = f"host port {first} is" if first == last else f"host ports {first} to {last.port} are"
                yield Finding("error", "port-in-use", f"{which} held by {holder}", change.address, hint)


def _clashes_within(situation: Situation) -> Iterator[Finding]:
    """More than one instance can't publish one host port."""
    for address, workload in situation.desired.workloads():
        ports = host_ports(workload)
        if ports and workload.deploy.replicas > 1:
            summary = f"{workload.deploy.replicas} replicas can't share host port {ports[0]}"
            yield Finding(
                "error", "port-shared", summary, address, "publish no fixed port, or run one replica"
            )


def _images(situation: Situation, active: Iterable[tuple[ResourceChange, Workload]]) -> Iterator[Finding]:
    there = {image.id for image in situation.observed.images.values() if image is not None}
    there |= {instance.image_id for instance in situation.observed.instances}
    missing: defaultdict[tuple[str, bool], list[Address]] = defaultdict(list)
    built_here = {
        workload.image for _, workload in situation.desired.workloads() if workload.build is not None
    }
    for change, workload in active:
        if change.action not in MADE and "scale" not in change.steps:
            continue
        for image in workload.hooks.images:
            if situation.observed.images.get(image) is None:
                missing[image, image in built_here].append(change.address)
        pin = situation.options.pinned.get(change.address)
        if pin is not None:
            if pin not in there:
                summary = f"the image that it ran ({pin.removeprefix('sha256:')[:12]}) is no longer here"
                hint = f"pull or build the {workload.image} of that time again"
                yield Finding("error", "image-gone", summary, change.address, hint)
        elif change.image_id in there:
            continue  # of what runs: where the image is ignored, nobody looked for it by its name
        elif workload.image and situation.observed.images.get(workload.image) is None:
            if workload.build is None and workload.pull_policy == "never":
                summary = f"image {workload.image} is not here, and its pull_policy is never"
                yield Finding("error", "image-missing", summary, change.address, "build or load it first")
            else:
                missing[workload.image, workload.build is not None].append(change.address)
    for (image, built), addresses in sorted(missing.items()):
        code, done = ("image-build", "built") if built else ("image-pull", "pulled")
        yield Finding(
            "info",
            code,
            f"image {image} is not here; it will be {done} (for {and_more(addresses, _MOST_NAMED)})",
        )


def _build(change: ResourceChange, workload: Workload) -> Iterator[Finding]:
    """How an image is built has changed, and the image that is there stays."""
    changed = {field.path[0] for field in change.fields}
    builds_anyway = workload.pull_policy == "build" and change.action in MADE
    stays = workload.build is not None and "image_id" not in changed and not builds_anyway
    if "build" in changed and stays:
        summary = f"its build has changed; apply does not build {workload.image} again, since it is there"
        hint = "sutazai build builds it, and the next plan replaces what runs it"
        yield Finding("warning", "build-changed", summary, change.address, hint)


def _not_carried_out(change: ResourceChange, workload: Workload) -> Iterator[Finding]:
    def refuse(what: str, hint: str) -> Finding:
        return Finding("error", "not-carried-out", f"{what} not carried out yet", change.address, hint)

    if change.action not in MADE and not set(change.steps) - {"record", "remove-deposed"}:
        return
    if (secrets := workload.secret_names) and (change.action in MADE or "scale" in change.steps):
        yield refuse(f"secrets ({', '.join(sorted(secrets))}) are", "leave them out for this environment")
    if change.action in MADE and (nowhere := config_places(workload).nowhere):
        yield refuse(
            f"a config at {nowhere[0]}, in a read-only root or a tmpfs itself, is",
            "give it a target in a folder there",
        )
    kinds = sorted({check.kind for check in workload.readiness if check.kind not in CARRIED_OUT_CHECKS})
    if kinds:
        hint = f"the kinds carried out are {', '.join(CARRIED_OUT_CHECKS)}"
        yield refuse(f"checks of kind {', '.join(kinds)} are", hint)


def _hooks(change: ResourceChange, workload: Workload, *, finishes: bool) -> Iterator[Finding]:
    """A hook that would find no container to run in."""
    hooks = workload.hooks
    if change.action in MADE and finishes and hooks.post_deploy and not hooks.is_one_off("post_deploy"):
        summary = "its post_deploy hook runs in its container, but others wait for that to end"
        hint = "give the hook a container of its own: one_off: true"
        yield Finding("error", "hook-nowhere", summary, change.address, hint)


def _handed_over(
    situation: Situation, active: Iterable[tuple[ResourceChange, Workload]]
) -> Iterator[Finding]:
    """Ports that containers publish themselves and that the traffic switch is to have: it can't wait until they are replaced,
    since those who replace them wait for it."""
    taking = next(
        (
            workload
            for change, workload in active
            if change.address == SWITCH and (change.action in MADE or "scale" in change.steps)
        ),
        None,
    )
    for instance in publishers(situation.observed.instances, taking) if taking is not None else ():
        if instance.address != SWITCH:
            summary = "it publishes a port itself that the traffic switch takes over: it is down until it is replaced"
            yield Finding("warning", "port-handed-over", summary, instance.address)


def _succeeding(
    situation: Situation, active: Iterable[tuple[ResourceChange, Workload]], going: Iterable[Address]
) -> Iterator[Finding]:
    """Routes on the port of a workload that goes: the switch leads there what is not there yet."""
    routes = {
        route.port: address
        for address in going
        if situation.instances.get(address)
        and (applied := situation.applied_workload(address)) is not None
        and (route := applied.switched) is not None
    }
    for change, workload in active:
        old = routes.get(workload.switched.port) if workload.switched is not None else None
        if old is not None and change.action is Action.CREATE:
            yield Finding(
                "warning", "route-succeeds", f"its port was that of {old}, which goes: nobody answers there until it is healthy",
                change.address, f"where it is the same under another name: sutazai state mv {old} {change.address}",
            )  # fmt: skip


def _overruled(change: ResourceChange, workload: Workload, fleets: Rollout) -> Iterator[Finding]:
    """Where another strategy is taken than the one that was asked for."""
    if change.action not in REPLACED:
        return
    choice = choose(workload, fleets, switched=workload.switched is not None)
    if choice.overruled:
        summary = f"rollout asks for {choice.overruled}, which it can't have: {choice.reason}"
        yield Finding("warning", "strategy-overruled", summary, change.address)
