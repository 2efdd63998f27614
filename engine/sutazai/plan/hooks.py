"""Which hooks a change runs and where, in words, for those who read the plan. The run decides by the same rules, and by what it
finds: on the way back none is run for containers that still stand by (`operations/replacing.py`)."""

from collections.abc import Iterator
from dataclasses import dataclass

from sutazai.model.checks import HookName, Hooks
from sutazai.plan.change import MADE, REPLACED, Action, Plan, PlanKind, ResourceChange
from sutazai.plan.manner import DEFAULT, MANNERS

_STOPS = frozenset({"restart", "remove-deposed"})


@dataclass(frozen=True, slots=True)
class PlannedHook:
    """`where` follows the hook's name: `in a container of its own (shop/migrate:1)`."""

    name: HookName
    where: str


def hooks_of(change: ResourceChange, plan: Plan) -> tuple[PlannedHook, ...]:
    """Those of one change of a plan, in the order in which they run."""
    hasty = not MANNERS[plan.strategy or DEFAULT].gated
    if (
        plan.kind == "refresh"
        or hasty
        or not any("hooks" in (body or ()) for body in (change.before, change.after))
    ):
        return ()
    return tuple(_deploying(change, plan.kind)) + tuple(_stopping(change))


def _deploying(change: ResourceChange, kind: PlanKind) -> Iterator[PlannedHook]:
    after = change.after or {}
    hooks, image = Hooks.model_validate(after.get("hooks", {})), str(after.get("image", ""))
    made = change.action in MADE and after.get("deploy", {}).get("replicas", 1)
    unless = ", unless its containers still stand by" if kind == "rollback" else ""
    if made and hooks.pre_deploy is not None:
        apart = hooks.is_one_off("pre_deploy")
        where = _apart(hooks, "pre_deploy", image) if apart else "in the old container"
        yield PlannedHook("pre_deploy", f"{where}{unless}")
    if hooks.post_deploy is not None and (made or ("post-deploy" in change.steps and kind != "rollback")):
        where = "in the new container" if made or "scale" in change.steps else "in its container"
        apart = hooks.is_one_off("post_deploy")
        yield PlannedHook("post_deploy", f"{_apart(hooks, 'post_deploy', image) if apart else where}{unless}")


def _stopping(change: ResourceChange) -> Iterator[PlannedHook]:
    hooks = Hooks.model_validate((change.before or {}).get("hooks", {}))
    stops = change.action in (*REPLACED, Action.DESTROY) or bool(_STOPS & set(change.steps))
    if hooks.pre_stop is not None and (stops or scales_down(change)):
        apart = hooks.is_one_off("pre_stop")
        image = str((change.before or {}).get("image", ""))
        yield PlannedHook("pre_stop", _apart(hooks, "pre_stop", image) if apart else "in the old container")


def scales_down(change: ResourceChange) -> bool:
    """Whether some of its containers go, for good."""
    replicas = next((field for field in change.fields if field.path == ("deploy", "replicas")), None)
    return "scale" in change.steps and replicas is not None and replicas.before > replicas.after


def _apart(hooks: Hooks, name: HookName, image: str) -> str:
    hook = hooks.of(name)
    return f"in a container of its own ({(hook.image if hook else None) or image})"
