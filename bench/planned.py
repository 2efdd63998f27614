"""A project of any size for planning alone, with the state that an apply of it would have left."""

import json
import os
import sys
from pathlib import Path

from sutazai.address import Address, Kind, agent
from sutazai.model.fleet import Fleet
from sutazai.specs.remembered import load
from sutazai.state.scope import Slot, digest_of
from sutazai.state.v2 import InstanceRecord, Operation, ResourceRecord, State
from sutazai.store import open_store

PROJECT, ENVIRONMENT = "planned", "bench"
LINEAGE = "00000000-0000-4000-8000-000000000000"
HUB = "a00000"
IMAGE = "sutazai/agent-runtime:1.0"
_MODULE = {
    "inputs": {"port": {"type": "integer", "required": True, "min": 1024, "max": 65535}},
    "template": {
        "image": "sutazai/agent-runtime:{{ var.release }}",
        "networks": ["fleet"],
        "route": {"port": "{{ inputs.port }}", "target": 8080, "protocol": "http"},
        "environment": {"AGENT_NAME": "{{ name }}", "AGENT_CATEGORY": "{{ category }}", "AGENT_PORT": "8080"},
        "checks": [{"name": "healthy", "kind": "http", "port": 8080, "path": "/health", "status": 200}],
        "restart": "unless-stopped",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "stop_grace_period": "10s",
        "deploy": {"resources": {"limits": {"cpus": 0.25, "memory": "64M", "pids": 64}}},
    },
}


def agent_name(number: int) -> str:
    return f"a{number:05}"


def port_of(number: int) -> int:
    return 20_000 + number


def container_id(name: str) -> str:
    """As long as one of Docker's, and the same each time."""
    return digest_of(name)


def write(folder: Path, count: int) -> None:
    """The specs: `count` agents of one module, a thousand in a file, all of which but the first depend on it."""
    _json(folder / "modules/agent/module.yaml", _MODULE)
    _json(
        folder / f"environments/{ENVIRONMENT}.yaml",
        {"provider": {"kind": "docker"}, "traffic": {"kind": "none"}},
    )
    _json(
        folder / "specs/project.yaml",
        {"project": PROJECT, "variables": {"release": "1.0"}, "networks": {"fleet": {}}},
    )
    for first in range(0, count, 1000):
        numbers = range(first, min(first + 1000, count))
        agents = {agent_name(number): _agent(number) for number in numbers}
        _json(folder / f"specs/agents/{first // 1000:03}.yaml", {"agents": agents})


def _agent(number: int) -> dict[str, object]:
    body: dict[str, object] = {
        "module": "agent",
        "inputs": {"port": port_of(number)},
        "category": "data",
        "tier": "auxiliary",
    }
    return body if number == 0 else {**body, "depends_on": [HUB]}


def _json(path: Path, content: object) -> None:
    """JSON is YAML too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def commit_state(folder: Path, environ: dict[str, str], image_id: str, network_id: str) -> None:
    """Serial 1, as an apply would have written it."""
    loaded = load(folder, ENVIRONMENT, variables={}, environ=environ)
    assert loaded.fleet is not None  # noqa: S101 - we wrote it
    store = open_store(loaded.backend, folder, PROJECT, ENVIRONMENT)
    operation = Operation(
        command="apply", who="bench", started="2026-01-01T00:00:00Z", seconds=1.0, outcome="done"
    )
    with store.lock("apply"):
        store.commit(
            State(
                sutazai_version="bench", lineage=LINEAGE, serial=1, project=PROJECT, environment=ENVIRONMENT,
                spec_digest=loaded.spec_digest, operation=operation, desired=loaded.fleet,
                resources=(_network(network_id), *_agents(loaded.fleet, image_id)),
            )
        )  # fmt: skip


def _network(network_id: str) -> ResourceRecord:
    return ResourceRecord(address=Address(Kind.NETWORK, "fleet"), object_id=network_id)


def _agents(fleet: Fleet, image_id: str) -> list[ResourceRecord]:
    return [
        ResourceRecord(
            address=agent(name), slot=Slot.BLUE,
            instances=(InstanceRecord(
                id=container_id(name), name=f"{PROJECT}-{ENVIRONMENT}-{name}-blue", slot=Slot.BLUE, replica=1,
                image=IMAGE, image_id=image_id, spec_hash="bench",
            ),),
        )
        for name in sorted(fleet.agents)
    ]  # fmt: skip


if __name__ == "__main__":
    commit_state(Path(sys.argv[1]), dict(os.environ), sys.argv[2], sys.argv[3])
