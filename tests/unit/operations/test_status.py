"""What somebody is told who looks at an environment: how healthy it is, and what a run left that did not come to its end."""

from dataclasses import replace
from pathlib import Path

import pytest

from sutazai.address import agent, service
from sutazai.model.fleet import Fleet
from sutazai.operations.recovery import told_of_runs, unfinished_runs, unrecorded
from sutazai.operations.status import examine_fleet
from unit.operations.lab import IMAGES, SCOPE, Lab, fleet, lab, to_its_end


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    return lab(tmp_path)


@pytest.mark.parametrize(("code", "healthy"), [(0, True), (1, False)])
def test_what_others_wait_for_to_end_is_healthy_when_it_has_ended_well(
    world: Lab, code: int, *, healthy: bool
) -> None:
    job = "sutazai/job:1"
    world.engine.images[job] = replace(world.engine.images[IMAGES[0]], id="sha256:" + "9" * 64, exits=code)
    done = {"condition": "service_completed_successfully"}
    wanted = Fleet.model_validate({
        "project": SCOPE.project, "environment": SCOPE.environment,
        "services": {"migrate": {"image": job, "restart": "no"}},
        "agents": {"web": {"image": IMAGES[0], "depends_on": {"migrate": done}}},
    })  # fmt: skip
    world.apply(wanted)
    session = world.session()
    prior = session.store.newest()
    found = to_its_end(examine_fleet(session, wanted, session.provider.observe(wanted), prior))
    verdicts = {one.address: one.verdict.healthy for one in found}
    assert verdicts == {service("migrate"): healthy, agent("web"): healthy}, (
        "web is not made where migrate failed"
    )


def test_an_old_container_that_stands_by_is_not_told_to_be_in_no_serial(world: Lab) -> None:
    """Of a failed run both are there; the new one is in its serial, and the old one in the serial before."""
    world.apply(fleet())
    world.sick[agent("b")] = "answered 503"
    assert world.apply(fleet(image=IMAGES[1])).outcome == "failed"
    session = world.session()
    prior, observed = session.store.newest(), session.provider.observe(fleet())
    assert len(observed.of(agent("b"))) == 2
    assert unrecorded(session.store, prior, observed, unfinished_runs(session.store)) == ()
    told = told_of_runs(session.store, prior, observed)
    assert told == "the last apply failed; apply --resume finishes it, rollback takes it back"
