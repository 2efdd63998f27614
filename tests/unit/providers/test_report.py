"""What an engine takes of those who make a container by hand, and no spec may say."""

import copy
from typing import Any

import pytest

from sutazai.model.workload import Workload
from sutazai.plan.compare import Wanted, compare
from sutazai.providers.docker.report import Context, from_engine
from sutazai.providers.names import Names
from sutazai.state.observed import Instance
from unit.providers.test_look import CONTAINER, SCOPE

RANGE = {"80/tcp": [{"HostIp": "", "HostPort": "8000-8010"}], "81/tcp": [{"HostIp": "", "HostPort": "81"}]}
ODD: dict[str, tuple[dict[str, Any], dict[str, Any], Any]] = {
    "stop_grace_period": ({"StopTimeout": -1}, {}, "10s"),
    "restart": ({}, {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 10**11}}, "on-failure"),
    "healthcheck": ({"Healthcheck": {"Test": ["true"], "Retries": 3}}, {}, {"test": ["CMD", "true"]}),
    "ports": ({}, {"PortBindings": RANGE}, ["8000:80", "81:81"]),
}
"""Field → what the engine says in `Config` and in `HostConfig`, and what a spec says."""


def made_by_hand(name: str, image: dict[str, Any]) -> Instance:
    container = copy.deepcopy(CONTAINER)
    config, host, _ = ODD[name]
    container["Config"] |= config
    container["HostConfig"] |= host
    return from_engine(container, image, Context(Names(SCOPE), {}))


@pytest.mark.parametrize("name", ODD)
def test_what_no_spec_may_say_is_reported_and_differs(name: str) -> None:
    instance = made_by_hand(name, {})
    wanted = Workload.model_validate({name: ODD[name][2]})
    (found,) = compare(Wanted(wanted, wanted), instance)
    assert (found.path[0], found.drift) == (name, True)
    assert compare(Wanted(Workload(), None), instance) == ()
    assert instance.body.networks.keys() == {"fleet"}
    usual = Workload.model_fields[name].get_default()
    assert getattr(instance.body, name) == (10 if name == "stop_grace_period" else usual)


@pytest.mark.parametrize("name", ODD)
def test_what_an_image_says_that_no_spec_may_say_is_there_by_itself(name: str) -> None:
    instance = made_by_hand(name, {"Config": ODD[name][0]})
    if ODD[name][0]:
        was = Workload.model_validate({name: ODD[name][2]})
        assert compare(Wanted(Workload(), was), instance) == ()


def test_a_mount_of_a_type_that_no_spec_may_say_is_reported_and_differs() -> None:
    """As of an image, which Docker 28 takes."""
    container = copy.deepcopy(CONTAINER)
    mounts = [{"Type": "image", "Source": "shop/it:1", "Target": "/it"}, {"Type": "tmpfs", "Target": "/tmp"}]
    container["HostConfig"] |= {"Mounts": mounts}
    instance = from_engine(container, {}, Context(Names(SCOPE), {}))
    assert [mount.target for mount in instance.body.volumes] == ["/it", "/tmp"]
    wanted = Workload.model_validate({"volumes": ["data:/it", {"type": "tmpfs", "target": "/tmp"}]})
    assert {found.path[:2] for found in compare(Wanted(wanted, wanted), instance)} == {("volumes", "/it")}
