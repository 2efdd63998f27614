"""The simulated engine in a file: what one process made, the next one finds, and a person can read and edit.

Each call that changes something is made under a lock that the kernel drops when the process dies, on what the file says then;
afterwards the file is replaced as a whole. Looking takes no lock and makes no file. So several processes can use one
engine, and a kill at any instant leaves the file as it was before a call or as it is after it.
"""

import contextlib
import datetime as dt
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from sutazai.errors import ProviderError
from sutazai.providers.simulated.document import Document, fill
from sutazai.providers.simulated.engine import SimulatedEngine
from sutazai.providers.simulated.text import Text

DEFAULT_PATH = Path("state") / "engine.json"


class FileEngine(SimulatedEngine):
    """The engine in the file `path`, which need not be there yet: an engine on which nothing runs. Every image can be pulled
    but those that the file calls absent."""

    def __init__(self, path: Path) -> None:
        super().__init__(now=_now, fetches_anything=True)
        self._path = path
        self._threads = threading.RLock()
        self._known: tuple[int, int, int] | None = None
        self._text = Text()

    @contextlib.contextmanager
    def opened(self, *, change: bool) -> Iterator[None]:
        """The engine as the file says. Raises `ProviderError` for a file that can't be read or written."""
        with self._threads, self._locked() if change else contextlib.nullcontext():
            self._load()
            try:
                yield
                if change:
                    self._save()
            except BaseException:
                self._known = None  # whatever a call left half done is read again
                raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock is a file of its own, since the engine's is replaced."""
        with self._explained("lock"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_name(f".{self._path.name}.lock")
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with self._explained("lock"):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _load(self) -> None:
        with self._explained("read"):
            try:
                found = self._signature()
                data = self._path.read_bytes() if found != self._known else None
            except FileNotFoundError:
                found, data = None, b"{}"
        if data is None:
            return
        try:
            fill(self, Document.model_validate_json(data))
        except ValidationError as error:
            first = error.errors()[0]
            said = ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)
            raise ProviderError(
                f"the simulated engine in {self._path} can't be understood: {said}",
                hint="undo the last edit, or remove the file: then nothing runs on it",
            ) from error
        self._known = found

    def _save(self) -> None:
        text = self._text.of(self)
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        with self._explained("write"):
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            self._known = self._signature()

    def _signature(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ProviderError(
                f"can't {doing} the simulated engine in {self._path}: {error.strerror}"
            ) from error


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
