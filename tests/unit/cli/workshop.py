"""A small project on the simulated engine, and the real command in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMAGES = ("shop:1.0", "shop:bad", "shop:2.0")
SETTINGS = {
    "provider": {"kind": "simulated"},
    "rollout": {"min_healthy_time": "0s", "healthy_deadline": "500ms"},
}


class Workshop:
    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("specs", "environments", "state"):
            (root / folder).mkdir()
        (root / "environments" / "local.yaml").write_text(json.dumps(SETTINGS))
        images = {IMAGES[0]: {}, IMAGES[1]: {"answers": {"*": "HTTP 500"}}, IMAGES[2]: {}}
        engine = {
            "images": {
                name: {"id": "sha256:" + f"{n}" * 64, **rest} for n, (name, rest) in enumerate(images.items())
            }
        }
        (root / "state" / "engine.json").write_text(json.dumps(engine))

    def declare(self, **agents: str) -> None:
        """Agents by their images, each with a check."""
        check = {
            "name": "up",
            "kind": "ping",
            "phase": "readiness",
            "port": 8080,
            "interval": "100ms",
            "retries": 1,
        }
        bodies = {name: {"image": image, "checks": [check]} for name, image in agents.items()}
        (self.root / "specs" / "project.yaml").write_text(json.dumps({"project": "shop", "agents": bodies}))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sutazai", *arguments, "--chdir", str(self.root)]

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, **streams: Any
    ) -> subprocess.CompletedProcess[str]:
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **streams,
        }
        return subprocess.run(
            self.command(*arguments), text=True, timeout=60, env={**os.environ, **(env or {})}, **streams
        )

    def newest(self) -> dict[str, Any]:
        """The newest serial."""
        state: dict[str, Any] = json.loads((self.root / "state" / "local" / "state.json").read_text())
        return state
