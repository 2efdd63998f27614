"""An engine that answers from a record: what a real one said of two agents, said of as many as are asked for.

`python -m bench.recorded` takes the record anew: it applies a project of two agents with the engine at hand, writes down what the
engine answers, and removes them. `Recorded` serves it on a Unix socket, each container's answer made from that of
the second agent by putting in another name, ID, port and address, byte for byte the same beside that. So everything that
reads is the real thing, from the socket on.
"""

import contextlib
import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import planned
from sutazai.providers.docker.connection import Endpoint
from sutazai.providers.docker.look import container_path, image_path
from sutazai.providers.docker.reader import HttpReader

RECORD = Path(__file__).parent / "recorded" / "engine.json"
_MODEL = planned.agent_name(1)
_ADDRESS = "10.255.255.254"
"""What stands in the record for the address of the container."""


@dataclass(frozen=True, slots=True)
class Record:
    """Answers of one engine. `entry` and `container` are those of one agent in the list and in full; `image` is that of its
    image, `network` that of its network."""

    version: dict[str, Any]
    info: dict[str, Any]
    entry: dict[str, Any]
    container: dict[str, Any]
    image: dict[str, Any]
    network: dict[str, Any]

    @classmethod
    def read(cls) -> "Record":
        return cls(**json.loads(RECORD.read_text()))


class Scaled:
    """The record for `count` agents; with `running` False, for an engine that has none of them yet."""

    def __init__(self, count: int, *, running: bool = True) -> None:
        record, there = Record.read(), range(count if running else 0)
        container, entry = _dumped(record.container), _dumped(record.entry)
        listed = b"[" + b",".join(_of(entry, number) for number in there) + b"]"
        fixed: dict[str, object] = {
            "/version": record.version,
            "/info": {**record.info, "Name": socket.gethostname()},
            "/networks": [record.network] if running else [],
            "/volumes": {"Volumes": [], "Warnings": None},
            image_path(planned.IMAGE): record.image,
            image_path(record.image["Id"]): record.image,
        }
        self._answers = {
            "/containers/json": listed,
            **{path: _dumped(value) for path, value in fixed.items()},
            **{
                container_path(planned.container_id(planned.agent_name(number))): _of(container, number)
                for number in there
            },
        }

    def answer(self, path: str) -> bytes | None:
        """What a GET gives, None where there is no such thing. All of it was made beforehand: it is the asking that is
        measured."""
        return self._answers.get(path.partition("?")[0])


def _of(answer: bytes, number: int) -> bytes:
    """What the record says of the second agent, said of another."""
    name, identity = planned.agent_name(number), planned.container_id(planned.agent_name(number))
    own = planned.container_id(_MODEL)
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    for old, new in (
        (own, identity),
        (own[:12], identity[:12]),
        (_MODEL, name),
        (str(planned.port_of(1)), str(planned.port_of(number))),
        (_ADDRESS, address),
    ):
        answer = answer.replace(old.encode(), new.encode())
    return answer


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@contextlib.contextmanager
def serving(count: int, *, running: bool = True) -> Iterator[str]:
    """The engine's `DOCKER_HOST`, served by a process of its own for as long as this lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/engine.sock"
        command = [sys.executable, "-m", "bench.recorded", "serve", path, str(count), str(int(running))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=RECORD.parent.parent.parent) as process:
            try:
                assert process.stdout is not None  # noqa: S101 - for mypy
                process.stdout.readline()  # it says when it listens
                yield f"unix://{path}"
            finally:
                process.terminate()


def serve(path: str, scaled: Scaled) -> None:
    class Handler(socketserver.StreamRequestHandler):
        """GETs over one connection, pipelined or not."""

        def handle(self) -> None:
            while line := self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                found = scaled.answer(re.sub(r"^/v[\d.]+", "", line.split()[1].decode()))
                status = "200 OK" if found is not None else "404 Not Found"
                body = found if found is not None else b'{"message":"no such thing"}'
                head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body)

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(path, Handler) as server:
        print("ready", flush=True)
        server.serve_forever()


def record(endpoint: Endpoint) -> Record:
    """What the engine says of a project of two agents that is applied there."""
    reader = HttpReader(endpoint)
    try:
        paths = ["/version", "/info", "/containers/json?all=1", "/networks", image_path(planned.IMAGE)]
        answers = zip(paths, reader.get_all(paths), strict=True)
        version, info, entries, networks, image = (answer.value(path) for path, answer in answers)
        entry = next(
            e for e in entries if e["Names"] == [f"/{planned.PROJECT}-{planned.ENVIRONMENT}-{_MODEL}-blue"]
        )
        container = reader.get_all([container_path(entry["Id"])])[0].value("the agent")
    finally:
        reader.close()
    network = next(n for n in networks if n["Name"] == f"{planned.PROJECT}-{planned.ENVIRONMENT}-fleet")
    address = next(iter(container["NetworkSettings"]["Networks"].values()))["IPAddress"]
    told = {"version": version, "info": _impersonal(info), "entry": entry, "container": container, "image": image,
            "network": network}  # fmt: skip
    text = json.dumps(told)
    for old, new in (
        (container["Id"], planned.container_id(_MODEL)),
        (container["Id"][:12], planned.container_id(_MODEL)[:12]),
        (f'"{address}"', f'"{_ADDRESS}"'),
    ):
        text = text.replace(old, new)
    return Record(**json.loads(text))


def _impersonal(info: dict[str, Any]) -> dict[str, Any]:
    """Without what tells of the machine."""
    return {**info, "Name": "", "ID": "", "Labels": None, "HttpProxy": "", "HttpsProxy": "", "NoProxy": ""}


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], Scaled(int(sys.argv[3]), running=sys.argv[4] == "1"))
        return
    with tempfile.TemporaryDirectory() as folder:
        planned.write(Path(folder), 2)
        sutazai = [str(Path(sys.executable).parent / "sutazai")]
        where = ["-e", planned.ENVIRONMENT, "--chdir", folder, "--auto-approve"]
        try:
            subprocess.run([*sutazai, "apply", *where], check=True)
            host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
            found = record(Endpoint("unix", host, path=host.removeprefix("unix://")))
        finally:
            subprocess.run([*sutazai, "destroy", *where], check=False)
    RECORD.parent.mkdir(exist_ok=True)
    told = {name: getattr(found, name) for name in found.__slots__}
    RECORD.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
