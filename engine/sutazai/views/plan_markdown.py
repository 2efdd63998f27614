"""The plan as a comment on a pull request: a table of counts, a folded diff for each resource, the waves,
the findings.

GitHub refuses comments of more than 65,536 characters; this never exceeds 65,000, whatever the plan: parts
are added while there is room, and what is left out is counted. The marker in the first line lets the next
run find and replace the comment.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from sutazai.plan.change import Action, Capacity, Finding, Plan
from sutazai.plan.hooks import hooks_of
from sutazai.views.groups import Group, grouped
from sutazai.views.plan_groups import change_block, group_block
from sutazai.views.plan_sections import capacity_text, drift, hooks, is_named
from sutazai.views.plan_text import conclusion
from sutazai.views.plan_words import canary, strategy, verb
from sutazai.views.text import Line, Span, clean, line, plain, plural

LIMIT = 65_000
_WIDTH = 110
_RESERVE = 400
"""Room for the line that counts what was left out."""
_LONGEST_PART = 20_000
_SMALLEST_PART = 100
_MERMAID_MEMBERS = 6
_MERMAID_WAVES = 40
_ROWS = {
    Action.ADOPT: "adopt",
    Action.CREATE: "add",
    Action.UPDATE: "change",
    Action.REPLACE: "replace",
    Action.REPLACE_START_FIRST: "replace, start first",
    Action.DESTROY: "destroy",
}
_DIFF_MARKS = {"+": "+", "-": "-", "~": "!", "-/+": "!", "+/-": "!"}
_ALERTS = {"error": "CAUTION", "warning": "WARNING"}
_ONLY_ONE = ("graph of waves", "capacity", "drift found")
_KINDS = {"apply": "", "destroy": " (destroy)", "rollback": ", back", "refresh": " (refresh only)"}
_MOST_ITEMS = 12
_MOST_ADDRESSES = 4
_MOST_HINTS = 3
_LONGEST_ITEM = 1_000
"""Of a finding, and of a line of a diff: a value of any length must not hide what differs below it."""


def marker(plan: Plan) -> str:
    """The hidden comment by which the next run finds this one: one for each project and environment."""
    return f"<!-- sutazai-plan {plan.project}/{plan.environment} -->"


def to_markdown(plan: Plan, digest: str = "") -> str:
    """The comment, at most `LIMIT` characters. `digest` identifies the plan: a serial that was made of it names it."""
    head, tail = _head(plan), _tail(plan, digest)
    room = LIMIT - _RESERVE - len(head) - len(tail)
    parts: list[str] = []
    left: dict[str, int] = {}
    for kind, count, written in _parts(plan):
        part = written() if room > _SMALLEST_PART else ""
        if part and len(part) <= room:
            parts.append(part)
            room -= len(part)
        else:
            left[kind] = left.get(kind, 0) + count
    if left:
        words = ", ".join(f"the {kind}" if kind in _ONLY_ONE else plural(n, kind) for kind, n in left.items())
        parts.append(f"\n> Left out for want of room: {words}. `sutazai plan` shows everything.\n")
    return head + "".join(parts) + tail


def _head(plan: Plan) -> str:
    title = f"## sutazai plan: {escape(plan.project)}, {escape(plan.environment)}{_KINDS[plan.kind]}"
    if plan.of_serial is not None:
        title += f" to serial {plan.of_serial}"
    counts = [(action, words, plan.count(action)) for action, words in _ROWS.items()]
    rows = "".join(f"| `{action.symbol}` | {words} | {count} |\n" for action, words, count in counts if count)
    table = f"\n| | action | resources |\n|---|---|---:|\n{rows}" if rows else ""
    summary = f"**{escape(conclusion(plan))}**"
    if plan.strategy:
        summary += f"\n\n{escape(strategy(plan))}"
    if not plan.applyable:
        summary += "\n\n**This plan can't be applied: see the errors below.**"
    return f"{marker(plan)}\n{title}\n\n{summary}\n{table}"


def _tail(plan: Plan, digest: str) -> str:
    against = f"Planned against serial {plan.serial}" if plan.serial else "Planned with nothing recorded yet"
    ids = [
        f"{name} `{value[:12]}`" for name, value in (("specs", plan.spec_digest), ("plan", digest)) if value
    ]
    return f"\n_{'; '.join((against, *ids))}._\n"


def _parts(plan: Plan) -> Iterator[tuple[str, int, Callable[[], str]]]:
    """What follows the head, the most important first: what it is, how many of it, and a function that writes it, called only
    if there is room."""
    for severity in ("error", "warning"):
        for members in _findings(plan, severity):
            yield severity, len(members), partial(_alert, severity, members)
    if plan.waves:
        yield "graph of waves", 1, partial(_mermaid, plan)
    if plan.capacity and plan.actions and plan.kind != "destroy":
        yield "capacity", 1, partial(_capacity, plan.capacity)
    if any(hooks_of(change, plan) for change in plan.actions):
        yield "hooks", 1, partial(_hooks, plan)
    if plan.drift:
        yield "drift found", 1, partial(_drift, plan)
    for group in grouped(plan.actions):
        yield "changed resource", len(group.members), partial(_change, group)
    notes = [finding for members in _findings(plan, "info") for finding in members]
    if notes:
        yield "note", len(notes), partial(_notes, notes)


def _capacity(found: Capacity) -> str:
    return f"\n**Capacity.** {escape(capacity_text(found))}\n"


def _hooks(plan: Plan) -> str:
    return _folded("Hooks", hooks(plan, _WIDTH))


def _drift(plan: Plan) -> str:
    return _folded(f"Changed outside: {plural(len(plan.drift), 'resource')}", drift(plan, _WIDTH))


def _change(group: Group) -> str:
    first = group.members[0].change
    if len(group.members) == 1:
        rows, title = change_block(group.members[0], _WIDTH), str(first.address)
    else:
        rows, title = group_block(group, _WIDTH), plural(len(group.members), str(first.address.kind))
    return _folded(
        f"<code>{html.escape(first.action.symbol)}</code> {html.escape(title)} {verb(first)}", rows, raw=True
    )


def _folded(title: str, rows: Iterable[Line], *, raw: bool = False) -> str:
    """A folded block of preformatted text. The fence is longer than any run of backticks in it."""
    body = "".join(_as_diff(row) for row in rows)
    if len(body) > _LONGEST_PART:
        cut = body[:_LONGEST_PART].rfind("\n") + 1
        body = body[:cut] + f"  ... {body[cut:].count(chr(10))} lines more\n"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    summary = f"<details><summary>{title if raw else html.escape(title)}</summary>"
    return f"\n{summary}\n\n{fence}diff\n{body}{fence}\n\n</details>\n"


def _as_diff(row: Line) -> str:
    """The mark of a line in its first column, where GitHub colours it. A mark has a colour: the dash of a list has none."""
    first = next((span for span in row if span.text.strip()), Span("."))
    mark = _DIFF_MARKS.get(first.text.split()[0], " ") if first.style not in ("", "dim") else " "
    text = plain([line(f"{mark} ", *row)])
    over = len(text) - 1 - _LONGEST_ITEM
    return text if over <= 0 else f"{text[:_LONGEST_ITEM]}… ({plural(over, 'character')} more)\n"


def _mermaid(plan: Plan) -> str:
    rows = ["flowchart TD"]
    shown = plan.waves[:_MERMAID_WAVES]
    for number, wave in enumerate(shown):
        names = [_mermaid_text(str(address)) for address in wave.addresses[:_MERMAID_MEMBERS]]
        if len(wave.addresses) > len(names):
            names.append(f"and {len(wave.addresses) - len(names)} more")
        mark = " canary" if wave.canary else ""
        title = f"wave {wave.index}{mark}: {plural(len(wave.addresses), 'resource')}"
        rows.append(f'  w{number}["{title}<br/>{"<br/>".join(names)}"]{":::canary" * wave.canary}')
    rows += [f"  w{number} --> w{number + 1}" for number in range(len(shown) - 1)]
    if plan.beside:
        rows.append(
            f'  beside["beside them<br/>{"<br/>".join(_mermaid_text(str(one.address)) for one in plan.beside)}"]'
        )
    if any(wave.canary for wave in shown):
        rows.append("  classDef canary stroke:#d4a017,stroke-width:3px")
    if len(plan.waves) > len(shown):
        rows.append(f'  w{len(shown) - 1} --> more["{len(plan.waves) - len(shown)} more waves"]')
    text = "\n```mermaid\n" + "\n".join(rows) + "\n```\n"
    return f"{text}\n{canary(plan)}\n" if plan.canaries else text


def _mermaid_text(text: str) -> str:
    return re.sub(r"[^\w.\- ]", "_", text)


def _findings(plan: Plan, severity: str) -> list[list[Finding]]:
    """The findings of one severity, those of one code together."""
    groups: dict[str, list[Finding]] = {}
    for finding in dict.fromkeys(plan.findings):
        if finding.severity == severity:
            groups.setdefault(finding.code, []).append(finding)
    return list(groups.values())


def _alert(severity: str, members: list[Finding]) -> str:
    hints = list(dict.fromkeys(finding.hint for finding in members if finding.hint))
    body = "\n".join(f"> {row}" for row in _items(members))
    advice = "".join(f">\n> {escape(hint)}\n" for hint in hints[:_MOST_HINTS])
    return f"\n> [!{_ALERTS[severity]}]\n{body}\n{advice}"


def _notes(members: list[Finding]) -> str:
    return (
        f"\n<details><summary>{plural(len(members), 'note')}</summary>\n\n"
        + "\n".join(_items(members))
        + "\n\n</details>\n"
    )


def _items(members: list[Finding]) -> list[str]:
    """A list item for each distinct summary, with whom it is about."""
    about: dict[str, list[str]] = {}
    for finding in members:
        about.setdefault(finding.summary, []).extend([str(finding.address)] if finding.address else [])
    rows = []
    for summary, addresses in list(about.items())[:_MOST_ITEMS]:
        shown = (
            ", ".join(addresses) if len(addresses) <= _MOST_ADDRESSES else plural(len(addresses), "resource")
        )
        known = len(addresses) == 1 and is_named(summary, addresses[0].partition(".")[2])
        rows.append(f"- {escape(_short(summary))}{f' ({escape(shown)})' if addresses and not known else ''}")
    if len(about) > _MOST_ITEMS:
        rows.append(f"- and {len(about) - _MOST_ITEMS} more")
    return rows


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_ITEM else text[:_LONGEST_ITEM] + "…"


def escape(text: str) -> str:
    """Text on one line that Markdown and HTML leave as it is."""
    return re.sub(r"([\\`*_{}\[\]|#~$])", r"\\\1", html.escape(clean(text), quote=False)).replace(
        "@", "&#64;"
    )
