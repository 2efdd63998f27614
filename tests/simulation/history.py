"""A history from its seed: edits and commands of chance under failures of chance, then the end of all failures."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simulation import laws
from simulation.chance import Chance, Odds
from simulation.engine import doom, restart
from simulation.fleets import ILL, IMAGES, NAMES, SCOPE, WELL, Spec, edit, fleet_of, new_spec, rename
from simulation.world import FROM_FILE, Planner, World
from sutazai.errors import NotFound
from sutazai.operations.recovery import unfinished_runs
from sutazai.operations.run import OnFailure
from sutazai.plan.manner import MANNERS, Strategy
from sutazai.providers.simulated import SimulatedProvider

STEPS = (1, 4)


def live(seed: int) -> Chance:
    """One history; its story. Raises what a law that does not hold raises, with the seed and the story in its notes."""
    chance = Chance(random.Random(seed))  # noqa: S311 - a history, not a secret
    with _folder() as folder:
        world = World(folder, chance)
        try:
            _live(world)
        except BaseException as error:
            story = "\n".join(chance.story)
            error.add_note(f"seed {seed}; again: PYTHONPATH=tests python -m simulation {seed}\n{story}")
            raise
        finally:
            world.close()
    return chance


@contextmanager
def _folder() -> Iterator[Path]:
    """In memory where there is such a place: what is simulated is not the speed of a disk."""
    shared = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="sutazai-", dir=shared if shared.is_dir() else None)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


def _live(world: World) -> None:
    chance, draw = world.chance, world.chance.random
    spec = new_spec(draw)
    for _ in range(draw.randint(*STEPS)):
        if draw.random() < 0.3:
            _plan_to_file(world, spec)
        _step(world, spec)
        if draw.random() < 0.35:
            _by_hand(world)
        if draw.random() < 0.15 and (renamed := rename(spec, draw)):
            world.move(*renamed)
            laws.no_state_is_lost(world, None)
            laws.nothing_is_unknown(world)
        if draw.random() < 0.8:
            chance.note(f"edit: {edit(spec, draw)}")
    chance.note("=== nothing fails any more")
    chance.new_process()
    chance.odds, world.sick = Odds(), set()
    world.hooks_end(WELL)
    for _ in range(2):
        result = world.process("apply", world.apply(fleet_of(spec)))
        laws.no_state_is_lost(world, result)
        assert result is not None, "refused, though nothing fails"
        assert result.outcome == "done", result.failures
    assert result.state is None, "the second apply changed something"
    _settled(world, spec)
    if draw.random() < 0.3:
        _all_gone(world, spec)


def cut_off(seed: int, command: str, *, at: int, power: bool) -> bool:
    """A command that dies at one fault point of its run, and the next one that finishes it; whether there was such a point."""
    chance = Chance(random.Random(seed))  # noqa: S311 - a history, not a secret
    with _folder() as folder:
        world = World(folder, chance)
        try:
            spec = new_spec(chance.random)
            if command != "apply":
                laws.no_state_is_lost(world, world.process("apply", world.apply(fleet_of(spec))))
                for _ in range(3):
                    edit(spec, chance.random)
                laws.no_state_is_lost(world, world.process("apply", world.apply(fleet_of(spec))))
            planner = {
                "apply": world.apply(fleet_of(spec)),
                "destroy": world.destroy(fleet_of(spec), volumes=False),
                "rollback --state": world.rollback(1),
            }[command]
            chance.new_process()
            chance.dies_at, chance.power = at, power
            result = world.process(command, planner)
            died = chance.dead
            laws.no_state_is_lost(world, result)
            laws.nothing_is_unknown(world)
            chance.new_process()
            laws.no_state_is_lost(world, world.process("apply", world.apply(fleet_of(spec))))
            _settled(world, spec)
        finally:
            world.close()
    return died


def _settled(world: World, spec: Spec) -> None:
    laws.exactly_as_desired(world, spec)
    laws.traffic_reaches_what_runs(world, spec)
    laws.nothing_foreign_is_touched(world)
    assert world.store().journal().read() == (), "the journal was not emptied"
    newest = world.store().newest()
    assert newest is not None
    laws.as_recorded(world, newest)
    assert not world.store().verify()


def _all_gone(world: World, spec: Spec) -> None:
    result = world.process("destroy", world.destroy(fleet_of(spec), volumes=True))
    assert result is not None
    assert result.outcome == "done"
    observed = laws.seen(world, fleet_of(spec))
    left = [*observed.instances, *observed.one_offs, *observed.networks, *observed.volumes]
    assert not left, f"left behind: {left}"
    laws.nothing_foreign_is_touched(world)


def _step(world: World, spec: Spec) -> None:
    chance, draw = world.chance, world.chance.random
    chance.new_process()
    calm = draw.random() < 0.3
    rate = 0.0 if calm else draw.choice((0.01, 0.05, 0.15))
    kinds = [
        name
        for name in ("refused", "lost", "twice", "slow", "removing", "restart", "full")
        if draw.random() < 0.4
    ]
    chance.odds = Odds(**{name: rate / (4 if name in ("restart", "full") else 1) for name in kinds})
    chance.odds.switch = draw.choice((0.0, 0.0, 0.02, 0.1))
    chance.odds.hand = 0.0 if calm else draw.choice((0.0, 0.0, 0.05, 0.1))
    if not calm and draw.random() < 0.5:
        chance.dies_at, chance.power = draw.randint(1, 80), draw.random() < 0.3
    world.sick = {(name, image) for name in NAMES for image in IMAGES if not calm and draw.random() < 0.04}
    world.hooks_end(ILL if not calm and draw.random() < 0.15 else WELL)
    interrupts = [draw.random() * 8 for _ in range(draw.choice((0, 0, 0, 1, 2)))]
    volumes = set(world.engine.volumes)
    unfinished = unfinished_runs(world.store())
    command, planner = _command(world, spec)
    on_failure: OnFailure = "continue" if draw.random() < 0.4 else "pause"
    takes_back = on_failure == "pause" and command != "resume" and draw.random() < 0.5
    result = world.process(
        command, planner, interrupts=tuple(sorted(interrupts)), on_failure=on_failure, takes_back=takes_back
    )
    laws.branches_are_kept_apart(world, result)
    laws.no_state_is_lost(world, result)
    laws.nothing_is_unknown(world)
    laws.no_hook_is_left(world, result)
    laws.nothing_foreign_is_touched(world)
    laws.brought_back_is_verified(world, result)
    resumed = command == "resume" and bool(unfinished) and unfinished[-1].options.destroy_volumes
    asked_for = command == "destroy --volumes" or resumed
    assert asked_for or volumes <= set(world.engine.volumes), "a volume is lost"


def _command(world: World, spec: Spec) -> tuple[str, Planner]:
    draw, fleet = world.chance.random, fleet_of(spec)
    name, serials = draw.choice(sorted(spec)), world.store().serials()
    command = draw.choice(_choices(world))
    match command:
        case "apply --target":
            return command, world.apply(fleet, targets=(name,))
        case "apply --replace":
            return command, world.apply(fleet, replace=(name,))
        case "destroy" | "destroy --volumes":
            return command, world.destroy(fleet, volumes=command != "destroy")
        case "refresh":
            return command, world.refresh(fleet)
        case _ if command == FROM_FILE:
            return command, world.reopen()
        case "resume":
            return command, world.resume()
        case "rollback" | "rollback --state":
            strategy: Strategy = draw.choice(list(MANNERS))
            options = {"strategy": strategy, "targets": (name,) if MANNERS[strategy].selects else ()}
            world.chance.note(f"--strategy {strategy}")
            if command == "rollback":
                return command, world.take_back(**options)
            return command, world.rollback(draw.choice(serials), **options)
        case _:
            return command, world.apply(fleet)


def _choices(world: World) -> list[str]:
    found = ["apply"] * 6 + ["apply --target", "apply --replace", "destroy", "refresh"]
    if world.file is not None:
        found += [FROM_FILE] * 3
    if world.chance.random.random() < 0.2:
        found.append("destroy --volumes")
    if unfinished_runs(world.store()):
        found += ["resume"] * 4 + ["rollback"] * 3
    if world.store().serials():
        found += ["rollback --state"] * 2
    return found


def _plan_to_file(world: World, spec: Spec) -> None:
    """A plan for later, beside whatever is done meanwhile."""
    draw, fleet = world.chance.random, fleet_of(spec)
    name, serials = draw.choice(sorted(spec)), world.store().serials()
    planners = {
        "plan": world.apply(fleet),
        "plan --target": world.apply(fleet, targets=(name,)),
        "plan --replace": world.apply(fleet, replace=(name,)),
        "plan --destroy": world.destroy(fleet, volumes=False),
        "plan --refresh-only": world.refresh(fleet),
    }
    if serials:
        planners["plan --to-serial"] = world.rollback(draw.choice(serials))
    command = draw.choice(sorted(planners))
    world.save(f"{command} -o FILE", planners[command])


def _by_hand(world: World) -> None:
    """What happens to containers while no run is on."""
    draw, provider = world.chance.random, SimulatedProvider(SCOPE, world.engine)
    own = laws.seen(world, fleet_of({})).instances
    if not own:
        return
    instance = draw.choice(own)
    match draw.choice(("stop", "remove", "removing", "dead", "restart", "disconnect", "rename", "network")):
        case "stop":
            world.chance.note(f"by hand: stop {instance.name}")
            provider.stop(instance.id, None)
        case "remove":
            world.chance.note(f"by hand: remove {instance.name}")
            provider.remove(instance.id)
        case "removing" | "dead" as status:
            world.chance.note(f"by hand: {instance.name} is {status}")
            doom(world.engine.containers[instance.id], status)
            world.chance.going[instance.id] = draw.choice((2, 10, 50))
        case "disconnect" if instance.body.networks:
            network = draw.choice(sorted(instance.body.networks))
            world.chance.note(f"by hand: disconnect {instance.name} from {network}")
            provider.disconnect(instance.id, network)
        case "rename":
            world.chance.note(f"by hand: rename {instance.name}")
            provider.rename(instance.id, f"by-hand-{world.engine.next_id()[-8:]}")
        case "network" if instance.body.networks:
            network = draw.choice(sorted(instance.body.networks))
            world.chance.note(f"by hand: network {network} is removed")
            for one in own:
                if network in one.body.networks:
                    provider.disconnect(one.id, network)
            with suppress(NotFound):  # a run that was not answered had removed it
                provider.remove_network(SCOPE.object_name(network))
        case _:
            world.chance.note("by hand: the engine is restarted")
            restart(world.engine)
