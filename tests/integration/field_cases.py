"""For every field of a service body, nested ones too: what it is set to, what it is changed to, and how the plan shows it.

A case is three fragments of a body. `bare` is the body without the field (a mount that is not read-only), `first` with it,
`second` with another value. Cases of one group share one container, so they must not get in each other's way. `shows` is
where a plan shows the difference; `effect` what a change does, where the model's own `Effect` is not the whole truth.
`outside` says why nobody can change the field behind the engine's back, and is empty where one can: by making the container
anew by hand, under its name and with its labels, since Docker changes no more than limits, restart policy and networks of one
that is there.
"""

from dataclasses import dataclass, field
from typing import Any

from sutazai.model.base import Effect
from sutazai.model.checks import HOOK_NAMES

Fragment = dict[str, Any]
ENGINE, REPLACE = Effect.ENGINE, Effect.REPLACE
IMAGE, OTHER_IMAGE = "@IMAGE:1", "@IMAGE:2"
MIB = 1 << 20

NOT_IN_CONTAINERS = "no container has it: only the state knows it"
IN_OUR_LABELS = "it is one of our own labels, which whoever makes the container anew by hand keeps or forges"
NOT_REPORTED = "the engine does not report it, so it is compared with what was last applied"

IP, OTHER_IP, PORT, SUBNET4, SUBNET6 = "@IP1", "@IP2", "@PORT", "@NET4", "@NET6"
"""Placeholders, as `@IMAGE` is one: loopback addresses, a free port, subnets and images that one run of the tests has to itself."""


@dataclass(frozen=True, slots=True)
class Case:
    """`default`: the second value says what would be there anyway, so that taking it away changes nothing. `lifts`: the
    effect of taking the field away, where it is another than that of changing it."""

    leaf: str
    first: Fragment
    second: Fragment
    bare: Fragment = field(default_factory=dict)
    shows: str | tuple[str, ...] = ""
    effect: Effect | None = None
    outside: str = ""
    default: bool = False
    lifts: Effect | None = None

    @property
    def path(self) -> tuple[str, ...]:
        shows = self.shows or self.leaf.split(".*")[0]
        return shows if isinstance(shows, tuple) else tuple(shows.split("."))


@dataclass(frozen=True, slots=True)
class Group:
    """`applies` False: this engine or this version can't run it, so that it is planned only. `starts` False: a container
    can be made with it and not started here."""

    name: str
    cases: tuple[Case, ...]
    base: Fragment = field(default_factory=dict)
    applies: bool = True
    starts: bool = True


def _leaf(leaf: str, first: Any, second: Any, bare: Any = None, **more: Any) -> Case:
    """A case whose fragments are nothing but the value at the leaf."""

    def fragment(value: Any) -> Fragment:
        for word in reversed(leaf.split(".")):
            value = {word: value}
        return dict(value)

    return Case(leaf, fragment(first), fragment(second), {} if bare is None else fragment(bare), **more)


def _port(leaf: str, bare: Fragment, first: Any, second: Any, **more: Any) -> Case:
    def ports(value: Any) -> Fragment:
        return {"ports": [{**bare, leaf: value}]}

    return Case(
        f"ports.*.{leaf}", ports(first), ports(second), {"ports": [bare]}, **{"shows": "ports", **more}
    )


def _mount(leaf: str, bare: Fragment, first: Fragment, second: Fragment, **more: Any) -> Case:
    shows = ("volumes", bare["target"])
    volumes = ({"volumes": [{**bare, **part}]} for part in (first, second))
    return Case(f"volumes.*.{leaf}", *volumes, {"volumes": [bare]}, **{"shows": shows, **more})


def _member(leaf: str, first: Any, second: Any, **more: Any) -> Case:
    one, two = ({"networks": {"one": {leaf: value}}} for value in (first, second))
    return Case(f"networks.*.{leaf}", one, two, **{"shows": f"networks.one.{leaf}", **more})


def _device(leaf: str, first: Any, second: Any, bare: Fragment) -> Case:
    def devices(part: Fragment) -> Fragment:
        return {"deploy": {"resources": {"reservations": {"devices": [{**bare, **part}]}}}}

    shows = "deploy.resources.reservations.devices"
    path = f"{shows}.*.{leaf}"
    return Case(path, devices({leaf: first}), devices({leaf: second}), devices({}), shows=shows)


def _grant(kind: str, leaf: str, first: Any, second: Any, **more: Any) -> Case:
    name = f"{leaf}-file"

    def grants(part: Fragment) -> Fragment:
        return {kind: [{"source": name, "target": f"/etc/cases/{name}", **part}]}

    shows = ("configs", name) if kind == "configs" else (kind,)
    return Case(
        f"{kind}.*.{leaf}", grants({leaf: first}), grants({leaf: second}), grants({}), shows=shows, **more
    )


def _own(leaf: str, first: Any, second: Any, bare: Any = None, **more: Any) -> Case:
    """A field that only this engine reads."""
    return _leaf(leaf, first, second, bare, effect=ENGINE, outside=NOT_IN_CONTAINERS, **more)


def _check(leaf: str, first: Any, second: Any, **base: Any) -> Case:
    """Checks are a list and differ as a whole. They are of the phase that no run waits for."""
    bare = {"name": f"of-{leaf}", "kind": "ping", "port": 80, "phase": "liveness", **base}
    one, two = ({"checks": [{**bare, leaf: value}]} for value in (first, second))
    return Case(f"checks.*.{leaf}", one, two, {"checks": [bare]}, "checks", ENGINE, NOT_IN_CONTAINERS)


def _step(leaf: str, first: Any, second: Any) -> Case:
    one, two = ({"rollout": {"steps": [{leaf: value}]}} for value in (first, second))
    return Case(f"rollout.steps.*.{leaf}", one, two, {}, "rollout.steps", ENGINE, NOT_IN_CONTAINERS)


def _analysis(leaf: str, first: Any, second: Any) -> Case:
    one, two = ({"rollout": {"analysis": {leaf: {leaf: value}}}} for value in (first, second))
    shows = f"rollout.analysis.{leaf}.{leaf}"
    bare = {"rollout": {"analysis": {leaf: {}}}}
    return Case(f"rollout.analysis.*.{leaf}", one, two, bare, shows, ENGINE, NOT_IN_CONTAINERS)


def _hook(kind: str, leaf: str, first: Any, second: Any) -> Case:
    return _own(f"hooks.{kind}.{leaf}", first, second)


PROCESS = Group("process", (
    _leaf("command", ["1000"], ["2000"]),
    _leaf("entrypoint", ["/bin/sleep"], ["/usr/bin/sleep"]),
    _leaf("environment", {"MODE": "a", "FROM_IMAGE": "over"}, {"MODE": "b", "FROM_IMAGE": "again"}),
    _leaf("user", "0", "1"),
    _leaf("working_dir", "/opt", "/tmp/"),
    _leaf("hostname", "one", "two"),
    _leaf("expose", ["7000", "9000-9002", "53/udp"], ["9001/udp"]),
    _leaf("labels", {"team": "core", "more": "1"}, {"team": "edge"}),
    _leaf("healthcheck.test", "exit 0", ["CMD", "true"]),
    _leaf("healthcheck.interval", "500ms", "0.75s"),
    _leaf("healthcheck.timeout", "5s", "1m1s"),
    _leaf("healthcheck.retries", 4, 5),
    _leaf("healthcheck.start_period", "3s", "2000ms"),
    _leaf("dns", ["10.0.0.53", "10.0.0.54"], ["10.0.0.54", "10.0.0.53"]),
    _leaf("extra_hosts", ["db:10.0.0.1", "gate:host-gateway"], {"db": "10.0.0.2", "six": ["fd00::1"]}),
    _leaf("init", True, False, default=True),
    _leaf("stop_grace_period", "7s", "1500ms"),
    Case("logging.driver", {"logging": {"driver": "local"}}, {"logging": {"driver": "json-file"}}, default=True),
    _leaf("tier", "critical", "auxiliary", outside=IN_OUR_LABELS),
    _leaf("category", "data", "core", outside=IN_OUR_LABELS),
    _leaf("platform", "linux/amd64", "linux/amd64/v1", outside=NOT_REPORTED),
))  # fmt: skip

LIMITS = Group("limits", (
    _leaf("cap_add", ["NET_ADMIN", "CAP_SYS_TIME"], ["CAP_NET_ADMIN", "sys_ptrace"]),
    _leaf("cap_drop", ["ALL"], ["chown", "CAP_KILL"]),
    _leaf("security_opt", ["no-new-privileges:true"], ["seccomp=unconfined"]),
    _leaf("read_only", True, False, default=True),
    Case("devices.*.source", {"devices": ["/dev/null:/dev/one"]}, {"devices": ["/dev/zero:/dev/one"]}, shows="devices"),
    Case("devices.*.target", {"devices": ["/dev/null:/dev/two"]}, {"devices": ["/dev/null:/dev/three"]}, shows="devices"),
    Case("devices.*.permissions", {"devices": ["/dev/null:/dev/four:rw"]}, {"devices": ["/dev/null:/dev/four:r"]},
         {"devices": ["/dev/null:/dev/four"]}, shows="devices"),
    _leaf("sysctls", {"net.core.somaxconn": 512}, {"net.core.somaxconn": "1024"}),
    Case("ulimits.*.soft", {"ulimits": {"nofile": {"soft": 1000, "hard": 4000}}},
         {"ulimits": {"nofile": {"soft": 2000, "hard": 4000}}}, shows="ulimits.nofile"),
    Case("ulimits.*.hard", {"ulimits": {"core": 5}}, {"ulimits": {"core": {"soft": 5, "hard": 6}}}, shows="ulimits.core"),
    _leaf("shm_size", "16M", "33554432"),
    _leaf("tmpfs", ["/run:size=64m,mode=1777", "/scratch"], ["/run:mode=1777,size=32m"]),
    _leaf("restart", "on-failure:3", "always"),
    _leaf("deploy.resources.limits.cpus", "0.50", 0.5004, lifts=REPLACE),
    _leaf("deploy.resources.limits.memory", "64m", "96MiB", lifts=REPLACE),
    _leaf("deploy.resources.limits.pids", 64, 80),
    _leaf("deploy.resources.reservations.memory", "32M", str(40 * MIB), lifts=REPLACE),
    _own("deploy.resources.reservations.cpus", 0.1, "0.2"),
    _own("deploy.resources.reservations.pids", 5, 6),
    _own("deploy.labels", {"a": "1"}, {"a": "2"}),
    _own("pull_policy", "missing", "never"),
))  # fmt: skip

SIGNAL = Group("signal", (
    _leaf("stop_signal", "SIGUSR1", "sigusr2"),
    _leaf("healthcheck.disable", True, False, default=True, shows="healthcheck.test"),
    Case("logging.options", {"logging": {"options": {"max-size": "1m"}}}, {"logging": {"options": {"max-size": "2m"}}},
         {"logging": {"driver": "json-file"}}, shows="logging.options"),
    _leaf("image", IMAGE, OTHER_IMAGE, OTHER_IMAGE, default=True),
), base={"stop_grace_period": "1s"})  # fmt: skip

PORTS = Group("ports", (
    Case("ports.*.target", {"ports": [{"target": 81, "host_ip": IP}]}, {"ports": [{"target": 82, "host_ip": IP}]},
         shows="ports"),
    _port("published", {"target": 83, "host_ip": IP}, 21_001, 21_002),
    _port("host_ip", {"target": 84}, IP, OTHER_IP),
    _port("protocol", {"target": 85, "published": 21_003, "host_ip": IP}, "udp", "tcp", default=True),
    _port("mode", {"target": 86, "host_ip": IP}, "host", "ingress", effect=ENGINE, outside=NOT_REPORTED,
          default=True),
    _port("name", {"target": 87, "host_ip": IP}, "web", "api", effect=ENGINE, outside=NOT_REPORTED),
    _port("app_protocol", {"target": 88, "host_ip": IP}, "http", "grpc", effect=ENGINE, outside=NOT_REPORTED),
))  # fmt: skip

ROUTE = Group("route", (
    Case("route.port", {"route": {"port": 21_100, "target": 90, "bind": IP}},
         {"route": {"port": 21_101, "target": 90, "bind": IP}}, shows="route"),
))  # fmt: skip

ROUTED = Group("routed", (
    _leaf("route.target", 91, 92),
    _leaf("route.bind", IP, OTHER_IP),
    _leaf("route.protocol", "tcp", "http", effect=ENGINE, outside=NOT_REPORTED, default=True),
), base={"route": {"port": PORT, "target": 90}})  # fmt: skip

VOLUMES = Group("volumes", (
    Case("volumes.*.target", {"volumes": ["data:/one"]}, {"volumes": ["data:/two"]}, shows="volumes"),
    Case("volumes.*.type", {"volumes": [{"type": "volume", "source": "data", "target": "/three"}]},
         {"volumes": [{"type": "tmpfs", "target": "/three"}]}, shows=("volumes", "/three")),
    Case("volumes.*.source", {"volumes": ["data:/four"]}, {"volumes": ["more:/four"]}, {"volumes": ["/four"]},
         shows=("volumes", "/four")),
    Case("volumes.*.read_only", {"volumes": ["data:/five:ro"]}, {"volumes": ["data:/five:rw"]}, {"volumes": ["data:/five"]},
         shows=("volumes", "/five"), default=True),
    _mount("bind.propagation", {"type": "bind", "source": "/tmp", "target": "/six"}, {"bind": {"propagation": "private"}},
           {"bind": {"propagation": "rprivate"}}),
    _mount("bind.create_host_path", {"type": "bind", "source": "/tmp", "target": "/seven"},
           {"bind": {"create_host_path": False}}, {"bind": {"create_host_path": True}}, effect=ENGINE, outside=NOT_REPORTED,
           default=True),
    _mount("bind.selinux", {"type": "bind", "source": "/tmp", "target": "/eight"}, {"bind": {"selinux": "z"}},
           {"bind": {"selinux": "Z"}}),
    _mount("volume.nocopy", {"type": "volume", "source": "data", "target": "/nine"}, {"volume": {"nocopy": True}},
           {"volume": {"nocopy": False}}, default=True),
    _mount("tmpfs.size", {"type": "tmpfs", "target": "/ten"}, {"tmpfs": {"size": "8M"}}, {"tmpfs": {"size": 4 * MIB}}),
    _mount("tmpfs.mode", {"type": "tmpfs", "target": "/eleven"}, {"tmpfs": {"mode": 0o1770}}, {"tmpfs": {"mode": 0o755}}),
    _mount("consistency", {"type": "volume", "source": "data", "target": "/twelve"}, {"consistency": "cached"},
           {"consistency": "delegated"}, effect=ENGINE, outside=NOT_REPORTED),
))  # fmt: skip

CONFIGS = Group("configs", (
    Case("configs.*.source", {"configs": [{"source": "source-file", "target": "/etc/cases/same"}]},
         {"configs": [{"source": "other-file", "target": "/etc/cases/same"}]}, shows="configs"),
    _grant("configs", "target", "/etc/cases/there", "/etc/cases/elsewhere"),
    _grant("configs", "uid", "1000", "1001"),
    _grant("configs", "gid", "1000", 1001),
    _grant("configs", "mode", "0440", 0o400),
), base={"user": "0"})  # fmt: skip

MEMBERSHIP = Group("membership", (
    _member("aliases", ["db", "cache", "membership"], ["cache", "store", "membership"]),
    _member("ipv4_address", f"{SUBNET4}.9", f"{SUBNET4}.10"),
    _member("ipv6_address", f"{SUBNET6}::9", f"{SUBNET6}::10"),
    _member("link_local_ips", ["169.254.8.8"], ["169.254.8.9"]),
    _member("priority", 5, 6, effect=ENGINE, outside=NOT_REPORTED),
), base={"networks": {"one": {}}})  # fmt: skip

HARDWARE = Group("hardware", (
    _member("mac_address", "02:42:0a:d5:07:10", "02:42:0a:d5:07:11", effect=REPLACE),
), base={"networks": {"one": {}}})  # fmt: skip

MODES = Group("modes", (
    _leaf("network_mode", "none", "host"),
    _leaf("pid", "host", "service:peer"),
    _leaf("ipc", "shareable", "host"),
    _leaf("privileged", True, False, default=True),
))  # fmt: skip

REPLICAS = Group("replicas", (_leaf("deploy.replicas", 2, 3, outside="another test removes one by hand"),))

DEVICES = Group("devices", (
    _device("capabilities", ["gpu"], ["gpu", "compute"], {}),
    _device("driver", "nvidia", "other", {"capabilities": ["one"]}),
    _device("count", 2, "all", {"capabilities": ["two"]}),
    _device("device_ids", ["0"], ["1"], {"capabilities": ["three"]}),
    _device("options", {"a": "b"}, {"a": "c"}, {"capabilities": ["four"]}),
), starts=False)  # fmt: skip

OWN = Group("own", (
    _own("build.context", "images/a", "images/b"),
    _own("build.dockerfile", "One", "Two", shows="build.dockerfile"),
    _own("build.args", {"A": "1"}, {"A": "2"}),
    _own("build.target", "one", "two"),
    _own("build.labels", {"A": "1"}, {"A": "2"}),
    _own("build.platforms", ["linux/amd64"], ["linux/arm64"]),
    Case("depends_on.*.condition", {"depends_on": {"peer": {"condition": "service_started"}}},
         {"depends_on": {"peer": {"condition": "service_healthy"}}}, {"depends_on": {"peer": {}}}, "depends_on.peer", ENGINE,
         NOT_IN_CONTAINERS),
    Case("depends_on.*.required", {"depends_on": {"peer": {"required": False}}}, {"depends_on": {"peer": {"required": True}}},
         {"depends_on": {"peer": {}}}, "depends_on.peer", ENGINE, NOT_IN_CONTAINERS, default=True),
    Case("depends_on.*.restart", {"depends_on": {"peer": {"restart": True}}}, {"depends_on": {"peer": {"restart": False}}},
         {"depends_on": {"peer": {}}}, "depends_on.peer", ENGINE, NOT_IN_CONTAINERS, default=True),
    _check("name", "one", "two"),
    _check("kind", "http", "docker"),
    _check("phase", "startup", "readiness", kind="docker"),
    _check("interval", "3s", "4s"),
    _check("timeout", "3s", "4s"),
    _check("retries", 4, 5),
    _check("port", 81, 82),
    _check("path", "/a", "/b", kind="http"),
    _check("method", "HEAD", "POST", kind="http"),
    _check("scheme", "http", "https", kind="http"),
    _check("status", [201, 202], 204, kind="http"),
    _check("headers", {"A": "1"}, {"A": "2"}, kind="http"),
    _check("body", "a", "b", kind="http"),
    _check("expect_headers", {"A": "1"}, {"A": "2"}, kind="http"),
    _check("expect", {"$.a": 1}, {"$.a": 2}, kind="deep"),
    _check("requests", 10, 30, kind="performance"),
    _check("percentiles", {"p95": "1s"}, {"p95": "2s"}, kind="performance"),
    _check("min_throughput", 1, 2, kind="performance"),
    _check("targets", ["peer"], ["other"], kind="integration"),
    _own("rollout.strategy", "recreate", "rolling"),
    _own("rollout.max_parallel", 1, 2),
    _own("rollout.min_healthy_time", "100ms", "200ms"),
    _own("rollout.healthy_deadline", "60s", "2m"),
    _own("rollout.progress_deadline", "60s", "2m"),
    _own("rollout.auto_revert", True, False),
    _own("rollout.order", "stop-first", "start-first"),
    _own("rollout.drain_timeout", "1s", "2s"),
    _step("set_weight", 10, 20),
    _step("pause", "1s", "2s"),
    _step("analysis", "one", "two"),
    _own("rollout.fleet_canary.select", "a", "b"),
    _own("rollout.fleet_canary.bake_time", "1s", "2s"),
    _analysis("min_requests", 10, 20),
    _analysis("max_error_increase", 0.1, 0.2),
    _analysis("confidence", 0.9, 0.8),
    _analysis("baseline", "running", "fresh"),
    _analysis("max_latency_ratio", 2, 3),
    _analysis("interval", "1s", "2s"),
    _analysis("timeout", "1m", "2m"),
    _analysis("min_latency_increase", "20ms", "30ms"),
    _analysis("max_restarts", 1, 2),
    _analysis("max_failed_checks", 1, 2),
    _analysis("max_memory_growth", "1M", "2M"),
    _analysis("min_duration", "1s", "2s"),
    _analysis("inconclusive", "pause", "pass"),
    _own("lifecycle.prevent_destroy", True, False, default=True),
    _own("lifecycle.ignore_changes", ["user"], ["dns"]),
    _own("lifecycle.replace_triggered_by", ["agent.peer"], ["network.one"]),
    *(case for kind in HOOK_NAMES for case in (
        _hook(kind, "command", ["true"], ["false"]),
        _hook(kind, "image", IMAGE, OTHER_IMAGE),
        _hook(kind, "timeout", "1s", "2s"),
        _hook(kind, "user", "1", "2"),
        _hook(kind, "environment", {"A": "1"}, {"A": "2"}),
    )),
    _own("backup.kind", "volume", "command"),
    _own("backup.volume", "data", "more"),
    _own("backup.database", "a", "b"),
    _own("backup.user", "a", "b"),
    _own("backup.save", ["a"], ["b"]),
    _own("backup.restore", ["a"], ["b"]),
), base={
    "build": {"context": "images/none"}, "backup": {"kind": "redis"},
    "hooks": {kind: {"command": ["sync"]} for kind in HOOK_NAMES},
})  # fmt: skip

APART = Group("apart", (
    _own("rollout.fleet_canary.percent", 20, 30),
    _own("build.dockerfile_inline", "FROM a", "FROM b"),
    *(_hook(kind, "one_off", True, False) for kind in HOOK_NAMES),
), base={"build": {"context": "images/none"}, "hooks": {kind: {"command": ["true"]} for kind in HOOK_NAMES}})  # fmt: skip
"""What excludes a field that is in `own`."""

SWITCHED = Group("switched", (
    Case("route.switched", {"route": {"switched": True}}, {"route": {"switched": False}}, shows="route"),
), base={"route": {"port": 21_200, "target": 90, "bind": IP}}, applies=False)  # fmt: skip
"""There is no traffic switch in these rounds."""

PLANNED = Group("planned", (
    _leaf("healthcheck.start_interval", "1s", "2s"),
    _mount("volume.subpath", {"type": "volume", "source": "data", "target": "/d"}, {"volume": {"subpath": "a"}},
           {"volume": {"subpath": "b"}}),
    Case("secrets.*.source", {"secrets": ["source-file"]}, {"secrets": ["other-file"]}, shows="secrets"),
    _grant("secrets", "target", "one", "two", effect=REPLACE),
    _grant("secrets", "uid", "1", "2", effect=REPLACE),
    _grant("secrets", "gid", "1", "2", effect=REPLACE),
    _grant("secrets", "mode", "0400", "0440", effect=REPLACE),
), applies=False)  # fmt: skip

GROUPS = (
    PROCESS,
    LIMITS,
    SIGNAL,
    PORTS,
    ROUTE,
    ROUTED,
    VOLUMES,
    CONFIGS,
    MEMBERSHIP,
    HARDWARE,
    MODES,
    REPLICAS,
    DEVICES,
    OWN,
    APART,
    SWITCHED,
    PLANNED,
)
