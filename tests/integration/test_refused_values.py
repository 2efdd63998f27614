"""What `specs/refused.py` says of a value is what the engine does with it: refused here is refused there, and no more."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from sutazai.address import service
from sutazai.model.workload import Workload
from sutazai.ports import InstanceSpec
from sutazai.providers.docker.create import Surroundings, to_engine
from sutazai.providers.names import Names
from sutazai.specs.refused import flaws
from sutazai.state.scope import Scope, Slot

pytestmark = pytest.mark.docker
IMAGE = "sutazai/agent-runtime:1.0"
REFUSED: list[dict[str, Any]] = [
    {"image": ".."}, {"image": "Shop/Writer:1"}, {"hostname": "x" * 65}, {"working_dir": "data"}, {"stop_signal": "SIGFOO"},
    {"stop_signal": "0"}, {"cap_add": ["FOO"]}, {"cap_drop": ["-1"]}, {"security_opt": ["privileged"]},
    {"security_opt": ["no-new-privileges:maybe"]}, {"ulimits": {"nofile": {"soft": 2000, "hard": 1000}}},
    {"ulimits": {"files": 5}}, {"sysctls": {"vm.swappiness": "1"}}, {"sysctls": {"kernel.hostname": "x"}},
    {"extra_hosts": ["db:b"]}, {"extra_hosts": [":1.2.3.4"]}, {"tmpfs": ["run"]}, {"tmpfs": ["/"]},
    {"volumes": [{"type": "tmpfs", "target": "run"}]}, {"volumes": ["/tmp:/"]},
    {"volumes": [{"type": "tmpfs", "target": "/x"}, {"type": "tmpfs", "target": "/x"}]}, {"devices": ["null:/dev/x"]},
    {"ipc": "everybody"}, {"network_mode": "container:"},
    {"healthcheck": {"test": ["CMD", "true"], "interval": "10us"}}, {"healthcheck": {"test": ["CMD", "true"], "retries": -1}},
    {"deploy": {"resources": {"limits": {"memory": "1M"}}}}, {"deploy": {"resources": {"reservations": {"memory": "4M"}}}},
    {"deploy": {"resources": {"limits": {"cpus": 0.009}}}},
    {"deploy": {"resources": {"limits": {"memory": "8M"}, "reservations": {"memory": "9M"}}}}, {"environment": {"": "a"}},
]  # fmt: skip
TAKEN: list[dict[str, Any]] = [
    {"hostname": "my_host.example"}, {"hostname": "x" * 64}, {"working_dir": "/a/../b"}, {"stop_signal": "term"},
    {"stop_signal": "15"}, {"stop_signal": "SIGRTMIN+3"}, {"cap_add": ["net_admin", "CAP_CHOWN"]}, {"cap_drop": ["all"]},
    {"security_opt": ["no-new-privileges", "label:disable", "seccomp=unconfined", "apparmor=unconfined"]},
    {"ulimits": {"nofile": {"soft": 1000, "hard": 1024}, "core": 0}}, {"extra_hosts": ["a:host-gateway", "b=1.2.3.4", "c:::1"]},
    {"sysctls": {"net.ipv4.ip_unprivileged_port_start": "0", "kernel.shmmax": "65536", "fs.mqueue.msg_max": "20"}},
    {"tmpfs": ["/run:size=1m,mode=755"]}, {"volumes": [{"type": "tmpfs", "target": "/x"}, {"type": "tmpfs", "target": "/y"}]},
    {"devices": ["/dev/null:/dev/x:r", "/dev/zero"]}, {"ipc": "shareable"}, {"ipc": "none"}, {"ipc": "private"}, {"pid": "host"},
    {"healthcheck": {"test": ["CMD", "true"], "interval": "1ms"}}, {"environment": {"A B": "1"}}, {"shm_size": "1b"},
    {"deploy": {"resources": {"limits": {"memory": "6M", "pids": -1, "cpus": 0.01}, "reservations": {"memory": "6M"}}}}, {"dns": ["::1", "1.2.3.4"]}, {"platform": "linux/amd64"},
    {"expose": ["80", "81-83/udp"]}, {"image": f"docker.io/{IMAGE}"},
]  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.APIClient]:
    client = docker.APIClient(timeout=60)
    yield client
    client.close()


def outcome(engine: docker.APIClient, workload: Workload) -> str | None:
    """What Docker answers to the container being made and started; None when it is."""
    name = f"refused-{secrets.token_hex(4)}"
    own = workload.model_copy(update={"entrypoint": (), "command": ("sleep", "60")})
    if own.network_mode is None:
        own = own.model_copy(update={"network_mode": "none"})
    spec = InstanceSpec(name, service("s"), own, Slot.BLUE, 1, own.image or IMAGE, {}, ("s",))
    body = to_engine(spec, Surroundings(Names(Scope(name, "lab")), (1, 41), {}, lambda other: other)).body
    try:
        made = engine._post_json(engine._url("/containers/create"), data=body, params={"name": name})
        engine._raise_for_status(made)
        engine._raise_for_status(engine._post(engine._url(f"/containers/{name}/start")))
    except docker.errors.APIError as error:
        return str(error.explanation)
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            engine.remove_container(name, force=True, v=True)
    return None


def body_of(fields: dict[str, Any]) -> Workload:
    return Workload.model_validate({"image": IMAGE, **fields})


@pytest.mark.parametrize("fields", REFUSED, ids=str)
def test_what_is_refused_docker_refuses(fields: dict[str, Any], engine: docker.APIClient) -> None:
    workload = body_of(fields)
    assert list(flaws(workload)), "validate takes it"
    assert outcome(engine, workload) is not None


@pytest.mark.parametrize("fields", TAKEN, ids=str)
def test_what_docker_takes_is_taken(fields: dict[str, Any], engine: docker.APIClient) -> None:
    workload = body_of(fields)
    assert outcome(engine, workload) is None
    assert [flaw.summary for flaw in flaws(workload)] == []
