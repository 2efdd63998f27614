"""Networks and volumes of a simulated engine."""

from collections.abc import Mapping

from sutazai.address import Address, Kind
from sutazai.errors import Conflict, NotFound, ProviderError
from sutazai.model.fleet import Ipam, Network, Volume
from sutazai.ports import InstanceSpec
from sutazai.providers import marks
from sutazai.providers.simulated.engine import (
    SimulatedNetwork,
    SimulatedVolume,
    network_defaults,
)
from sutazai.providers.simulated.looking import Looking, changing
from sutazai.state.observed import (
    ObservedNetwork,
    ObservedVolume,
)


class Objects(Looking):
    """`ports.Provider`, as far as it is about networks and volumes."""

    @changing
    def create_network(self, name: str, network: Network, labels: Mapping[str, str]) -> str:
        object_name, address = network.name or self._scope.object_name(name), Address(Kind.NETWORK, name)
        if any(n.observed.name == object_name for n in self.engine.networks.values()):
            raise Conflict(f"can't create network {object_name}: it exists", status=409)
        made = Network(
            driver=network.driver or "bridge", driver_opts=network.driver_opts, internal=network.internal,
            attachable=network.attachable, enable_ipv6=network.enable_ipv6, ipam=network.ipam or Ipam(driver="default"),
            labels=network.labels, external=False, name=object_name,
        )  # fmt: skip
        identity = self.engine.next_id()
        marked = {**network.labels, **self._scope.labels(address), **labels}
        observed = ObservedNetwork(identity, object_name, address, made, network_defaults(made), owned=True)
        self.engine.networks[identity] = SimulatedNetwork(observed, marked)
        return identity

    @changing
    def remove_network(self, network_id: str) -> None:
        networks = self.engine.networks
        logical = Address(Kind.NETWORK, self._scope.logical_name(network_id))
        named = [i for i, n in networks.items() if network_id in (i, n.observed.name)]
        own = [i for i, n in networks.items() if marks.is_own(n.labels, self._scope)]
        candidates = [i for i in own if i in named or networks[i].observed.address == logical] + named
        key = next(iter(candidates), None)
        if key is None:
            raise NotFound(f"no network {network_id}", status=404)
        self._must_own(networks[key].labels, f"network {networks[key].observed.name}")
        name = networks[key].observed.address.name
        members = [
            i.name for i in self._own_containers() if i.status == "running" and name in i.body.networks
        ]
        if members:
            raise ProviderError(
                f"can't remove network {name}: it has active endpoints",
                status=403,
                hint=f"in it: {', '.join(sorted(members))}; stop or disconnect them",
            )
        del networks[key]

    @changing
    def create_volume(self, name: str, volume: Volume, labels: Mapping[str, str]) -> str:
        object_name, address = volume.name or self._scope.object_name(name), Address(Kind.VOLUME, name)
        if object_name in self.engine.volumes:
            raise Conflict(f"can't create volume {object_name}: it exists", status=409)
        made = Volume(driver=volume.driver or "local", driver_opts=volume.driver_opts, labels=volume.labels,
                      external=False, name=object_name)  # fmt: skip
        self._keep(address, made, {**volume.labels, **self._scope.labels(address), **labels})
        return object_name

    def _keep(self, address: Address, made: Volume, labels: dict[str, str]) -> None:
        name, defaults = made.name or address.name, Volume(driver="local", driver_opts={}, labels={})
        observed = ObservedVolume(name, address, made, defaults, owned=True)
        self.engine.volumes[name] = SimulatedVolume(observed, labels)

    def _anonymous(self, spec: InstanceSpec, place: str) -> str:
        """The name of the volume that a new container has at a place where nobody said a name."""
        inherited = spec.inherits.get(place)
        if inherited in self.engine.volumes:
            return inherited
        name = self.engine.next_id()
        made = Volume(driver="local", driver_opts={}, labels={}, external=False, name=name)
        self._keep(Address(Kind.VOLUME, name), made, marks.anonymous_labels(self._scope, spec.address))
        return name

    @changing
    def remove_volume(self, volume_name: str) -> None:
        volumes = self.engine.volumes
        logical = Address(Kind.VOLUME, self._scope.logical_name(volume_name))
        own = [i for i, v in volumes.items() if marks.is_own(v.labels, self._scope)]
        candidates = [i for i in own if i == volume_name] or [
            i for i in own if volumes[i].observed.address == logical
        ]
        key = next(iter(candidates), volume_name)
        if key not in volumes:
            raise NotFound(f"no volume {volume_name}", status=404)
        self._must_own(volumes[key].labels, f"volume {key}")
        name = volumes[key].observed.address.name
        everyone = [container.instance for container in self.engine.containers.values()]
        if any(key in i.anonymous.values() for i in everyone) or any(
            name == mount.source for i in self._own_containers() for mount in i.body.volumes
        ):
            raise Conflict(f"can't remove volume {key}: it is in use", status=409)
        del volumes[key]
