"""A plan that was made earlier fits as long as what it touches is as it was, and not a change longer."""

from dataclasses import replace
from typing import Any

from hypothesis import given

from sutazai.address import Address, Kind, agent
from sutazai.model.fleet import Fleet
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Plan
from sutazai.plan.departures import departures, left_aside
from sutazai.state.observed import Observed, Reported
from sutazai.views.departures import words
from unit.plan.test_laws import RELAXED, fleets
from unit.plan.world import applied, fleet_of, image_of, images_for, with_instance

BEFORE = fleet_of(
    {
        "a": {
            "networks": ["fleet"],
            "environment": {"MOOD": "calm"},
            "deploy": {"resources": {"limits": {"memory": "64M"}}},
        },
        "b": {"networks": ["fleet"]},
    },
    networks={"fleet": {}},
)


def wanting(**body: Any) -> Fleet:
    """As before, with something different about a."""
    old = BEFORE.agents["a"].model_dump(mode="json", exclude_unset=True)
    return fleet_of({"a": {**old, **body}, "b": {"networks": ["fleet"]}}, networks={"fleet": {}})


WANTED = wanting(environment={"MOOD": "angry"})


def both(change: Any, desired: Fleet = WANTED) -> tuple[Plan, Plan]:
    """The plan made on what was applied, and made again after `change` was done to it from outside."""
    observed, state = applied(BEFORE)
    observed = replace(observed, images={**observed.images, **images_for(desired)})
    return build_plan(desired, observed, state, PlanOptions()), build_plan(
        desired, change(observed), state, PlanOptions()
    )


def said(change: Any, desired: Fleet = WANTED) -> dict[str, str]:
    return {str(found.address): words(found) for found in departures(*both(change, desired))}


@RELAXED
@given(fleets(), fleets())
def test_nothing_departs_from_a_plan_made_again(before: Fleet, after: Fleet) -> None:
    observed, state = applied(before, also_images=["shop/thing:1", "shop/thing:2"])
    plan = build_plan(after, observed, state, PlanOptions())
    again = build_plan(
        Fleet.model_validate(after.model_dump(mode="json", exclude_unset=True)),
        observed,
        state,
        PlanOptions(),
    )
    assert departures(plan, again) == ()
    assert left_aside(plan, again) == frozenset()


def test_its_container_is_gone() -> None:
    def removed(observed: Observed) -> Observed:
        return replace(observed, instances=tuple(i for i in observed.instances if i.address != agent("a")))

    assert said(removed) == {
        "agent.a": "a replacement was planned, and now it would be a creation (its container is gone)"
    }


def test_its_container_stopped_before_an_update_in_place() -> None:
    def stopped(observed: Observed) -> Observed:
        return with_instance(observed, agent("a"), status="exited", exit_code=3)

    desired = wanting(deploy={"resources": {"limits": {"memory": "96M"}}})
    assert "exited with code 3" in said(stopped, desired)["agent.a"]


def test_its_container_stopped_before_a_replacement() -> None:
    def stopped(observed: Observed) -> Observed:
        return with_instance(observed, agent("a"), status="exited", exit_code=3)

    def restarting(observed: Observed) -> Observed:
        return with_instance(observed, agent("a"), status="restarting", exit_code=3)

    assert said(stopped) == {"agent.a": "it ran when planned, and its container exited with code 3"}
    earlier, now = both(stopped)
    assert departures(now, now) == departures(now, earlier) == (), "it was planned when it had stopped"
    assert departures(*both(restarting), {agent("a")}) == ()


def test_what_goes_may_have_stopped() -> None:
    def stopped(observed: Observed) -> Observed:
        return with_instance(observed, agent("b"), status="exited", exit_code=0)

    kept = WANTED.agents["a"].model_dump(mode="json", exclude_unset=True)
    assert said(stopped, fleet_of({"a": kept}, networks={"fleet": {}})) == {}


def test_a_field_of_it_was_changed_outside() -> None:
    def meddled(observed: Observed) -> Observed:
        (running,) = observed.of(agent("a"))
        return with_instance(
            observed,
            agent("a"),
            reported=Reported.of(running.body.model_copy(update={"environment": {"MOOD": "odd"}})),
        )

    assert "environment.MOOD was calm when planned, and is odd now" in said(meddled)["agent.a"]


def test_what_it_ignores_is_no_longer_as_it_would_have_stayed() -> None:
    """It is in neither plan's fields, and no reason of either."""
    lifecycle = {"ignore_changes": ["deploy.replicas"]}

    def scaled(observed: Observed) -> Observed:
        (running,) = observed.of(agent("a"))
        return replace(observed, instances=(*observed.instances, replace(running, id="more", replica=2)))

    found = said(scaled, wanting(environment={"MOOD": "angry"}, lifecycle=lifecycle))
    assert found["agent.a"].startswith("deploy.replicas was not set when planned, and is 2 now")


def test_the_image_under_its_name_is_another() -> None:
    def moved(observed: Observed) -> Observed:
        other = replace(image_of("shop/thing:1"), id="sha256:" + "9" * 64)
        return replace(observed, images={**observed.images, "shop/thing:1": other})

    assert "agent.a" in said(moved)


def test_it_is_as_wanted_already() -> None:
    def done(observed: Observed) -> Observed:
        (running,) = observed.of(agent("a"))
        body = running.body.model_copy(update={"environment": {**running.body.environment, "MOOD": "angry"}})
        return with_instance(observed, agent("a"), reported=Reported.of(body))

    assert said(done) == {"agent.a": "a replacement was planned, and it needs no change now"}


def test_a_network_that_it_needs_is_gone() -> None:
    def cut(observed: Observed) -> Observed:
        return replace(observed, networks={})

    found = said(cut)
    assert "agent.a needs it" in found["network.fleet"]


def test_what_the_plan_does_not_touch_may_change_and_is_left_aside() -> None:
    def stopped(observed: Observed) -> Observed:
        return with_instance(observed, agent("b"), status="exited", exit_code=1)

    earlier, now = both(stopped)
    assert departures(earlier, now) == ()
    assert left_aside(earlier, now) == {agent("b")}


def test_something_to_destroy_that_is_gone_already() -> None:
    def removed(observed: Observed) -> Observed:
        return replace(observed, instances=tuple(i for i in observed.instances if i.address != agent("b")))

    observed, state = applied(BEFORE)
    shrunk = fleet_of(
        {"a": BEFORE.agents["a"].model_dump(mode="json", exclude_unset=True)}, networks={"fleet": {}}
    )
    earlier = build_plan(shrunk, observed, state, PlanOptions())
    assert Address(Kind.AGENT, "b") in {change.address for change in earlier.actions}
    found = departures(earlier, build_plan(shrunk, removed(observed), state, PlanOptions()))
    assert [departure.address for departure in found] == [agent("b")]


def test_an_image_that_was_not_there_yet_may_be_there_now() -> None:
    """A pipeline builds between planning and applying."""
    observed, state = applied(BEFORE)
    desired = wanting(image="shop/new:2")
    missing = replace(observed, images={**observed.images, "shop/new:2": None})
    built = replace(observed, images={**observed.images, "shop/new:2": image_of("shop/new:2")})
    earlier, now = (build_plan(desired, seen, state, PlanOptions()) for seen in (missing, built))
    assert earlier.changes != now.changes
    assert departures(earlier, now) == ()
    assert departures(now, earlier) != (), "an image that was known is gone"


def test_drift_that_was_to_be_recorded_has_changed_again() -> None:
    def seen(memory: int) -> Observed:
        observed, _ = applied(BEFORE)
        (running,) = observed.of(agent("a"))
        deploy = {"resources": {"limits": {"memory": memory}}}
        body = running.body.model_dump(mode="json", exclude_unset=True)
        return with_instance(
            observed,
            agent("a"),
            reported=Reported.of(type(running.body).model_validate({**body, "deploy": deploy})),
        )

    _, state = applied(BEFORE)
    first, again, same = (
        build_plan(BEFORE, seen(n << 20), state, PlanOptions(kind="refresh")) for n in (80, 96, 80)
    )
    assert [change.address for change in first.drift] == [agent("a")]
    assert departures(first, same) == ()
    assert [words(found) for found in departures(first, again)] == [
        "it was changed again since its difference was found"
    ]
    undone = build_plan(BEFORE, seen(64), state, PlanOptions(kind="refresh"))
    assert [found.address for found in departures(first, undone)] == [agent("a")]
