"""What must hold of a world: after every process, whatever became of it, and at the end."""

from collections import Counter
from collections.abc import Collection

from simulation.chance import Odds
from simulation.fleets import SCOPE, Spec, fleet_of, is_led, mark_of, route_port
from simulation.world import World
from sutazai.address import Address, Kind, agent
from sutazai.errors import ProviderError, TrafficError
from sutazai.events import ChangeFailed, ChangeFinished, ChangeSkipped, ChangeStarted
from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.units import parse_bytes
from sutazai.model.workload import Workload
from sutazai.operations.hand import Unhealthy
from sutazai.operations.plan import Planned
from sutazai.operations.recovery import claims_since, unfinished_runs
from sutazai.operations.run import Result
from sutazai.operations.session import Stop
from sutazai.operations.verification import verify
from sutazai.plan.change import Action
from sutazai.providers import marks
from sutazai.providers.simulated import SimulatedProvider
from sutazai.state.claims import NOTHING, Claims
from sutazai.state.observed import Observed
from sutazai.state.v2 import State


def seen(world: World, fleet: Fleet) -> Observed:
    """What there is, each container under the address that it serves: it may have been given another one."""
    return SimulatedProvider(SCOPE, world.engine).observe(fleet, claims=_claims(world))


def _claims(world: World) -> Claims:
    """Until something was renamed in the state, containers serve what their labels say."""
    if not world.moved:
        return NOTHING
    store = world.store()
    return claims_since(store, store.newest(), unfinished_runs(store))


def no_state_is_lost(world: World, result: Result | None) -> None:
    """Every serial that was committed is there and is what it was; at most the one that was being written is new, and it is
    whole and the next of the chain."""
    store, folder = world.store(), world.folder / "state" / "serials"
    there = {int(path.stem): path.read_bytes() for path in folder.glob("*.json")}
    assert sorted(there) == list(range(1, len(there) + 1)), f"serials {sorted(there)}"
    for serial, written in world.committed.items():
        assert there.get(serial) == written, f"serial {serial} is lost"
    fresh = sorted(set(there) - set(world.committed))
    assert len(fresh) <= world.account.runs, f"serials too many: {fresh}"
    for serial in fresh:
        if serial > 1:
            assert store.read(serial).previous_sha256 == store.read(serial - 1).sha256, "the chain is broken"
    if result is not None and result.state is not None:
        assert result.state.serial == max(there, default=0), "what was said to be committed is not there"
    world.committed = there
    newest = store.newest()
    assert (newest.serial if newest else 0) == max(there, default=0), "the newest serial is not the highest"


def nothing_is_unknown(world: World) -> None:
    """Whatever bears our labels is in the newest serial, or the journal tells of it."""
    store = world.store()
    newest, told = store.newest(), {entry.address for entry in store.journal().read()}
    known = {row.id for record in newest.resources for row in record.instances} if newest else set()
    claims = _claims(world)
    for container in world.engine.containers.values():
        instance = claims.placed(container.instance)
        if marks.is_own(container.labels, SCOPE):
            assert instance.id in known or str(instance.address) in told, (
                f"{instance.name} is known to nobody"
            )
    observed = seen(world, Fleet(project=SCOPE.project, environment=SCOPE.environment))
    recorded = {record.address for record in newest.resources} if newest else set()
    for thing in (*observed.networks.values(), *observed.volumes.values()):
        assert thing.address in recorded or str(thing.address) in told, f"{thing.address} is known to nobody"


def no_hook_is_left(world: World, result: Result | None) -> None:
    """Of a run that did well, no container that was made for a hook is there, unless it was to touch none."""
    planned = world.account.planned
    refreshed = planned is not None and planned.plan.kind == "refresh"
    if result is not None and result.outcome == "done" and not refreshed:
        left = seen(world, Fleet(project=SCOPE.project, environment=SCOPE.environment)).one_offs
        assert not left, f"left: {[one.name for one in left]}"


def nothing_foreign_is_touched(world: World) -> None:
    assert world.others() == world.foreign, "something foreign was touched"


def exactly_as_desired(world: World, spec: Spec) -> None:
    """What runs is what the spec says, by a reading of it that shares no code with the planner."""
    fleet = fleet_of(spec)
    observed = seen(world, fleet)
    assert not observed.one_offs, "left of hooks"
    wanted = Counter({name: body["replicas"] for name, body in spec.items()})
    led = {route_port(name, body) for name, body in spec.items() if is_led(body)}
    there = Counter(instance.address.name for instance in observed.instances if instance.address != SWITCH)
    assert there == +wanted, f"{dict(there)} instead of {dict(+wanted)}"
    published = [{port.published for port in instance.body.ports} & led for instance in observed.of(SWITCH)]
    assert Counter(port for ports in published for port in ports) == Counter(led), f"{published}: not {led}"
    assert all(published), "a container of the switch publishes nothing that is wanted"
    assert len({instance.slot for instance in observed.of(SWITCH)}) <= 1, "two versions of the switch"
    for instance in observed.instances:
        if instance.address == SWITCH:
            assert instance.status == "running", f"{instance.name} is {instance.status}"
            continue
        want, have = spec[instance.address.name], instance.body
        assert instance.status == "running", f"{instance.name} is {instance.status}"
        assert have.image == want["image"], instance.name
        assert have.environment == {"PATH": "/bin", **want["environment"]}, instance.name
        assert sorted(have.networks) == sorted(want["networks"]), instance.name
        assert have.restart == want["restart"], instance.name
        memory = parse_bytes(want["memory"]) if want["memory"] else None
        assert have.deploy.resources.limits.memory == memory, instance.name
        assert [mount.source for mount in have.volumes] == [m.split(":")[0] for m in want["volumes"]]
        assert bool(instance.configs) == bool(want["config"]), instance.name
        ports = [want["port"]] if want["port"] and want["replicas"] == 1 else []
        assert [port.published for port in have.ports] == ports, instance.name
    networks = {
        net: mark_of(spec, net).get("labels", {}) for body in spec.values() for net in body["networks"]
    }
    marked = {net: dict(there.body.labels) for net, there in observed.networks.items()}
    assert marked == networks, f"networks {marked} instead of {networks}"


def traffic_reaches_what_runs(world: World, spec: Spec) -> None:
    """Each route leads to every container of its workload and to nothing else."""
    observed = seen(world, fleet_of(spec))
    led = {agent(name) for name, body in spec.items() if is_led(body)}
    switches = world.lanes()
    assert bool(switches) == bool(led)
    for lanes in switches:
        assert set(lanes) == led, f"routes of {sorted(map(str, lanes))}"
    for address, lanes in ((address, lanes) for lanes in switches for address in led):
        ready = {
            (key, lane.endpoint.host, lane.endpoint.ip, lane.weight)
            for key, lane in lanes[address].items()
            if lane.mode == "ready" and lane.endpoint
        }
        there = {
            ((i.slot, i.replica), i.name, ip, 100)
            for i in observed.of(address)
            for ip in [i.addresses[min(i.body.networks)]]
        }
        assert ready == there, f"{address}: {ready} instead of {there}"


def as_recorded(world: World, state: State) -> None:
    """The newest serial tells what runs."""
    observed = seen(world, state.desired)
    running = {instance.id for instance in observed.instances}
    recorded = {row.id for record in state.resources for row in record.instances}
    assert running == recorded, f"the state tells of {len(recorded)} containers, {len(running)} are there"


def brought_back_is_verified(world: World, result: Result | None) -> None:
    """A rollback that is done is found to be so when nothing fails meanwhile, unless something ended that the run
    had left alone."""
    planned = world.account.planned
    if planned is None or planned.plan.kind != "rollback" or result is None or result.outcome != "done":
        return
    if (
        world.chance.bereft
        or result.told_to_stop
        or (planned.plan.pending and planned.options.manner.keeps_going)
    ):
        return
    world.chance.new_process()
    world.chance.odds, world.sick = Odds(), set()
    found = world.loop.run_until_complete(verify(world.session(), planned, Stop()))
    assert found is not None
    assert not found.differences, f"done, and yet {'; '.join(map(str, found.differences))}"
    assert (found.same, found.healthy) == (found.total, found.total)


def branches_are_kept_apart(world: World, result: Result | None) -> None:
    """Under `--on-failure continue` every change ends: what depends on a failure is left out from then on, and all else is
    done or has failed on its own. In an emergency nothing is left out. Interrupts and a state that can't be written stop such a run
    too."""
    account, planned = world.account, world.account.planned
    if result is None or planned is None or account.interrupted:
        return
    goes_on = planned.options.manner.keeps_going
    if account.on_failure == "pause" and not goes_on:
        return
    if not all(
        isinstance(failure.error, ProviderError | TrafficError | Unhealthy) for failure in result.failures
    ):
        return
    failed: set[Address] = set()
    ended: set[Address] = set()
    for event in account.events:
        match event:
            case ChangeStarted():
                held = set() if goes_on else held_by(failed, planned)
                assert event.address not in failed | held, f"{event.address} began after {failed} had failed"
            case ChangeSkipped():
                held = set() if goes_on else held_by(failed, planned)
                assert event.address in held, f"{event.address} was left out for nothing"
                ended.add(event.address)
            case ChangeFailed():
                failed.add(event.address)
            case ChangeFinished():
                ended.add(event.address)
    missed = {change.address for change in planned.plan.actions} - failed - ended
    assert not missed, f"neither done nor left out: {missed}"


def held_by(failed: Collection[Address], planned: Planned) -> set[Address]:
    """What can't go on when these failed, by a reading of fleet and state that shares no code with the executor: who needs
    one of them now, and whom one of them needed before and nobody is to need any more."""
    desired, prior = planned.plan.desired, planned.prior
    going = {change.address for change in planned.plan.actions if change.action is Action.DESTROY}
    waits: set[tuple[Address, Address]] = set()
    for address, workload in desired.workloads():
        if address not in going:
            waits |= {(address, needed) for needed in _needed(workload) - going}
            waits |= {(address, SWITCH)} if _takes_from_switch(address, workload, planned) else set()
    for record in prior.resources if prior else ():
        body = prior.applied_of(record) if prior else None
        if isinstance(body, Workload):
            waits |= {(needed, record.address) for needed in _needed(body) & going}
    held, found = set(), set(failed)
    while found:
        found = {waiting for waiting, cause in waits if cause in found} - held - set(failed)
        held |= found
    return held


def _takes_from_switch(address: Address, workload: Workload, planned: Planned) -> bool:
    """It is to publish a port itself that a container of the switch still has."""
    held = {port.published for instance in planned.observed.of(SWITCH) for port in instance.body.ports}
    stays = address != SWITCH and planned.plan.desired.workload(SWITCH) is not None
    return stays and any(port.published in held for port in workload.ports)


def _needed(workload: Workload) -> set[Address]:
    named = {Kind.AGENT: workload.depends_on, Kind.NETWORK: workload.networks,
             Kind.VOLUME: [mount.source for mount in workload.volumes],
             Kind.CONFIG: [grant.source for grant in workload.configs]}  # fmt: skip
    found = {Address(kind, str(name)) for kind, names in named.items() for name in names}
    return found | {SWITCH} if workload.switched else found
