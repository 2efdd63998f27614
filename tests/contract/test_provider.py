"""What every provider does, Docker and the simulated one alike. The operations rely on nothing else."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from free_port import free_port
from sutazai.address import Address, agent
from sutazai.errors import Conflict, NotEnded, NotFound, ProviderError
from sutazai.model.compose import Build, NetworkAttachment
from sutazai.model.fleet import Fleet, Network, ProviderOptions, Volume
from sutazai.model.workload import Workload
from sutazai.ports import Executed, InstanceSpec, Provider
from sutazai.providers.docker.provider import DockerProvider
from sutazai.providers.simulated import SimulatedEngine, SimulatedImage, SimulatedProvider
from sutazai.providers.simulated.file import FileEngine
from sutazai.state.claims import Claims, Place
from sutazai.state.observed import Instance
from sutazai.state.scope import HOOK, PREFIX, Scope, Slot

IMAGE = "sutazai/agent-runtime:1.0"
MIB = 1 << 20
_BODY = Workload.model_validate(
    {
        "entrypoint": ["python3", "agent.py"],
        "environment": {"AGENT_VERSION": "1.0"},
        "expose": ["8080"],
        "labels": {"org.opencontainers.image.version": "1.0"},
        "user": "agent",
        "working_dir": "/opt/agent",
    }
)


@dataclass(frozen=True, slots=True)
class World:
    """`other` is the provider of another project on the same engine."""

    provider: Provider
    scope: Scope
    other: Provider
    other_scope: Scope

    def spec(
        self, name: str = "a", slot: Slot = Slot.BLUE, scope: Scope | None = None, **fields: object
    ) -> InstanceSpec:
        workload = Workload.model_validate({"image": IMAGE, "init": True, **fields})
        owner = scope or self.scope
        return InstanceSpec(
            name=owner.instance_name(name, slot, 1, 1),
            address=agent(name),
            workload=workload,
            slot=slot,
            replica=1,
            image=IMAGE,
            labels={PREFIX + "lineage": "line", PREFIX + "serial": "7", PREFIX + "spec-hash": "beef"},
            hosts=(name,),
            configs={grant.source: f"content of {grant.source}" for grant in workload.configs},
        )

    def fleet(self, **agents: Mapping[str, object]) -> Fleet:
        networks = {name for body in agents.values() for name in body.get("networks", ())}  # type: ignore[attr-defined]
        return Fleet(
            project=self.scope.project,
            environment=self.scope.environment,
            networks={name: Network() for name in networks},
            agents={name: Workload.model_validate({"image": IMAGE, **body}) for name, body in agents.items()},
        )

    def made(self, name: str = "a", **fields: object) -> str:
        return self.provider.create_instance(self.spec(name, **fields))

    def running(self, name: str = "a", **fields: object) -> str:
        identity = self.made(name, **fields)
        self.provider.start(identity)
        return identity


def _simulated(request: pytest.FixtureRequest) -> World:
    image = SimulatedImage("sha256:" + "1" * 64, _BODY, logs=("first", "last"))
    engine = SimulatedEngine(images={IMAGE: image}, buildable={"contract/built:1": image})
    scope, other = Scope("shop", "test"), Scope("another", "test")
    return World(SimulatedProvider(scope, engine), scope, SimulatedProvider(other, engine), other)


def _in_a_file(request: pytest.FixtureRequest) -> World:
    """Each of the two reads what the other wrote."""
    root: Path = request.getfixturevalue("tmp_path")
    path, scope, other = root / "engine.json", Scope("shop", "test"), Scope("another", "test")
    image = SimulatedImage("sha256:" + "1" * 64, _BODY, logs=("first", "last"))
    first = FileEngine(path)
    with first.opened(change=True):
        first.images[IMAGE] = image
        first.absent = ("127.0.0.1:9/*",)
    return World(
        SimulatedProvider(scope, first, root), scope, SimulatedProvider(other, FileEngine(path), root), other
    )


def _docker(request: pytest.FixtureRequest) -> World:
    scope: Scope = request.getfixturevalue("docker_scope")
    other: Scope = request.getfixturevalue("other_docker_scope")
    root: Path = request.getfixturevalue("tmp_path")
    providers = [DockerProvider(owner, ProviderOptions(), root, os.environ) for owner in (scope, other)]
    for provider in providers:
        request.addfinalizer(provider.close)
    return World(providers[0], scope, providers[1], other)


KINDS: dict[str, Callable[[pytest.FixtureRequest], World]] = {
    "simulated": _simulated,
    "simulated, in a file": _in_a_file,
    "docker": _docker,
}


@pytest.fixture(
    params=["simulated", "simulated, in a file", pytest.param("docker", marks=pytest.mark.docker)]
)
def world(request: pytest.FixtureRequest) -> World:
    return KINDS[request.param](request)


def only(world: World, fleet: Fleet | None = None) -> Instance:
    (instance,) = world.provider.observe(fleet or world.fleet()).instances
    return instance


def test_a_new_scope_is_empty(world: World) -> None:
    observed = world.provider.observe(world.fleet(a={}), also_images=["no/such:image"])
    assert (observed.instances, observed.networks, observed.volumes, observed.ports) == ((), {}, {}, ())
    assert observed.images["no/such:image"] is None
    image = observed.images[IMAGE]
    assert image is not None
    assert image.id.startswith("sha256:")
    assert IMAGE in image.tags
    assert observed.host is not None
    assert observed.host.cpus > 0
    assert observed.host.memory > 0


def test_a_created_container_is_reported_as_declared(world: World) -> None:
    world.provider.create_network("fleet", Network(), {})
    identity = world.made(networks=["fleet"], environment={"MODE": "x"}, tier="critical", category="data")
    instance = only(world)
    assert instance == world.provider.inspect(identity)
    assert (instance.id, instance.name) == (identity, world.scope.instance_name("a", Slot.BLUE, 1, 1))
    assert (instance.address, instance.slot, instance.replica) == (agent("a"), Slot.BLUE, 1)
    assert (instance.status, instance.health, instance.exit_code) == ("created", "none", None)
    assert (instance.lineage, instance.serial, instance.spec_hash) == ("line", 7, "beef")
    assert instance.image == IMAGE
    assert instance.body.environment["MODE"] == "x"
    assert instance.body.environment["AGENT_VERSION"] == "1.0"
    assert "MODE" not in instance.defaults["environment"]
    assert instance.defaults["environment"]["AGENT_VERSION"] == "1.0"
    assert list(instance.body.networks) == ["fleet"]
    assert instance.body.networks["fleet"].aliases == ()
    assert (instance.body.tier, instance.body.category) == ("critical", "data")
    assert instance.body.user == instance.defaults["user"] == "agent"
    assert instance.body.hostname == instance.defaults["hostname"] == identity[:12]
    assert not [label for label in instance.body.labels if label.startswith(PREFIX)]
    assert (instance.body.restart, instance.body.init, instance.defaults["init"]) == ("no", True, False)


def test_reported_fields_are_set_and_engine_fields_are_not(world: World) -> None:
    world.made(checks=[{"kind": "ping", "port": 8080}], route={"port": 21_000, "target": 8080})
    body = only(world).body
    reported = {"command", "environment", "restart", "ports", "networks", "healthcheck", "shm_size", "deploy"}
    assert reported <= body.model_fields_set
    assert not {"checks", "route", "rollout", "build", "depends_on"} & body.model_fields_set
    assert [(p.target, p.published, p.host_ip) for p in body.ports] == [(8080, 21_000, "127.0.0.1")]
    assert "replicas" not in body.deploy.model_fields_set


def test_names_are_unique(world: World) -> None:
    first = world.made()
    with pytest.raises(Conflict):
        world.made()
    assert only(world).id == first


@pytest.mark.parametrize(
    "fields",
    [
        {"networks": ["nowhere"]},
        {"volumes": ["nothing:/data"]},
    ],
)
def test_what_a_container_needs_must_exist(world: World, fields: dict[str, object]) -> None:
    with pytest.raises(NotFound):
        world.made(**fields)
    assert world.provider.observe(world.fleet()).instances == ()
    assert world.provider.observe(world.fleet()).volumes == {}


def test_a_missing_image_is_not_found(world: World) -> None:
    spec = world.spec()
    with pytest.raises(NotFound):
        world.provider.create_instance(InstanceSpec(**{**_fields(spec), "image": "no/such:image"}))


def _fields(spec: InstanceSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__slots__}


def test_secrets_and_configs_without_a_place_are_refused(world: World) -> None:
    with pytest.raises(ProviderError, match="secrets"):
        world.made(secrets=["key"])
    for body in ({"read_only": True}, {"tmpfs": ["/c"]}):
        with pytest.raises(ProviderError, match="no place for a config at /c"):
            world.made(configs=["c"], **body)
    assert world.provider.observe(world.fleet()).instances == ()


def test_configs_in_a_read_only_root_are_no_volumes_to_a_reader(world: World) -> None:
    world.running(configs=[{"source": "c", "target": "/etc/agent/c.conf"}], read_only=True, tmpfs=["/run"])
    instance = only(world)
    assert instance.configs == {"c": hashlib.sha256(b"content of c").hexdigest()}
    assert (instance.body.read_only, instance.body.volumes, instance.anonymous) == (True, (), {})
    world.provider.remove(instance.id)
    assert world.provider.observe(world.fleet()).anonymous == ()


def test_configs_are_known_by_digest(world: World) -> None:
    world.running(configs=[{"source": "c", "target": "/etc/agent/c.conf", "mode": 0o440}])
    instance = only(world)
    assert instance.configs == {"c": hashlib.sha256(b"content of c").hexdigest()}
    (grant,) = instance.body.configs
    assert (grant.source, grant.target, grant.mode) == ("c", "/etc/agent/c.conf", 0o440)


def test_start_and_stop(world: World) -> None:
    world.provider.create_network("fleet", Network(), {})
    identity = world.made(networks=["fleet"])
    world.provider.start(identity)
    world.provider.start(identity)
    running = only(world)
    assert (running.status, running.exit_code) == ("running", None)
    assert running.addresses["fleet"].count(".") == 3
    world.provider.stop(identity, 5.0)
    world.provider.stop(identity, 5.0)
    stopped = only(world)
    assert stopped.status == "exited"
    assert stopped.exit_code is not None
    assert stopped.published == {}
    world.provider.start(identity)
    assert only(world).status == "running"


def test_a_running_container_can_be_removed(world: World) -> None:
    identity = world.running()
    world.provider.remove(identity)
    assert world.provider.observe(world.fleet()).instances == ()
    for call in (world.provider.inspect, world.provider.start, world.provider.remove):
        with pytest.raises(NotFound):
            call(identity)
    with pytest.raises(NotFound):
        world.provider.stop(identity, None)
    with pytest.raises(NotFound):
        world.provider.logs(identity, 5)


def test_rename(world: World) -> None:
    first = world.made("a")
    second = world.made("b")
    world.provider.rename(first, "free-" + world.scope.project)
    assert world.provider.inspect(first).name == "free-" + world.scope.project
    with pytest.raises(Conflict):
        world.provider.rename(second, "free-" + world.scope.project)
    with pytest.raises(NotFound):
        world.provider.rename("0" * 64, "x" + world.scope.project)


def test_a_published_port_is_taken(world: World) -> None:
    port = free_port()
    route = {"port": port, "target": 8080}
    first = world.running("a", route=route)
    assert world.provider.inspect(first).published == {"8080/tcp": ("127.0.0.1", port)}
    second = world.made("b", route=route)
    with pytest.raises(Conflict):
        world.provider.start(second)
    assert world.provider.inspect(second).status != "running"
    world.provider.stop(first, 5.0)
    world.provider.start(second)
    assert world.provider.inspect(second).status == "running"


def test_ports_of_others_are_held_and_ours_are_not(world: World) -> None:
    port = free_port()
    route = {"port": port, "target": 8080}
    fleet = world.fleet(a={"route": route})
    world.running("a", route=route)
    assert world.provider.observe(fleet).ports == ()
    (use,) = world.other.observe(fleet).ports
    assert (use.ip, use.port, use.protocol) == ("127.0.0.1", port, "tcp")
    assert world.scope.instance_name("a", Slot.BLUE, 1, 1) in use.holder


def test_resources_and_restart_change_in_place(world: World) -> None:
    identity = world.running(deploy={"resources": {"limits": {"memory": "64M", "cpus": 0.5, "pids": 50}}})
    wanted = Workload.model_validate(
        {"restart": "on-failure:3", "deploy": {"resources": {"limits": {"memory": "256M", "cpus": 0.25}}}}
    )
    limits = ("deploy", "resources", "limits")
    fields = [("restart",), (*limits, "memory"), (*limits, "cpus"), (*limits, "pids")]
    world.provider.update(identity, wanted, fields)
    instance = only(world)
    assert (instance.id, instance.status) == (identity, "running")
    assert instance.body.restart == "on-failure:3"
    assert instance.body.deploy.resources.limits.model_dump() == {
        "cpus": 0.25,
        "memory": 256 << 20,
        "pids": None,
    }


def test_what_cannot_change_in_place_is_refused(world: World) -> None:
    identity = world.running(deploy={"resources": {"limits": {"memory": "64M"}}})
    with pytest.raises(ProviderError, match="memory"):
        world.provider.update(identity, Workload(), [("deploy", "resources", "limits", "memory")])
    with pytest.raises(ProviderError, match="image"):
        world.provider.update(identity, Workload(), [("image",)])
    assert only(world).body.deploy.resources.limits.memory == 64 << 20


def test_networks(world: World) -> None:
    labels = {PREFIX + "lineage": "line"}
    identity = world.provider.create_network("fleet", Network(internal=True, labels={"x": "y"}), labels)
    with pytest.raises(Conflict):
        world.provider.create_network("fleet", Network(), {})
    found = world.provider.observe(world.fleet()).networks["fleet"]
    assert (found.id, found.name, found.owned) == (identity, world.scope.object_name("fleet"), True)
    assert (found.body.internal, found.defaults.internal, found.body.labels) == (True, False, {"x": "y"})
    assert found.body.driver == found.defaults.driver == "bridge"
    world.provider.remove_network(identity)
    assert world.provider.observe(world.fleet()).networks == {}
    with pytest.raises(NotFound):
        world.provider.remove_network(identity)


@pytest.mark.parametrize("external", [{"name": "named"}, {}])
def test_external_networks_are_used_and_left_alone(world: World, external: dict[str, str]) -> None:
    object_name = world.other_scope.object_name("fleet")
    key = "theirs" if external else object_name
    identity = world.other.create_network("fleet", Network(), {})
    network = Network(external=True, name=object_name) if external else Network(external=True)
    fleet = world.fleet(a={"networks": [key]}).model_copy(update={"networks": {key: network}})
    found = world.provider.observe(fleet).networks[key]
    assert (found.id, found.owned, found.body.external) == (identity, False, True)
    made = world.made(networks=[key])
    assert list(world.provider.inspect(made).body.networks) == [key]
    world.provider.start(made)
    assert list(world.provider.inspect(made).addresses) == [key]
    with pytest.raises(ProviderError):
        world.provider.remove_network(identity)
    world.provider.remove(made)


def test_a_network_in_use_stays(world: World) -> None:
    identity = world.provider.create_network("fleet", Network(), {})
    member = world.provider.inspect(world.running(networks=["fleet"]))
    with pytest.raises(ProviderError) as refused:
        world.provider.remove_network(identity)
    assert member.name in (refused.value.hint or "")
    assert "fleet" in world.provider.observe(world.fleet()).networks


def test_removing_by_the_name_on_the_host(world: World) -> None:
    """The operations know a network and a volume by the scope's name for it, whatever it is called itself."""
    own_name = f"own-{world.scope.project}"
    world.provider.create_network("fleet", Network(name=own_name), {})
    world.provider.create_volume("data", Volume(name=own_name), {})
    observed = world.provider.observe(world.fleet())
    assert (observed.networks["fleet"].name, observed.volumes["data"].name) == (own_name, own_name)
    world.provider.remove_network(world.scope.object_name("fleet"))
    world.provider.remove_volume(world.scope.object_name("data"))
    after = world.provider.observe(world.fleet())
    assert (after.networks, after.volumes) == ({}, {})


def test_volumes_without_a_name_can_be_taken_over(world: World) -> None:
    """They bear labels, but are none of the declaration's, and stay when the container goes."""
    fleet = world.fleet(a={"volumes": ["/data"]})
    first = world.made(volumes=["/data"])
    (volume,) = world.provider.observe(fleet).anonymous
    assert (volume.address, volume.used) == (agent("a"), True)
    assert world.provider.inspect(first).anonymous == {"/data": volume.name}
    (mount,) = world.provider.inspect(first).body.volumes
    assert (mount.type, mount.target, mount.source) == ("volume", "/data", None)
    spec = replace(
        world.spec(slot=Slot.GREEN, volumes=["/data", "/more"]),
        inherits={"/data": volume.name, "/gone": "f" * 64},
    )
    second = world.provider.create_instance(spec)
    taken_over = world.provider.inspect(second).anonymous
    assert (taken_over["/data"], set(taken_over)) == (volume.name, {"/data", "/more"})
    assert {mount.source for mount in world.provider.inspect(second).body.volumes} == {None}
    world.provider.remove(first)
    with pytest.raises(Conflict):
        world.provider.remove_volume(volume.name)
    world.provider.remove(second)
    observed = world.provider.observe(fleet)
    assert observed.volumes == {}
    assert {(v.name, v.used) for v in observed.anonymous} == {(name, False) for name in taken_over.values()}
    assert world.other.observe(world.fleet()).anonymous == ()
    with pytest.raises(ProviderError):
        world.other.remove_volume(volume.name)
    for name in taken_over.values():
        world.provider.remove_volume(name)
    assert world.provider.observe(fleet).anonymous == ()


def test_volumes(world: World) -> None:
    name = world.provider.create_volume("data", Volume(labels={"x": "y"}), {})
    assert name == world.scope.object_name("data")
    with pytest.raises(Conflict):
        world.provider.create_volume("data", Volume(), {})
    found = world.provider.observe(world.fleet()).volumes["data"]
    assert (found.name, found.owned, found.body.labels, found.body.driver) == (
        name,
        True,
        {"x": "y"},
        "local",
    )
    identity = world.made(volumes=["data:/data"])
    (mount,) = world.provider.inspect(identity).body.volumes
    assert (mount.type, mount.source, mount.target, mount.read_only) == ("volume", "data", "/data", False)
    with pytest.raises(Conflict):
        world.provider.remove_volume("data")
    world.provider.remove(identity)
    world.provider.remove_volume("data")
    assert world.provider.observe(world.fleet()).volumes == {}
    with pytest.raises(NotFound):
        world.provider.remove_volume("data")


def test_connect_and_disconnect(world: World) -> None:
    for name in ("one", "two"):
        world.provider.create_network(name, Network(), {})
    identity = world.running(networks=["one"])
    world.provider.connect(identity, "two", NetworkAttachment(aliases=("cache",)), ["a"])
    instance = only(world)
    assert list(instance.body.networks) == ["one", "two"]
    assert instance.body.networks["two"].aliases == ("cache",)
    assert sorted(instance.addresses) == ["one", "two"]
    with pytest.raises(Conflict):
        world.provider.connect(identity, "two", NetworkAttachment(), ["a"])
    with pytest.raises(NotFound):
        world.provider.connect(identity, "three", NetworkAttachment(), ["a"])
    world.provider.disconnect(identity, "two")
    assert list(only(world).body.networks) == ["one"]
    with pytest.raises(NotFound):
        world.provider.disconnect(identity, "two")


def test_several_networks_from_the_start(world: World) -> None:
    for name in ("one", "two"):
        world.provider.create_network(name, Network(), {})
    world.running(networks={"one": {"aliases": ["cache"]}, "two": {"priority": 10}})
    instance = only(world)
    assert sorted(instance.addresses) == ["one", "two"]
    assert instance.body.networks["one"].aliases == ("cache",)


def test_logs_are_the_last_lines(world: World) -> None:
    script = "print('first'); print('last')"
    identity = world.running(entrypoint=["python3", "-u", "-c"], command=[script], restart="no")
    until_ended(world, identity)
    assert world.provider.logs(identity, 10) == ("first", "last")
    assert world.provider.logs(identity, 1) == ("last",)


def until_ended(world: World, identity: str) -> None:
    """The script ends by itself in Docker; the simulated one has said it all."""
    if isinstance(world.provider, DockerProvider):
        with world.provider._writer.client("wait") as client:
            client.wait(identity, timeout=60)


def test_memory_is_what_is_in_use_without_files_that_were_read(world: World) -> None:
    reads = "open('/tmp/f', 'wb').write(bytes(60 << 20)); open('/tmp/f', 'rb').read(); print('read', flush=True); "
    command = [reads + "held = bytearray(30 << 20); print('held', flush=True); __import__('time').sleep(600)"]
    identity = world.running(entrypoint=["python3", "-c"], command=command)
    other, stopped = world.running("b"), world.made("c")
    until_said(world, identity, "held")
    found = world.provider.memory([identity, other, stopped, "0" * 64])
    assert set(found) == {identity, other}
    assert MIB < found[other] < 64 * MIB
    if isinstance(world.provider, DockerProvider):
        assert 30 * MIB < found[identity] < 60 * MIB
    world.provider.stop(other, 1)
    assert set(world.provider.memory([other, identity])) == {identity}
    assert world.provider.memory([]) == {}


def until_said(world: World, identity: str, word: str) -> None:
    """The simulated one has said all that its image says."""
    end = time.monotonic() + 60
    while isinstance(world.provider, DockerProvider) and word not in world.provider.logs(identity, 5):
        assert time.monotonic() < end, f"it does not say {word!r}"
        time.sleep(0.05)


def test_a_command_in_a_container(world: World) -> None:
    identity = world.running()
    assert world.provider.execute(identity, ["true"], timeout=30) == Executed(0)
    assert world.provider.execute(identity, ["false"], timeout=30).exit_code == 1
    said = world.provider.execute(identity, ["cat"], stdin="größer\n".encode() * 100_000, timeout=30)
    assert (said.exit_code, said.output, said.errors) == (0, "größer\n" * 100_000, "")
    failed = world.provider.execute(identity, ["cat", "/no/such/file"], timeout=30)
    assert (failed.exit_code, failed.output) == (1, "")
    assert "No such file" in failed.errors
    assert world.provider.execute(identity, ["no-such-program"], timeout=30).exit_code in (126, 127)


def test_a_command_that_does_not_end_is_not_waited_for(world: World) -> None:
    identity = world.running()
    began = time.monotonic()
    with pytest.raises(ProviderError, match=r"did not end within 0\.3 s"):
        world.provider.execute(identity, ["sleep", "30"], timeout=0.3)
    assert time.monotonic() - began < 10


def test_a_command_is_given_up(world: World) -> None:
    identity, asked = world.running(), []
    began = time.monotonic()
    with pytest.raises(NotEnded, match="given up"):
        world.provider.execute(identity, ["sleep", "30"], timeout=30, given_up=lambda: not asked.append(1))  # type: ignore[func-returns-value]
    assert asked
    assert time.monotonic() - began < 10


def test_a_command_has_its_user_and_its_variables(world: World) -> None:
    identity, run = world.running(environment={"MODE": "container's", "KEPT": "k"}), world.provider.execute
    given = {"MODE": "command's"}
    assert run(identity, ["printenv", "MODE"], timeout=30, environment=given).output == "command's\n"
    assert run(identity, ["printenv", "KEPT"], timeout=30, environment=given).output == "k\n"
    assert run(identity, ["printenv", "NO_SUCH"], timeout=30, environment=given).exit_code == 1
    assert run(identity, ["id", "-un"], timeout=30).output == "agent\n"
    assert run(identity, ["id", "-un"], timeout=30, user="root").output == "root\n"


def hook_of(world: World, *command: str) -> InstanceSpec:
    """A container that is made for a hook."""
    spec = world.spec(entrypoint=list(command))
    return replace(spec, name=f"{spec.name}-pre-deploy", labels={**spec.labels, HOOK: "pre_deploy"}, hosts=())


def test_a_container_for_a_hook_is_no_instance(world: World) -> None:
    own, made = world.running(), world.provider.create_instance(hook_of(world, "printenv", "AGENT_VERSION"))
    observed = world.provider.observe(world.fleet(a={}))
    assert [one.id for one in observed.instances] == [own]
    assert [(one.id, one.hook, one.status) for one in observed.one_offs] == [(made, "pre_deploy", "created")]
    world.provider.start(made)
    until_ended(world, made)
    ended = world.provider.inspect(made)
    assert (ended.status, ended.exit_code, ended.hook) == ("exited", 0, "pre_deploy")
    assert world.provider.logs(made, 10)[-1:] == ("1.0",)
    other = world.provider.create_instance(
        replace(hook_of(world, "no-such"), name=world.scope.object_name("other"))
    )
    world.provider.start(other)
    until_ended(world, other)
    assert world.provider.inspect(other).exit_code == 127
    sharer = world.made("b", network_mode="service:a")
    assert world.provider.inspect(sharer).body.network_mode == "service:a"
    world.provider.remove(made)
    assert len(world.provider.observe(world.fleet(a={})).one_offs) == 1


def test_a_command_needs_a_running_container(world: World) -> None:
    identity = world.made()
    with pytest.raises(Conflict):
        world.provider.execute(identity, ["true"], timeout=30)
    with pytest.raises(NotFound):
        world.provider.execute("0" * 64, ["true"], timeout=30)


def test_scripts_in_a_container(world: World) -> None:
    identity = world.running()
    for _ in range(2):
        assert world.provider.script(identity, "true", timeout=30) == Executed(0)
        assert world.provider.script(identity, "false", timeout=30).exit_code == 1
        said = world.provider.script(identity, "cat", stdin="größer\n".encode() * 10_000, timeout=30)
        assert said == Executed(0, "größer\n" * 10_000)
        failed = world.provider.script(identity, "cat /no/such/file", timeout=30)
        assert (failed.exit_code, failed.output) == (1, "")
        assert "No such file" in failed.errors
    with pytest.raises(ProviderError, match=r"did not end within 0\.3 s"):
        world.provider.script(identity, "sleep 30", timeout=0.3)
    assert world.provider.script(identity, "true", timeout=30) == Executed(0)
    world.provider.stop(identity, 0)
    with pytest.raises(Conflict):
        world.provider.script(identity, "true", timeout=30)
    world.provider.start(identity)
    assert world.provider.script(identity, "true", timeout=30) == Executed(0)
    with pytest.raises(NotFound):
        world.provider.script("0" * 64, "true", timeout=30)


def test_a_file_is_put_and_replaced_in_a_container_that_runs_and_in_one_that_does_not(world: World) -> None:
    identity = world.made()
    world.provider.put_file(identity, "/tmp/a", b"first", 0o644)
    world.provider.start(identity)
    assert world.provider.execute(identity, ["cat", "/tmp/a"], timeout=30).output == "first"
    world.provider.put_file(identity, "/tmp/a", "zweite größere".encode(), 0o644)
    assert world.provider.execute(identity, ["cat", "/tmp/a"], timeout=30).output == "zweite größere"
    with pytest.raises(NotFound):
        world.provider.put_file(identity, "/no/such/folder/a", b"", 0o644)
    with pytest.raises(NotFound):
        world.provider.put_file("0" * 64, "/tmp/a", b"", 0o644)


def test_what_belongs_to_others_is_neither_seen_nor_touched(world: World) -> None:
    theirs = world.other.create_instance(world.spec(scope=world.other_scope))
    network = world.other.create_network("fleet", Network(), {})
    volume = world.other.create_volume("data", Volume(), {})
    observed = world.provider.observe(world.fleet())
    assert (observed.instances, observed.networks, observed.volumes) == ((), {}, {})
    refusals: list[Callable[[], object]] = [
        lambda: world.provider.start(theirs),
        lambda: world.provider.stop(theirs, 1.0),
        lambda: world.provider.remove(theirs),
        lambda: world.provider.rename(theirs, "x" + world.scope.project),
        lambda: world.provider.update(theirs, Workload(restart="always"), [("restart",)]),
        lambda: world.provider.connect(theirs, "fleet", NetworkAttachment(), ()),
        lambda: world.provider.disconnect(theirs, "fleet"),
        lambda: world.provider.put_file(theirs, "/tmp/a", b"", 0o644),
        lambda: world.provider.execute(theirs, ["true"], timeout=30),
        lambda: world.provider.remove_network(network),
        lambda: world.provider.remove_volume(volume),
    ]
    for refused in refusals:
        with pytest.raises(ProviderError, match="left alone"):
            refused()
    (instance,) = world.other.observe(world.fleet()).instances
    assert (instance.id, instance.status, instance.body.restart) == (theirs, "created", "no")


def test_what_the_state_took_over_is_ours_without_labels(world: World) -> None:
    theirs = world.other.create_instance(world.spec(scope=world.other_scope, restart="no"))
    claims = Claims({theirs: Place(agent("b"), Slot.GREEN, 2)}, adopted=frozenset({theirs}))
    (found,) = world.provider.observe(world.fleet(), claims=claims).instances
    assert (found.id, found.address, found.slot, found.replica) == (theirs, agent("b"), Slot.GREEN, 2)
    assert found.owner == f"{world.other_scope.project}/{world.other_scope.environment}"
    name = world.scope.instance_name("b", Slot.GREEN, 2, 2)
    world.provider.rename(theirs, name)
    world.provider.update(theirs, Workload(restart="always"), [("restart",)])
    inspected = world.provider.inspect(name)
    assert (inspected.id, inspected.address, inspected.body.restart) == (theirs, agent("b"), "always")
    world.provider.remove(theirs)
    assert world.provider.observe(world.fleet(), claims=claims).instances == ()


def test_what_the_state_let_go_is_not_ours_whatever_its_labels_say(world: World) -> None:
    identity = world.made()
    network = world.provider.create_network("fleet", Network(), {})
    volume = world.provider.create_volume("data", Volume(), {})
    claims = Claims(released=frozenset({identity, network, volume}))
    observed = world.provider.observe(world.fleet(), claims=claims)
    assert (observed.instances, observed.networks, observed.volumes) == ((), {}, {})
    assert observed.taken == {
        ("container", world.spec().name),
        ("network", world.scope.object_name("fleet")),
        ("volume", world.scope.object_name("data")),
    }
    assert only(world).id == identity


def test_what_others_have_under_names_that_are_wanted_is_said(world: World) -> None:
    begins, called = (world.scope.object_name(name) for name in ("data", "more"))
    called = f"x-{called}"
    for name in (begins, called):
        world.other.create_network("theirs" if name == begins else "also", Network(name=name), {})
        world.other.create_volume("theirs" if name == begins else "also", Volume(name=name), {})
    taken = {("network", begins), ("volume", begins)}
    assert world.provider.observe(world.fleet()).taken == taken
    fleet = world.fleet().model_copy(
        update={"networks": {"more": Network(name=called)}, "volumes": {"more": Volume(name=called)}}
    )
    assert world.provider.observe(fleet).taken == taken | {("network", called), ("volume", called)}


def test_a_container_says_what_it_answers_to(world: World) -> None:
    world.provider.create_network("fleet", Network(), {})
    identity = world.running(networks={"fleet": {"aliases": ["helper"]}})
    fleet = world.fleet(a={"networks": ["fleet"]})
    assert {"a", "helper"} <= set(only(world, fleet).answers["fleet"])
    world.provider.disconnect(identity, "fleet")
    world.provider.connect(identity, "fleet", NetworkAttachment(), ("b",))
    answers = only(world, fleet).answers["fleet"]
    assert "b" in answers
    assert "a" not in answers


def test_another_environment_of_the_project_is_another_scope(world: World) -> None:
    identity = world.made()
    scope = Scope(world.scope.project, "elsewhere")
    if isinstance(world.provider, SimulatedProvider):
        other: Provider = SimulatedProvider(scope, world.provider.engine)
    else:
        other = DockerProvider(scope, ProviderOptions(), Path(), os.environ)
    assert other.observe(world.fleet()).instances == ()
    with pytest.raises(ProviderError, match="left alone"):
        other.remove(identity)


def test_images(world: World) -> None:
    found = world.provider.images([IMAGE, "no/such:image"])
    image = found[IMAGE]
    assert image is not None
    assert found["no/such:image"] is None
    by_id = world.provider.images([image.id])[image.id]
    assert by_id is not None
    assert by_id.id == image.id
    with pytest.raises(NotFound):
        world.provider.remove_image("no/such:image")


def test_build_and_remove_an_image(world: World, tmp_path: Path) -> None:
    reference = "contract/built:1"
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nARG WORD\nLABEL word=$WORD\n")
    said: list[str] = []
    image = world.provider.build(reference, Build(context=".", args={"WORD": "yes"}), said.append)
    try:
        assert world.provider.images([reference])[reference] == image
        assert said
    finally:
        world.provider.remove_image(reference)
    assert world.provider.images([reference])[reference] is None
    with pytest.raises(ProviderError):
        world.provider.build("contract/broken:1", Build(context="no-such-directory"), said.append)


def test_an_image_that_cannot_be_pulled(world: World) -> None:
    with pytest.raises(ProviderError):
        world.provider.pull("127.0.0.1:9/no/such:image", None, lambda _: None)


def test_host(world: World) -> None:
    observed = world.provider.observe(world.fleet()).host
    host = world.provider.host()
    assert observed is not None
    assert (host.name, host.cpus, host.memory, host.local) == (
        observed.name,
        observed.cpus,
        observed.memory,
        observed.local,
    )


def test_addresses_name_both_kinds(world: World) -> None:
    spec = world.spec("redis")
    other = InstanceSpec(
        **{**_fields(spec), "address": Address.parse("service.redis"), "name": spec.name + "-s"}
    )
    world.provider.create_instance(spec)
    world.provider.create_instance(other)
    observed = world.provider.observe(world.fleet())
    assert [str(instance.address) for instance in observed.instances] == ["service.redis", "agent.redis"]
    assert [i.name for i in observed.of(Address.parse("service.redis"))] == [other.name]
