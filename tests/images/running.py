"""An agent as a process of its own, and what one asks it over HTTP."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from free_port import free_port

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "images" / "agent-runtime" / "agent.py"


@dataclass(frozen=True)
class Reply:
    code: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Agent:
    port: int
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: object = None) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, raw if method == "POST" else None)
            response = connection.getresponse()
            return Reply(response.status, response.read())

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def invoke(self, capability: str, value: object) -> Reply:
        return self.ask("POST", "/invoke", {"capability": capability, "input": value})

    def stop(self) -> tuple[int, str]:
        """Exit code and everything that was logged."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out + err


def launch(environment: dict[str, str]) -> Agent:
    port = int(environment.get("AGENT_PORT") or free_port())
    process = subprocess.Popen(
        [sys.executable, "-S", "-u", str(RUNTIME)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "AGENT_PORT": str(port),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Agent(port, process)


def end(agent: Agent) -> None:
    agent.process.kill()
    agent.process.communicate()
