"""Plans that outlive the process: made into a file's content, and back into something that may be carried out."""

from collections.abc import Callable
from dataclasses import replace

from sutazai.diagnostics import some_of
from sutazai.errors import Refused
from sutazai.events import Notice, iso
from sutazai.model.backend import BackendOptions, holds_password
from sutazai.model.fleet import ProviderOptions
from sutazai.operations.plan import Planned, make_plan
from sutazai.operations.recovery import unfinished_runs
from sutazai.operations.session import Session
from sutazai.plan.departures import Departure, departures, left_aside
from sutazai.plan.saved import Engine, Made, SavedPlan, digest_of_plan, seal
from sutazai.state.v2 import State

_PLAN_AGAIN = "look at what changed, then plan again: sutazai plan -o FILE"
_MOST_NAMES = 5


def plan_digest(planned: Planned) -> str:
    """What identifies the plan, whether it is saved or not."""
    return planned.digest or digest_of_plan(
        planned.plan, planned.options, planned.prior.sha256 if planned.prior else None
    )


def save(session: Session, planned: Planned, provider: ProviderOptions, backend: BackendOptions) -> SavedPlan:
    """The plan with all that carrying it out later needs. Raises `Refused` when that would include a password."""
    if holds_password(getattr(backend, "url", None) or ""):
        raise Refused(
            "the state's url holds a password, which would be readable in the plan file",
            hint="take it out of the environment's file; libpq finds it in PGPASSWORD, in ~/.pgpass or through PGSERVICE",
        )
    return seal(
        planned.plan,
        planned.options,
        made=Made(at=iso(session.clock.now()), by=session.who, version=session.version),
        provider=provider,
        engine=_engine(planned),
        backend=backend,
        state_sha256=planned.prior.sha256 if planned.prior else None,
    )


def reopen(session: Session, saved: SavedPlan, explain: Callable[[Departure], str]) -> Planned:
    """The saved plan, ready to be carried out, and nothing else than it. Raises `Refused` when the state has moved on, is
    another one, or a resource that the plan touches is no longer as it was planned against; `explain` says that in words."""
    _check_state(saved, session.store.newest(), session)
    fresh = make_plan(session, saved.plan.desired, replace(saved.options, refreshed=True))
    _check_engine(saved.engine, _engine(fresh))
    _check_resources(saved, fresh, explain, session)
    aside = left_aside(saved.plan, fresh.plan)
    if aside:
        names = some_of(sorted(aside), _MOST_NAMES)
        message = f"changed since the plan was made, not part of it and left as they are: {names}"
        session.events(Notice(session.clock.now(), "warning", message))
    errors = tuple(finding for finding in fresh.plan.findings if finding.severity == "error")
    kept = tuple(finding for finding in saved.plan.findings if finding not in errors)
    plan = replace(saved.plan, pending=saved.plan.pending | aside, findings=(*errors, *kept))
    options = saved.options
    if aside:  # nor is whoever goes on with this to touch them
        about = frozenset(change.address for change in plan.changes) if options.only is None else options.only
        options = replace(options, only=about - aside)
    return Planned(plan, fresh.observed, fresh.prior, options, digest=saved.plan_digest)


def check_place(saved: SavedPlan, environment: str | None, project_here: Callable[[], str | None]) -> None:
    """Raise `Refused` when the plan is for another environment than was asked for, or another project than is here."""
    plan = saved.plan
    if environment is not None and environment != plan.environment:
        raise Refused(
            f"this plan is for the environment {plan.environment}, not {environment}",
            hint="leave out -e and unset SUTAZAI_ENV: a plan file names its environment",
        )
    here = project_here()
    if here is not None and here != plan.project:
        raise Refused(
            f"this plan is for the project {plan.project}; here is the project {here}",
            hint="apply it where it was made; --chdir DIR goes there",
        )


def _check_state(saved: SavedPlan, prior: State | None, session: Session) -> None:
    plan, where = saved.plan, session.scope.environment
    against = f"serial {plan.serial}" if plan.serial else "an environment with no state"
    if prior is None and plan.lineage is not None:
        raise Refused(
            f"Saved plan is foreign: it was made against {against} of lineage {plan.lineage}, and {where} has no state",
            hint="apply it where that state is, or plan again: sutazai plan -o FILE",
        )
    if prior is None:
        return
    if plan.lineage is not None and plan.lineage != prior.lineage:
        raise Refused(
            f"Saved plan is foreign: it was made for a state of lineage {plan.lineage}, and that of {where} has {prior.lineage}",
            hint="apply it where that state is, or plan again: sutazai plan -o FILE",
        )
    if prior.serial != plan.serial or prior.sha256 != saved.state_sha256:
        now = f"serial {prior.serial}" if prior.serial != plan.serial else f"another serial {prior.serial}"
        raise Refused(
            f"Saved plan is stale: it was made against {against}, and {where} is at {now} now",
            hint="plan again: sutazai plan -o FILE",
        )


def _engine(planned: Planned) -> Engine | None:
    host = planned.observed.host
    return Engine(id=host.engine, host=host.name) if host and host.engine else None


def _check_engine(then: Engine | None, now: Engine | None) -> None:
    """What is to be created is nowhere, so another engine would have it all once more."""
    if then is not None and now is not None and then.id != now.id:
        raise Refused(
            f"Saved plan is foreign: it was made for the Docker Engine of {then.host} ({then.id}), and that of {now.host} "
            f"({now.id}) answers here",
            hint="see DOCKER_HOST, DOCKER_CONTEXT and provider.host, or plan again: sutazai plan -o FILE",
        )


def _check_resources(
    saved: SavedPlan, fresh: Planned, explain: Callable[[Departure], str], session: Session
) -> None:
    restarting = {one.address for one in fresh.observed.instances if one.status == "restarting"}
    found = departures(saved.plan, fresh.plan, restarting)
    if found:
        lines = "\n".join(f"  - {departure.address}: {explain(departure)}" for departure in found)
        unfinished = unfinished_runs(session.store)
        raise Refused(
            f"Saved plan no longer fits what is there ({len(found)} of its resources changed):\n{lines}",
            hint=f"{unfinished[-1].words}; apply --resume finishes it, rollback takes it back. Or {_PLAN_AGAIN}"
            if unfinished
            else _PLAN_AGAIN,
        )
