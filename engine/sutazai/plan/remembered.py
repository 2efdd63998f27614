"""What the newest serial says is there, in place of a look at Docker (`plan --no-refresh`).

It can't know what was done outside since then, what image and engine fill in by themselves, which images are here, which
ports are free, or what the host has. A field that is no longer declared is therefore taken to change, even where its value
happens to be the default.
"""

from collections.abc import Iterator

from sutazai.model.compose import Port
from sutazai.model.fleet import Network, Volume
from sutazai.model.workload import Workload, declared
from sutazai.plan.normal import port_text
from sutazai.state.observed import Instance, Observed, ObservedNetwork, ObservedVolume, Reported
from sutazai.state.scope import Scope, digest_of
from sutazai.state.v2 import ResourceRecord, State


def observed_in(state: State | None) -> Observed:
    """Everything that the state records, taken to run as it was last applied."""
    if state is None:
        return Observed()
    scope = Scope(state.project, state.environment)
    networks: dict[str, ObservedNetwork] = {}
    volumes: dict[str, ObservedVolume] = {}
    instances: list[Instance] = []
    for record in state.resources:
        address, body = record.address, record.applied or state.desired.resource(record.address)
        if isinstance(body, Workload):
            instances += _instances(state, record, body)
        elif isinstance(body, Network):
            name = body.name or scope.object_name(address.name)
            networks[address.name] = ObservedNetwork(
                record.object_id or name, name, address, body, Network(), not body.external
            )
        elif isinstance(body, Volume):
            name = body.name or scope.object_name(address.name)
            volumes[address.name] = ObservedVolume(name, address, body, Volume(), not body.external)
    return Observed(instances=tuple(instances), networks=networks, volumes=volumes)


def _instances(state: State, record: ResourceRecord, body: Workload) -> Iterator[Instance]:
    configs = {
        grant.source: digest_of(config.content or "")
        for grant in body.configs
        if (config := state.applied_config(grant.source)) is not None
    }
    for row in record.containers:
        yield Instance(
            id=row.id, name=row.name, address=record.address, slot=row.slot, replica=row.replica,
            status="exited" if row in record.deposed else "running", health="none", image=row.image,
            image_id=row.image_id, reported=Reported.of(_with_route(body)), filled_in=dict, spec_hash=row.spec_hash,
            configs=configs | row.configs, adopted=row.adopted,
        )  # fmt: skip


def _with_route(body: Workload) -> Workload:
    """The container of a workload publishes its route's port."""
    if body.route is None or body.route.switched:
        return body
    port = Port(target=body.route.target, published=body.route.port, host_ip=body.route.bind, protocol="tcp")
    texts = {port_text(declared(other)) for other in body.ports}
    ports = body.ports if port_text(declared(port)) in texts else (*body.ports, port)
    return body.model_copy(update={"ports": ports})
