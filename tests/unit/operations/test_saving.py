"""`apply FILE` carries out exactly the plan in the file, or refuses and says why; on an engine in memory."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sutazai.address import agent
from sutazai.errors import PlanFileError, Refused
from sutazai.events import Notice
from sutazai.model.backend import LocalBackend, PostgresBackend, without_passwords
from sutazai.model.fleet import ProviderOptions
from sutazai.operations.changing import Order, change_environment
from sutazai.operations.plan import Planned, plan_resume
from sutazai.operations.recovery import unfinished_runs
from sutazai.operations.run import Result
from sutazai.operations.saving import check_place, plan_digest, reopen, save
from sutazai.operations.session import Stop
from sutazai.plan.change import Action
from sutazai.plan.saved import SavedPlan, read, write
from sutazai.providers.simulated import SimulatedProvider
from sutazai.store.plan_files import load
from sutazai.store.plan_files import save as put
from sutazai.views.departures import words
from unit.operations.lab import IMAGES, SCOPE, Cut, Killed, Lab, fleet, lab, to_its_end


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


def saved(world: Lab, planned: Planned) -> SavedPlan:
    """As it comes out of the file."""
    return read(write(save(world.session(), planned, ProviderOptions(), LocalBackend())), "plan")


class Yes:
    """A reviewer who approves everything."""

    def show(self, planned: Planned) -> None:
        pass

    def approve(self, planned: Planned) -> str | None:  # noqa: ARG002 - the port's own words
        return "grace"


def carry_out(world: Lab, plan: SavedPlan) -> None:

    def run(work: Callable[[Stop], object], _say: Callable[[str], None]) -> Result:
        async def whole() -> Result:
            return await work(Stop())  # type: ignore[misc]

        return to_its_end(whole())

    session = world.session()
    change_environment(session, Order(plan.plan.kind), lambda _: reopen(session, plan, words), Yes(), run)  # type: ignore[arg-type]


def meddle(world: Lab, name: str) -> None:
    """Remove an agent's container by hand."""
    for instance in world.runs(fleet()):
        if instance.address == agent(name):
            world.session().provider.remove(instance.id)


@pytest.mark.parametrize("kind", ["apply", "rollback", "destroy"])
def test_every_kind_of_plan_is_carried_out(world: Lab, kind: str) -> None:
    world.apply(fleet())
    world.apply(fleet(image=IMAGES[1]))
    planned = {
        "apply": lambda: world.plan(fleet(image=IMAGES[1], last=False)),
        "rollback": lambda: world.rollback(1),
        "destroy": lambda: world.destroy(fleet(), volumes=True),
    }[kind]()
    plan = saved(world, planned)
    carry_out(world, plan)
    state = world.session().store.newest()
    assert state is not None
    assert state.serial == 3
    assert state.operation.command == kind
    assert state.operation.approved_by == "grace"
    assert state.operation.plan_digest == plan.plan_digest == plan_digest(planned)
    there = {instance.address.name: instance.image for instance in world.runs(fleet())}
    assert there == {
        "apply": {"a": IMAGES[0], "b": IMAGES[1]},
        "rollback": {"a": IMAGES[0], "b": IMAGES[0], "c": IMAGES[0]},
        "destroy": {},
    }[kind]  # fmt: skip


def test_the_specs_of_then_are_applied_not_those_of_now(world: Lab) -> None:
    plan = saved(world, world.plan(fleet(memory="80M")))
    carry_out(world, plan)
    state = world.session().store.newest()
    assert state is not None
    assert state.desired == fleet(memory="80M")
    assert not world.plan(fleet(memory="80M")).plan.actions


def test_stale(world: Lab) -> None:
    world.apply(fleet())
    plan = saved(world, world.plan(fleet(memory="80M")))
    world.apply(fleet(memory="90M"))
    with pytest.raises(
        Refused, match=r"^Saved plan is stale: it was made against serial 1, and test is at serial 2 now"
    ):
        carry_out(world, plan)
    assert world.session().store.serials() == (1, 2)


def test_two_first_plans_and_the_second_is_stale_after_the_first(world: Lab) -> None:
    first, second = saved(world, world.plan(fleet())), saved(world, world.plan(fleet(memory="80M")))
    carry_out(world, first)
    with pytest.raises(
        Refused, match=r"^Saved plan is stale: it was made against an environment with no state"
    ):
        carry_out(world, second)
    with pytest.raises(Refused, match=r"^Saved plan is stale"):
        carry_out(world, first)


def test_foreign_lineage(world: Lab, tmp_path: Path) -> None:
    other = lab(tmp_path / "other")
    other.apply(fleet())
    world.apply(fleet())
    plan = saved(world, world.plan(fleet(memory="80M")))
    plan = plan.model_copy(update={"plan": replace(plan.plan, lineage="another")})
    with pytest.raises(Refused, match=r"^Saved plan is foreign: it was made for a state of lineage another"):
        carry_out(world, plan)


def test_the_state_of_the_plan_is_gone(world: Lab, tmp_path: Path) -> None:
    world.apply(fleet())
    plan = saved(world, world.plan(fleet(memory="80M")))
    with pytest.raises(Refused, match=r"^Saved plan is foreign: .* has no state"):
        carry_out(lab(tmp_path / "elsewhere"), plan)


def test_another_engine_answers(world: Lab) -> None:
    """Of what is to be created nothing could tell: it is on neither of them."""
    host = world.engine.host
    world.engine.host = replace(host, name="here", engine="E1")
    plan = saved(world, world.plan(fleet()))
    world.engine.host = replace(host, name="there", engine="E2")
    with pytest.raises(
        Refused,
        match=r"^Saved plan is foreign: it was made for the Docker Engine of here \(E1\), and that of there \(E2\)",
    ):
        carry_out(world, plan)
    assert not world.runs(fleet())
    world.engine.host = replace(host, name="renamed", engine="E1")
    carry_out(world, plan)
    assert world.runs(fleet())


def test_a_fork_of_the_same_history(world: Lab) -> None:
    """The same lineage and serial, and yet another state."""
    world.apply(fleet())
    plan = saved(world, world.plan(fleet(memory="80M"))).model_copy(update={"state_sha256": "0" * 64})
    with pytest.raises(Refused, match=r"^Saved plan is stale: .* test is at another serial 1 now"):
        carry_out(world, plan)


def test_another_environment_and_another_project(world: Lab) -> None:
    plan = saved(world, world.plan(fleet()))
    with pytest.raises(Refused, match="for the environment test, not production"):
        check_place(plan, "production", lambda: "shop")
    with pytest.raises(Refused, match="for the project shop; here is the project bakery"):
        check_place(plan, None, lambda: "bakery")
    check_place(plan, None, lambda: "shop")
    check_place(plan, "test", lambda: None)


def test_a_resource_is_no_longer_as_it_was_planned_against(world: Lab) -> None:
    world.apply(fleet())
    plan = saved(world, world.plan(fleet(image=IMAGES[1])))
    meddle(world, "b")
    calls = len(world.events)
    with pytest.raises(
        Refused,
        match=r"(?s)^Saved plan no longer fits .*1 of its resources.*agent\.b: .*its container is gone",
    ):
        carry_out(world, plan)
    assert len(world.events) == calls
    assert world.session().store.serials() == (1,)


def test_a_plan_that_was_cut_off_is_refused_with_the_ways_on(world: Lab) -> None:
    """The same file once more would be the wrong way: what it had begun is no longer as it was planned against."""
    world.apply(fleet())
    planned = world.plan(fleet(image=IMAGES[1]))
    plan = saved(world, planned)
    with pytest.raises(Killed):
        world.carry_out(planned, Cut(SimulatedProvider(SCOPE, world.engine), 3, after=True))
    with pytest.raises(Refused, match="no longer fits") as caught:
        carry_out(world, plan)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("an earlier apply was cut off, 1 call under way")
    assert "apply --resume finishes it, rollback takes it back" in caught.value.hint


def test_what_the_plan_does_not_touch_stays_as_it_is_and_is_mentioned(world: Lab) -> None:
    world.apply(fleet())
    plan = saved(world, world.plan(fleet(memory="80M")))
    meddle(world, "c")
    carry_out(world, plan)
    assert {instance.address.name for instance in world.runs(fleet())} == {"a", "b"}
    assert any(isinstance(e, Notice) and "left as they are: agent.c" in e.message for e in world.events)
    left = world.plan(fleet(memory="80M")).plan.actions
    assert [(str(change.address), change.action) for change in left] == [("agent.c", Action.CREATE)]
    newest = world.session().store.newest()
    assert newest is not None
    assert newest.operation.plan_digest == plan.plan_digest


def test_who_goes_on_with_a_plan_file_leaves_alone_what_that_left_alone(world: Lab) -> None:
    world.apply(fleet())
    plan = saved(world, world.plan(fleet(image=IMAGES[1])))
    meddle(world, "c")
    planned = reopen(world.session(), plan, words)
    with pytest.raises(Killed):
        world.carry_out(planned, Cut(SimulatedProvider(SCOPE, world.engine), 3, after=True))
    (cut_off,) = unfinished_runs(world.session().store)
    assert world.carry_out(plan_resume(world.session(), cut_off)).outcome == "done"
    assert {instance.address.name for instance in world.runs(fleet())} == {"a", "b"}
    left = world.plan(fleet(image=IMAGES[1])).plan.actions
    assert [(str(change.address), change.action) for change in left] == [("agent.c", Action.CREATE)]


def test_a_plan_with_errors_is_not_carried_out(world: Lab) -> None:
    planned = world.plan(fleet(image="shop/nowhere:1"))
    bad = replace(planned, plan=replace(planned.plan, findings=(*planned.plan.findings, _error())))
    with pytest.raises(Refused, match=r"this plan can't be applied:\n.*no good"):
        carry_out(world, saved(world, bad))


def _error() -> object:
    from sutazai.plan.change import Finding

    return Finding("error", "bad", "no good")


def test_the_file_is_private_whole_and_takes_the_place_of_an_older_one(world: Lab, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    plan = saved(world, world.plan(fleet()))
    for older, umask in ((b"", 0o077), (write(plan)[:100], 0o777)):
        path.write_bytes(older)
        path.chmod(0o644)
        before = os.umask(umask)
        try:
            put(path, plan)
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == 0o600
    assert load(path) == plan
    assert [found.name for found in tmp_path.iterdir() if found.name.startswith(".")] == []


def test_nothing_but_a_plan_file_is_written_over(world: Lab, tmp_path: Path) -> None:
    """A state, say: `-o state/local/state.json`."""
    plan = saved(world, world.plan(fleet()))
    for kept in (b"agents: {}\n", b'{"format_version": 2}'):
        (tmp_path / "kept").write_bytes(kept)
        with pytest.raises(PlanFileError, match="is there and is no plan file"):
            put(tmp_path / "kept", plan)
        assert (tmp_path / "kept").read_bytes() == kept


def test_only_a_regular_file_is_written(world: Lab, tmp_path: Path) -> None:
    import os

    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    plan = saved(world, world.plan(fleet()))
    for path in (pipe, link, tmp_path):
        with pytest.raises(PlanFileError, match="is not a regular file"):
            put(path, plan)
        with pytest.raises(PlanFileError, match="is not a regular file"):
            load(path)
    assert pipe.is_fifo()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(PlanFileError, match="is not a regular file"):
        put(loop, plan)
    assert loop.is_symlink()
    with pytest.raises(PlanFileError, match="there is no folder"):
        put(tmp_path / "nowhere" / "plan", plan)
    astray = tmp_path / "astray"
    astray.symlink_to("elsewhere/plan")
    with pytest.raises(PlanFileError, match=f"there is no folder {tmp_path / 'elsewhere'}"):
        put(astray, plan)
    with pytest.raises(PlanFileError, match="there is no file"):
        load(tmp_path / "nothing")


def test_a_password_in_the_url_of_the_state_keeps_a_plan_from_being_saved(world: Lab) -> None:
    planned = world.plan(fleet())
    for url in (
        "postgresql://ada:hunter2@db/states",
        "host=db password=hunter2",
        "host=db password='hunter2 secret' user=ada",
        r"host=db password='it\'s hunter2'",
        "host=db password = hunter2",
        r"host=db password=hunter\ 2",
        "host='db'password=hunter2",
        "host=db sslpassword=hunter2",
        "postgresql://db/states?sslpassword=hunter2",
        "postgres://db/states?user=ada&pass%77ord=hunter2",
    ):
        with pytest.raises(Refused, match="holds a password"):
            save(world.session(), planned, ProviderOptions(), PostgresBackend(kind="postgres", url=url))
    for url in (
        "postgresql://ada@db:5432/states?passfile=/run/pass&application_name=a@b",
        "postgresql://[::1]:5432/states",
        "host=db password='' passfile='/run/pass' application_name='my password'",
    ):
        allowed = PostgresBackend(kind="postgres", url=url)
        assert save(world.session(), planned, ProviderOptions(), allowed).backend == allowed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            """{url: "host=db password='hunter 2' user=ada"}""",
            """{url: "host=db password=********** user=ada"}""",
        ),
        ("url: 'password=''hunter 2'' user=ada'", "url: 'password=************ user=ada'"),
        ("url: 'host=db password = hunter2'", "url: 'host=db password = *******'"),
        ("password=it's&more", "password=*********"),
        ("postgresql://db/x?sslpassword=hunter2&user=ada", "postgresql://db/x?sslpassword=*******&user=ada"),
    ],
)
def test_of_a_password_that_is_shown_there_are_stars(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
