"""The state of one environment in a folder of this machine (contract, section 6).

`serials/NNNNNN.json` are written once and never again; `state.json` is a copy of the newest. A commit
writes the serial first, then `state.json`. So what counts is: the highest serial is the newest. A run that
was killed between the two leaves a serial that is one ahead of `state.json`; readers take the serial, and
the next commit brings `state.json` up. Reading makes and changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sutazai import __version__
from sutazai.errors import StateError
from sutazai.ports import Journal, LockInfo
from sutazai.state import formats
from sutazai.state.v1 import State
from sutazai.store import files
from sutazai.store.journal import FileJournal
from sutazai.store.lock import Lock


class LocalStore:
    """The StateStore in `directory`, which holds `environment` of `project` and nothing else. `version` is
    what the lock tells others of this program."""

    def __init__(
        self, directory: Path, project: str, environment: str, *, version: str = __version__
    ) -> None:
        self.directory = directory
        self._project = project
        self._environment = environment
        self._newest = directory / "state.json"
        self._serials = directory / "serials"
        self._lock = Lock(directory.absolute(), version)
        self._journal = FileJournal(directory / "journal.jsonl", self._lock.check)

    def newest(self) -> State | None:
        data = files.read(self._newest)
        if data is None:
            numbers = self.serials()
            return self.read(numbers[-1]) if numbers else None
        try:
            state = self._load(data, self._newest)
        except StateError as error:
            raise self._with_way_back(error) from error
        while (ahead := files.read(self._path(state.serial + 1))) is not None:
            state = self._load(ahead, self._path(state.serial + 1))
        return state

    def read(self, serial: int) -> State:
        path = self._path(serial)
        data = files.read(path)
        if data is None:
            known = self.serials()
            there = f"there are {known[0]} to {known[-1]}" if known else "there is none yet"
            raise StateError(
                f"there is no serial {serial} in {self.directory}: {there}", hint="see `sutazai history`"
            )
        state = self._load(data, path)
        if state.serial != serial:
            raise StateError(
                f"{path} is damaged: it holds serial {state.serial}", hint="restore this file from a copy"
            )
        return state

    def serials(self) -> tuple[int, ...]:
        with files.explained(self._serials, "read"):
            try:
                names = [path.stem for path in self._serials.iterdir() if path.suffix == ".json"]
            except FileNotFoundError:
                return ()
        return tuple(sorted(int(name) for name in names if name.isascii() and name.isdigit()))

    def commit(self, state: State) -> State:
        self._lock.check()
        newest = self.newest()
        self._refuse_unless_next(state, newest)
        sealed = formats.seal(state, newest.sha256 if newest else None)
        data = formats.write(sealed)
        files.make_folder(self._serials)
        files.create(self._path(sealed.serial), data)
        files.replace(self._newest, data)
        return sealed

    def journal(self) -> Journal:
        return self._journal

    @contextmanager
    def lock(self, operation: str, *, timeout: float = 0.0) -> Iterator[LockInfo]:
        with self._lock.hold(operation, timeout) as info:
            for folder in (self.directory, self._serials):
                files.sweep(folder)
            try:
                yield info
            finally:
                self._journal.close()

    def unlock(self, lock_id: str) -> LockInfo:
        return self._lock.unlock(lock_id)

    def holder(self) -> LockInfo | None:
        """Who holds the lock now, in a process that lives; None when nobody does."""
        return self._lock.holder()

    def verify(self) -> tuple[str, ...]:
        """Every problem of the folder, in words: damaged serials, gaps, breaks in the chain, a `state.json`
        that is none of the serials. Empty when all is whole."""
        problems: list[str] = []
        states = list(self._readable(problems))
        problems.extend(formats.verify_chain(states))
        data = files.read(self._newest)
        if states and data != files.read(self._path(states[-1].serial)):
            what = "is missing" if data is None else f"differs from serial {states[-1].serial}"
            problems.append(f"{self._newest} {what}")
        return tuple(problems)

    def _readable(self, problems: list[str]) -> Iterator[State]:
        for serial in self.serials():
            try:
                yield self.read(serial)
            except StateError as error:
                problems.append(error.message)

    def _path(self, serial: int) -> Path:
        return self._serials / f"{serial:06}.json"

    def _load(self, data: bytes, path: Path) -> State:
        state = formats.read(data, str(path))
        if (state.project, state.environment) != (self._project, self._environment):
            raise StateError(
                f"{path} belongs to environment {state.environment!r} of project {state.project!r}, "
                f"not to {self._environment!r} of {self._project!r}",
                hint="give each environment a state path of its own",
            )
        return state

    def _refuse_unless_next(self, state: State, newest: State | None) -> None:
        if (state.project, state.environment) != (self._project, self._environment):
            raise StateError(
                f"a state of {state.environment!r} of {state.project!r} can't be written to "
                f"{self.directory}, which holds {self._environment!r} of {self._project!r}"
            )
        if newest and state.lineage != newest.lineage:
            raise StateError(
                f"the state in {self.directory} has lineage {newest.lineage}, the one to be written "
                f"{state.lineage}: they are not of one history",
                hint="choose another state path, or start from the state that is there",
            )
        expected = newest.serial + 1 if newest else 1
        if state.serial != expected:
            raise StateError(
                f"serial {state.serial} can't be written to {self.directory}: the next one is {expected}",
                hint="the state has moved on: plan again",
            )

    def _with_way_back(self, error: StateError) -> StateError:
        """Name the serial that `state.json` should be a copy of, when there is one that is whole."""
        for serial in reversed(self.serials()):
            try:
                self.read(serial)
            except StateError:
                continue
            return StateError(
                error.message,
                hint=f"{self._path(serial)} is whole: copy it to {self._newest}, then `sutazai state verify`",
            )
        return error
