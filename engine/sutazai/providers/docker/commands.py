"""Commands and files in a container that exists: exec and archive of the Engine's API.

docker-py starts a command through a stream of which it may lose the first bytes (it reads past the buffer that took in the
answer's head), and it cannot end the input. So the request is docker-py's, and the stream after it is read here. What a command
says comes in frames: one byte of stream number, three of nothing, four of length, then that many bytes (Engine API,
"Attach to a container").
"""

import io
import math
import posixpath
import secrets
import socket
import ssl
import struct
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sutazai.errors import Conflict, NotEnded, ProviderError
from sutazai.ports import NO_VARIABLES, Executed
from sutazai.providers.docker.writer import TIMEOUT, Writer

MOST_OUTPUT = 64 << 20  # bytes; more is no answer any more
STDERR = 2
_HEADER = struct.Struct(">BxxxL")
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
_ASKED_EVERY = 0.1  # seconds: whether a command is given up
_ENDED_WITHIN = 5.0  # seconds after the end of the output until the engine knows how the command ended


def execute(
    writer: Writer,
    instance_id: str,
    command: Sequence[str],
    stdin: bytes,
    timeout: float,
    *,
    user: str = "",
    environment: Mapping[str, str] = NO_VARIABLES,
    given_up: Callable[[], bool] | None = None,
) -> Executed:
    """Run `command` to its end, with `stdin` as its whole input. Raises NotEnded when it takes longer than `timeout`
    seconds, or once it is `given_up`; the Engine has no way to end it then."""
    what = f"run {command[0]} in {instance_id[:12]}"
    deadline = time.monotonic() + timeout
    with writer.client(what) as client:
        made, answer = open_exec(
            client, instance_id, command, stdin=bool(stdin), user=user, environment=environment
        )
        try:
            must_be_open(answer, what)
            output, errors = _conversation(answer, stdin, deadline, given_up)
        except TimeoutError as error:
            unended = (
                "was given up" if given_up is not None and given_up() else f"did not end within {timeout:g} s"
            )
            raise NotEnded(f"can't {what}: it {unended}") from error
        except OSError as error:
            raise ProviderError(f"can't {what}: the connection to it broke: {error}") from error
        finally:
            answer.close()
        code = _exit_code(client, made)
    if code is None:
        raise ProviderError(f"can't {what}: the engine does not say how it ended")
    return Executed(code, output.decode(errors="replace"), errors.decode(errors="replace"))


def open_exec(
    client: Any,
    instance_id: str,
    command: Sequence[str],
    *,
    stdin: bool,
    user: str = "",
    environment: Mapping[str, str] = NO_VARIABLES,
) -> tuple[str, Any]:
    """A command that has been started, by its ID, and the answer whose connection carries what it is told and says."""
    made = client.exec_create(
        instance_id, list(command), stdin=stdin, user=user, environment=dict(environment) or None
    )["Id"]
    answer = client.post(
        f"{client.base_url}/v{client.api_version}/exec/{made}/start",
        json={"Tty": False, "Detach": False}, headers=_UPGRADE, stream=True, timeout=TIMEOUT,
    )  # fmt: skip
    return made, answer


def put_file(
    writer: Writer, instance_id: str, path: str, content: bytes, mode: int, *, running: bool
) -> None:
    """Where the container runs, under another name first: the engine writes a file in place, and somebody may be reading it."""
    folder, name = posixpath.split(path)
    temporary = f".{name}.{secrets.token_hex(4)}" if running else name
    with writer.client(f"put {path} into {instance_id[:12]}") as client:
        client.put_archive(instance_id, folder or "/", _archive(temporary, content, mode))
    if running:
        moved = execute(
            writer, instance_id, ["mv", "-f", posixpath.join(folder, temporary), path], b"", 30.0, user="0"
        )
        if moved.exit_code:
            raise ProviderError(
                f"can't put {path} into {instance_id[:12]}: {(moved.errors or moved.output).strip()}"
            )


def _archive(name: str, content: bytes, mode: int) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(content), mode, math.floor(time.time())
        archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def must_be_open(answer: Any, what: str) -> None:
    if answer.status_code >= 400:
        text = f"can't {what}: {answer.json().get('message', answer.text).strip()}"
        raise (Conflict if answer.status_code == 409 else ProviderError)(text, status=answer.status_code)


def _conversation(
    answer: Any, stdin: bytes, deadline: float, given_up: Callable[[], bool] | None
) -> tuple[bytes, bytes]:
    """What it says on its two streams. The input is sent from a thread of its own, since a command may say more than the
    connection holds before it has read it all; but not over TLS, where two threads can't use one connection."""
    reader, connection = stream_of(answer)
    with limited(connection, deadline, given_up):
        if stdin and isinstance(connection, ssl.SSLSocket):
            _send_encrypted(connection, stdin)
        elif stdin:
            threading.Thread(target=_send, args=(connection, stdin), daemon=True).start()
        said = {1: bytearray(), STDERR: bytearray()}
        for stream, data in frames(reader):
            said[STDERR if stream == STDERR else 1] += data
            if sum(map(len, said.values())) > MOST_OUTPUT:
                raise ProviderError(f"it said more than {MOST_OUTPUT >> 20} MiB")
    return bytes(said[1]), bytes(said[STDERR])


def stream_of(answer: Any) -> tuple[io.BufferedReader, socket.socket]:
    """What a command says, and the connection under it."""
    # What came after the answer's head may be in its buffer already.
    reader: io.BufferedReader = answer.raw._fp.fp
    connection: socket.socket = reader.raw._sock  # type: ignore[attr-defined]
    connection.settimeout(None)
    return reader, connection


def frames(reader: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    while head := reader.read(_HEADER.size):
        if len(head) < _HEADER.size:
            raise OSError("it ended within a frame")
        stream, length = _HEADER.unpack(head)
        data = reader.read(length)
        if len(data) < length:
            raise OSError("it ended within a frame")
        yield stream, data


@contextmanager
def limited(
    connection: socket.socket, deadline: float, given_up: Callable[[], bool] | None = None
) -> Iterator[None]:
    """Cuts the connection at the deadline, or when it is given up: one that says a byte now and then must end as well. Raises
    TimeoutError then."""
    passed, ended = threading.Event(), threading.Event()

    def cut_in_time() -> None:
        while (left := deadline - time.monotonic()) > 0 and not (given_up is not None and given_up()):
            if ended.wait(left if given_up is None else min(left, _ASKED_EVERY)):
                return
        passed.set()
        with suppress(OSError):  # it may end at this very moment
            connection.shutdown(socket.SHUT_RDWR)

    watcher = threading.Thread(target=cut_in_time, daemon=True)
    watcher.start()
    try:
        yield
    except (OSError, ValueError) as error:
        if passed.is_set():
            raise TimeoutError from error
        raise
    finally:
        ended.set()
    if passed.is_set():
        raise TimeoutError


def _send(connection: socket.socket, stdin: bytes) -> None:
    """All of it, and then the end. A command that leaves before it has read it all is its own affair."""
    with suppress(OSError):
        connection.sendall(stdin)
        connection.shutdown(socket.SHUT_WR)


def _send_encrypted(connection: ssl.SSLSocket, stdin: bytes) -> None:
    """The end is told and not waited for: the other side goes on with what it has to say."""
    connection.sendall(stdin)
    connection.settimeout(0.0)
    with suppress(ssl.SSLWantReadError):
        connection.unwrap()
    connection.settimeout(None)


def _exit_code(client: Any, made: str) -> int | None:
    deadline = time.monotonic() + _ENDED_WITHIN
    while True:
        found = client.exec_inspect(made)
        if not found["Running"] and found["ExitCode"] is not None:
            return int(found["ExitCode"])
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
