"""One thing said in two ways is one thing: no unit, order or short form is ever a difference, and a real one always is."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.address import Address, Kind, agent, network, volume
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet
from sutazai.plan.change import Action, Reason
from sutazai.plan.normal import FORMS, expose, port_text
from sutazai.state.observed import Reported
from unit.plan.world import applied, change_in, change_to, fleet_of, plan_for

A = agent("a")


def limits(**values: Any) -> dict[str, Any]:
    return {"deploy": {"resources": {"limits": values}}}


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *((limits(memory="64m"), limits(memory=text)) for text in (67108864, "67108864", "64MiB", "64 mb", "0.0625g", "65536K")),
    *((limits(memory="1e9"), limits(memory=text)) for text in (1e9, 1000000000, "1E+9")),
    *((limits(memory="512m"), limits(memory=text)) for text in (".5g", "512.m", "524288k")),
    (limits(memory="1pb"), limits(memory="1024t")),
    *((limits(cpus="0.50"), limits(cpus=text)) for text in (0.5, ".5", "0.5")),
    ({"stop_grace_period": "90s"}, {"stop_grace_period": "1m30s"}),
    ({"stop_grace_period": "1.5s"}, {"stop_grace_period": "1500ms"}),
    ({"stop_grace_period": "1w"}, {"stop_grace_period": "7d"}),
    ({"stop_grace_period": ".5s"}, {"stop_grace_period": "500000\u03bcs"}),
    ({"healthcheck": {"test": "true", "interval": "60s"}}, {"healthcheck": {"test": ["CMD-SHELL", "true"], "interval": "1m"}}),
    ({"ports": ["127.0.0.1:8000-8001:80-81", "53:53/udp"]},
     {"ports": [{"target": 53, "published": "53", "protocol": "udp"}, "127.0.0.1:8001:81",
                {"target": 80, "published": 8000, "host_ip": "127.0.0.1"}]}),
    ({"ports": ["0.0.0.0:8000:80"]}, {"ports": ["8000:80/tcp"]}),
    ({"ports": ["8000:80/TCP"]}, {"ports": ["8000:80"]}),
    ({"ports": ["::1:8000:80"]}, {"ports": ["[::1]:8000:80"]}),
    *(({"ports": [port]}, {"ports": [80]}) for port in ("0:80", {"target": 80, "published": 0}, {"target": 80, "published": ""})),
    ({"volumes": ["data:/data:ro"]}, {"volumes": [{"type": "volume", "source": "data", "target": "/data/", "read_only": True}]}),
    ({"environment": ["MODE=fast", "PORT=8080"]}, {"environment": {"PORT": 8080, "MODE": "fast"}}),
    ({"environment": {"DEBUG": True}}, {"environment": ["DEBUG=true"]}),
    ({"extra_hosts": ["db:10.0.0.1", "six=::1"]}, {"extra_hosts": {"six": "::1", "db": ["10.0.0.1"]}}),
    ({"labels": ["team=core", "flag"]}, {"labels": {"flag": "", "team": "core"}}),
    ({"cap_add": ["NET_ADMIN", "sys_time"]}, {"cap_add": ["CAP_SYS_TIME", "CAP_NET_ADMIN"]}),
    ({"security_opt": ["no-new-privileges:true", "seccomp=unconfined"]},
     {"security_opt": ["seccomp:unconfined", "no-new-privileges"]}),
    *(({"security_opt": [f"no-new-privileges:{on}"]}, {"security_opt": ["no-new-privileges"]}) for on in ("1", "t", "TRUE")),
    *(({"security_opt": [f"no-new-privileges={off}"]}, {"security_opt": ["no-new-privileges:false"]}) for off in ("0", "F")),
    ({"devices": ["/dev/null"]}, {"devices": ["/dev/null:/dev/null:mrw"]}),
    ({"devices": [{"source": "/dev/null"}]}, {"devices": ["/dev/null"]}),
    ({"expose": ["80", "81"]}, {"expose": ["81"]}),  # the image exposes 80
    ({"expose": ["3000-3002", "53/udp"]}, {"expose": ["53/udp", "3002", "3001/tcp", "3000"]}),
    ({"tmpfs": "/run:size=64m,mode=1777"}, {"tmpfs": ["/run:mode=1777,size=64m"]}),
    *(({"ulimits": {"nofile": n}}, {"ulimits": {"nofile": {"soft": 1024, "hard": 1024}}}) for n in (1024, "1024")),
    ({"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"mode": "1777"}}]},
     {"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"mode": 0o1777}}]}),
    ({"shm_size": "64M"}, {"shm_size": 67108864}),
    ({"stop_signal": "SIGTERM"}, {"stop_signal": "term"}),
    ({"command": "run --name 'a b'"}, {"command": ["run", "--name", "a b"]}),
    ({"entrypoint": []}, {"entrypoint": [""]}),
    ({"working_dir": "/srv/"}, {"working_dir": "/srv"}),
    ({"working_dir": "//srv/../opt//a"}, {"working_dir": "/opt/a"}),
    *(({name: ""}, {}) for name in ("user", "working_dir", "hostname", "stop_signal", "platform", "pid", "ipc")),
    ({"logging": {"driver": ""}}, {"logging": {}}),
    ({"shm_size": 0}, {}),
    (limits(pids=-1), limits(pids=0)),
    ({"ports": ["80", "0.0.0.0::80/tcp"]}, {"ports": [80]}),  # a port that Docker chooses, asked for twice
    ({"extra_hosts": {"six": "[::1]", "two": ["[::2]", "10.0.0.1"]}}, {"extra_hosts": ["six=::1", "two=10.0.0.1", "two:::2"]}),
    ({"healthcheck": {"test": "true", "interval": 0, "timeout": "0s", "start_period": 0, "retries": 0}},
     {"healthcheck": {"test": "true"}}),
    ({"healthcheck": {"test": []}}, {}),
    ({"restart": "on-failure"}, {"restart": "on-failure:00"}),
    ({"restart": "on-failure:7"}, {"restart": "on-failure:007"}),
    ({"networks": ["fleet"]}, {"networks": {"fleet": None}}),
    ({"networks": {"fleet": {"aliases": ["x", "y"]}}}, {"networks": {"fleet": {"aliases": ["y", "x"]}}}),
    ({"healthcheck": {"disable": True}}, {"healthcheck": {"test": ["NONE"]}}),
    ({"configs": [{"source": "settings", "target": "etc/s"}]}, {"configs": [{"source": "settings", "target": "//etc/s"}]}),
    ({"configs": ["settings"]}, {"configs": [{"source": "settings", "target": "/settings", "uid": 0, "gid": "0", "mode": "0444"}]}),
    ({"depends_on": ["b"]}, {"depends_on": {"b": {"required": True, "restart": False}}}),
    ({"build": "ctx"}, {"build": {"context": "ctx", "dockerfile": "Dockerfile", "args": {}, "labels": []}}),
    ({"checks": [{"kind": "ping", "port": 80}]}, {"checks": [{"name": "ping", "kind": "ping", "port": 80, "phase": "readiness"}]}),
    ({"lifecycle": {}}, {"lifecycle": {"prevent_destroy": False, "ignore_changes": []}}),
    ({"deploy": {}}, {"deploy": {"labels": {}, "replicas": 1}}),
    ({"ports": [80]}, {"ports": [{"target": 80, "mode": "ingress"}]}),
    ({"volumes": ["/srv:/srv"]},
     {"volumes": [{"type": "bind", "source": "/srv", "target": "/srv", "bind": {"create_host_path": True}}]}),
    ({"networks": ["fleet"]}, {"networks": {"fleet": {"priority": 0, "aliases": []}}}),
    *(({"route": {"port": 1, "target": 2, "switched": on}},
       {"route": {"port": 1, "target": 2, "switched": on, "protocol": "http", "bind": "127.0.0.1"}}) for on in (True, False)),
]  # fmt: skip
TABLES: dict[str, Any] = {
    "networks": {"fleet": {}}, "volumes": {"data": {}}, "configs": {"settings": {"content": "x"}},
}  # fmt: skip


def _id(body: object) -> str:
    """A test whose name pytest writes with an escape is not found again by that name, which mutmut does."""
    return str(body).replace("μ", "micro")


@pytest.mark.parametrize(("one", "other"), [*SAME, *((b, a) for a, b in SAME)], ids=_id)
def test_another_spelling_touches_no_container(one: dict[str, Any], other: dict[str, Any]) -> None:
    plan = change_to(fleet_of({"a": one}, **TABLES), fleet_of({"a": other}, **TABLES))
    assert [change.fields for change in plan.actions if change.address == A] == []
    assert plan.drift == ()


@pytest.mark.parametrize("field", ["network_mode", "pid", "ipc"])
def test_a_container_of_others_is_the_one_that_was_named_whatever_the_engine_calls_it(field: str) -> None:
    identity, other = "1bb672882b2f" * 5, "2cc672882b2f" * 5

    def plan(asked: str, there: str, called: str, past: str = "") -> Any:
        fleet = fleet_of({"a": {field: f"container:{asked}"}})
        observed, state = applied(fleet_of({"a": {field: f"container:{past or asked}"}}))
        (one,) = observed.instances
        body = one.body.model_copy(update={field: f"container:{there}"})
        found = replace(one, reported=Reported.of(body), lenders={there: called})
        return plan_for(fleet, replace(observed, instances=(found,)), state)

    for asked in ("vpn", identity, identity[:12]):
        same = plan(asked, identity, "vpn")
        assert (same.actions, same.drift) == ((), ())
    for asked, there, called in (
        ("vpn", other, "another"),
        ("vpn", other, ""),
        (identity[:12], other, "vpn"),
    ):
        (changed,) = plan(asked, there, called).actions
        assert [(one.path, one.before) for one in changed.fields] == [((field,), f"container:{there}")]
    moved = plan("vpn", identity, "proxy", past="proxy")
    assert [[one.path for one in change.fields] for change in moved.actions] == [[(field,)]]
    assert moved.drift == ()


DIFFERENT: list[tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    ({"expose": ["3000-3001"]}, {"expose": ["3000-3002"]}, ("expose",)),
    ({"expose": ["53/udp"]}, {"expose": ["53/tcp"]}, ("expose",)),
    ({"ports": ["53:53/udp"]}, {"ports": ["53:53/tcp"]}, ("ports",)),
    ({"ports": ["127.0.0.1:53:53"]}, {"ports": ["127.0.0.2:53:53"]}, ("ports",)),
    ({"security_opt": ["no-new-privileges:true"]}, {"security_opt": ["no-new-privileges:false"]}, ("security_opt",)),
    ({"devices": ["/dev/null::r"]}, {"devices": ["/dev/null::rw"]}, ("devices",)),
    ({"command": ["a b"]}, {"command": ["a", "b"]}, ("command",)),
    ({"dns": ["1.1.1.1", "8.8.8.8"]}, {"dns": ["8.8.8.8", "1.1.1.1"]}, ("dns",)),
    ({"environment": {"A": ""}}, {"environment": {"A": None}}, ("environment", "A")),
    ({"route": {"port": 1, "target": 2}}, {"route": {"port": 1, "target": 3}}, ("route", "target")),
    ({"ports": [80]}, {"ports": [{"target": 80, "mode": "host"}]}, ("ports", "80/tcp", "mode")),
    ({"depends_on": ["b"]}, {"depends_on": {"b": {"required": False}}}, ("depends_on", "b", "required")),
    ({"rollout": {}}, {"rollout": {"max_parallel": 1}}, ("rollout", "max_parallel")),
]  # fmt: skip


@pytest.mark.parametrize("place", [0, 1])
def test_each_place_of_a_config_that_is_at_two_is_compared(place: int) -> None:
    def of(*targets: str) -> Fleet:
        grants = [{"source": "settings", "target": target} for target in targets]
        return fleet_of({"a": {"configs": grants}}, **TABLES)

    moved = ["/etc/a", "/etc/b"]
    moved[place] = "/srv/c"
    change = change_in(change_to(of("/etc/a", "/etc/b"), of(*moved)), A)
    gone = ("/etc/a", "/etc/b")[place]
    assert [field.path for field in change.fields] == [
        ("configs", "settings", gone), ("configs", "settings", "/srv/c"),
    ]  # fmt: skip
    assert change_to(of("/etc/a", "/etc/b"), of("/etc/b", "/etc/a")).actions == ()
    assert change_in(change_to(of("/etc/a"), of("/etc/a", "/etc/b")), A).fields


@pytest.mark.parametrize(("one", "other", "path"), DIFFERENT, ids=str)
def test_what_only_looks_alike_differs(
    one: dict[str, Any], other: dict[str, Any], path: tuple[str, ...]
) -> None:
    change = change_in(change_to(fleet_of({"a": one}), fleet_of({"a": other})), A)
    assert [field.path for field in change.fields] == [path]


def test_the_forms_themselves() -> None:
    assert expose(["3000-3002", "53/udp", "22"]) == ["22/tcp", "53/udp", "3000/tcp", "3001/tcp", "3002/tcp"]
    assert port_text({"target": 80}) == "80/tcp"
    assert port_text({"target": 80, "protocol": "udp", "host_ip": "::"}) == "80/udp"
    assert port_text({"target": 80, "host_ip": "10.0.0.1"}) == "10.0.0.1::80/tcp"
    assert port_text({"target": 80, "host_ip": "10.0.0.1", "published": 8000}) == "10.0.0.1:8000:80/tcp"
    security = FORMS["security_opt"][1]
    assert security(["no-new-privileges:true", "apparmor=x"]) == ["apparmor:x", "no-new-privileges"]


@pytest.mark.parametrize(
    ("limit", "effect"), [("cpus", Effect.REPLACE), ("memory", Effect.REPLACE), ("pids", Effect.IN_PLACE)]
)
def test_what_a_limit_costs_to_take_away(limit: str, effect: Effect) -> None:
    change = change_in(
        change_to(
            fleet_of({"a": limits(**{limit: 1 << 30 if limit == "memory" else 2})}), fleet_of({"a": {}})
        ),
        A,
    )
    assert [field.effect for field in change.fields] == [effect]


# Words that a reader decides by


def test_what_is_kept_and_forgotten_says_so() -> None:
    external = {"networks": {"fleet": {"external": True}}}
    fleet = fleet_of(
        {"a": {"networks": ["fleet"], "volumes": ["data:/data"]}}, volumes={"data": {}}, **external
    )
    observed, state = applied(fleet)
    destroy = plan_for(fleet, observed, state, kind="destroy")
    kept = change_in(destroy, volume("data"))
    assert (kept.action, kept.detail) == (
        Action.NOOP,
        "kept: volumes are destroyed by destroy --volumes only",
    )
    gone = plan_for(fleet_of({}), observed, state)
    assert change_in(gone, volume("data")).detail == (
        "no longer declared; kept, since volumes are destroyed by destroy --volumes only"
    )
    assert change_in(destroy, A).detail == ""


def test_an_update_names_what_is_only_recorded_beside_what_is_done() -> None:
    change = change_in(change_to(
        fleet_of({"a": {"restart": "no"}, "b": {}}), fleet_of({"a": {"restart": "always", "depends_on": ["b"]}, "b": {}})
    ), A)  # fmt: skip
    assert (change.reason, change.detail) == (Reason.CHANGED, "restart; depends_on")


def test_drift_of_a_network_names_its_fields() -> None:
    fleet = fleet_of(
        {"a": {"networks": ["fleet"]}}, networks={"fleet": {"labels": {"a": "1"}, "internal": True}}
    )
    observed, state = applied(fleet)
    there = observed.networks["fleet"]
    body = there.body.model_copy(update={"labels": {"a": "2"}, "internal": False})
    (drift,) = plan_for(fleet, replace(observed, networks={"fleet": replace(there, body=body)}), state).drift
    assert (drift.address, [field.path for field in drift.fields]) == (
        network("fleet"),
        [("internal",), ("labels", "a")],
    )


def test_an_empty_driver_is_the_usual_one() -> None:
    def fleet(**options: Any) -> Any:
        body = {"networks": ["fleet"], "volumes": ["data:/d"]}
        return fleet_of({"a": body}, networks={"fleet": options}, volumes={"data": options})

    assert change_to(fleet(), fleet(driver="")).actions == ()
    assert change_to(fleet(driver=""), fleet(driver="")).drift == ()


def test_a_variable_that_is_not_to_be_is_no_longer_the_images() -> None:
    image = {"environment": {"OTHER": "1"}}
    without = {"environment": {"OTHER": "1", "LANG": None}}
    for old, new in ((image, without), (without, image)):
        (field,) = change_in(change_to(fleet_of({"a": old}), fleet_of({"a": new})), A).fields
        assert (field.path, field.drift) == (("environment", "LANG"), False)
    assert change_to(fleet_of({"a": without}), fleet_of({"a": without})).actions == ()
    nowhere = {"environment": {"OTHER": "1", "NOWHERE": None}}
    assert change_to(fleet_of({"a": image}), fleet_of({"a": nowhere})).actions == ()


def test_no_limit_of_processes_is_declared_too() -> None:
    """Who says that there is none sees it when somebody sets one."""
    plan = change_to(fleet_of({"a": limits(pids=50)}), fleet_of({"a": limits(pids=-1)}))
    assert [field.path for field in change_in(plan, A).fields] == [("deploy", "resources", "limits", "pids")]


def test_another_name_in_docker_is_refused() -> None:
    def fleet(**options: Any) -> Any:
        return fleet_of(
            {"a": {"networks": ["fleet"], "volumes": ["data:/d"]}},
            networks={"fleet": options},
            volumes={"data": options},
        )

    for options in ({"name": "other"}, {"external": True, "name": "other"}):
        found = [f for f in change_to(fleet(), fleet(**options)).findings if f.code == "object-renamed"]
        assert {finding.address for finding in found} == {
            Address(Kind.NETWORK, "fleet"),
            Address(Kind.VOLUME, "data"),
        }
        assert "it is called shop-local-fleet in Docker and would be other" in found[0].summary
    same = change_to(fleet(), fleet(name="shop-local-fleet"))
    assert not [f for f in same.findings if f.code == "object-renamed" and f.address == network("fleet")]
