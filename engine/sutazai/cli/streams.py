"""The three streams that a command is started with: made fit for use, and kept from ending what goes on without them."""

import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sutazai.errors import SutazaiError

if TYPE_CHECKING:
    from sutazai.events import Event
    from sutazai.ports import EventSink

_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_FORBIDDEN = {
    errno.EACCES: "give this user the right to it, or run the command as its owner",
    errno.EPERM: "give this user the right to it, or run the command as its owner",
    errno.ENAMETOOLONG: "no file can have such a name: look at what was given",
    errno.ENOTDIR: "a folder was expected where a file is: look at what was given",
    errno.EISDIR: "a file was expected where a folder is: look at what was given",
    errno.EROFS: "it is on a read-only file system: mount it writable, or work in another folder with --chdir",
}


def make_usable() -> None:
    """Open those that were closed, to nowhere: else the next file that is opened would take the place of stdout. What an
    encoding can't show is written out."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stays_open = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - until the process ends
            setattr(sys, name, stays_open)
    codecs.register_error("sutazai", _written_out)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="sutazai")


def _written_out(error: UnicodeError) -> tuple[str, int]:
    """As JSON escapes it, so that a document of JSON stays one."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def silence(stream: TextIO) -> None:
    """Lead a stream that can't be written to nowhere, with what it still holds: Python would try again at its end, and end
    with an exit code of its own."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


@contextmanager
def heard_or_not(stream: TextIO) -> Iterator[None]:
    """For what is printed beside the work itself: where `stream` does not take it, it is silent from then on, and the work
    goes on."""
    try:
        yield
    except OSError as error:
        silence(stream)
        _warn(error)


class UnfailingSink:
    """An `EventSink` that no run fails of: when the one inside fails, it is told no more."""

    def __init__(self, sink: "EventSink") -> None:
        self._sink = sink
        self._failed = False

    def __call__(self, event: "Event") -> None:
        if self._failed:
            return
        try:
            with heard_or_not(sys.stdout):
                self._sink(event)
        except Exception as error:  # noqa: BLE001 - it is not the run's, whatever it is
            self._failed = True
            _warn(error)


def could_not_be_written(error: OSError) -> bool:
    """Whether there is no room for what was written, or no way to write it: which is no bug."""
    return error.errno in _UNWRITTEN


def forbidden(error: OSError) -> SutazaiError | None:
    """The file that the system does not let this user write or read, or that can't be one, and what to do: that is no bug
    either."""
    hint = _FORBIDDEN.get(error.errno or 0)
    if hint is None or error.filename is None:
        return None
    return SutazaiError(f"{os.fsdecode(error.filename)}: {error.strerror}", hint=hint)


def _warn(error: Exception) -> None:
    """Whoever closed a pipe knows that nothing more is shown; anybody else is told."""
    if isinstance(error, BrokenPipeError):
        return
    try:
        sys.stderr.write(f"Warning: nothing more can be shown here, and the work goes on: {error}\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)
