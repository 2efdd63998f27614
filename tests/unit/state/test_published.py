"""Which host ports a container takes."""

from typing import Any

import pytest

from sutazai.model.workload import Workload
from sutazai.state.published import published_ports, wanted_ports
from unit.plan.world import fleet_of

ROUTE = {"port": 8000, "target": 80, "bind": "127.0.0.1"}


@pytest.mark.parametrize(
    ("port", "publishes_the_route"),
    [
        ("8000:80", True),
        ("0.0.0.0:8000:80", True),
        ("127.0.0.1:8000:80", True),
        ("10.0.0.1:8000:80", False),
        ("8000:80/udp", False),
        ("8000:81", False),
        ("8001:80", False),
        ("80", False),
    ],
)
def test_a_route_is_published_beside_the_ports_unless_one_of_them_does(
    port: str, publishes_the_route: bool
) -> None:
    body: dict[str, Any] = {"image": "i", "ports": [port], "route": ROUTE}
    workload = Workload.model_validate(body)
    own = [(p.host_ip, p.published, p.target, p.protocol) for p in published_ports(workload)[1:]]
    assert published_ports(workload)[:1] == workload.ports
    assert own == ([] if publishes_the_route else [("127.0.0.1", 8000, 80, "tcp")])
    wanted = wanted_ports(fleet_of({"a": body}))
    assert (("127.0.0.1", 8000, "tcp") in wanted) == (not publishes_the_route or "127" in port)


def test_what_the_switch_carries_no_container_publishes() -> None:
    workload = Workload.model_validate({"image": "i", "route": {**ROUTE, "switched": True}})
    assert published_ports(workload) == ()
