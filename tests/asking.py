"""From where checks are asked in tests: from here, or from inside a container of the traffic switch's image."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from conftest import new_scope
from sutazai.address import service
from sutazai.health.relay import Script
from sutazai.model.fleet import ProviderOptions
from sutazai.model.workload import Workload
from sutazai.ports import Executed, InstanceSpec
from sutazai.providers.docker.provider import DockerProvider
from sutazai.specs.traffic import IMAGE
from sutazai.state.scope import Slot


def nowhere(*_: object, **__: object) -> Executed:
    raise AssertionError("nothing is to be asked from inside a container")


@dataclass(frozen=True, slots=True)
class Way:
    """`via` is for the target, `script` for who asks."""

    script: Script = nowhere
    via: str | None = None


@contextmanager
def inside(engine: docker.DockerClient, root: Path) -> Iterator[Way]:
    """The container is on the host's network: what listens on this machine is reached from there."""
    with new_scope(engine) as scope:
        provider = DockerProvider(scope, ProviderOptions(), root, os.environ)
        body = Workload(image=IMAGE, network_mode="host", entrypoint=("sleep", "infinity"), init=True)
        name = scope.instance_name("switch", Slot.BLUE, 1, 1)
        made = provider.create_instance(
            InstanceSpec(name, service("switch"), body, Slot.BLUE, 1, IMAGE, {}, ())
        )
        provider.start(made)
        yield Way(provider.script, made)
        provider.close()
