"""Histories of two processes that share one remote store over a network that fails by chance, and what must hold in them.

The calls of the two take turns, as the seed draws it. A process ends with the first call that fails, and another one takes its
place; one whose network is gone for good may come back when the other has long had the lock.
"""

import contextlib
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from contract.torn import Unreliable
from sutazai.errors import StateError, StateLocked
from sutazai.model.backend import BackendOptions
from sutazai.ports import JournalEntry, StateStore
from sutazai.state import formats
from sutazai.store import open_store
from sutazai.store.s3 import lease
from unit.state.samples import a_state

T = TypeVar("T")
STEPS = 24


def opened(options: BackendOptions) -> StateStore:
    return open_store(options, Path("/nowhere"), "shop", "local")


@dataclass(slots=True)
class Process:
    """`id` is a new one for each time that it takes the lock; `seen` are the faults before its last call that went well, `heard`
    when that was. `robbed`: the
    other one may have had the lock since."""

    name: str
    proxy: Unreliable
    options: BackendOptions
    turn: int = 0
    store: StateStore | None = None
    held: ExitStack | None = None
    silent: bool = False
    robbed: bool = False
    seen: int = 0
    heard: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.name}{self.turn}"

    @property
    def state(self) -> StateStore:
        self.store = self.store or opened(self.options)
        return self.store

    def ends(self) -> None:
        """With whatever it can still say to the server."""
        if self.held is not None:
            with contextlib.suppress(StateError):
                self.held.close()
        if self.store is not None:
            self.store.close()
        self.proxy.accept()
        self.held, self.store, self.silent, self.robbed = None, None, False, False


@dataclass(slots=True)
class History:
    """`kept` are the serials that are there, `written` the journal's entries that must be, in order, `unsure` those that may be.
    `holder` is who took the lock last, `direct` the store over a network that is well. `strict`: faults are rare enough for each call to be repeated. `by_session`: the lock
    goes with a connection, so a torn one may let another in."""

    direct: StateStore
    draw: random.Random
    pair: tuple[Process, Process]
    strict: bool
    by_session: bool
    kept: dict[int, bytes] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)
    forgotten: bool = False
    holder: str = ""
    entries: int = 0
    story: list[str] = field(default_factory=list)

    def live(self) -> None:
        """Raises AssertionError where a law does not hold."""
        try:
            self._live()
        finally:
            self.direct.close()
            for one in self.pair:
                one.ends()

    def _live(self) -> None:
        for _ in range(STEPS):
            one, other = self.draw.sample(self.pair, 2)
            if one.held is None and other.held is not None and not other.silent and self.draw.random() < 0.7:
                one, other = other, one  # else most steps would find it locked
            if one.held is None:
                self._take(one, other)
            else:
                self._go_on(one)
        for one in self.pair:
            one.proxy.probability = 0
            one.ends()
        self._end()

    def _take(self, one: Process, other: Process) -> None:
        one.turn += 1
        stack, faults = ExitStack(), one.proxy.faults
        try:
            stack.enter_context(one.state.lock("apply"))
        except StateLocked:
            self._tell(one, "finds it locked")
            return
        except StateError as error:
            self._tell(one, f"could not take the lock: {error.message}")
            other.robbed = True
            one.ends()
            return
        self._tell(one, "took the lock")
        if other.held is not None:
            let_go = other.proxy.faults > other.seen if self.by_session else self._is_stale(other)
            assert other.silent or other.robbed or let_go, f"{one.id} and {other.id} hold the lock"
            other.robbed = True
        one.held, one.robbed, one.seen, one.heard = stack, False, faults, time.monotonic()
        self.holder = one.id
        self._settle()

    def _is_stale(self, other: Process) -> bool:
        """Whether a lease may have ended though nothing was torn: this machine was too busy to renew it."""
        return time.monotonic() - other.heard > lease.LEASE - 1.0  # the server's clock shows whole seconds

    def _go_on(self, one: Process) -> None:
        if one.silent:
            self._comes_back(one)
            return
        match self.draw.choice(["append"] * 5 + ["commit"] * 3 + ["clear", "release", "release", "silence"]):
            case "append":
                self._append(one)
            case "commit":
                self._commit(one)
            case "clear":
                if self._attempt(one, "clear", one.state.journal().clear) is None:
                    self.forgotten = True
                else:
                    self.written, self.unsure = [], set()
            case "release":
                self._release(one)
            case "silence":
                self._tell(one, "is cut off")
                one.proxy.refuse()
                one.proxy.faults += 1
                one.silent = True

    def _comes_back(self, one: Process) -> None:
        """A process that was stopped, machine and all; or it never does."""
        if self.draw.random() < 0.7:
            self._tell(one, "can be heard again")
            one.proxy.accept()
            one.silent = False
        else:
            self._tell(one, "is never heard again")
            one.ends()

    def _append(self, one: Process) -> None:
        self.entries += 1
        key = f"{self.entries} {one.id}"
        entry = JournalEntry("intent", key, 1.0, "agent.planner", "start")
        if self._attempt(one, f"append {key}", lambda: one.state.journal().append(entry)):
            self.written.append(key)
        else:
            self.unsure.add(key)

    def _commit(self, one: Process) -> None:
        state = a_state(max(self.kept, default=0) + 1, why=one.id)
        done = self._attempt(one, f"commit {state.serial}", lambda: one.state.commit(state))
        if done is not None:
            self.kept[state.serial] = formats.write(done[0])

    def _release(self, one: Process) -> None:
        held, one.held = one.held, None
        assert held is not None
        try:
            held.close()
            self._tell(one, "let the lock go")
        except StateError as error:
            self._failed(one, "let the lock go", error)
        if self.draw.random() < 0.5:
            one.ends()

    def _attempt(self, one: Process, what: str, call: Callable[[], T]) -> tuple[T] | None:
        """What a call of the holder of the lock gave; None when it failed, and its process with it."""
        faults = one.proxy.faults
        try:
            result = call()
        except StateError as error:
            self._failed(one, what, error)
            return None
        self._tell(one, what)
        assert self.holder == one.id, f"{what} by {one.id}, though {self.holder} had taken the lock"
        one.seen, one.heard = faults, time.monotonic()
        return (result,)

    def _failed(self, one: Process, what: str, error: StateError) -> None:
        self._tell(one, f"could not {what}: {error.message}")
        assert not self.strict or one.silent or one.robbed, error.message
        one.ends()

    def _settle(self) -> None:
        """Nobody else writes now, so whatever was not answered for is there or is not."""
        direct = self.direct
        there = {serial: direct.document(serial) for serial in direct.serials()}
        assert sorted(there) == list(range(1, len(there) + 1)), f"serials {sorted(there)}"
        assert there.items() >= self.kept.items(), "a serial is lost or another"
        assert len(there) <= len(self.kept) + 1, "serials that nobody wrote"
        assert direct.verify() == ()
        self.kept = there
        keys = [entry.key for entry in direct.journal().read()]
        if self.forgotten:
            assert set(keys) <= {*self.written, *self.unsure}, "the journal has what was never written"
        else:
            sure = [key for key in keys if key not in self.unsure]
            assert sure == self.written, f"the journal has {sure} instead of {self.written}"
        assert len(set(keys)) == len(keys), f"twice: {keys}"
        self.written, self.unsure, self.forgotten = keys, set(), False

    def _end(self) -> None:
        store = self.direct
        with store.lock("apply", timeout=10.0):
            self._settle()
            serial = store.commit(a_state(len(self.kept) + 1)).serial
            store.journal().clear()
        assert store.serials()[-1] == serial
        assert store.journal().read() == ()
        assert store.holder() is None

    def _tell(self, one: Process, text: str) -> None:
        self.story.append(f"{one.id} {text} ({one.proxy.faults} faults)")
