"""What a plan leaves as it is: what was not selected, and, where the rest must not wait for it, what can't be done."""

from collections.abc import Iterable
from dataclasses import replace

from sutazai.address import Address, Kind
from sutazai.plan.change import REPLACED, Action, Finding, ResourceChange

_NEVER = "not-carried-out"
"""The code of errors that stand for good: the program does not know how."""


def left_alone(change: ResourceChange) -> ResourceChange:
    """The resource as it is now, slot and all."""
    if not change.changes:
        return replace(change, fields=()) if change.address.kind is Kind.VOLUME else change
    slot = change.slot.other if change.slot and change.action in REPLACED else change.slot
    return ResourceChange(change.address, Action.NOOP, before=change.before, after=change.before, slot=slot)


def hindered(findings: Iterable[Finding]) -> frozenset[Address]:
    """Those that an error is about."""
    return frozenset(f.address for f in findings if f.severity == "error" and f.address is not None)


def as_warning(finding: Finding) -> Finding:
    """An error that does not keep back the rest, as such. What is about no resource is no hindrance to any, unless nobody knows
    how to carry it out."""
    if finding.severity != "error" or (finding.address is None and finding.code == _NEVER):
        return finding
    summary = f"left as it is: {finding.summary}" if finding.address is not None else finding.summary
    return replace(finding, severity="warning", summary=summary)
