"""What contradicts itself in a rollout, or can never come true. Which strategy a workload gets in the end is for the plan to say
(`plan/strategy.py`); refused here is what was written side by side. Where an environment overrules one word of a project,
the others stay behind without effect, and that is no mistake.
"""

from collections.abc import Callable, Iterable, Iterator

from sutazai.address import Address
from sutazai.diagnostics import did_you_mean
from sutazai.graph.selectors import Selectable, SelectorError, select
from sutazai.model.rollout import Rollout
from sutazai.model.units import format_duration
from sutazai.specs.check import Checked, report_flaw
from sutazai.specs.nodes import Mark, Node, find
from sutazai.specs.refused import Flaw
from sutazai.specs.report import Report, is_in

MarkOf = Callable[..., Mark]
_STARTS_FIRST = ("blue_green", "canary")


def check_rollouts(
    node: Node | None,
    fleets: Rollout | None,
    members: Iterable[Checked],
    declared: Iterable[Address],
    report: Report,
) -> None:
    """Report what is wrong with the rollout of project and environment, which `node` is, and with those of the workloads.
    `fleets` None: it is wrong in itself, so that what a workload takes over from it is not known. `declared` are all
    workloads, also those that are wrong and therefore no members."""
    members = tuple(members)
    if node is not None and fleets is not None:
        root = node

        def mark(*path: str | int) -> Mark:
            return find(root, path).mark

        for flaw in (*_flaws(fleets, Rollout(), mark), *_selector(fleets, members, declared, report)):
            report.error(mark(*flaw.path), f"rollout: {flaw.summary}", "bad-value", hint=flaw.hint)
    for member in members:
        _check_member(member, fleets, report)


def _check_member(member: Checked, fleets: Rollout | None, report: Report) -> None:
    own = member.model.rollout
    if not own.model_fields_set:
        return

    def mark(*path: str | int) -> Mark:
        return member.mark("rollout", *path)

    for flaw in _flaws(own, fleets, mark):
        report_flaw(member, Flaw(("rollout", *flaw.path), f"rollout: {flaw.summary}", flaw.hint), report)
    if own.fleet_canary is not None:
        summary = "rollout: fleet_canary is about a change of the whole fleet, not of one workload"
        hint = "write it under rollout of the project or the environment"
        report_flaw(member, Flaw(("rollout", "fleet_canary"), summary, hint), report)
    if own.strategy == "canary" and member.model.route is None and "route" not in member.wrong:
        place = mark("strategy")
        summary = f"{member.address} has no route, so that no traffic can be moved in steps: it changes as blue_green"
        report.warning(place, summary, "no-route", hint="give it a route", related=member.draft.where(place))


def _flaws(own: Rollout, fleets: Rollout | None, mark: MarkOf) -> Iterator[Flaw]:
    yield from _order(own, mark)
    yield from _weights(own)
    yield from _analyses(own, None if fleets is None else {*fleets.analysis, *own.analysis})
    if fleets is not None:
        yield from _deadlines(own, fleets)


def _order(own: Rollout, mark: MarkOf) -> Iterator[Flaw]:
    strategy, order = own.strategy, own.order
    if strategy is None:
        return

    def beside(name: str) -> bool:
        return mark(name).source is mark("strategy").source

    if order == "start-first" and strategy == "recreate" and beside("order"):
        hint = "write strategy: blue_green, or remove order"
        yield Flaw(("order",), "order start-first contradicts strategy recreate, which stops first", hint)
    if order == "stop-first" and strategy in _STARTS_FIRST and beside("order"):
        hint = "write strategy: recreate, or remove order"
        yield Flaw(("order",), f"order stop-first contradicts strategy {strategy}, which starts first", hint)
    if own.steps and strategy != "canary" and beside("steps"):
        hint = "write strategy: canary, or remove them"
        yield Flaw(("steps",), f"steps have no effect with strategy {strategy}", hint)


def _weights(own: Rollout) -> Iterator[Flaw]:
    before = 0
    for index, step in enumerate(own.steps):
        if step.set_weight is None:
            continue
        if step.set_weight <= before:
            summary = (
                f"set_weight {step.set_weight} comes after {before}"
                if before
                else "set_weight 0 is no traffic"
            )
            hint = "each gives the new version more of the traffic than the one before"
            yield Flaw(("steps", index, "set_weight"), summary, hint)
        before = step.set_weight


def _analyses(own: Rollout, known: set[str] | None) -> Iterator[Flaw]:
    weight = 0
    for index, step in enumerate(own.steps):
        weight = weight if step.set_weight is None else step.set_weight
        if step.analysis is None:
            continue
        path = ("steps", index, "analysis")
        if known is not None and step.analysis not in known:
            hint = did_you_mean(step.analysis, sorted(known))
            declare = f"declare it: analysis: {{{step.analysis}: {{}}}}"
            yield Flaw(path, f'there is no analysis "{step.analysis}"', hint or declare)
        if weight == 0:
            hint = "write {set_weight: 10} before it"
            yield Flaw(
                path, "before the first set_weight an analysis sees no traffic to the new version", hint
            )
        elif weight == 100:
            hint = "write it before set_weight: 100"
            yield Flaw(path, "at set_weight 100 an analysis sees no traffic to the old version", hint)


def _deadlines(own: Rollout, fleets: Rollout) -> Iterator[Flaw]:
    """A workload's own words with those that it takes over."""

    def word(name: str) -> float:
        source = own if name in own.model_fields_set else fleets
        value: float = getattr(source, name)
        return value

    healthy, deadline, progress = map(word, ("min_healthy_time", "healthy_deadline", "progress_deadline"))
    declared = own.model_fields_set
    if healthy >= deadline and declared & {"min_healthy_time", "healthy_deadline"}:
        name = "min_healthy_time" if "min_healthy_time" in declared else "healthy_deadline"
        summary = (
            f"min_healthy_time {format_duration(healthy)} is not below "
            f"healthy_deadline {format_duration(deadline)}, so that nothing would ever be healthy for long enough"
        )
        yield Flaw((name,), summary, "lower min_healthy_time, or raise healthy_deadline")
    if "progress_deadline" in declared and progress < deadline:
        summary = (
            f"progress_deadline {format_duration(progress)} is below healthy_deadline "
            f"{format_duration(deadline)}, so that a wave would be given up before its members are"
        )
        yield Flaw(("progress_deadline",), summary, "raise progress_deadline, or lower healthy_deadline")


def _selector(
    fleets: Rollout, members: Iterable[Checked], declared: Iterable[Address], report: Report
) -> Iterator[Flaw]:
    expression = fleets.fleet_canary.select if fleets.fleet_canary else None
    if expression is None:
        return
    items = {
        member.address: Selectable(
            member.address,
            member.model.tier,
            member.model.category,
            member.model.labels,
            tuple(member.draft.depends_on),
        )
        for member in members
    }
    try:
        select(expression, items)
    except SelectorError as error:
        wrong = [address.name for address in declared if address not in items]
        if error.unknown is not None and (
            is_in(error.unknown, wrong) or report.may_be_declared(error.unknown)
        ):
            return
        yield Flaw(("fleet_canary", "select"), error.message, error.hint)
