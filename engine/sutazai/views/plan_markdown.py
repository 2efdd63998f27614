"""The plan as a comment on a pull request: a table of counts, a folded diff for each resource, the waves,
the findings.

GitHub refuses comments of more than 65,536 characters; this never exceeds 65,000, whatever the plan: parts
are added while there is room, and what is left out is counted. The marker in the first line lets the next
run find and replace the comment.
"""

import html
import re
from collections.abc import Callable, Iterator
from functools import partial

from sutazai.plan.change import Action, Capacity, Finding, Plan
from sutazai.views.groups import Group, grouped
from sutazai.views.plan_groups import change_block, group_block
from sutazai.views.plan_sections import capacity_text, drift
from sutazai.views.plan_text import NO_CHANGES
from sutazai.views.plan_words import verb
from sutazai.views.text import clean, plain, plural

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
_ALERTS = {"error": "CAUTION", "warning": "WARNING", "info": "NOTE"}


def marker(plan: Plan) -> str:
    """The hidden comment by which the next run finds this one: one for each project and environment."""
    return f"<!-- sutazai-plan {plan.project}/{plan.environment} -->"


def to_markdown(plan: Plan, digest: str = "") -> str:
    """The comment, at most `LIMIT` characters. `digest` identifies the plan: a serial that was made of it names it."""
    head = _head(plan)
    ids = [f"specs `{plan.spec_digest[:12]}`", *([f"plan `{digest[:12]}`"] if digest else [])]
    tail = f"\n_Planned against serial {plan.serial}; {'; '.join(ids)}._\n"
    room = LIMIT - _RESERVE - len(head) - len(tail)
    parts: list[str] = []
    left: dict[str, int] = {}
    for kind, written in _parts(plan):
        part = written() if room > _SMALLEST_PART else ""
        if part and len(part) <= room:
            parts.append(part)
            room -= len(part)
        else:
            left[kind] = left.get(kind, 0) + 1
    if left:
        words = ", ".join(plural(count, kind) for kind, count in left.items())
        parts.append(f"\n> Left out for want of room: {words}. `sutazai plan` shows everything.\n")
    return head + "".join(parts) + tail


def _head(plan: Plan) -> str:
    title = f"## sutazai plan: {escape(plan.project)}, {escape(plan.environment)}"
    counts = [(action, words, plan.count(action)) for action, words in _ROWS.items()]
    rows = "".join(f"| `{action.symbol}` | {words} | {count} |\n" for action, words, count in counts if count)
    table = f"\n| | action | resources |\n|---|---|---:|\n{rows}" if rows else ""
    summary = f"**{plan.summary}**" if plan.actions else f"**{NO_CHANGES}**"
    if not plan.applyable:
        summary += "\n\n**This plan can't be applied: see the errors below.**"
    return f"{marker(plan)}\n{title}\n\n{summary}\n{table}"


def _parts(plan: Plan) -> Iterator[tuple[str, Callable[[], str]]]:
    """What follows the head, the most important first, each written only if there is room for it."""
    for finding, count in _findings(plan):
        yield "finding", partial(_finding, finding, count)
    if plan.waves:
        yield "graph of waves", partial(_mermaid, plan)
    if plan.capacity:
        yield "capacity line", partial(_capacity, plan.capacity)
    if plan.drift:
        yield "list of drift", partial(_drift, plan)
    for group in grouped(plan.actions):
        yield "change", partial(_change, group)


def _capacity(found: Capacity) -> str:
    return f"\n**Capacity.** {escape(capacity_text(found))}\n"


def _drift(plan: Plan) -> str:
    return _folded(f"Changed outside: {plural(len(plan.drift), 'resource')}", plain(drift(plan, _WIDTH)))


def _change(group: Group) -> str:
    first = group.members[0]
    if len(group.members) == 1:
        text, title = plain(change_block(first, _WIDTH)), str(first.address)
    else:
        text, title = plain(group_block(group, _WIDTH)), plural(len(group.members), str(first.address.kind))
    return _folded(
        f"<code>{html.escape(first.action.symbol)}</code> {html.escape(title)} {verb(first)}", text, raw=True
    )


def _folded(title: str, text: str, *, raw: bool = False) -> str:
    """A folded block of preformatted text. The fence is longer than any run of backticks in it."""
    if len(text) > _LONGEST_PART:
        cut = text[:_LONGEST_PART].rfind("\n") + 1
        text = text[:cut] + f"... {text[cut:].count(chr(10))} lines more\n"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    body = "".join(_as_diff(row) for row in text.splitlines())
    summary = f"<details><summary>{title if raw else html.escape(title)}</summary>"
    return f"\n{summary}\n\n{fence}diff\n{body}{fence}\n\n</details>\n"


def _as_diff(row: str) -> str:
    """The mark of a line in its first column, where GitHub colours it."""
    bare = row.lstrip()
    for symbol in ("-/+ ", "+/- ", "+ ", "- ", "~ "):
        if bare.startswith(symbol):
            mark = "!" if symbol[0] == "~" or len(symbol) > 2 else symbol[0]
            return f"{mark} {row}\n"
    return f"  {row}\n" if row else "\n"


def _mermaid(plan: Plan) -> str:
    rows = ["flowchart TD"]
    shown = plan.waves[:_MERMAID_WAVES]
    for number, wave in enumerate(shown):
        names = [_mermaid_text(str(address)) for address in wave.addresses[:_MERMAID_MEMBERS]]
        if len(wave.addresses) > len(names):
            names.append(f"and {len(wave.addresses) - len(names)} more")
        canary = " canary" if wave.canary else ""
        title = f"wave {wave.index}{canary}: {plural(len(wave.addresses), 'resource')}"
        rows.append(f'  w{number}["<b>{title}</b><br/>{"<br/>".join(names)}"]')
    rows += [f"  w{number} --> w{number + 1}" for number in range(len(shown) - 1)]
    if len(plan.waves) > len(shown):
        rows.append(f'  w{len(shown) - 1} --> more["{len(plan.waves) - len(shown)} more waves"]')
    return "\n```mermaid\n" + "\n".join(rows) + "\n```\n"


def _mermaid_text(text: str) -> str:
    return re.sub(r"[^\w.\- ]", "_", text)


def _findings(plan: Plan) -> Iterator[tuple[Finding, int]]:
    """Distinct findings, errors first, each with how many resources it is about."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for severity in _ALERTS:
        for finding in plan.findings:
            if finding.severity == severity:
                groups.setdefault((severity, finding.code, finding.summary), []).append(finding)
    for members in groups.values():
        yield members[0], len(members)


def _finding(finding: Finding, count: int) -> str:
    where = (
        f" ({plural(count, 'resource')})" if count > 1 else f" ({finding.address})" if finding.address else ""
    )
    hint = f"\n> {escape(finding.hint)}" if finding.hint else ""
    return f"\n> [!{_ALERTS[finding.severity]}]\n> {escape(finding.summary + where)}{hint}\n"


def escape(text: str) -> str:
    """Text on one line that Markdown and HTML leave as it is."""
    return re.sub(r"([\\`*_{}\[\]|#~$])", r"\\\1", html.escape(clean(text), quote=False)).replace(
        "@", "&#64;"
    )
