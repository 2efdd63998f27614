"""Normal forms of fields, and ports, each alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.address import agent
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload, declared
from sutazai.plan.compare import normal
from sutazai.plan.normal import FORMS, expose, number
from sutazai.plan.ports import HostPort, chosen_by_docker, held_port, host_ports, port_sides


def workload(**body: Any) -> Workload:
    return Workload.model_validate(body)


def test_a_copy_has_a_form_of_its_own() -> None:
    first = workload(image="a", environment={"A": "1"})
    assert first.form == {"image": "a", "environment": {"A": "1"}}
    assert first.form is first.form
    other = first.model_copy(update={"image": "b"})
    assert other.form["image"] == "b"
    assert first.form["image"] == "a"
    fleet = Fleet(project="p", environment="e", agents={"x": first})
    assert list(fleet.workloads()) == [(agent("x"), first)]
    assert list(fleet.model_copy(update={"agents": {"y": other}}).workloads()) == [(agent("y"), other)]
    assert declared(first) == first.form
    assert first == workload(image="a", environment={"A": "1"})


SPELLED: list[tuple[str, Any, Any]] = [
    ("capabilities", ["cap_add", ["net_admin", "CAP_SYS_TIME", "NET_ADMIN"]], ["NET_ADMIN", "SYS_TIME"]),
    ("security", ["security_opt", ["label=x:y", "no-new-privileges:false"]], ["label:x:y", "no-new-privileges:false"]),
    ("devices", ["devices", [{"source": "/b", "target": "/c", "permissions": "wr"}, {"source": "/a", "target": "/a"}]],
     ["/a:/a:mrw", "/b:/c:rw"]),
    ("tmpfs", ["tmpfs", ["/run", "/x:size=1,mode=7", "/y:"]], {"/run": "", "/x": "mode=7,size=1", "/y": ""}),
    ("tmpfs", ["tmpfs", ["/run/", "/a//b/../c:size=1"]], {"/run": "", "/a/c": "size=1"}),
    ("volumes", ["volumes", [{"target": "//a/./b/"}, {"target": "x/"}]], {"/a/b": {}, "x/": {}}),
    ("volumes", ["volumes", [{"target": "/a//", "source": "x"}, {"target": "/", "read_only": True}]],
     {"/a": {"source": "x"}, "/": {"read_only": True}}),
    ("configs", ["configs", [{"source": "x"}, {"source": "y", "target": "/t/", "uid": "1", "gid": "2", "mode": 0}]],
     {"x": {"target": "/x", "uid": "0", "gid": "0", "mode": 0o444}, "y": {"target": "/t", "uid": "1", "gid": "2", "mode": 0}}),
    ("environment", ["environment", {"A": "", "B": None}], {"A": "", "B": None}),
    ("networks", ["networks", {"n": {"aliases": ["b", "a", "b"], "link_local_ips": ["2", "1"], "ipv4_address": "x"}}],
     {"n": {"aliases": ["a", "b"], "link_local_ips": ["1", "2"], "ipv4_address": "x"}}),
    ("networks", ["networks", {"n": {"mac_address": "02-42-0A-D5-07-4f", "ipv6_address": "FD00:0::0050", "ipv4_address": None}}],
     {"n": {"mac_address": "02:42:0a:d5:07:4f", "ipv6_address": "fd00::50", "ipv4_address": None}}),
    ("hosts", ["extra_hosts", {"db": ["2", "1"]}], {"db": ["1", "2"]}),
    ("entrypoint", ["entrypoint", [""]], []),
    ("entrypoint", ["entrypoint", ["", "x"]], ["", "x"]),
    ("restart", ["restart", "on-failure:0"], "on-failure"),
    ("signal", ["stop_signal", "sigterm"], "TERM"),
    ("healthcheck", ["healthcheck", {"disable": True, "test": ["CMD", "x"]}], {"test": ["NONE"]}),
    ("healthcheck", ["healthcheck", {"test": ["NONE"], "interval": 1.0}], {"test": ["NONE"]}),
    ("healthcheck", ["healthcheck", {"disable": False, "interval": 2.0, "timeout": 1.5}], {"interval": 2, "timeout": 1.5}),
    ("deploy", ["deploy", {"replicas": 2, "labels": {"a": "b"}, "resources": {"limits": {"cpus": 1.0, "memory": 5}}}],
     {"resources": {"limits": {"cpus": 1, "memory": 5}}}),
    ("deploy", ["deploy", {"replicas": 2}], {}),
    ("working_dir", ["working_dir", "/"], "/"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "given", "normal"), SPELLED)
def test_normal_forms(form: str, given: tuple[str, Any], normal: Any) -> None:
    field, value = given
    assert FORMS[field][1](value) == normal, form


@pytest.mark.parametrize(
    ("value", "same"),
    [(0.1 + 0.2, 0.3), (1.0, 1), (1e-10, 0), (123456789.123456789, 123456789.123456789), (True, True), ("1.0", "1.0"), (None, None)],
)  # fmt: skip
def test_numbers_to_nine_digits(value: Any, same: Any) -> None:
    assert number(value) == same
    assert type(number(value)) is type(same)
    assert number(0.1234567894) != number(0.1234567896)


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 3), st.sampled_from(["", "/tcp", "/udp"]))))
def test_exposed_ports_are_sorted_and_written_out(ranges: list[tuple[int, int, str]]) -> None:
    written = [f"{first}-{first + more}{protocol}" for first, more, protocol in ranges]
    found = expose(written)
    assert found == sorted(set(found), key=lambda text: (int(text.split("/")[0]), text))
    assert set(found) == {
        f"{first + n}{protocol or '/tcp'}" for first, more, protocol in ranges for n in range(more + 1)
    }
    assert expose(found) == found


# Ports


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (("", 80, "tcp"), ("", 80, "tcp"), True),
        (("", 80, "tcp"), ("10.0.0.1", 80, "tcp"), True),
        (("::", 80, "tcp"), ("0.0.0.0", 80, "tcp"), True),
        (("10.0.0.1", 80, "tcp"), ("10.0.0.1", 80, "tcp"), True),
        (("10.0.0.1", 80, "tcp"), ("10.0.0.2", 80, "tcp"), False),
        (("", 80, "tcp"), ("", 81, "tcp"), False),
        (("", 80, "tcp"), ("", 80, "udp"), False),
    ],
)
def test_which_ports_clash(one: tuple[str, int, str], other: tuple[str, int, str], clash: bool) -> None:
    assert HostPort(*one).clashes(HostPort(*other)) is clash
    assert HostPort(*other).clashes(HostPort(*one)) is clash


def test_host_ports_are_those_asked_for_by_number() -> None:
    body = workload(
        ports=["80", "9000:90", "127.0.0.1:53:53/udp", "[::]:81:81"], route={"port": 8000, "target": 8}
    )
    assert [str(port) for port in host_ports(body)] == [
        "*:9000",
        "127.0.0.1:53/udp",
        "*:81",
        "127.0.0.1:8000",
    ]
    assert chosen_by_docker(body) == ("80/tcp",)
    assert host_ports(workload(route={"port": 1, "target": 2, "bind": "0.0.0.0"})) == (
        HostPort("", 1, "tcp"),
    )
    assert host_ports(workload()) == ()
    assert held_port("::", 1, "udp") == HostPort("", 1, "udp")
    assert held_port("10.0.0.1", 1, "tcp") == HostPort("10.0.0.1", 1, "tcp")


ROUTE = {"port": 8000, "target": 80, "bind": "127.0.0.1"}
CARRIER = {"target": 80, "published": 8000, "host_ip": "127.0.0.1"}
OTHER = {"target": 90, "published": 9000}


@pytest.mark.parametrize(
    ("want", "past", "have", "before", "after", "was"),
    [
        ({}, {}, [OTHER], {}, {}, {}),
        ({"ports": [OTHER, OTHER]}, {}, [OTHER], {"ports": ["9000:90/tcp"]}, {"ports": ["9000:90/tcp"]}, {"ports": []}),
        ({}, {"ports": [OTHER]}, [OTHER], {"ports": ["9000:90/tcp"]}, {"ports": []}, {"ports": ["9000:90/tcp"]}),
        ({"route": ROUTE}, {}, [CARRIER, OTHER],
         {"ports": ["9000:90/tcp"], "route": ROUTE}, {"ports": [], "route": ROUTE}, {"ports": []}),
        ({"route": {"port": 8000, "target": 80}}, {"route": ROUTE}, [CARRIER],
         {"ports": [], "route": ROUTE}, {"ports": [], "route": ROUTE}, {"ports": [], "route": ROUTE}),
        ({"route": {**ROUTE, "port": 1}}, {"route": ROUTE}, [CARRIER],
         {"ports": [], "route": ROUTE}, {"ports": [], "route": {**ROUTE, "port": 1}}, {"ports": [], "route": ROUTE}),
        ({}, {"route": ROUTE}, None, {"ports": []}, {"ports": []}, {"ports": [], "route": ROUTE}),
    ],
)  # fmt: skip
def test_ports_and_route_are_compared_together(
    want: Any, past: Any, have: Any, before: Any, after: Any, was: Any
) -> None:
    found = port_sides(want, past, {"ports": have})
    assert (found.before, found.after, found.past) == (before, after, was)


# What no container reports


@pytest.mark.parametrize(
    ("declared_fields", "form"),
    [
        ({"volumes": [{"target": "/x", "consistency": "cached"}]}, {"volumes": {"/x": {}}}),
        ({"volumes": [{"target": "/x", "bind": {"create_host_path": True}}]}, {"volumes": {"/x": {}}}),
        ({"volumes": [{"target": "/x", "bind": {"create_host_path": True, "propagation": "rshared"}}]},
         {"volumes": {"/x": {"bind": {"propagation": "rshared"}}}}),
        ({"volumes": [{"target": "/x", "bind": {}}]}, {"volumes": {"/x": {"bind": {}}}}),
        ({"networks": {"n": {"priority": 1}}}, {"networks": {"n": {}}}),
        ({"deploy": {"labels": {"a": "b"}, "resources": {"reservations": {"cpus": 1, "pids": 1}}}}, {}),
        ({"deploy": {"resources": {"limits": {"cpus": 1}, "reservations": {"cpus": 1}}}},
         {"deploy": {"resources": {"limits": {"cpus": 1}}}}),
        ({"healthcheck": {}}, {}),
        ({"environment": {}}, {"environment": {}}),
        ({"user": None, "checks": [], "configs": [{"source": "x"}]}, {}),
    ],
)  # fmt: skip
def test_what_no_container_reports_is_left_out(declared_fields: dict[str, Any], form: dict[str, Any]) -> None:
    assert normal(declared_fields, declared_fields.keys() & FORMS.keys()) == form
