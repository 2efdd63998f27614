"""A pure model of an engine: what a provider would report after a plan was carried out.

`reported` fills in what Docker and the image fill in, so that a comparison which forgets about defaults shows up here as a
plan that never ends.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sutazai.address import Address, Kind
from sutazai.model.base import Effect
from sutazai.model.fleet import Config, Fleet, Network, Volume
from sutazai.model.workload import Workload, declared, effect_of
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Action, Plan, ResourceChange
from sutazai.state.observed import Host, Image, Instance, Observed, ObservedNetwork, ObservedVolume, Reported
from sutazai.state.scope import Scope, Slot, digest_of, host_name, spec_hash
from sutazai.state.v2 import InstanceRecord, Operation, ResourceRecord, State

SCOPE = Scope("shop", "local")
HOST = Host(
    "host", cpus=4, memory=16 << 30, memory_available=None, version="25", api_version="1.44", local=True
)
_BY_IMAGE: dict[str, Any] = {
    "command": ["serve"],
    "entrypoint": ["/init"],
    "environment": {"PATH": "/usr/bin", "LANG": "C"},
    "labels": {"org.opencontainers.image.title": "thing"},
    "expose": ["80"],
    "working_dir": "/srv",
    "healthcheck": {
        "test": ["CMD", "true"],
        "interval": 30.0,
        "timeout": 5.0,
        "retries": 3,
        "start_period": None,
    },
}
_BY_ENGINE: dict[str, Any] = {
    "ports": [], "volumes": [], "tmpfs": [], "networks": {}, "restart": "no", "user": None, "hostname": "0123456789ab",
    "dns": [], "extra_hosts": {}, "cap_add": [], "cap_drop": [], "security_opt": [], "read_only": False, "init": False,
    "privileged": False, "devices": [], "sysctls": {}, "ulimits": {"nofile": {"soft": 1024, "hard": 4096}},
    "shm_size": 64 << 20, "stop_signal": None, "stop_grace_period": None, "configs": [], "network_mode": None,
    "pid": None, "ipc": "private", "category": None, "tier": None,
    "logging": {"driver": "json-file", "options": {"max-size": "10m"}},
    "deploy": {"resources": {"limits": {"cpus": None, "memory": None, "pids": None},
                             "reservations": {"memory": None, "devices": []}}},
}  # fmt: skip
DEFAULTS = Workload.model_validate({**_BY_IMAGE, **_BY_ENGINE})
_MERGED = ("environment", "labels", "ulimits", "sysctls")


def image_of(reference: str) -> Image:
    return Image("sha256:" + hashlib.sha256(reference.encode()).hexdigest(), None, (reference,))


def reported(workload: Workload) -> Workload:
    """What a provider reports of a container made from `workload`."""
    body: dict[str, Any] = DEFAULTS.model_dump(mode="json", exclude_unset=True)
    told = {name: value for name, value in declared(workload).items() if value is not None}
    for name, value in told.items():
        if effect_of((name,)) is Effect.ENGINE or name in ("route", "platform", "secrets", "deploy"):
            continue
        body[name] = {**body[name], **value} if name in _MERGED else value
    body["cap_add"] = [name.upper().removeprefix("CAP_") for name in body["cap_add"]]
    body["expose"] = [*body["expose"], "80"]
    for part, values in told.get("deploy", {}).get("resources", {}).items():
        kept = {key: value for key, value in values.items() if (part, key) != ("reservations", "cpus")}
        body["deploy"]["resources"][part].update(kept)
    if (route := told.get("route")) and not route.get("switched"):
        port = {
            "target": route["target"],
            "published": route["port"],
            "host_ip": route.get("bind", "127.0.0.1"),
        }
        body["ports"] = [*body["ports"], port]
    if "healthcheck" in told:
        body["healthcheck"] = {**_BY_IMAGE["healthcheck"], **told["healthcheck"]}
        if told["healthcheck"].get("disable"):
            body["healthcheck"] = {"test": ["NONE"], "disable": True}
    body["volumes"] = [{"read_only": False, **mount} for mount in body["volumes"]]
    body["networks"] = {
        name: {"ipv4_address": None, **value, "aliases": [*value.get("aliases", ()), "given-by-the-engine"]}
        for name, value in body["networks"].items()
    }
    body["labels"] = {**body["labels"], "io.sutazai.project": "shop"}
    return Workload.model_validate(body)


def instance_of(
    fleet: Fleet,
    address: Address,
    *,
    slot: Slot = Slot.BLUE,
    replica: int = 1,
    image_id: str | None = None,
    **changes: Any,
) -> Instance:
    workload = fleet.workload(address)
    assert workload is not None
    shared = address.name in fleet.agents and address.name in fleet.services
    name = SCOPE.instance_name(host_name(address, shared=shared), slot, replica, workload.deploy.replicas)
    digests = config_digests(fleet, workload)
    reference = workload.image or ""
    image = image_id or image_of(reference).id
    made = Instance(
        id=f"{address}/{slot}/{replica}", name=name, address=address, slot=slot, replica=replica, status="running",
        health="none", image=reference, image_id=image, reported=Reported.of(reported(workload)), filled_in=lambda: DEFAULTS.form, configs=digests,
        spec_hash=spec_hash(workload, image, digests), created_at=f"2026-01-01T00:00:{replica:02}Z",
    )  # fmt: skip
    return replace(made, **changes)


def config_digests(fleet: Fleet, workload: Workload) -> dict[str, str]:
    return {grant.source: digest_of(fleet.configs[grant.source].content) for grant in workload.configs}


def fleet_of(
    agents: Mapping[str, Mapping[str, Any]] | None = None,
    services: Mapping[str, Mapping[str, Any]] | None = None,
    **tables: Any,
) -> Fleet:
    """A fleet of workloads, each with an image unless it says so itself."""

    def full(bodies: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any]:
        return {name: {"image": "shop/thing:1", **body} for name, body in (bodies or {}).items()}

    return Fleet.model_validate(
        {
            "project": "shop",
            "environment": "local",
            "agents": full(agents),
            "services": full(services),
            **tables,
        }
    )


def images_for(*fleets: Fleet) -> dict[str, Image | None]:
    return {w.image: image_of(w.image) for fleet in fleets for _, w in fleet.workloads() if w.image}


def plan_for(
    desired: Fleet, observed: Observed | None = None, prior: State | None = None, **options: Any
) -> Plan:
    return build_plan(
        desired, observed or Observed(images=images_for(desired), host=HOST), prior, PlanOptions(**options)
    )


def carried_out(plan: Plan, observed: Observed, prior: State | None) -> tuple[Observed, State]:
    """What would be there, and recorded, after the plan."""
    fleet = plan.desired
    there = {address: observed.of(address) for address in {i.address for i in observed.instances}}
    records = {record.address: record for record in prior.resources} if prior else {}
    networks, volumes = dict(observed.networks), dict(observed.volumes)
    for change in plan.changes:
        if change.action is Action.NOOP:
            continue
        address = change.address
        if change.action is Action.DESTROY:
            records.pop(address, None)
            there.pop(address, None)
            (
                networks if address.kind is Kind.NETWORK else volumes if address.kind is Kind.VOLUME else {}
            ).pop(address.name, None)
            continue
        if address.kind.is_workload:
            there[address] = tuple(_placed(fleet, change, there.get(address, ())))
        elif isinstance(body := fleet.resource(address), Network) and not body.external:
            networks[address.name] = _network(address, body)
        elif isinstance(body, Volume) and not body.external:
            volumes[address.name] = _volume(address, body)
        records[address] = _record(address, change.slot, there.get(address, ()))
    instances = tuple(instance for address in sorted(there) for instance in there[address])
    after = replace(
        observed,
        instances=instances,
        networks=networks,
        volumes=volumes,
        images={**observed.images, **images_for(fleet)},
    )
    return after, state_of(fleet, records.values(), serial=plan.serial + 1)


def _placed(fleet: Fleet, change: ResourceChange, old: Iterable[Instance]) -> Iterable[Instance]:
    workload = fleet.workload(change.address)
    assert workload is not None
    assert change.slot is not None
    kept = {i.replica: i for i in old if i.slot is change.slot} if change.action is Action.UPDATE else {}
    for replica in range(1, workload.deploy.replicas + 1):
        if "scale" not in change.steps and change.action is Action.UPDATE and replica not in kept:
            continue
        image_id = kept[replica].image_id if replica in kept else change.image_id
        yield instance_of(fleet, change.address, slot=change.slot, replica=replica, image_id=image_id)


def _network(address: Address, body: Network) -> ObservedNetwork:
    told = {
        "driver": "bridge",
        "internal": False,
        "attachable": False,
        "enable_ipv6": False,
        "labels": {},
        "driver_opts": {},
    }
    engine = {
        "ipam": {
            "driver": "default",
            "config": [{"subnet": "172.18.0.0/16", "gateway": "172.18.0.1"}],
            "options": {},
        }
    }
    defaults = Network.model_validate({**told, **engine})
    want = declared(body)
    if want.get("ipam", {}).get("config"):
        want["ipam"] = {**engine["ipam"], **want["ipam"]}
        want["ipam"]["config"] = [{"gateway": "10.9.0.1", **pool} for pool in want["ipam"]["config"]]
    return ObservedNetwork(
        f"id-{address.name}",
        address.name,
        address,
        Network.model_validate({**told, **engine, **want}),
        defaults,
        True,
    )


def _volume(address: Address, body: Volume) -> ObservedVolume:
    told = {"driver": "local", "driver_opts": {}, "labels": {}}
    return ObservedVolume(
        address.name,
        address,
        Volume.model_validate({**told, **declared(body)}),
        Volume.model_validate(told),
        True,
    )


def _record(address: Address, slot: Slot | None, instances: Iterable[Instance]) -> ResourceRecord:
    rows = tuple(
        InstanceRecord(
            id=i.id,
            name=i.name,
            slot=i.slot,
            replica=i.replica,
            image=i.image,
            image_id=i.image_id,
            spec_hash=i.spec_hash,
        )
        for i in instances
    )
    return ResourceRecord(address=address, slot=slot, instances=rows)


def state_of(fleet: Fleet, records: Iterable[ResourceRecord], serial: int = 1) -> State:
    operation = Operation(
        command="apply", who="test", started="2026-01-01T00:00:00Z", seconds=1.0, outcome="done"
    )
    return State(
        sutazai_version="0", lineage="lineage", serial=serial, project="shop", environment="local", spec_digest="",
        operation=operation, desired=fleet, resources=tuple(sorted(records, key=lambda record: record.address)),
    )  # fmt: skip


def applied(fleet: Fleet, *, also_images: Iterable[str] = ()) -> tuple[Observed, State]:
    """The fleet, applied to an empty engine."""
    images = {**images_for(fleet), **{name: image_of(name) for name in also_images}}
    empty = Observed(images=images, host=HOST)
    return carried_out(build_plan(fleet, empty, None, PlanOptions()), empty, None)


def change_to(fleet: Fleet, desired: Fleet, **options: Any) -> Plan:
    """The plan from `fleet`, applied, to `desired`."""
    observed, state = applied(fleet)
    observed = replace(observed, images={**observed.images, **images_for(desired)})
    return build_plan(desired, observed, state, PlanOptions(**options))


def with_instance(observed: Observed, address: Address, **changes: Any) -> Observed:
    """The same, with something done to the instances of one workload from outside."""
    turned = tuple(replace(i, **changes) if i.address == address else i for i in observed.instances)
    return replace(observed, instances=turned)


def change_in(plan: Plan, address: Address) -> ResourceChange:
    return next(change for change in plan.changes if change.address == address)


def config(text: str) -> Config:
    return Config(content=text)
