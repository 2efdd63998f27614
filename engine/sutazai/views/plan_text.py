"""The plan for people, in the manner of Terraform: what changes and why, and what it would do to the fleet.

A reader approves production with this, so nothing that differs is left out: what many resources share is
said once, what sets each apart is said for each, and what is not shown is named with the option that shows
it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sutazai.address import Kind
from sutazai.plan.change import Action, Plan, Reason, ResourceChange
from sutazai.views.body import Leaf
from sutazai.views.groups import Group, grouped
from sutazai.views.no_changes import NO_CHANGES
from sutazai.views.plan_groups import change_block, common_block, group_block
from sutazai.views.plan_sections import capacity, drift, findings, hooks, strategies, waves
from sutazai.views.plan_words import STYLES, left_out, strategy
from sutazai.views.shown import Shown
from sutazai.views.tables import pairs
from sutazai.views.text import EMPTY, Console, Line, Span, line, plain, plural, wrap
from sutazai.views.values import Path

if TYPE_CHECKING:
    from sutazai.plan.saved import SavedPlan

NOTHING_LEFT = "No changes. There is nothing to destroy."
NO_DRIFT = "No drift. What runs is as it was last applied."
REFRESH = "Docker is not touched by this: apply --refresh-only records it as the new state, apply undoes it."
REFRESH_PART = (
    "Docker is not touched by this: apply --refresh-only records it as the new state but for what can't be recorded, "
    "apply undoes all of it."
)
REFRESH_NONE = "Docker is not touched by this: no state can record it, apply undoes it."
_LEGEND = {
    Action.CREATE: "create",
    Action.UPDATE: "update in place",
    Action.REPLACE: "replace (the old one stops first)",
    Action.REPLACE_START_FIRST: "replace (the new one starts first)",
    Action.DESTROY: "destroy",
    Action.ADOPT: "adopt",
}


def render(plan: Plan, console: Console, *, verbose: bool = False) -> None:
    """Print the plan, in colour where the console has it."""
    console.print(plan_lines(plan, width=console.width, verbose=verbose))


def render_plain(plan: Plan, *, width: int = 80, verbose: bool = False) -> str:
    """The plan as text."""
    return plain(plan_lines(plan, width=width, verbose=verbose))


def plan_lines(plan: Plan, *, width: int = 80, verbose: bool = False) -> Iterator[Line]:
    """The whole plan. `verbose` shows every resource by itself and every name."""
    if plan.actions:
        yield from _legend(plan, width)
        yield from resources(plan.actions, width, verbose=verbose)
    yield from drift(plan, width)
    if plan.actions:
        yield from waves(plan, width, verbose=verbose)
        yield from strategies(plan, width)
        yield from hooks(plan, width)
        yield from capacity(plan, width)
    yield from findings(plan, width, verbose=verbose)
    yield from _end(plan, width)


def saved_lines(saved: "SavedPlan") -> Iterator[Line]:
    """What a plan file is, above the plan that it holds."""
    yield from pairs([
        ("saved", f"{saved.made.at[:19].replace('T', ' ')} UTC by {saved.made.by}, sutazai {saved.made.version}"),
        ("for", f"{saved.plan.project}, {saved.plan.environment}"),
        ("plan digest", saved.plan_digest),
    ])  # fmt: skip
    yield EMPTY


def resources(
    changes: tuple[ResourceChange, ...], width: int = 80, *, verbose: bool = False
) -> Iterator[Line]:
    """Every change with its reason; groups of like ones as one block unless `verbose`."""
    if verbose:
        for change in changes:
            yield from (*change_block(Shown(change), width, verbose=True), EMPTY)
        return
    groups = tuple(grouped(changes))
    said: dict[Kind, dict[Path, Leaf]] = {}
    for group in groups:
        first = group.members[0]
        if len(group.members) > 1:
            yield from (*group_block(group, width), EMPTY)
        elif first.change.action is not Action.CREATE:
            yield from (*change_block(first, width), EMPTY)
        else:
            kind = first.change.address.kind
            if kind not in said:
                said[kind], lines = common_block(_single_creations(groups, kind), width)
                yield from lines
            yield from (*change_block(first, width, said=said[kind]), EMPTY)


def _single_creations(groups: tuple[Group, ...], kind: Kind) -> list[Shown]:
    singles = (group.members[0] for group in groups if len(group.members) == 1)
    return [s for s in singles if s.change.address.kind is kind and s.change.action is Action.CREATE]


def _legend(plan: Plan, width: int) -> Iterator[Line]:
    what = f"{plan.project}, environment {plan.environment}"
    if plan.kind == "rollback" and plan.of_serial is not None:
        what += f", back to serial {plan.of_serial}"
    since = f"planned against serial {plan.serial}" if plan.serial else "nothing is recorded yet"
    for text in wrap(f"sutazai will perform these actions in {what} ({since}):", width):
        yield line(text)
    for text in wrap(strategy(plan), width) if plan.strategy else ():
        yield line(text)
    yield EMPTY
    used = {change.action for change in plan.actions}
    for action, words in _LEGEND.items():
        if action in used:
            yield line("  ", Span(f"{action.symbol:>3}", STYLES[action]), f" {words}")
    yield EMPTY


def conclusion(plan: Plan) -> str:
    """What a plan comes to, in one line."""
    if plan.actions:
        return plan.summary
    if plan.kind == "refresh":
        return _of_refresh(plan)
    if plan.pending:
        return "No changes in what was selected."
    if plan.kind == "rollback":
        return f"No changes. The fleet is as serial {plan.of_serial} says."
    return NOTHING_LEFT if plan.kind == "destroy" else NO_CHANGES


def _of_refresh(plan: Plan) -> str:
    if not plan.drift:
        return NO_DRIFT
    if not plan.recorded:
        return REFRESH_NONE
    return REFRESH if plan.records_all else REFRESH_PART


def _end(plan: Plan, width: int) -> Iterator[Line]:
    changes = bool(plan.actions) or (plan.kind == "refresh" and bool(plan.drift))
    for text in wrap(conclusion(plan), width) if plan.kind == "refresh" else (conclusion(plan),):
        yield line(Span(text, "bold" if changes else "bold green"))
    recorded = sum(change.reason is Reason.RECORD for change in plan.actions)
    if recorded:
        yield line(f"{recorded} of these only change the record; no container is touched.")
    if plan.pending and plan.kind != "refresh":
        text = left_out(plan)
        yield from (line(Span(row, "yellow")) for row in wrap(text, width))
    errors = sum(finding.severity == "error" for finding in plan.findings)
    if errors:
        yield line(Span(f"This plan can't be applied: {plural(errors, 'error')} above.", "bold red"))


__all__ = ["NO_CHANGES", "conclusion", "plan_lines", "render", "render_plain", "resources", "saved_lines"]
