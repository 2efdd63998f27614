"""Looking at a real engine: what it costs to load, and who holds a port."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sutazai.model.fleet import Fleet, ProviderOptions
from sutazai.model.workload import Workload
from sutazai.providers.docker.provider import DockerProvider
from sutazai.state.scope import Scope

pytestmark = pytest.mark.docker
_LOOK = """
import os, sys
from pathlib import Path
from sutazai.model.fleet import Fleet, ProviderOptions
from sutazai.providers import PROVIDERS
from sutazai.state.scope import Scope
provider = PROVIDERS["docker"](Scope("nobody", "test"), ProviderOptions(), Path(), os.environ)
provider.observe(Fleet(project="nobody", environment="test"))
print(*sorted({"docker", "requests", "urllib3", "psutil"} & sys.modules.keys()))
"""


def test_looking_loads_no_sdk() -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", _LOOK], env=environ, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == ""


def test_a_process_that_holds_a_port_is_named(docker_scope: Scope) -> None:
    provider = DockerProvider(docker_scope, ProviderOptions(), Path(), os.environ)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        workload = Workload.model_validate({"image": "x", "route": {"port": port, "target": 80}})
        fleet = Fleet(project=docker_scope.project, environment="test", agents={"a": workload})
        observed = provider.observe(fleet)
        assert observed.host is not None
        assert observed.host.local, "this test needs the engine on this machine"
        (use,) = observed.ports
    assert (use.ip, use.port, use.protocol) == ("127.0.0.1", port, "tcp")
    assert use.holder.endswith(f"(pid {os.getpid()})")
    assert provider.observe(fleet).ports == ()
    provider.close()
