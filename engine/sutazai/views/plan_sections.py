"""What a plan would do to the fleet as a whole: drift, waves, strategies, capacity, findings."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from sutazai.address import Address, Kind
from sutazai.diagnostics import and_more
from sutazai.model.units import format_bytes_short
from sutazai.plan.change import Action, Beside, Capacity, Finding, Plan, ResourceChange, Wave
from sutazai.plan.hooks import hooks_of
from sutazai.plan.manner import MANNERS
from sutazai.views.groups import Group, grouped
from sutazai.views.plan_created import names
from sutazai.views.plan_groups import changed, difference_lines
from sutazai.views.plan_words import canary, why
from sutazai.views.text import EMPTY, Line, Span, Style, clean, line, plural, wrap

_MOST_NAMES = 8
_MOST_FINDINGS = 5
_MOST_REASONS = 3
"""So many that differ in their numbers only are each said as they are."""
_MOST_STRATEGY_NAMES = 3
_SEVERITIES: dict[str, tuple[str, Style]] = {
    "error": ("Error", "bold red"),
    "warning": ("Warning", "bold yellow"),
    "info": ("Note", "bold cyan"),
}


def drift(plan: Plan, width: int) -> Iterator[Line]:
    """What was changed outside since the last run. Where the plan mends it, it is marked there too."""
    if not plan.drift:
        return
    yield line(Span(f"Changed outside of sutazai since serial {plan.serial} ({len(plan.drift)}):", "bold"))
    # That it was changed outside is what the whole list says.
    alike: dict[str, list[ResourceChange]] = {}
    for c in plan.drift:
        plain = replace(c, fields=tuple(replace(field, drift=False) for field in c.fields))
        alike.setdefault(c.detail, []).append(plain)
    groups = (group for some in alike.values() for group in grouped(some))
    for group in sorted(groups, key=lambda group: group.members[0].change.address):
        yield from _drifted(group, width)
    yield EMPTY


def _drifted(group: Group, width: int) -> Iterator[Line]:
    """One resource, or many that were changed alike."""
    first, found = group.members[0].change, group.members[0].differences
    many = len(group.members) > 1
    gone = first.action is Action.DESTROY or (first.after is None and first.before is not None)
    what = "gone" if gone else clean(first.detail if found else why(first))
    who = plural(len(group.members), str(first.address.kind)) if many else str(first.address)
    mark = Span("-", "red") if gone else Span("~", "yellow")
    yield line("  ", mark, f" {who}", f": {what}" if what else "")
    if found and not gone:
        yield from changed(group, width) if many else difference_lines(first, found, 6, width)
    elif many:
        yield from names(group.names, 8, width)


def waves(plan: Plan, width: int, *, verbose: bool = False) -> Iterator[Line]:
    """The order: which resources change together, and how many there are in each wave."""
    if not plan.waves:
        return
    waits = plan.kind != "destroy" and (plan.strategy is None or MANNERS[plan.strategy].gated)
    title = "Waves, each started when every one before it is healthy:" if waits else "Order:"
    yield line(Span(title, "bold"))
    number = len(str(max(wave.index for wave in plan.waves)))
    for wave in plan.waves:
        head = f"  {wave.index:>{number}}  "
        mark = "canary: " if wave.canary else ""
        counts = ", ".join(plural(count, str(kind)) for kind, count in _kinds(wave))
        text = f"{mark}{counts}: {_members(wave, verbose)}"
        for row_number, row in enumerate(wrap(text, width, first=head, rest=" " * len(head))):
            if row_number == 0:
                yield line(Span(head, "bold"), Span(mark, "yellow"), row[len(head) + len(mark) :])
            else:
                yield line(row)
    if plan.beside:
        text = f"Beside them: {', '.join(clean(str(change.address)) for change in plan.beside)}"
        yield from (line(row) for row in wrap(text, width, first="  ", rest="  "))
    if plan.canaries:
        yield from (line(row) for row in wrap(canary(plan), width, first="  ", rest="  "))
    yield EMPTY


def _kinds(wave: Wave) -> list[tuple[Kind, int]]:
    counts = Counter(address.kind for address in wave.addresses)
    return [(kind, counts[kind]) for kind in Kind if counts[kind]]


def _members(wave: Wave, verbose: bool) -> str:
    mixed = len({address.kind for address in wave.addresses}) > 1
    members = [clean(str(address) if mixed else address.name) for address in wave.addresses]
    return and_more(members, len(members) if verbose else _MOST_NAMES)


def strategies(plan: Plan, width: int) -> Iterator[Line]:
    """How workloads change, and why that way."""
    found: dict[tuple[str, str], dict[str, list[ResourceChange]]] = {}
    for change in plan.actions:
        if change.strategy:
            alike = found.setdefault((change.strategy, _pattern(change.strategy_reason)), {})
            alike.setdefault(change.strategy_reason, []).append(change)
    if not found:
        return
    yield line(Span("Strategies:", "bold"))
    for (strategy, pattern), alike in found.items():
        if len(alike) > _MOST_REASONS:
            alike = {pattern: sorted(chain.from_iterable(alike.values()), key=lambda change: change.address)}
        for reason, changes in alike.items():
            many = len(changes) > _MOST_STRATEGY_NAMES
            who = (
                plural(len(changes), "workload")
                if many
                else ", ".join(str(change.address) for change in changes)
            )
            text = f"{strategy}: {who}" + (f" ({clean(reason)})" if reason else "")
            yield from (line(row) for row in wrap(text, width, first="  ", rest="    "))
    yield EMPTY


def hooks(plan: Plan, width: int) -> Iterator[Line]:
    """Which hooks run, and where."""
    found: dict[tuple[str, str], list[str]] = {}
    for change in plan.actions:
        for hook in hooks_of(change, plan):
            found.setdefault((hook.name, hook.where), []).append(str(change.address))
    if not found:
        return
    yield line(Span("Hooks:", "bold"))
    for (name, where), addresses in found.items():
        many = len(addresses) > _MOST_STRATEGY_NAMES
        who = plural(len(addresses), "workload") if many else ", ".join(addresses)
        yield from (
            line(row) for row in wrap(f"{name}: {who} ({clean(where)})", width, first="  ", rest="    ")
        )
    yield EMPTY


def _pattern(reason: str) -> str:
    """A reason without its numbers: 131 that name a port each are one."""
    return re.sub(r"\d+", "N", reason)


def capacity(plan: Plan, width: int) -> Iterator[Line]:
    if plan.capacity is None or plan.kind == "destroy":
        return
    for row in wrap(capacity_text(plan.capacity), width, first="Capacity: ", rest="  "):
        yield line(Span(row[:9], "bold"), row[9:]) if row.startswith("Capacity:") else line(row)
    yield EMPTY


def capacity_text(found: Capacity) -> str:
    """`131 instances may use up to 8.4G of memory (the host has 23.5G: 36 %) and 32 CPUs (the host has 2: 1600 %).`"""
    size = format_bytes_short
    memory, cpus = f"up to {size(found.memory_limits)} of memory", f"up to {found.cpu_limits:g} CPUs"
    host = size(found.host_memory) if found.host_memory else ""
    if found.unlimited < found.workloads:
        memory += _of_host(found.memory_limits, found.host_memory, host, found.unlimited)
    else:
        memory = "any amount of memory" + (f" (the host has {host})" if host else "")
    if found.unlimited_cpus < found.workloads:
        cpus += _of_host(found.cpu_limits, found.host_cpus, f"{found.host_cpus}", found.unlimited_cpus)
    else:
        cpus = "any number of CPUs" + (f" (the host has {found.host_cpus})" if found.host_cpus else "")
    text = f"{plural(found.workloads, 'instance')} may use {memory} and {cpus}"
    if found.memory_reserved or found.cpu_reserved:
        text += f"; reserved are {size(found.memory_reserved)} and {found.cpu_reserved:g} CPUs"
    return f"{text}.{_beside(found.beside)}"


def _beside(found: Beside) -> str:
    """` While it changes, 2 more containers run beside, with up to 192M of memory and 0.5 CPUs.`"""
    if not found.containers:
        return ""
    memory = "any amount" if found.unlimited else f"up to {format_bytes_short(found.memory_limits)}"
    cpus = "any number of" if found.unlimited_cpus else f"{found.cpu_limits:g}"
    runs = "runs" if found.containers == 1 else "run"
    more = plural(found.containers, "more container")
    return f" While it changes, {more} {runs} beside, with {memory} of memory and {cpus} CPUs."


def _of_host(limits: float, host: float | None, shown: str, unlimited: int) -> str:
    """A sum of limits beside what the host has, and how many add to it without a limit."""
    notes = [f"the host has {shown}: {100 * limits / host:.0f} %"] if host else []
    notes += [f"{unlimited} of them without a limit"] if unlimited else []
    return f" ({'; '.join(notes)})" if notes else ""


def findings(plan: Plan, width: int, *, verbose: bool = False) -> Iterator[Line]:
    """Errors, warnings and notes: those of one code together, each distinct one once."""
    for severity, (title, style) in _SEVERITIES.items():
        groups: dict[str, list[Finding]] = {}
        for finding in dict.fromkeys(plan.findings):
            if finding.severity == severity:
                groups.setdefault(finding.code, []).append(finding)
        for members in groups.values():
            yield from _finding_group(members, title, style, width, verbose)
            yield EMPTY


def _finding_group(
    members: list[Finding], title: str, style: Style, width: int, verbose: bool
) -> Iterator[Line]:
    by_summary: dict[str, list[Address]] = {}
    for finding in members:
        by_summary.setdefault(finding.summary, []).extend([finding.address] if finding.address else [])
    count = f" ({len(members)})" if len(members) > 1 else ""
    head = f"{title}{count}: "
    many = len(by_summary) > 1
    if many:
        yield line(Span(f"{title}{count} ", style), Span(f"[{members[0].code}]", "dim"))
    shown = list(by_summary.items()) if verbose else list(by_summary.items())[:_MOST_FINDINGS]
    for summary, addresses in shown:
        text = clean(summary) + _who(addresses, summary, verbose)
        lead = "  " if many else head
        for number, row in enumerate(wrap(text, width, first=lead, rest="    " if many else "  ")):
            yield line(Span(lead, style), row[len(lead) :]) if number == 0 else line(row)
    if len(shown) < len(by_summary):
        yield line(Span(f"  and {len(by_summary) - len(shown)} more (-v shows all)", "dim"))
    for hint in _distinct(finding.hint for finding in members):
        for row in wrap(clean(hint), width, first="  = help: ", rest="          "):
            yield line(Span(row[:10], "cyan"), row[10:])


def _who(addresses: list[Address], summary: str, verbose: bool) -> str:
    if not addresses or (len(addresses) == 1 and is_named(summary, addresses[0].name)):
        return ""
    return f" ({and_more(addresses, len(addresses) if verbose else _MOST_FINDINGS)})"


def is_named(summary: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", summary) is not None


def _distinct(hints: Iterable[str]) -> list[str]:
    found = [hint for hint in dict.fromkeys(hints) if hint]
    return found[:3]
