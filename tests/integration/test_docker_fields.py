"""The law between making and reporting, on a real engine, for every field of a workload: what was made from
a declaration differs from it in nothing, what was made without it is at its defaults, and the two can be
told apart."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from sutazai.address import agent
from sutazai.errors import ProviderError
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet, Network, ProviderOptions, Volume
from sutazai.model.workload import NAMESPACES, Workload, declared, effect_of
from sutazai.plan.compare import Wanted, compare
from sutazai.ports import InstanceSpec
from sutazai.providers.docker.provider import DockerProvider
from sutazai.state.observed import Instance
from sutazai.state.scope import PREFIX, Scope, Slot, digest_of

pytestmark = pytest.mark.docker
IMAGE = "sutazai/agent-runtime:1.0"
MIB = 1 << 20

SAMPLES: dict[str, list[Any]] = {
    "image": [IMAGE],
    "command": [["--x", "a b"], "echo 'a b'"],
    "entrypoint": [["python3", "-S"], "/bin/sh -c"],
    "environment": [{"MODE": "x", "EMPTY": "", "EQ": "a=b=c", "AGENT_VERSION": "9"}, {"GONE": None}],
    "expose": [["8080"], ["9000-9002", "53/udp"]],
    "ports": [
        ["8080"],
        ["21901:8080", "127.0.0.1:21902:53/udp", "21903-21904:90-91"],
        [{"target": 8080, "published": "21905", "host_ip": "127.0.0.1", "mode": "host", "name": "web"}],
        ["127.0.0.1:21906:80", "127.0.0.1:21907:80"],
        ["8080", "0.0.0.0::8080/tcp"],
    ],
    "route": [{"port": 21_908, "target": 8080}, {"port": 21_909, "target": 8080, "bind": "0.0.0.0", "protocol": "tcp"}],
    "volumes": [
        ["data:/data"],
        ["data:/data:ro,nocopy", "/anonymous"],
        ["/tmp:/host", "/tmp:/host2:ro,rslave", "/tmp:/host3:z"],
        ["data:/labelled:Z", "data:/shared:ro,z"],
        [{"type": "bind", "source": "/tmp", "target": "/b", "bind": {"create_host_path": False, "propagation": "rslave"}}],
        [{"type": "bind", "source": "/tmp", "target": "/b", "read_only": True}],
        [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": "8M", "mode": 0o1770}}, {"type": "tmpfs", "target": "/u"}],
        [{"type": "volume", "source": "data", "target": "/d", "volume": {"nocopy": True}, "consistency": "cached"}],
    ],
    "tmpfs": ["/run", ["/run:size=64m,mode=1770", "/var/tmp"]],
    "networks": [
        ["one"],
        ["one", "two"],
        {"one": {"aliases": ["db", "cache"]}, "two": {"priority": 5}},
        {"one": {"ipv4_address": "10.213.7.9", "aliases": ["sample"]}},
        {"one": {"mac_address": "02:42:0a:d5:07:10"}},
        {"one": {"link_local_ips": ["169.254.8.8"]}},
    ],
    "restart": ["always", "unless-stopped", "on-failure", "on-failure:3", "on-failure:007"],
    "deploy": [
        {"resources": {"limits": {"cpus": "0.333", "memory": "64M", "pids": 33}}},
        {"resources": {"reservations": {"memory": "32M", "cpus": "0.1"}}},
        {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], "count": 1}]}}},
        {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], "count": "all"}]}}},
        {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}},
        {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], "driver": "nvidia", "device_ids": ["0"],
                                                     "options": {"a": "b"}}]}}},
    ],
    "healthcheck": [
        {"test": "true", "interval": "7s", "timeout": "1500ms", "retries": 4, "start_period": "3s"},
        {"test": ["CMD", "true"]},
        {"test": ["NONE"]},
        {"disable": True},
        {"interval": "7s", "retries": 4},
    ],
    "labels": [{"a": "b", "org.opencontainers.image.version": "9"}, ["c=d", "e"]],
    "user": ["1000:1000", "root"],
    "working_dir": ["/srv"],
    "hostname": ["box"],
    "dns": ["10.0.0.53", ["10.0.0.53", "10.0.0.54"]],
    "extra_hosts": [["db:10.0.0.1", "gate:host-gateway"], {"six": "fd00::1", "two": ["10.0.0.1", "10.0.0.2"], "one": "[::1]"}],
    "cap_add": [["NET_ADMIN", "CAP_SYS_TIME"], ["ALL"]],
    "cap_drop": [["ALL"], ["chown"]],
    "security_opt": [["no-new-privileges:true"], ["no-new-privileges", "seccomp=unconfined"]],
    "read_only": [True],
    "init": [True],
    "privileged": [True],
    "devices": [["/dev/null:/dev/nil:rw"], ["/dev/zero"]],
    "sysctls": [{"net.core.somaxconn": 512}],
    "ulimits": [{"nofile": {"soft": 1024, "hard": 2048}, "nproc": 99}],
    "shm_size": ["16M"],
    "stop_signal": ["SIGINT"],
    "stop_grace_period": ["7s", "1500ms", "1m30s"],
    "logging": [{"driver": "json-file", "options": {"max-size": "1m"}}, {"driver": "none"}, {"options": {"max-file": "2"}}],
    "configs": [["c"], [{"source": "c", "target": "/etc/deep/er/c.conf", "uid": "1000", "gid": 7, "mode": "0400"}]],
    "platform": ["linux/amd64"],
    "network_mode": ["host", "none", "bridge", "service:other"],
    "pid": ["host", "service:other"],
    "ipc": ["host", "private", "shareable"],
    "category": ["data"],
    "tier": ["critical"],
    "secrets": [],
}  # fmt: skip
"""Field → values that are declared one at a time. `secrets` are refused, which the contract suite checks."""

INDISTINGUISHABLE = {"image", "platform"}
"""Every container has them, so there is nothing to tell apart."""
SAME_AS_DEFAULT = [("environment", {"GONE": None}), ("expose", ["8080"]), ("healthcheck", {"disable": True}),
                   ("healthcheck", {"test": ["NONE"]}), ("ipc", "private"), ("network_mode", "bridge")]  # fmt: skip
"""Values that say what the image or the engine does anyway."""

CASES = [(name, value) for name, values in SAMPLES.items() for value in values]
ids = [f"{name}-{number}" for name, values in SAMPLES.items() for number in range(len(values))]


def test_every_field_has_a_sample() -> None:
    carried = {
        name for name in Workload.model_fields if effect_of((name,)) in (Effect.REPLACE, Effect.IN_PLACE)
    }
    assert carried == SAMPLES.keys()


class Maker:
    """Makes containers of one scope and reports them."""

    def __init__(self, scope: Scope, root: Path) -> None:
        self.scope = scope
        self.provider = DockerProvider(scope, ProviderOptions(), root, os.environ)
        self._made = 0
        # The engine's own choice of subnets can be used up on a busy machine, and a static address needs a declared one.
        number = 1 + int(scope.project[1:3], 16) % 250
        self.subnet = f"10.213.{number}.0/24"
        ipam = {"config": [{"subnet": self.subnet}]}
        self.provider.create_network("one", Network.model_validate({"ipam": ipam}), {})
        self.provider.create_network("two", Network(), {})
        self.provider.create_volume("data", Volume(), {})

    def workload(self, **fields: Any) -> Workload:
        text = {"image": IMAGE, **fields}
        networks = text.get("networks")
        if isinstance(networks, dict) and networks.get("one", {}).get("ipv4_address"):
            address = self.subnet.replace(".0/24", ".9")
            text["networks"] = {"one": {**networks["one"], "ipv4_address": address}}
        return Workload.model_validate(text)

    def observe(self) -> tuple[Instance, ...]:
        fleet = Fleet(project=self.scope.project, environment=self.scope.environment)
        return self.provider.observe(fleet).instances

    def make(self, workload: Workload, name: str = "sample") -> Instance:
        self._made += 1
        spec = InstanceSpec(
            name=f"{self.scope.object_name(name)}-{self._made}",
            address=agent(name),
            workload=workload,
            slot=Slot.BLUE,
            replica=1,
            image=IMAGE,
            labels={},
            hosts=(name,),
            configs={"c": "content"},
        )
        instance = self.provider.inspect(self.provider.create_instance(spec))
        assert instance.form == declared(instance.body), "it was not made from its own plain form"
        return instance


@pytest.fixture(scope="module")
def maker(docker_module_scope: Scope) -> Iterator[Maker]:
    made = Maker(docker_module_scope, Path())
    yield made
    made.provider.close()


@pytest.fixture(scope="module")
def without(maker: Maker) -> Instance:
    """A container of which nothing is declared but its image."""
    return maker.make(maker.workload())


@pytest.mark.parametrize(("name", "value"), CASES, ids=ids)
def test_a_field_makes_the_round_trip(maker: Maker, without: Instance, name: str, value: Any) -> None:
    if "service:other" in str(value):
        maker.provider.start(maker.make(maker.workload(), "other").id)
    workload, bare = maker.workload(**{name: value}), maker.workload()
    instance = maker.make(workload)
    digests = instance.configs if name == "configs" else {}
    assert compare(Wanted(workload, None, digests), instance) == ()
    assert compare(Wanted(workload, workload, digests), instance) == ()
    gone = [
        change for change in compare(Wanted(bare, workload), without) if change.effect is not Effect.ENGINE
    ]
    assert [change for change in gone if change.path[0] not in INDISTINGUISHABLE] == []
    if name not in INDISTINGUISHABLE and (name, value) not in SAME_AS_DEFAULT:
        assert compare(Wanted(workload, workload, digests), without), (
            "a container without the field looks the same"
        )
        assert compare(Wanted(bare, workload), instance), "a container with the field looks like one without"


def test_everything_at_once(maker: Maker) -> None:
    """One container of many fields, started: what runs is still what was declared."""
    names = ("environment", "tmpfs", "labels", "user", "working_dir", "hostname", "dns", "extra_hosts", "cap_drop",
             "security_opt", "init", "ulimits", "shm_size", "stop_grace_period", "networks", "restart", "tier")  # fmt: skip
    fields = {name: SAMPLES[name][0] for name in names} | {
        "entrypoint": ["sleep", "60"],
        "volumes": ["data:/data"],
    }
    workload = maker.workload(**fields)
    instance = maker.make(workload)
    maker.provider.start(instance.id)
    running = maker.provider.inspect(instance.id)
    assert running.status == "running"
    assert compare(Wanted(workload, workload), running) == ()


def test_configs_are_files_with_their_owner_and_mode(maker: Maker) -> None:
    grant = {"source": "c", "target": "/etc/deep/er/c.conf", "uid": "1000", "gid": "7", "mode": 0o440}
    script = "import os; p='/etc/deep/er/c.conf'; s=os.stat(p); print(s.st_uid, s.st_gid, oct(s.st_mode), open(p).read())"
    workload = maker.workload(configs=[grant], user="root", entrypoint=["python3", "-c"], command=[script])
    instance = maker.make(workload)
    maker.provider.start(instance.id)
    with maker.provider._writer.client("wait") as client:
        client.wait(instance.id, timeout=60)
    assert maker.provider.logs(instance.id, 5) == ("1000 7 0o100440 content",)


def test_an_empty_command_takes_the_images_away(maker: Maker) -> None:
    instance = maker.make(maker.workload(command=[]))
    assert instance.body.command == ()
    assert instance.form["entrypoint"] == instance.defaults["entrypoint"]


def test_a_shared_namespace_is_reported_by_the_name_of_its_owner(maker: Maker) -> None:
    other = maker.make(maker.workload(), "other")
    maker.provider.start(other.id)
    instance = maker.make(maker.workload(network_mode="service:other"))
    assert instance.body.network_mode == "service:other"
    assert instance.body.networks == {}
    with pytest.raises(ProviderError, match="nobody"):
        maker.make(maker.workload(network_mode="service:nobody"))


@pytest.mark.parametrize("field", NAMESPACES)
def test_a_namespace_of_a_container_of_others_is_as_asked(
    maker: Maker, docker_engine: docker.DockerClient, field: str
) -> None:
    name = f"{maker.scope.project}-theirs-{field}"
    labels = {f"{PREFIX}project": maker.scope.project, f"{PREFIX}environment": "another"}
    theirs = docker_engine.containers.run(IMAGE, name=name, ipc_mode="shareable", labels=labels, detach=True)
    for asked in (name, theirs.id, theirs.id[:12]):
        workload = maker.workload(**{field: f"container:{asked}"})
        instance = maker.make(workload)
        assert compare(Wanted(workload, workload), instance) == ()
        (seen,) = (one for one in maker.observe() if one.id == instance.id)
        assert seen == instance
        (changed,) = compare(Wanted(maker.workload(**{field: "container:somebody"}), workload), instance)
        assert changed.path == (field,)


@pytest.mark.parametrize(
    ("fields", "least", "words"),
    [
        ({"healthcheck": {"test": "true", "start_interval": "1s"}}, (1, 44), "start_interval"),
        (
            {"volumes": [{"type": "volume", "source": "data", "target": "/d", "volume": {"subpath": "."}}]},
            (1, 45),
            "subpath",
        ),
        ({"networks": {"one": {}, "two": {"mac_address": "02:42:0a:d5:07:11"}}}, (1, 44), "mac_address"),
    ],
)
def test_what_an_older_engine_lacks_is_refused_by_name(
    maker: Maker, fields: dict[str, Any], least: tuple[int, int], words: str
) -> None:
    workload = maker.workload(**fields)
    if maker.provider._inventory.api >= least:
        assert compare(Wanted(workload, None), maker.make(workload)) == ()
    else:
        with pytest.raises(ProviderError, match=words):
            maker.make(workload)


def test_a_failed_creation_leaves_nothing(maker: Maker) -> None:
    """The second network refuses an address outside of its subnet, when the container is there already."""
    workload = maker.workload(networks={"one": {"priority": 9}, "two": {"ipv4_address": "203.0.113.9"}})
    with pytest.raises(ProviderError, match="subnet"):
        maker.make(workload, "unlucky")
    assert "agent.unlucky" not in [str(instance.address) for instance in maker.observe()]


def test_observing_reports_what_inspecting_does(maker: Maker) -> None:
    maker.make(maker.workload(hostname="x"))
    for instance in maker.observe():
        assert instance == maker.provider.inspect(instance.id)


def test_digests_of_the_same_body_are_equal(maker: Maker) -> None:
    bodies = [
        maker.make(maker.workload(hostname="x", tmpfs=["/b", "/a"])).body.model_dump(mode="json")
        for _ in (1, 2)
    ]
    assert digest_of(bodies[0]) == digest_of(bodies[1])
