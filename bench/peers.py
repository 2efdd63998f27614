"""The same fleet, declared for each contestant in a folder of its own: other project names, other ports."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from sutazai.model.fleet import SWITCH

ROOT = Path(__file__).parent.parent
FOLDERS = ("specs", "modules", "environments", "images")
OURS, THEIRS = 15000, 20000
"""What is added to the fleet's ports, so that both can run beside each other and beside a local fleet; below the ports that a
kernel gives out by itself."""


def our_project(folder: Path, name: str, overrides: Sequence[object] = ()) -> None:
    """A copy of the repository's fleet under another project name, as environment `bench`."""
    for part in FOLDERS:
        shutil.copytree(ROOT / part, folder / part)
    project = folder / "specs" / "project.yaml"
    text, count = re.subn(r"^project: .*$", f"project: {name}", project.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise SystemExit("specs/project.yaml has no line that names the project")
    project.write_text(text)
    write_environment(folder, overrides)


def write_environment(folder: Path, overrides: Sequence[object]) -> None:
    """The environment `bench` of our project, with these overrides beside its own."""
    platform = [
        {"select": f"service.{service}", "set": {"ports": [f"127.0.0.1:{port + OURS}:{inside}"]}}
        for service, port, inside in (("postgres", 10000, 5432), ("redis", 10001, 6379))
    ]
    lines = "\n".join(f"  - {json.dumps(override)}" for override in [*platform, *overrides])
    (folder / "environments" / "bench.yaml").write_text(
        f"extends: local\nvariables: {{port_offset: {OURS}}}\noverrides: !append\n{lines}\n"
    )


def compose_project(folder: Path, name: str, resolved: str) -> None:
    """A Compose file of the same workloads. `resolved` is what `sutazai env show bench --json` prints."""
    fleet = json.loads(resolved)
    services = {}
    for kind in ("services", "agents"):
        for service, body in fleet[kind].items():
            if service == SWITCH.name:  # Compose has none: it publishes the ports of each container
                continue
            kept = (
                "image",
                "environment",
                "restart",
                "read_only",
                "cap_drop",
                "security_opt",
                "entrypoint",
                "command",
                "stop_grace_period",
            )
            services[service] = {key: body[key] for key in kept if key in body}
            limits = body["deploy"]["resources"]["limits"]
            services[service]["deploy"] = {
                "resources": {
                    "limits": {**limits, "cpus": f"{limits['cpus']:g}", "memory": f"{limits['memory']}b"}
                }
            }
            services[service]["networks"] = ["fleet"]
            services[service]["depends_on"] = list(body.get("depends_on", ()))
            if "route" in body:
                port = body["route"]["port"] - OURS + THEIRS
                services[service]["ports"] = [f"127.0.0.1:{port}:{body['route']['target']}"]
            if "stop_grace_period" in services[service]:
                services[service]["stop_grace_period"] = f"{services[service]['stop_grace_period']:g}s"
    file = {"name": name, "services": services, "networks": {"fleet": {}}}
    (folder / "docker-compose.yml").write_text(json.dumps(file, indent=1).replace("$", "$$"))
