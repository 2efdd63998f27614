"""`ports.Router` over HAProxy in one or more containers, all of which are told the same."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from sutazai.address import Address
from sutazai.errors import ProviderError, ProviderUnreachable, TrafficError
from sutazai.ports import Executed, Provider
from sutazai.state.scope import Slot
from sutazai.state.traffic import Counted, Entry, LaneKey, LaneState, Move, Request, clash
from sutazai.traffic.haproxy import commands, config, statistics
from sutazai.traffic.haproxy.names import proxy_name, server_name

TIMEOUT = 60.0  # seconds for one script
_ADDRESS_WITHIN = 5.0  # seconds until HAProxy's name server has answered for a lane
_AGAIN_AFTER = 0.1
_MOST_TOLD = 5


class HaproxyRouter:
    """Safe to use from threads: changes are made one after the other."""

    def __init__(self, provider: Provider, containers: Sequence[str]) -> None:
        self._provider = provider
        self._containers = tuple(containers)
        self._changing = threading.Lock()

    def configure(self, entries: Iterable[Entry], moves: Sequence[Move] = ()) -> None:
        wanted = tuple(entries)
        if problem := clash(wanted):
            raise TrafficError(f"HAProxy is not given such a configuration: {problem}")
        text = config.render(wanted)
        digest = config.digest_in(text)
        with self._changing:
            new = []
            for container in self._containers:
                checked = self._run(container, commands.CHECK, digest, stdin=text.encode())
                if checked.exit_code:
                    raise TrafficError(f"HAProxy refuses its configuration: {_words(checked)}")
                if checked.output.strip() != "same":
                    new.append(container)
            for container in new:
                used = self._run(container, commands.USE, digest, stdin=commands.saved(moves))
                if used.exit_code:
                    raise TrafficError(
                        f"HAProxy did not take its new configuration and goes on with the old one: "
                        f"{_words(used) or self._said(container)}"
                    )

    def state(self) -> Mapping[Address, Mapping[LaneKey, LaneState]]:
        return statistics.merged_lanes(self._readings())

    def shift(self, moves: Sequence[Move]) -> None:
        led = [move for move in moves if move.endpoint is not None]
        leading = tuple(command for move in led for command in commands.leading(move))
        pairs = [f"{move.endpoint.host}={move.endpoint.ip}" for move in led if move.endpoint]
        changing = commands.changing(moves)
        if not changing:
            return
        with self._changing:
            for container in self._containers if leading else ():
                self._lead(container, leading, pairs)
            for container in self._containers:
                _must_be_done(self._tell(container, commands.TELL_AND_SAVE, changing))

    def sever(self, address: Address, slot: Slot) -> None:
        with self._changing:
            for container in self._containers:
                lanes = self._reading(container).lanes.get(address, {})
                servers = [f"{proxy_name(address)}/{server_name(*key)}" for key in lanes if key[0] is slot]
                _must_be_done(self._tell(container, commands.SEVER, commands.severing(servers), *servers))

    def counters(self) -> Counted:
        return statistics.merged_counters(self._readings())

    def requests(self, since: float) -> tuple[Request, ...]:
        found: list[Request] = []
        for container in self._containers:
            said = self._done(container, commands.ENDED, f"{since * 1000:.0f}")
            found.extend(statistics.requests_in(said.output))
        return tuple(sorted(found, key=lambda request: request.at))

    def _lead(self, container: str, leading: Sequence[commands.Command], pairs: Sequence[str]) -> None:
        """HAProxy can only replace an address. One that it lost, as the lane's name was gone, comes with the next answer of its
        name server."""
        deadline = time.monotonic() + _ADDRESS_WITHIN
        while refusals := self._tell(container, commands.LEAD, leading, *pairs):
            if not commands.has_no_address(refusals) or time.monotonic() > deadline:
                _must_be_done(refusals)
            time.sleep(_AGAIN_AFTER)

    def _tell(
        self, container: str, script: str, told: Sequence[commands.Command], *arguments: str
    ) -> tuple[tuple[str, str], ...]:
        said = self._done(container, script, *arguments, stdin=commands.typed(told))
        return commands.refused(told, said.output)

    def _readings(self) -> list[statistics.Reading]:
        return [self._reading(container) for container in self._containers]

    def _reading(self, container: str) -> statistics.Reading:
        try:
            return statistics.reading_of(self._done(container, commands.READ).output)
        except ValueError as error:
            raise TrafficError(str(error)) from error

    def _done(self, container: str, script: str, *arguments: str, stdin: bytes = b"") -> Executed:
        done = self._run(container, script, *arguments, stdin=stdin)
        if done.exit_code:
            raise TrafficError(f"HAProxy in {container[:12]} can't be told or asked: {_words(done)}")
        return done

    def _run(self, container: str, script: str, *arguments: str, stdin: bytes = b"") -> Executed:
        try:
            return self._provider.script(container, script, arguments, stdin=stdin, timeout=TIMEOUT)
        except ProviderUnreachable:
            raise
        except ProviderError as error:
            raise TrafficError(f"HAProxy in {container[:12]} can't be reached: {error}") from error

    def _said(self, container: str) -> str:
        lines = self._provider.logs(container, 50)
        return "; ".join(line for line in lines if "[ALERT]" in line) or "its log does not say why"


def _must_be_done(refusals: Sequence[tuple[str, str]]) -> None:
    if refusals:
        told = "; ".join(f"{text}: {answer}" for text, answer in refusals[:_MOST_TOLD])
        told += f"; and {len(refusals) - _MOST_TOLD} more" if len(refusals) > _MOST_TOLD else ""
        raise TrafficError(f"HAProxy did not do as it was told: {told}")


def _words(done: Executed) -> str:
    """What matters of what HAProxy, or the shell around it, said."""
    lines = [line for line in (done.errors + done.output).splitlines() if line.strip()]
    alerts = [line for line in lines if "[ALERT]" in line]
    return "; ".join(alerts or lines[-5:]).strip()
