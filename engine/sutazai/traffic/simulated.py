"""A switch that leads nothing: what it was told is kept as a file in its container, so that it lives as long as that does.

`counters` and `requests` are what somebody wrote into that file (format below); nothing is counted by itself.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from sutazai.address import Address
from sutazai.errors import ProviderError, ProviderUnreachable, TrafficError
from sutazai.ports import Provider
from sutazai.state.scope import Slot
from sutazai.state.traffic import (
    Counted,
    Counters,
    Endpoint,
    Entry,
    LaneKey,
    LaneState,
    Mode,
    Move,
    Request,
    RouteCounters,
    clash,
)

FILE = "/var/lib/lanes.json"
_TIMEOUT = 30.0


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Lane(Part):
    mode: Mode = "maint"
    weight: int = 100
    endpoint: Endpoint | None = None
    connections: int = 0


class Switch(Part):
    """The file. Lanes are by address, slot and replica."""

    epoch: int = 0
    entries: list[Entry] = []
    lanes: dict[Address, dict[Slot, dict[int, Lane]]] = {}
    counters: dict[Address, dict[Slot, dict[int, Counters]]] = {}
    requests: list[Request] = []


class SimulatedRouter:
    """`ports.Router`."""

    def __init__(self, provider: Provider, containers: Sequence[str]) -> None:
        self._provider = provider
        self._containers = tuple(containers)
        self._changing = threading.Lock()

    def configure(self, entries: Iterable[Entry], moves: Sequence[Move] = ()) -> None:
        wanted = sorted(entries, key=lambda entry: entry.address)
        if problem := clash(wanted):
            raise TrafficError(f"the switch is not given such a configuration: {problem}")
        for entry in wanted:
            if not 0 < entry.port < 65_536:
                raise TrafficError(f"the switch refuses its configuration: invalid port {entry.port}")
        with self._changing:
            for container in self._containers:
                switch = self._read(container)
                if switch.entries == wanted:
                    continue
                told = {(move.address, move.slot, move.replica): move for move in moves}
                lanes = {entry.address: _lanes(switch, entry, told) for entry in wanted}
                fields = {"epoch": switch.epoch + 1, "entries": wanted, "lanes": lanes}
                self._write(container, switch.model_copy(update=fields))

    def state(self) -> Mapping[Address, Mapping[LaneKey, LaneState]]:
        first, *others = [self._read(container) for container in self._containers]
        return {
            address: {
                (slot, n): LaneState(
                    lane.mode, lane.weight, lane.endpoint,
                    lane.connections + sum(_connections(other, address, slot, n) for other in others),
                    lane.mode != "maint" and lane.endpoint is not None,
                )
                for slot, lanes in slots.items()
                for n, lane in lanes.items()
            }
            for address, slots in first.lanes.items()
        }  # fmt: skip

    def shift(self, moves: Sequence[Move]) -> None:
        with self._changing:
            for container in self._containers if moves else ():
                switch = self._read(container)
                for move in moves:
                    lane = switch.lanes.get(move.address, {}).get(move.slot, {}).get(move.replica)
                    if lane is None or not 0 <= move.weight <= 256:
                        raise TrafficError(
                            f"the switch did not do as it was told: no such lane or weight: {move}"
                        )
                    lane.mode, lane.weight = move.mode, move.weight
                    lane.endpoint = None if move.mode == "maint" else move.endpoint or lane.endpoint
                self._write(container, switch)

    def sever(self, address: Address, slot: Slot) -> None:
        with self._changing:
            for container in self._containers:
                switch = self._read(container)
                for lane in switch.lanes.get(address, {}).get(slot, {}).values():
                    lane.connections = 0
                self._write(container, switch)

    def counters(self) -> Counted:
        switch = self._read(self._containers[0])
        counted = {
            address: RouteCounters(
                {
                    (slot, n): switch.counters.get(address, {}).get(slot, {}).get(n, Counters())
                    for slot, lanes in slots.items()
                    for n in lanes
                },
                0,
            )
            for address, slots in switch.lanes.items()
        }
        return Counted(str(switch.epoch), counted)

    def requests(self, since: float) -> tuple[Request, ...]:
        return tuple(request for request in self._read(self._containers[0]).requests if request.at > since)

    def _read(self, container: str) -> Switch:
        try:
            said = self._provider.execute(container, ["cat", FILE], timeout=_TIMEOUT)
        except ProviderUnreachable:
            raise
        except ProviderError as error:
            raise TrafficError(f"the switch in {container[:12]} can't be reached: {error}") from error
        try:
            return Switch() if said.exit_code else Switch.model_validate_json(said.output)
        except ValidationError as error:
            raise TrafficError(f"the simulated switch can't be understood: {error}") from error

    def _write(self, container: str, switch: Switch) -> None:
        self._provider.put_file(container, FILE, switch.model_dump_json().encode(), 0o600)


def _lanes(
    switch: Switch, entry: Entry, told: Mapping[tuple[Address, Slot, int], Move]
) -> dict[Slot, dict[int, Lane]]:
    there = switch.lanes.get(entry.address, {})
    return {
        slot: {
            n: there.get(slot, {}).get(n) or _new(told.get((entry.address, slot, n)))
            for n in range(1, entry.replicas + 1)
        }
        for slot in Slot
    }


def _new(move: Move | None) -> Lane:
    leads = move is not None and move.mode != "maint" and move.endpoint is not None
    return Lane(mode=move.mode, weight=move.weight, endpoint=move.endpoint) if move and leads else Lane()


def _connections(switch: Switch, address: Address, slot: Slot, replica: int) -> int:
    lane = switch.lanes.get(address, {}).get(slot, {}).get(replica)
    return lane.connections if lane else 0
