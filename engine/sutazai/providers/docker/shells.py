"""Shells that stay in a container. To start a process there costs the engine about as much as to start a container; one that is
there already is only told what to do next.

Such a shell reads one line a script: a mark, then the script and its input, each in base64. It runs that in a child of its own,
and ends both of its streams with the mark, the first one with the exit code as well. It ends with the connection that it
is told over.
"""

import base64
import re
import secrets
import shlex
import threading
import time
from collections import defaultdict
from collections.abc import Sequence

from sutazai.errors import ProviderError
from sutazai.ports import Executed
from sutazai.providers.docker.commands import STDERR, frames, limited, must_be_open, open_exec, stream_of
from sutazai.providers.docker.writer import Writer

_STAYS = r"""
while read -r mark script input; do
    code=$(echo "$script" | base64 -d; echo .)
    echo "$input" | base64 -d | (eval "${code%.}")
    code=$?
    printf '\n%s %s\n' "$mark" "$code"
    printf '\n%s\n' "$mark" >&2
done
"""
_IDLE_FOR_AT_MOST = 60.0  # seconds; what lies between may have dropped the connection by then, and not say so


class Shells:
    """At most one script at a time in each, hence as many as are needed at once. Safe to use from threads."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[_Shell]] = defaultdict(list)
        self._lock = threading.Lock()

    def run(
        self,
        writer: Writer,
        instance_id: str,
        script: str,
        arguments: Sequence[str],
        stdin: bytes,
        timeout: float,
    ) -> Executed:
        """As `commands.execute` with `sh -c`. A script may be begun twice, when the shell was lost meanwhile."""
        what, deadline = f"run a script in {instance_id[:12]}", time.monotonic() + timeout
        told = f"set -- {shlex.join(arguments)}\n{script}"
        while True:
            with self._lock:
                shell = self._idle[instance_id].pop() if self._idle[instance_id] else None
            used_before = shell is not None
            if shell is not None and time.monotonic() - shell.idle_since > _IDLE_FOR_AT_MOST:
                shell.close()
                continue
            try:
                shell = shell or _Shell(writer, instance_id, what)
                done = shell.run(told.encode(), stdin, deadline)
            except TimeoutError as error:
                raise ProviderError(f"can't {what}: it did not end within {timeout:g} s") from error
            except OSError as error:
                if not used_before:
                    raise ProviderError(f"can't {what}: the connection to it broke: {error}") from error
                continue
            with self._lock:
                self._idle[instance_id].append(shell)
            return done

    def close(self) -> None:
        with self._lock:
            for shells in self._idle.values():
                while shells:
                    shells.pop().close()


class _Shell:
    """One shell and the connection to it, which is closed when anything goes wrong."""

    def __init__(self, writer: Writer, instance_id: str, what: str) -> None:
        with writer.client(what) as client:
            _, self._answer = open_exec(client, instance_id, ["sh", "-c", _STAYS], stdin=True)
            try:
                must_be_open(self._answer, what)
            except BaseException:
                self.close()
                raise
        self.idle_since = time.monotonic()

    def run(self, script: bytes, stdin: bytes, deadline: float) -> Executed:
        """Raises TimeoutError, and OSError when the shell is gone."""
        whole = False
        try:
            done = self._run(script, stdin, deadline)
            whole = True
        finally:
            if not whole:
                self.close()
        self.idle_since = time.monotonic()
        return done

    def _run(self, script: bytes, stdin: bytes, deadline: float) -> Executed:
        reader, connection = stream_of(self._answer)
        mark = secrets.token_hex(8)
        ends = {
            1: re.compile(rb"\n%s (\d+)\n\Z" % mark.encode()),
            STDERR: re.compile(rb"\n%s\n\Z" % mark.encode()),
        }
        said, found = {1: bytearray(), STDERR: bytearray()}, dict[int, re.Match[bytes]]()
        with limited(connection, deadline):
            line = b" ".join([mark.encode(), base64.b64encode(script), base64.b64encode(stdin)])
            connection.sendall(line + b"\n")
            for stream, data in frames(reader):
                said[stream] += data
                if end := ends[stream].search(said[stream], max(0, len(said[stream]) - 64)):
                    found[stream] = end
                if len(found) == len(ends):
                    output, errors = (bytes(said[n][: found[n].start()]) for n in (1, STDERR))
                    return Executed(
                        int(found[1][1]), output.decode(errors="replace"), errors.decode(errors="replace")
                    )
        raise OSError("the shell has ended")

    def close(self) -> None:
        self._answer.close()
