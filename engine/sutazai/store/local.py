"""The state of one environment in a folder of this machine (contract, section 6).

`serials/NNNNNN.json` are written once and never again; `state.json` is a copy of the newest. A commit
writes the serial first, then `state.json`. So what counts is: the highest serial is the newest. A run that
was killed between the two leaves a serial that is one ahead of `state.json`; readers take the serial, and
the next who takes the lock brings `state.json` up. Reading makes and changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sutazai import __version__
from sutazai.errors import NewerFormat, StateError
from sutazai.model.fleet import Fleet
from sutazai.ports import Journal, LockInfo
from sutazai.state.v2 import State
from sutazai.store import files
from sutazai.store.journal import FileJournal
from sutazai.store.lock import Lock
from sutazai.store.serials import SerialStore, file_of, serials_among


class LocalStore(SerialStore):
    """The StateStore in `directory`, which holds `environment` of `project` and nothing else. `version` is
    what the lock tells others of this program."""

    def __init__(
        self, directory: Path, project: str, environment: str, *, version: str = __version__
    ) -> None:
        super().__init__(str(directory), project, environment)
        self.directory = directory
        self._newest = directory / "state.json"
        self._serials = directory / "serials"
        self._moved = directory / "moved"
        self._lock = Lock(directory.absolute(), version)
        self._journal = FileJournal(directory / "journal.jsonl", self._lock.check)

    def newest(self, like: Fleet | None = None) -> State | None:
        data = files.read(self._newest)
        if data is None:
            return super().newest(like)
        try:
            state = self._load(data, str(self._newest), like)
        except NewerFormat:
            raise  # an older serial is no copy of it
        except StateError as error:
            raise self._with_way_back(error) from error
        while (ahead := self._get(state.serial + 1)) is not None:
            state = self._read(state.serial + 1, ahead, like)
        return state

    def serials(self) -> tuple[int, ...]:
        with files.explained(self._serials, "read"):
            try:
                names = [path.name for path in self._serials.iterdir()]
            except FileNotFoundError:
                return ()
        return serials_among(names)

    def journal(self) -> Journal:
        return self._journal

    @contextmanager
    def lock(self, operation: str, *, timeout: float = 0.0) -> Iterator[LockInfo]:
        with self._lock.hold(operation, timeout) as info:
            self._refuse_moved(operation)
            for folder in (self.directory, self._serials):
                files.sweep(folder)
            self._bring_up()
            try:
                yield info
            finally:
                self._journal.close()

    def _bring_up(self) -> None:
        """Finish a commit that was cut off between its two files. Where the file of the newest serial is lost, make it of
        `state.json`, which is a copy. Raises `StateError` where it is damaged: the copy may be all that is left of it; and where
        one is missing between the two, since what would be written in its place would not be the newest."""
        copy, numbers = files.read(self._newest), self.serials()
        last = self._get(numbers[-1]) if numbers else None
        newest = None if last == copy else self.newest()
        if newest is None:
            return
        if numbers and newest.serial < numbers[-1]:
            raise StateError(
                f"serial {newest.serial + 1} is missing in {self.directory}: {self._newest} is serial {newest.serial}, "
                f"and there are later ones up to {numbers[-1]}",
                hint=f"restore it from a copy; or copy {self._path(numbers[-1])} to {self._newest} to go on from there",
            )
        kept = self._get(newest.serial)
        if kept is not None:
            self._refuse_damaged(newest.serial, kept)
            files.replace(self._newest, kept)
        elif copy is not None:
            files.make_folder(self._serials)
            files.create(self._path(newest.serial), copy)

    def _refuse_damaged(self, serial: int, data: bytes) -> None:
        try:
            self._read(serial, data)
        except StateError as error:
            raise StateError(
                error.message,
                hint=f"{self._newest} is whole: copy it to {self._path(serial)}, then `sutazai state verify`",
            ) from error

    def unlock(self, lock_id: str) -> LockInfo:
        return self._lock.unlock(lock_id)

    def holder(self) -> LockInfo | None:
        return self._lock.holder()

    def verify(self) -> tuple[str, ...]:
        """Also a `state.json` that is none of the serials, and that is all there is where they are lost."""
        problems = super().verify()
        numbers, data = self.serials(), files.read(self._newest)
        if not numbers and data is not None:
            return (*problems, f"{self._newest} is there, and no serial in {self._serials}")
        if not numbers or data == self._get(numbers[-1]):
            return problems
        what = "is missing" if data is None else f"differs from serial {numbers[-1]}"
        return (*problems, f"{self._newest} {what}")

    def moved_to(self) -> str | None:
        data = files.read(self._moved)
        return None if data is None else data.decode(errors="backslashreplace").strip()

    def move_to(self, destination: str | None) -> None:
        self._may_write()
        if destination is not None:
            files.make_folder(self.directory)
            files.replace(self._moved, destination.encode(errors="backslashreplace") + b"\n")
            return
        with files.explained(self._moved, "remove"):
            self._moved.unlink(missing_ok=True)

    def close(self) -> None:
        self._journal.close()

    def _get(self, serial: int) -> bytes | None:
        return files.read(self._path(serial))

    def _put(self, serial: int, data: bytes) -> None:
        files.make_folder(self._serials)
        files.create(self._path(serial), data)
        files.replace(self._newest, data)

    def _may_write(self) -> None:
        self._lock.check()

    def _path(self, serial: int) -> Path:
        return self._serials / file_of(serial)

    def _name(self, serial: int) -> str:
        return str(self._path(serial))

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
