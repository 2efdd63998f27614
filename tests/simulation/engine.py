"""An engine that fails: a provider over the simulated engine whose calls are refused, lost, done twice, slow, or cut off by
its restart or by the death of the process that makes them; and before any of them somebody may kill, freeze or remove a
container of the traffic switch. After each call the laws of the running fleet are looked at."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from simulation.chance import Chance
from sutazai.address import Address
from sutazai.errors import Conflict, ProviderError, ProviderUnreachable, Unstartable
from sutazai.model.fleet import SWITCH
from sutazai.ports import InstanceSpec
from sutazai.providers.simulated import SimulatedEngine, SimulatedProvider
from sutazai.providers.simulated.engine import SimulatedContainer
from sutazai.state.claims import NOTHING
from sutazai.state.observed import Instance
from sutazai.state.scope import HOOK
from sutazai.state.traffic import LaneKey, LaneState
from sutazai.traffic import ROUTERS

CHANGING = frozenset({"create_network", "remove_network", "create_volume", "remove_volume", "create_instance", "start", "stop",
                      "remove", "rename", "update", "connect", "disconnect", "put_file"})  # fmt: skip
READING = frozenset({"observe", "inspect", "host", "images", "logs", "pull", "build", "execute",
                     "memory"})  # fmt: skip
OF_STANDING = frozenset({"start", "update", "connect", "disconnect", "put_file"})
"""What is refused for a container that the engine is removing, or could not remove."""
INTO_SWITCH = frozenset({"execute", "put_file"})
"""How it is asked and told."""


class FailingProvider:
    """`ports.Provider` that fails by chance."""

    def __init__(self, provider: SimulatedProvider, chance: Chance, beside: Collection[Address] = ()) -> None:
        """`beside`: the workloads of which two versions may run at once."""
        self._provider, self._chance, self.beside = provider, chance, beside
        self.prepared: Collection[Address] = ()
        """The workloads whose `pre_deploy` must have begun before a container of theirs is made."""
        self._hooked: set[Address] = set()
        self._claims = NOTHING
        self.led: Collection[Address] = ()
        """The workloads whose routes the traffic switch carries after this run too."""
        self.tends = False
        """The run has to do with such a route or with the switch itself, and so it looks after that."""

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._provider, name)
        if name in CHANGING:
            return lambda *args: self._change(name, partial(self._unless_doomed, name, real), args)
        if name in READING:
            return lambda *args, **kwargs: self._read(name, real, args, kwargs)
        return real

    def _read(self, name: str, real: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self._chance.alive()
        self._harm_switch(name, args)
        self._go_on_removing()
        self._claims = kwargs.get("claims", self._claims)
        if self._chance.happens(self._chance.odds.refused / 4):
            self._chance.note(f"{name}: no answer")
            raise ProviderUnreachable("no answer", hint="is it running?")
        return real(*args, **kwargs)

    def _change(self, name: str, real: Callable[..., Any], args: Any) -> Any:
        chance = self._chance
        chance.alive()
        self._harm_switch(name, args)
        self._by_hand()
        self._go_on_removing()
        said = f"{name} {_named(args)}"
        if chance.dies_here(f"in {said}"):
            if chance.random.random() < 0.5:
                _attempt(real, args)
                self._look()
            chance.alive()
        self._fail(name, real, args, said)
        if chance.happens(chance.odds.twice):
            chance.note(f"{said}: done twice")
            _attempt(real, args)
        chance.note(said)
        if name == "stop":
            self._has_no_traffic(args[0])
        if name == "create_instance":
            self._is_prepared(args[0])
        try:
            return real(*args)
        finally:
            self._look()

    def _fail(self, name: str, real: Callable[..., Any], args: Any, said: str) -> None:
        """Raise what this call fails with, if it does."""
        chance = self._chance
        if chance.happens(chance.odds.restart):
            chance.note("the engine restarts")
            chance.bereft = restart(self._provider.engine) or chance.bereft
            if chance.random.random() < 0.5:
                _attempt(real, args)
            elif name == "start" and self._stands(args[0]):
                chance.note(f"{said}: it will never start again")
                chance.unstartable.add(args[0])
            self._look()
            raise ProviderUnreachable("the connection was closed")
        if chance.happens(chance.odds.refused):
            chance.note(f"{said}: refused")
            raise chance.random.choice((ProviderError("no", status=500), ProviderUnreachable("no answer")))
        if chance.happens(chance.odds.lost):
            chance.note(f"{said}: done, but not answered")
            _attempt(real, args)
            self._look()
            raise ProviderUnreachable("timed out")
        if name == "remove" and chance.happens(chance.odds.removing):
            chance.note(f"{said}: begun, and not answered")
            self._begin_removal(args[0])
            raise ProviderUnreachable("timed out")
        if name == "start" and args[0] in chance.unstartable:
            chance.note(f"{said}: its ID is taken")
            raise Unstartable("already exists", status=500)

    def _harm_switch(self, name: str, args: Any) -> None:
        """What others do to the traffic switch, and what that makes of this call."""
        chance, containers = self._chance, self._provider.engine.containers
        running = switches_in(self._provider)
        if running and chance.happens(chance.odds.switch):
            one = chance.random.choice(running)
            match chance.random.choice(("kill", "kill", "freeze", "freeze", "remove")):
                case "kill":
                    chance.note(f"the switch is killed: {containers[one].instance.name}")
                    _end(containers[one])
                    chance.bereft = chance.bereft or not self.tends
                case "freeze":
                    chance.frozen = chance.random.choice((2, 4, 10, 40))
                    chance.note(f"the switch is frozen for {chance.frozen} calls")
                case _:
                    chance.note(f"the switch is removed: {containers[one].instance.name}")
                    del containers[one]
                    chance.bereft = True
        if name in INTO_SWITCH and args[0] in running and chance.is_frozen():
            chance.note(f"{name}: the switch does not answer")
            raise ProviderUnreachable("timed out")

    def _by_hand(self) -> None:
        """Somebody stops or removes a container of the fleet while the run is on."""
        chance, containers = self._chance, self._provider.engine.containers
        own = [key for key, one in containers.items() if _ours(one.instance)]
        if not own or not chance.happens(chance.odds.hand):
            return
        one = chance.random.choice(own)
        chance.bereft = True
        if chance.random.random() < 0.5:
            chance.note(f"by hand meanwhile: kill {containers[one].instance.name}")
            _end(containers[one])
        else:
            chance.note(f"by hand meanwhile: remove {containers[one].instance.name}")
            del containers[one]

    def _begin_removal(self, instance_id: str) -> None:
        container = self._provider.engine.containers.get(instance_id)
        if container is not None:
            doom(container, "removing")
            self._chance.going[instance_id] = self._chance.random.choice((2, 10, 50))

    def _go_on_removing(self) -> None:
        containers, going = self._provider.engine.containers, self._chance.going
        for key in tuple(going):
            going[key] -= 1
            container = containers.get(key)
            if container is None or container.instance.status != "removing":
                del going[key]
            elif going[key] <= 0:
                self._chance.note(f"{container.instance.name} is gone at last")
                del going[key], containers[key]

    def _unless_doomed(self, name: str, real: Callable[..., Any], *args: Any) -> Any:
        container = self._provider.engine.containers.get(args[0]) if isinstance(args[0], str) else None
        if container is not None and container.instance.doomed:
            if name == "stop":
                return None
            if name in OF_STANDING:
                self._chance.note(f"{name}: {container.instance.condition}")
                raise Conflict("it is marked for removal", status=409)
        return real(*args)

    def _stands(self, instance_id: str) -> bool:
        """It is there, and does not run."""
        container = self._provider.engine.containers.get(instance_id)
        return container is not None and container.instance.status != "running"

    def _has_no_traffic(self, instance_id: str) -> None:
        """Nothing is stopped while the switch leads anything to it."""
        container = self._provider.engine.containers.get(instance_id)
        if container is None or container.instance.status != "running":
            return
        instance = self._claims.placed(container.instance)
        if instance.address not in self.led:
            return
        lanes = (
            lane for there in lanes_in(self._provider) for lane in there.get(instance.address, {}).values()
        )
        for lane in lanes:
            leads = lane.endpoint is not None and lane.endpoint.ip in instance.addresses.values()
            assert lane.mode != "ready" or not leads, f"{instance.name} is stopped, and has traffic"

    def _is_prepared(self, spec: InstanceSpec) -> None:
        """Nothing of a workload is made before its `pre_deploy`."""
        if HOOK in spec.labels:
            self._hooked.add(spec.address)
        else:
            assert spec.address not in self.prepared or spec.address in self._hooked, (
                f"{spec.name} before its hook"
            )

    def _look(self) -> None:
        containers = self._provider.engine.containers.values()
        own = [self._claims.placed(c.instance) for c in containers if not c.instance.hook]
        places = Counter((i.address, i.slot, i.replica) for i in own if _ours(i))
        twice = [place for place, count in places.items() if count > 1]
        assert not twice, f"twice: {twice}"
        slots: dict[Any, set[Any]] = {}
        for instance in own:
            if _ours(instance) and instance.status == "running" and instance.address not in self.beside:
                slots.setdefault(instance.address, set()).add(instance.slot)
        both = [str(address) for address, found in slots.items() if len(found) > 1]
        assert not both, f"two versions run at once: {both}"


def lanes_in(provider: SimulatedProvider) -> Sequence[Mapping[Address, Mapping[LaneKey, LaneState]]]:
    """What each container of the traffic switch that runs makes of each route."""
    return [ROUTERS["simulated"](provider, [one]).state() for one in switches_in(provider)]


def switches_in(provider: SimulatedProvider) -> Sequence[str]:
    """The containers of the traffic switch that run."""
    return [
        c.instance.id
        for c in provider.engine.containers.values()
        if c.instance.address == SWITCH and c.instance.status == "running"
    ]


def _ours(instance: Instance) -> bool:
    return "foreign" not in instance.body.labels


def _attempt(real: Callable[..., Any], args: Any) -> None:
    """Done in the engine; whatever it answers is not heard."""
    try:
        real(*args)
    except ProviderError:
        return


def _named(args: Any) -> str:
    first = args[0]
    name = getattr(first, "name", None) or str(first)[:8]
    return f"{name} {args[1]}" if len(args) > 1 and isinstance(args[1], str) else str(name)


def doom(container: SimulatedContainer, status: Literal["removing", "dead"]) -> None:
    """The engine is removing it, or began to and could not end it."""
    _end(container)
    container.instance = replace(container.instance, status=status)


def restart(engine: SimulatedEngine) -> bool:
    """Every process ends; those that are to be restarted run again. Whether there are others. What was being removed is dead."""
    others = False
    for container in engine.containers.values():
        instance = container.instance
        if instance.status == "removing":
            doom(container, "dead")
        if instance.status == "running" and instance.body.restart not in ("always", "unless-stopped"):
            _end(container)
            others = True
    return others


def _end(container: SimulatedContainer) -> None:
    """Its process is killed."""
    container.instance = replace(
        container.instance, status="exited", exit_code=137, health="none", addresses={}, published={}
    )
