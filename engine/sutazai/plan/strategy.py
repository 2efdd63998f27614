"""How a workload changes from one version to the next, and why so: in words, for the plan.

Its own words come first, then the environment's and project's, then what fits it:

| | with a route | without |
|---|---|---|
| several replicas | rolling, start first | rolling, stop first |
| tier critical | canary: 10 % and 50 % of the traffic, 5 s each | recreate |
| others | blue_green | recreate |

Without a route there is no traffic to move: others reach a workload by its name in the network, and while two versions run both
answer to it. So it stops first unless `order` or a strategy asks for more. The steps of a canary that nobody declared are
pauses and no analysis: they are as good where there is no traffic at all, of which an analysis could tell nothing.

What two versions can't have at once forces stop-first, whatever is asked for, and the plan says so. A volume or host path that is
mounted for writing counts as such a thing until the workload's own `order: start-first` says that two may write to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from sutazai.model.rollout import Rollout, Step
from sutazai.model.units import format_duration
from sutazai.model.workload import Workload
from sutazai.plan.ports import published_ports
from sutazai.state.observed import Instance

Strategy = Literal["recreate", "rolling", "blue_green", "canary"]
STEPS = (Step(set_weight=10), Step(pause=5.0), Step(set_weight=50), Step(pause=5.0))
"""Those of a canary that declares none."""
_SHARED = ("service:", "container:")


@dataclass(frozen=True, slots=True)
class Choice:
    """`steps` are those of a canary. `overruled` is the strategy that was asked for where another one has to be taken."""

    strategy: Strategy
    start_first: bool
    reason: str
    steps: tuple[Step, ...] = ()
    overruled: str = ""
    fresh_baseline: bool = False
    """An analysis compares the canary with new containers of the old version."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is declared, and by whom. A workload's own strategy overrules an order of the environment, and its own order a
    strategy of the environment."""

    strategy: Strategy | None
    order: Literal["start-first", "stop-first"] | None
    by: str


def choose(
    workload: Workload,
    fleets: Rollout,
    *,
    switched: bool = True,
    finishes: bool = False,
    keeps_data: bool = False,
) -> Choice:
    """How `workload` is replaced. `fleets` is the rollout of environment and project. `switched`: a traffic switch carries its
    route. `finishes`: others wait for it to end. `keeps_data`: its container has volumes without a name, which the next one
    takes over."""
    asked = _asked(workload.rollout, fleets)
    forced = next(_forcing(workload, switched=switched, finishes=finishes, keeps_data=keeps_data), "")
    several = workload.deploy.replicas > 1
    if asked.strategy == "recreate":
        return Choice("recreate", False, f"stop first, as {asked.by} declares")
    if forced or asked.order == "stop-first":
        strategy: Strategy = "rolling" if asked.strategy == "rolling" or several else "recreate"
        if not forced:
            return Choice(strategy, False, f"stop first, as {asked.by} declares")
        overruled = "order start-first" if asked.order == "start-first" else ""
        if asked.strategy in ("blue_green", "canary"):
            overruled = asked.strategy
        return Choice(strategy, False, f"stop first: {forced}", overruled=overruled)
    if asked.strategy is not None:
        return _as_asked(workload, asked.strategy, asked, fleets)
    return _fitting(workload, asked, several=several)


def choice_for(
    workload: Workload,
    fleets: Rollout,
    instances: Iterable[Instance],
    *,
    finishes: bool,
    goes_back: bool,
    past: Workload | None = None,
    same_configs: bool = True,
) -> Choice:
    """How `workload`, which has these containers, is replaced: for the plan and for the run that carries it out. `goes_back`: to
    a version that ran before. `past` is what was last applied; `same_configs`: with the contents that its configs have now."""
    keeps_data = any(instance.anonymous for instance in instances)
    switched = workload.switched is not None
    choice = choose(workload, fleets, switched=switched, finishes=finishes, keeps_data=keeps_data)
    if goes_back:
        return going_back(choice)
    if not any(_analyses(choice, workload, fleets)):
        return choice
    kept = next(_keeping(past, same_configs=same_configs, keeps_data=keeps_data), "")
    with_what = f"the running version, as {kept}" if kept else "new containers of the old version"
    return replace(choice, reason=f"{choice.reason}; compared with {with_what}", fresh_baseline=not kept)


def _analyses(choice: Choice, workload: Workload, fleets: Rollout) -> Iterator[bool]:
    """Of each analysis on the way whether it asks for a fresh baseline."""
    known = {**fleets.analysis, **workload.rollout.analysis}
    named = (step.analysis for step in choice.steps if step.analysis in known)
    yield from (known[name].baseline == "fresh" for name in named if name)


def _keeping(past: Workload | None, *, same_configs: bool, keeps_data: bool) -> Iterator[str]:
    """Why the old version can't run beside itself."""
    if past is None:
        yield "nobody knows how it was made"
        return
    if past.switched is None:
        yield "its route did not go through the switch"
    if not same_configs:
        yield "its configs have other contents now"
    if {"all", "deploy", "deploy.replicas"} & set(past.lifecycle.ignore_changes):
        yield "its number of replicas is not ours to change"
    yield from _forcing(past, switched=True, finishes=False, keeps_data=keeps_data)


def going_back(choice: Choice) -> Choice:
    """The same on the way back to a version that ran before: nobody has to find out whether it does."""
    if choice.strategy != "canary":
        return choice
    return Choice(
        "blue_green",
        True,
        "start first: its route moves at once, since it goes back",
        overruled=choice.overruled,
    )


def _asked(own: Rollout, fleets: Rollout) -> _Asked:
    """Declared steps without a strategy are those of a canary."""
    mine = own.strategy or ("canary" if own.steps else None)
    theirs = fleets.strategy or ("canary" if fleets.steps else None)
    if mine is not None:
        return _Asked(mine, own.order, "it")
    if own.order is None:
        return _Asked(theirs, fleets.order, "the environment")
    fits = theirs == "rolling" if own.order == "stop-first" else theirs != "recreate"
    return _Asked(theirs if fits else None, own.order, "it")


def _forcing(workload: Workload, *, switched: bool, finishes: bool, keeps_data: bool) -> Iterator[str]:
    """What only one version can have at a time."""
    mode = workload.network_mode or ""
    if mode == "host":
        yield "both versions would listen on the host's own ports"
    if mode.startswith(_SHARED):
        yield f"both versions would listen in the network of {mode.partition(':')[2]}"
    if workload.route and not switched:
        yield "its route publishes the port itself, without a traffic switch"
    yield from (f"host port {port} can have one owner only" for port in published_ports(workload))
    yield from (f"address {fixed} can have one owner only" for fixed in fixed_addresses(workload))
    if finishes:
        yield "others wait for it to end, and two would do its work twice"
    if workload.rollout.order != "start-first":
        yield from (f"{what} may have one writer only" for what in written(workload))
        if keeps_data:
            yield "a volume without a name, which the next version takes over, may have one writer only"


def fixed_addresses(workload: Workload) -> Iterator[str]:
    for attachment in workload.networks.values():
        for fixed in (attachment.ipv4_address, attachment.ipv6_address, attachment.mac_address):
            if fixed:
                yield fixed


def written(workload: Workload) -> Iterator[str]:
    """The volumes and host paths that are mounted for writing. A socket is talked to and not written over."""
    for mount in workload.volumes:
        if mount.read_only or not mount.source or mount.source.endswith(".sock"):
            continue
        if mount.type == "volume":
            yield f"volume {mount.source}"
        elif mount.type == "bind":
            yield mount.source


def _as_asked(workload: Workload, strategy: Strategy, asked: _Asked, fleets: Rollout) -> Choice:
    declared = f"as {asked.by} declares"
    if strategy == "rolling":
        start_first = asked.order == "start-first" or workload.route is not None
        first = "start first" if start_first else "stop first"
        return Choice("rolling", start_first, f"{first}, {declared}")
    if workload.route is None:
        reason = f"start first, {declared}: without a route both versions answer to its name while both run"
        return Choice("blue_green", True, reason, overruled="canary" if strategy == "canary" else "")
    if strategy == "canary":
        steps = workload.rollout.steps or fleets.steps or STEPS
        return Choice("canary", True, f"{steps_words(steps)}, {declared}", steps)
    return Choice("blue_green", True, f"start first, {declared}: its route moves when the new one is ready")


def _fitting(workload: Workload, asked: _Asked, *, several: bool) -> Choice:
    if workload.route is None and asked.order is None:
        text = "it has no route, and both versions would answer to its name at once"
        return Choice("rolling" if several else "recreate", False, f"stop first: {text}")
    if several:
        return Choice("rolling", True, f"start first: one after the other of {workload.deploy.replicas}")
    if workload.route is None:
        return _as_asked(workload, "blue_green", asked, workload.rollout)
    if workload.tier == "critical":
        return Choice("canary", True, f"{steps_words(STEPS)}, as its tier is critical", STEPS)
    return Choice("blue_green", True, "start first: its route moves when the new one is ready")


def steps_words(steps: Iterable[Step]) -> str:
    """`10 % of the traffic, 5s, analysis errors, 50 % of the traffic, then all`"""
    words = []
    for step in steps:
        if step.set_weight is not None:
            words.append(f"{step.set_weight} % of the traffic")
        else:
            words.append(f"analysis {step.analysis}" if step.pause is None else format_duration(step.pause))
    return ", ".join([*words, "then all"])
