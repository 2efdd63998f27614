"""The words and colours of actions and reasons, shared by every view of a plan."""

from sutazai.model.rollout import FleetCanary
from sutazai.model.units import format_duration
from sutazai.plan.change import Action, Plan, Reason, ResourceChange
from sutazai.plan.manner import MANNERS
from sutazai.views.text import Style, plural

STYLES: dict[Action, Style] = {
    Action.CREATE: "bold green",
    Action.UPDATE: "bold yellow",
    Action.REPLACE: "bold red",
    Action.REPLACE_START_FIRST: "bold red",
    Action.DESTROY: "bold red",
    Action.ADOPT: "bold cyan",
    Action.NOOP: "",
}
MARK_STYLES: dict[str, Style] = {"+": "green", "~": "yellow", "-": "red"}

WILL: dict[Action, str] = {
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated in place",
    Action.REPLACE: "will be replaced",
    Action.REPLACE_START_FIRST: "will be replaced",
    Action.DESTROY: "will be destroyed",
    Action.ADOPT: "will be adopted",
    Action.NOOP: "does not change",
}

WHY: dict[Reason, str] = {
    Reason.NONE: "",
    Reason.MISSING: "it was there and is gone",
    Reason.NEW: "new in the specs",
    Reason.CHANGED: "declared otherwise",
    Reason.DRIFTED: "changed outside",
    Reason.STOPPED: "it is not running",
    Reason.SCALED: "the number of replicas changed",
    Reason.RECORD: "only recorded: no container is touched",
    Reason.CANNOT_UPDATE: "can't be changed on a running container",
    Reason.TAINTED: "it never became healthy",
    Reason.REQUESTED: "asked for by --replace",
    Reason.TRIGGERED: "by replace_triggered_by",
    Reason.IMAGE_MOVED: "its image's name points to another image now",
    Reason.UNDECLARED: "no longer in the specs",
    Reason.DESTROYING: "destroy",
    Reason.ADOPTED: "imported; its container stays",
}


def why(change: ResourceChange) -> str:
    """Why a resource changes, in words: the plan's own, else the reason's."""
    return change.detail or WHY[change.reason]


def canary(plan: Plan) -> str:
    """What the fleet canary of a plan is, in a sentence."""
    seconds = (plan.desired.fleet_canary or FleetCanary()).bake_time
    after = f"stayed healthy for {format_duration(seconds)}" if seconds else "become healthy"
    return (
        f"The canary is {len(plan.canaries)} of {plan.replaced} that are replaced; the others follow in growing stages once it "
        f"has {after}."
    )


def strategy(plan: Plan) -> str:
    """How a rollback goes, in a sentence; empty where it is none."""
    return f"Strategy {plan.strategy}: {MANNERS[plan.strategy].about}." if plan.strategy else ""


def left_out(plan: Plan) -> str:
    """How many more would change, and why they do not."""
    goes_on = plan.strategy is not None and MANNERS[plan.strategy].keeps_going
    by = "left out: see above" if goes_on else "left out by --target or --exclude"
    return f"{plural(len(plan.pending), 'more resource')} would change, {by}."


def verb(change: ResourceChange) -> str:
    if change.reason is Reason.RECORD:
        return "will be recorded"
    if change.reason is Reason.STOPPED and change.action is Action.UPDATE:
        return "will be started"
    return WILL[change.action]
