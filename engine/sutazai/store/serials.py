"""The rules of a chain of serials, whatever keeps the bytes.

A kind of store says how a serial is written once and read back, and who may write now; this says what may be
written: only the next serial, of the same lineage, project and environment, chained by its hash to the one
before. A serial is kept as the bytes it was written as, so that its hash holds in whatever store and format.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from sutazai.errors import StateError
from sutazai.model.fleet import Fleet
from sutazai.ports import Journal
from sutazai.state import formats
from sutazai.state.scope import Scope
from sutazai.state.v2 import State

MIGRATE = "migrate"
"""The one operation that may hold the lock of a state that was moved away."""


def file_of(serial: int) -> str:
    """What the file of a serial is called, on a disk or in a bucket."""
    return f"{serial:06}.json"


def serials_among(names: Iterable[str]) -> tuple[int, ...]:
    """The serials that files of these names hold, sorted; other files do not count."""
    stems = ((name, name.removesuffix(".json")) for name in names)
    found = ((name, int(stem)) for name, stem in stems if stem.isascii() and stem.isdigit())
    return tuple(sorted(serial for name, serial in found if name == file_of(serial)))


class SerialStore(ABC):
    """What is common to all kinds of `StateStore`. `where` names the store in messages."""

    def __init__(self, where: str, project: str, environment: str) -> None:
        self.where = where
        self.scope = Scope(project, environment)

    @abstractmethod
    def serials(self) -> tuple[int, ...]: ...

    @abstractmethod
    def journal(self) -> Journal: ...

    @abstractmethod
    def moved_to(self) -> str | None: ...

    @abstractmethod
    def _get(self, serial: int) -> bytes | None:
        """The bytes of a serial, None when there is no such one."""

    @abstractmethod
    def _put(self, serial: int, data: bytes) -> None:
        """Keep a serial, whole or not at all. Raises StateError when there is one of that number."""

    @abstractmethod
    def _may_write(self) -> None:
        """Raise StateError when the lock was taken from this process."""

    def _name(self, serial: int) -> str:
        """What a serial is called in messages."""
        return f"serial {serial} in {self.where}"

    def newest(self, like: Fleet | None = None) -> State | None:
        numbers = self.serials()
        return self._read(numbers[-1], self.document(numbers[-1]), like) if numbers else None

    def read(self, serial: int) -> State:
        return self._read(serial, self.document(serial))

    def document(self, serial: int) -> bytes:
        data = self._get(serial)
        if data is None:
            known = self.serials()
            there = f"there are {known[0]} to {known[-1]}" if known else "there is none yet"
            raise StateError(
                f"there is no serial {serial} in {self.where}: {there}", hint="see `sutazai history`"
            )
        return data

    def commit(self, state: State) -> State:
        newest = self._before_writing()
        self._refuse_unless_next(state, newest)
        sealed = formats.seal(state, newest.sha256 if newest else None)
        self._put(sealed.serial, formats.write(sealed))
        return sealed

    def append(self, document: bytes) -> State:
        self._may_write()
        newest = self.newest()
        state = formats.read(document, "the serial to be taken in")
        self._refuse_unless_next(state, newest)
        if problems := formats.verify_chain((newest, state) if newest else (state,)):
            raise StateError(f"the serial does not belong after {self.where}: {problems[0]}")
        self._put(state.serial, document)
        return state

    def verify(self) -> tuple[str, ...]:
        problems: list[str] = []
        states = list(self._readable(problems))
        problems.extend(formats.verify_chain(states))
        if states and states[0].serial != 1:
            problems.append(f"the serials before {states[0].serial} are missing")
        try:
            self.journal().read()
        except StateError as error:
            problems.append(error.message)
        return tuple(problems)

    def _readable(self, problems: list[str]) -> Iterator[State]:
        for serial in self.serials():
            try:
                yield self.read(serial)
            except StateError as error:
                problems.append(error.message)

    def _read(self, serial: int, data: bytes, like: Fleet | None = None) -> State:
        state = self._load(data, self._name(serial), like)
        if state.serial != serial:
            raise StateError(
                f"{self._name(serial)} is damaged: it holds serial {state.serial}",
                hint="restore it from a copy",
            )
        return state

    def _load(self, data: bytes, name: str, like: Fleet | None = None) -> State:
        state = formats.read(data, name, like)
        if Scope(state.project, state.environment) != self.scope:
            raise StateError(
                f"{name} belongs to environment {state.environment!r} of project {state.project!r}, "
                f"not to {self.scope.environment!r} of {self.scope.project!r}",
                hint="give each environment a state of its own",
            )
        return state

    def _before_writing(self) -> State | None:
        """The newest serial, once this process may write."""
        self._may_write()
        self._refuse_moved()
        return self.newest()

    def _refuse_moved(self, operation: str = "") -> None:
        """Nothing begins where the state no longer is, but for moving it back."""
        moved = self.moved_to() if operation != MIGRATE else None
        if moved is not None:
            raise StateError(
                f"the state in {self.where} was moved to {moved}",
                hint="put that into `state` of the environment; or move it back with `sutazai state migrate`",
            )

    def _refuse_unless_next(self, state: State, newest: State | None) -> None:
        if Scope(state.project, state.environment) != self.scope:
            raise StateError(
                f"a state of {state.environment!r} of {state.project!r} can't be written to "
                f"{self.where}, which holds {self.scope.environment!r} of {self.scope.project!r}"
            )
        if newest and state.lineage != newest.lineage:
            raise StateError(
                f"the state in {self.where} has lineage {newest.lineage}, the one to be written "
                f"{state.lineage}: they are not of one history",
                hint="choose another place for the state, or start from the state that is there",
            )
        expected = newest.serial + 1 if newest else 1
        if state.serial != expected:
            raise StateError(
                f"serial {state.serial} can't be written to {self.where}: the next one is {expected}",
                hint="the state has moved on: plan again",
            )
