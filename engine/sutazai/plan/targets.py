"""Which resources a run is about: `--target`, `--exclude` and `--replace`.

A target brings what it depends on, as Terraform's does; an exclusion takes along what depends on it. What can't be left as it is
when another is made anew goes along with that (`along.py`), or, excluded, keeps it as it is. What replaces a resource
(`replace_triggered_by`) counts as that, as in Terraform: else one would be replaced for a change that the run leaves out.

When destroying it is the other way round: what is kept must find its dependencies, what goes must not leave dependents. So must
what goes because it is no longer declared: a target of that kind brings those that used it, and it stays where one of them does.
"""

from collections.abc import Iterable, Iterator, Mapping

from sutazai.address import Address
from sutazai.diagnostics import Diagnostic
from sutazai.errors import InvalidInput
from sutazai.graph.selectors import Edges, Selectable, SelectorError, reachable, reversed_edges, select
from sutazai.plan.along import along
from sutazai.plan.change import Action, ResourceChange
from sutazai.plan.situation import Situation, triggers, used_objects

Changes = Mapping[Address, ResourceChange]


def chosen(situation: Situation, changes: Changes) -> frozenset[Address]:
    """The addresses out of `changes` that targets and exclusions leave. Raises `InvalidInput`."""
    options = situation.options
    if not options.narrowed:
        return frozenset(changes)
    forward = _edges(situation)
    backward = reversed_edges(forward)
    if options.kind == "destroy":
        forward, backward = backward, forward
    users, goers = _users(situation, changes), along(situation, changes)
    found = frozenset(changes) if options.only is None else frozenset(changes) & options.only
    if options.targets:
        named = selected(options.targets, situation, "--target", changes)
        found &= reachable(reachable(named, users), forward)
    if options.excludes:
        excluded = selected(options.excludes, situation, "--exclude", changes)
        found -= reachable(excluded, _both(backward, reversed_edges(goers)))
    left = {address for address, change in changes.items() if change.changes and address not in found}
    picked = reachable(found - reachable(left, reversed_edges(users)), goers)
    if options.only is None:  # else some of it was done before
        _refuse_left_out(situation, changes, picked)
    return picked


def _refuse_left_out(situation: Situation, changes: Changes, picked: frozenset[Address]) -> None:
    """Raises `InvalidInput` where `--replace` asks for nothing but what the other options leave as it is."""
    problems = [
        Diagnostic(
            f"--replace {expression}: --target and --exclude leave {named[0] if len(named) == 1 else 'all of that'} out",
            "replaces-nothing",
            hint="give it as a --target too, or replace it in a run of its own",
        )
        for expression, named in _replaced(situation, changes)
        if picked.isdisjoint(named)
    ]
    if problems:
        raise InvalidInput(problems)


def _both(edges: Edges, others: Edges) -> Edges:
    return {
        address: (*edges.get(address, ()), *others.get(address, ()))
        for address in edges.keys() | others.keys()
    }


def to_be_replaced(situation: Situation, changes: Changes) -> frozenset[Address]:
    """What `--replace` names. Raises `InvalidInput`, also where that is nothing which has containers."""
    hint = (
        "a network is made anew when its declaration changes; a volume never is, since its data would be lost"
    )
    found = selected(situation.options.replace, situation, "--replace", changes)
    problems = [
        Diagnostic(
            f"--replace {expression}: only agents and services can be replaced", "not-replaceable", hint=hint
        )
        for expression, named in _replaced(situation, changes)
        if named and not any(address.kind.is_workload for address in named)
    ]
    if problems:
        raise InvalidInput(problems)
    return found


def _replaced(situation: Situation, changes: Changes) -> Iterator[tuple[str, list[Address]]]:
    """What each selector of `--replace` names, but for those that go by what the plan itself finds."""
    for expression in situation.options.replace:
        if "state:" not in expression:
            yield expression, sorted(selected((expression,), situation, "--replace", changes))


def selected(
    expressions: Iterable[str], situation: Situation, option: str, changes: Changes
) -> frozenset[Address]:
    """What the selectors of one option name. Raises `InvalidInput` with every one that names nothing."""
    items = _selectables(situation, changes)
    found: set[Address] = set()
    problems: list[Diagnostic] = []
    for expression in expressions:
        try:
            matches = select(expression, items)
        except SelectorError as error:
            problems.append(
                Diagnostic(f"{option} {expression}: {error}", "unknown-selector", hint=error.hint)
            )
            continue
        if not matches and "state:" not in expression:
            hint = "see sutazai env show for what there is"
            problems.append(
                Diagnostic(f"{option} {expression}: matches nothing", "unknown-selector", hint=hint)
            )
        found |= matches
    if problems:
        raise InvalidInput(problems)
    return frozenset(found)


def _users(situation: Situation, changes: Changes) -> dict[Address, list[Address]]:
    """Who used what is no longer declared when last applied, and is to be rid of it."""
    if situation.options.kind in ("destroy", "refresh"):
        return {}
    going = {address for address, change in changes.items() if change.action is Action.DESTROY}
    changing = (address for address in situation.edges if address in changes and changes[address].changes)
    return reversed_edges({address: sorted(situation.past_needs(address) & going) for address in changing})


def _edges(situation: Situation) -> dict[Address, list[Address]]:
    """Dependencies between workloads, and from them to the objects they use and to what replaces them."""
    edges = {address: list(targets) for address, targets in situation.edges.items()}
    for address, targets in edges.items():
        workload = situation.workload(address)
        if workload is not None:
            targets.extend(sorted(used_objects(workload)))
        wanted = situation.desired.workload(address)
        if wanted is not None and situation.options.kind != "destroy":
            targets.extend(sorted(triggers(situation.desired, wanted)))
    return edges


def _selectables(situation: Situation, changes: Changes) -> dict[Address, Selectable]:
    items: dict[Address, Selectable] = {}
    edges = _edges(situation)
    for address in sorted({*situation.edges, *changes, *situation.desired.addresses()}):
        workload, change = situation.workload(address), changes.get(address)
        items[address] = Selectable(
            address=address,
            tier=workload.tier if workload else None,
            category=workload.category if workload else None,
            labels=workload.labels if workload else {},
            depends_on=tuple(edges.get(address, ())),
            modified=change.changes if change else False,
        )
    return items
