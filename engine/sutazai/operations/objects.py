"""Networks, volumes and configs: few, quick, and needed by everything, so they change one after the other."""

from contextlib import suppress

from sutazai.address import Kind
from sutazai.errors import NotFound, ProviderError
from sutazai.events import Notice
from sutazai.operations.session import Run
from sutazai.plan.change import Action, ResourceChange
from sutazai.state.observed import Instance, Observed
from sutazai.state.v2 import ResourceRecord


async def carry_out_object(run: Run, change: ResourceChange, observed: Observed) -> ResourceRecord | None:
    """Do what the change says; what is there afterwards, None when it is gone. Raises `ProviderError`."""
    anew = change.action is Action.REPLACE
    if anew and change.address.kind is Kind.NETWORK:
        await _remove_with_members(run, change, observed)
    elif change.action is Action.DESTROY and "record" in change.steps:
        run.emit(Notice(run.now, "info", f"{change.address} stays in Docker, {change.detail}"))
    elif anew or change.action is Action.DESTROY:
        await _remove(run, change)
    if change.action is Action.DESTROY:
        return None
    made = await _create(run, change) if anew or change.action is Action.CREATE else None
    return ResourceRecord(address=change.address, object_id=made)


async def _remove_with_members(run: Run, change: ResourceChange, observed: Observed) -> None:
    """A network with members can't be removed: they leave it here, and join the new one as their own change. When it can't
    be removed even so, those that left it join it again."""
    left: list[Instance] = []
    try:
        await _members_leave(run, change, observed, left)
        await _remove(run, change)
    except ProviderError:
        for instance in left:
            await _join_again(run, change, instance)
        raise


async def _members_leave(run: Run, change: ResourceChange, observed: Observed, left: list[Instance]) -> None:
    """But for those that the engine is removing: they are no hindrance, and it refuses to have them leave."""
    name, provider = change.address.name, run.session.provider
    run.renewed.add(name)
    members = (one for one in observed.instances if name in one.body.networks and not one.doomed)
    for instance in members:
        data = {"id": instance.id, "network": name}
        try:
            await run.change(change.address, "disconnect", data, provider.disconnect, instance.id, name)
        except NotFound:
            continue  # it left meanwhile, which is what was wanted
        left.append(instance)


async def _join_again(run: Run, change: ResourceChange, instance: Instance) -> None:
    """As it was in it. What hinders this is mended by the next run, and is not the cause to be told."""
    name, provider = change.address.name, run.session.provider
    hosts = [host for host in instance.answers.get(name, ()) if not instance.id.startswith(host)]
    attachment, data = instance.body.networks[name], {"id": instance.id, "network": name}
    with suppress(ProviderError):
        await run.change(
            change.address, "connect", data, provider.connect, instance.id, name, attachment, hosts
        )


async def _remove(run: Run, change: ResourceChange) -> None:
    address, provider = change.address, run.session.provider
    if address.kind not in (Kind.NETWORK, Kind.VOLUME):
        return
    call = "remove_network" if address.kind is Kind.NETWORK else "remove_volume"
    function = provider.remove_network if address.kind is Kind.NETWORK else provider.remove_volume
    name = run.session.scope.object_name(address.name)
    try:
        await run.change(address, call, {"name": name}, function, name)
    except NotFound:
        run.emit(Notice(run.now, "info", f"{address} was gone already"))


async def _create(run: Run, change: ResourceChange) -> str | None:
    """The ID of what was made; None for what exists in the record only, or is not this environment's."""
    address, provider, data = change.address, run.session.provider, {"name": change.address.name}
    labels = run.labels(address)
    if address.kind is Kind.NETWORK and not (network := run.desired.networks[address.name]).external:
        return await run.change(
            address, "create_network", data, provider.create_network, address.name, network, labels
        )
    if address.kind is Kind.VOLUME and not (volume := run.desired.volumes[address.name]).external:
        return await run.change(
            address, "create_volume", data, provider.create_volume, address.name, volume, labels
        )
    return None
