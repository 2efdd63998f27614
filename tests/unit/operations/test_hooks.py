"""Hooks in a run: when they run, where, what becomes of one that fails, and that nothing of them stays."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sutazai.address import agent
from sutazai.errors import RolledBack
from sutazai.events import Notice, Progress
from sutazai.model.fleet import Fleet
from sutazai.operations.changing import Order, change_environment
from sutazai.operations.plan import Planned, look, make_plan
from sutazai.operations.run import carry_out_plan
from sutazai.operations.session import Stop
from sutazai.plan.build import PlanOptions
from sutazai.plan.hooks import hooks_of
from sutazai.providers.simulated import SimulatedImage, SimulatedProvider
from sutazai.state.scope import HOOK
from unit.operations.lab import CHECK, IMAGES, SCOPE, Cut, Killed, Lab, lab, to_its_end
from unit.operations.test_taking_back import Willing

A = agent("a")
HOOKS = {"pre_deploy": "before", "post_deploy": "after", "pre_stop": "ending"}
Calls = list[tuple[str, str]]


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    found = lab(tmp_path)
    said = {"before": (0, "migrated"), "after": (0, "warmed up"), "ending": (0, "saved")}
    says(found, **said)
    return found


def says(world: Lab, **commands: tuple[int, str]) -> None:
    """What programs in every image say, and how they end."""
    for name, image in world.engine.images.items():
        world.engine.images[name] = replace(image, commands={**image.commands, **commands})


def fleet(*, image: str = IMAGES[0], hooks: dict[str, Any] | None = None, **fields: Any) -> Fleet:
    body = {"image": image, "networks": ["net"], "checks": [CHECK], "environment": {"DB": "x"}, "volumes": ["data:/data"],
            "hooks": HOOKS if hooks is None else hooks, "rollout": {"healthy_deadline": "20s"}, **fields}  # fmt: skip
    return Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment, "networks": {"net": {}}, "volumes": {"data": {}},
        "agents": {"a": body},
    })  # fmt: skip


class Watched:
    """A provider that writes down what is done to containers, by name."""

    def __init__(self, world: Lab) -> None:
        self.provider = SimulatedProvider(SCOPE, world.engine)
        self.calls: Calls = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.provider, name)
        if name not in ("create_instance", "start", "stop", "remove", "execute"):
            return real

        def call(first: Any, *args: Any, **kwargs: Any) -> Any:
            known = self.provider.engine.containers.get(first) if isinstance(first, str) else None
            what = args[0][0] if name == "execute" else name
            self.calls.append((what, known.instance.name if known else first.name))
            return real(first, *args, **kwargs)

        return call


def carried_out(world: Lab, wanted: Fleet, **options: Any) -> Calls:
    watched = Watched(world)
    result = world.carry_out(world.plan(wanted, **options), watched)
    assert result.outcome == "done", result.failures
    return watched.calls


BLUE, GREEN = "shop-test-a-blue", "shop-test-a-green"


def one_off(name: str) -> Calls:
    return [("create_instance", name), ("start", name), ("remove", name)]


def test_each_runs_at_its_time_and_place(world: Lab) -> None:
    assert carried_out(world, fleet()) == [
        *one_off(f"{BLUE}-pre-deploy"), ("create_instance", BLUE), ("start", BLUE), ("after", BLUE),
    ]  # fmt: skip
    assert carried_out(world, fleet(image=IMAGES[1])) == [
        *one_off(f"{GREEN}-pre-deploy"), ("create_instance", GREEN), ("ending", BLUE), ("stop", BLUE), ("start", GREEN),
        ("after", GREEN), ("stop", BLUE), ("remove", BLUE),
    ]  # fmt: skip
    watched = Watched(world)
    world.carry_out(world.destroy(fleet()), watched)
    assert watched.calls == [("ending", GREEN), ("stop", GREEN), ("remove", GREEN)]
    lines = [event.message for event in world.events if isinstance(event, Progress)]
    assert {"pre_deploy: migrated", "post_deploy: warmed up", "pre_stop: saved"} <= set(lines)


def test_the_plan_says_which_and_where(world: Lab) -> None:
    def said(planned: Any) -> list[tuple[str, str]]:
        return [(h.name, h.where) for c in planned.plan.actions for h in hooks_of(c, planned.plan)]

    assert said(world.plan(fleet())) == [
        ("pre_deploy", "in a container of its own (shop/a:1)"), ("post_deploy", "in the new container"),
    ]  # fmt: skip
    world.apply(fleet())
    hooks = {"post_deploy": {"command": "after", "image": IMAGES[1]}}
    assert said(world.plan(fleet(hooks=hooks, user="1"))) == [
        ("post_deploy", "in a container of its own (shop/a:2)"), ("pre_stop", "in the old container"),
    ]  # fmt: skip
    assert said(world.plan(fleet(hooks=hooks))) == [], "only the record changes"
    assert said(world.plan(fleet(deploy={"replicas": 2}))) == [("post_deploy", "in the new container")]
    assert said(world.destroy(fleet())) == [("pre_stop", "in the old container")]
    world.apply(fleet(hooks={"pre_stop": {"command": "ending", "one_off": True}}))
    assert said(world.plan(fleet(hooks={}, image=IMAGES[1]))) == [
        ("pre_stop", "in a container of its own (shop/a:1)")
    ], "as it was applied"


def seen_when_made(world: Lab, wanted: Fleet) -> Any:
    """The container of the pre_deploy, as the engine reported it, and its labels."""
    found: list[Any] = []

    class Looking(Watched):
        def inspect(self, instance_id: str) -> Any:
            container = self.provider.engine.containers[instance_id]
            if container.instance.hook:
                found.append((container.instance, container.labels, self.provider.observe(wanted)))
            return self.provider.inspect(instance_id)

    assert world.carry_out(world.plan(wanted), Looking(world)).outcome == "done"
    return found[0]


def test_a_container_for_a_hook_has_what_the_workload_has_and_is_none_of_it(world: Lab) -> None:
    wanted = fleet(deploy={"resources": {"limits": {"memory": "64M"}}}, restart="always")
    instance, labels, observed = seen_when_made(world, wanted)
    assert instance.body.environment["DB"] == "x"
    assert [mount.source for mount in instance.body.volumes] == ["data"]
    assert list(instance.body.networks) == ["net"]
    assert instance.body.deploy.resources.limits.memory == 64 << 20
    assert (instance.body.restart, tuple(instance.body.entrypoint)) == ("no", ("before",))
    assert labels[HOOK] == "pre_deploy"
    assert labels["io.sutazai.address"] == "agent.a"
    assert observed.instances == ()
    assert [one.name for one in observed.one_offs] == [f"{BLUE}-pre-deploy"]


def test_an_image_of_its_own_has_the_networks_and_what_the_hook_says(world: Lab) -> None:
    hook = {"command": "before", "image": "shop/migrate:1", "environment": {"URL": "y"}, "user": "7"}
    world.engine.registry["shop/migrate:1"] = SimulatedImage(
        "sha256:" + "9" * 64, commands={"before": (0, "")}
    )
    instance, _, _ = seen_when_made(world, fleet(hooks={"pre_deploy": hook}))
    assert instance.image == "shop/migrate:1"
    assert (dict(instance.body.environment), instance.body.user) == ({"URL": "y"}, "7")
    assert (list(instance.body.networks), list(instance.body.volumes)) == (["net"], [])


def test_an_image_that_cannot_be_had_fails_before_anything_changes(world: Lab) -> None:
    result = world.apply(fleet(hooks={"post_deploy": {"command": "x", "image": "shop/none:1"}}))
    assert [(f.address, "shop/none:1" in f.cause) for f in result.failures] == [(A, True)]
    assert world.runs(fleet()) == ()


@pytest.mark.parametrize(
    ("hook", "cause"),
    [
        ("before", "its pre_deploy hook exited with code 3"),
        ({"command": "sleep 60", "timeout": "5s"}, "its pre_deploy hook did not end within 5s"),
        ("no-such", "its pre_deploy hook exited with code 127 (there is no such command)"),
        ({"command": "before", "one_off": False}, "its pre_deploy hook exited with code 3"),
    ],
)
def test_a_pre_deploy_that_fails_changes_nothing(world: Lab, hook: Any, cause: str) -> None:
    world.apply(fleet())
    before = world.runs(fleet())
    says(world, before=(3, "no such table\nx"))
    result = world.apply(fleet(image=IMAGES[1], hooks={"pre_deploy": hook}))
    assert result.failures[0].cause.startswith(cause)
    if "code 3" in cause:
        assert result.failures[0].logs == ("no such table", "x")
    assert world.runs(fleet()) == before
    assert not world.session().provider.observe(fleet()).one_offs


def test_what_fails_leaves_no_volume_of_its_own_and_its_workloads_as_it_was(world: Lab) -> None:
    def ended(code: int, image: str, *places: str) -> str:
        says(world, before=(code, ""))
        return world.apply(fleet(image=image, hooks={"pre_deploy": "before"}, volumes=list(places))).outcome

    def left() -> list[str]:
        return sorted(volume.name for volume in world.session().provider.observe(fleet()).anonymous)

    assert ended(3, IMAGES[0], "/own") == "failed"
    assert not left()
    assert ended(0, IMAGES[0], "/own") == "done"
    before = left()
    assert len(before) == 1
    assert ended(3, IMAGES[1], "/own", "/more") == "failed"
    assert left() == before


@pytest.mark.parametrize("order", ["stop-first", "start-first"])
def test_a_post_deploy_that_fails_is_taken_back_without_the_old_versions_hooks(
    world: Lab, order: str
) -> None:
    def wanted(image: str) -> Fleet:
        return fleet(image=image, rollout={"healthy_deadline": "20s", "order": order})

    world.apply(wanted(IMAGES[0]))
    (before,) = world.runs(fleet())
    says(world, after=(1, "smoke"))
    session = world.session(Watched(world))
    with pytest.raises(
        RolledBack, match=r"agent\.a: its post_deploy hook exited with code 1; what this run had changed"
    ):
        change_environment(
            session, Order("apply", on_failure="rollback"),
            lambda _: make_plan(session, wanted(IMAGES[1]), PlanOptions()), Willing(), lambda work, _: to_its_end(work(Stop())),
        )  # fmt: skip
    (after,) = world.runs(fleet())
    assert (after.id, after.status) == (before.id, "running")
    calls = session.provider.calls  # type: ignore[attr-defined]
    assert [what for what, _ in calls].count("after") == 1
    assert [name for what, name in calls if what == "create_instance"] == [f"{GREEN}-pre-deploy", GREEN]


def test_a_post_deploy_that_failed_is_run_again(world: Lab) -> None:
    says(world, after=(1, "smoke"))
    assert world.apply(fleet()).failures[0].cause == "its post_deploy hook exited with code 1"
    says(world, after=(0, "fine"))
    assert carried_out(world, fleet()) == [("after", BLUE)]
    assert not world.plan(fleet()).plan.actions


def test_a_pre_stop_that_fails_is_told_and_hinders_nothing(world: Lab) -> None:
    world.apply(fleet())
    says(world, ending=(9, "could not save"))
    assert ("stop", BLUE) in carried_out(world, fleet(image=IMAGES[1]))
    notices = [event.message for event in world.events if isinstance(event, Notice)]
    assert notices == [
        "agent.a: its pre_stop hook exited with code 9; it is stopped all the same",
        "agent.a: could not save",
    ]


def test_the_old_containers_run_the_pre_stop_that_they_were_applied_with(world: Lab) -> None:
    world.apply(fleet())
    says(world, other=(0, ""))
    assert ("ending", BLUE) in carried_out(world, fleet(image=IMAGES[1], hooks={"pre_stop": "other"}))
    assert ("other", GREEN) in carried_out(world, fleet())


def test_what_is_added_runs_the_post_deploy_and_what_is_taken_away_the_pre_stop(world: Lab) -> None:
    world.apply(fleet(volumes=[]))
    calls = carried_out(world, fleet(volumes=[], deploy={"replicas": 2}))
    assert [(w, n) for w, n in calls if w == "after"] == [("after", f"{BLUE}-2")]
    calls = carried_out(world, fleet(volumes=[]))
    assert [(w, n) for w, n in calls if w == "ending"] == [("ending", f"{BLUE}-2")]


@pytest.mark.parametrize("hook", ["pre_deploy", "post_deploy"])
def test_an_interrupt_is_not_kept_waiting_by_a_hook(world: Lab, hook: str) -> None:
    class Stopping(Stop):
        def __init__(self) -> None:
            super().__init__()
            self.interrupt()

        @property
        def requested(self) -> bool:
            return False  # what is under way has begun

    began = world.clock.at
    wanted = fleet(hooks={hook: {"command": "sleep 300", "timeout": "1h", "one_off": True}})
    result = world.carry_out(world.plan(wanted), stop=Stopping)
    assert result.outcome in ("interrupted", "failed")
    assert not result.failures
    assert world.clock.at - began < 30
    assert not world.session().provider.observe(fleet()).one_offs


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_the_next_run_leaves_nothing_of_a_hook(tmp_path: Path, after: bool) -> None:
    points = 0
    for at in range(1, 40):
        world = lab(tmp_path / f"{after}-{at}")
        says(world, before=(0, ""), after=(0, ""), ending=(0, ""))
        world.apply(fleet())
        wanted = fleet(image=IMAGES[1])
        try:
            world.carry_out(world.plan(wanted), Cut(SimulatedProvider(SCOPE, world.engine), at, after=after))
        except Killed:
            points += 1
        else:
            break
        assert world.apply(wanted).outcome == "done"
        observed = world.session().provider.observe(wanted)
        assert observed.one_offs == ()
        assert [one.image for one in observed.instances] == [IMAGES[1]]
        assert not world.plan(wanted).plan.actions
    assert points > 5


def with_one_left(world: Lab) -> Planned:
    """All is as it should be, but for a container of a hook."""
    world.apply(fleet())
    with pytest.raises(Killed):
        world.carry_out(
            world.plan(fleet(user="1")), Cut(SimulatedProvider(SCOPE, world.engine), 2, after=True)
        )
    world.session().store.journal().clear()
    return world.plan(fleet())


def test_a_run_that_is_cut_off_before_it_removed_that_is_not_done(world: Lab) -> None:
    planned = with_one_left(world)

    async def go() -> str:
        beginning, stop = asyncio.Event(), Stop()

        async def calls(function: Callable[..., Any], /, *args: Any) -> Any:
            if function.__name__ == "append":
                beginning.set()
                await asyncio.Event().wait()
            return function(*args)

        session = replace(world.session(), calls=calls)
        look(session, planned.plan.desired, planned.prior)
        work = asyncio.ensure_future(carry_out_plan(session, planned, stop, command="apply"))
        await beginning.wait()
        stop.interrupt()
        work.cancel()
        return (await work).outcome

    assert to_its_end(go()) == "interrupted"
    assert world.session().provider.observe(fleet()).one_offs
    assert world.apply(fleet()).outcome == "done"
    assert not world.session().provider.observe(fleet()).one_offs


def test_what_only_a_container_for_a_hook_was_left_of_is_removed_without_a_journal(world: Lab) -> None:
    planned = with_one_left(world)
    assert [finding.code for finding in planned.plan.findings] == ["hook-left"]
    assert planned.unrecorded
    world.carry_out(planned)
    assert not world.session().provider.observe(fleet()).one_offs
