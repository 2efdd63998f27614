"""Mounts in the Engine API's words and back.

A bind whose host path is to be created goes into `HostConfig.Binds`, since only that form makes the
directory; so does an SELinux relabelling. Everything else goes into `HostConfig.Mounts`, which reports what
it was given.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sutazai.errors import ProviderError
from sutazai.model.compose import BindOptions, Mount, TmpfsOptions, VolumeOptions
from sutazai.model.workload import Workload
from sutazai.providers.docker.anonymous import Anonymous, is_made_up, mounted, unsaid
from sutazai.providers.names import Names

Json = dict[str, Any]
_SUBPATH = (1, 45)
_PROPAGATION = frozenset({"rprivate", "private", "rshared", "shared", "rslave", "slave"})


def mounts_of(workload: Workload, names: Names, api: tuple[int, int], anonymous: Anonymous) -> Json:
    """The parts of `HostConfig` that mount something. Raises ProviderError for what this engine can't do."""
    binds: list[str] = []
    mounts: list[Json] = []
    for mount in workload.volumes:
        options = mount.bind or BindOptions()
        if mount.type == "bind" and (options.create_host_path or options.selinux):
            binds.append(_bind(mount, options, _source(mount)))
        elif mount.type == "volume" and options.selinux:
            binds.append(_bind(mount, options, names.volume(_source(mount))))
        else:
            mounts.append(_mount(mount, names, api, anonymous))
    mounts += anonymous.undeclared(workload)
    tmpfs = dict(_tmpfs(text) for text in workload.tmpfs)
    found = {"Binds": binds, "Mounts": mounts, "Tmpfs": tmpfs}
    return {key: value for key, value in found.items() if value}


def _source(mount: Mount) -> str:
    if not mount.source:
        raise ProviderError(f"the {mount.type} mount at {mount.target} has no source")
    return mount.source


def _bind(mount: Mount, options: BindOptions, source: str) -> str:
    if ":" in source + mount.target:
        raise ProviderError(
            f"Docker can't create the host path of a bind with a colon in it: {source}:{mount.target}",
            hint="create the directory and set bind.create_host_path: false",
        )
    words = ["ro"] if mount.read_only else []
    words += [word for word in (options.propagation, options.selinux) if word]
    words += ["nocopy"] if mount.volume and mount.volume.nocopy else []
    return ":".join([source, mount.target, *([",".join(words)] if words else [])])


def _mount(mount: Mount, names: Names, api: tuple[int, int], anonymous: Anonymous) -> Json:
    if mount.type == "volume" and not mount.source:
        options = _volume_options(mount.volume, api) if mount.volume else {}
        return anonymous.mount(mount.target, options, read_only=mount.read_only)
    body: Json = {"Type": mount.type, "Target": mount.target, "ReadOnly": mount.read_only}
    if mount.consistency:
        body["Consistency"] = mount.consistency
    if mount.type == "bind":
        body["Source"] = _source(mount)
        if mount.bind and mount.bind.propagation:
            body["BindOptions"] = {"Propagation": mount.bind.propagation}
    elif mount.type == "volume":
        body["Source"] = names.volume(_source(mount))
        if mount.volume:
            body["VolumeOptions"] = _volume_options(mount.volume, api)
    elif mount.tmpfs:
        options = {"SizeBytes": mount.tmpfs.size, "Mode": mount.tmpfs.mode}
        body["TmpfsOptions"] = {key: value for key, value in options.items() if value is not None}
    return body


def _volume_options(options: VolumeOptions, api: tuple[int, int]) -> Json:
    if options.subpath and api < _SUBPATH:
        raise ProviderError(
            f"volume.subpath needs Engine API 1.45 (Docker 26); this one speaks {api[0]}.{api[1]}",
            hint="mount the whole volume, or upgrade Docker",
        )
    return {"NoCopy": options.nocopy, **({"Subpath": options.subpath} if options.subpath else {})}


def _tmpfs(text: str) -> tuple[str, str]:
    target, _, options = text.partition(":")
    return target, options


def named_volumes(workload: Workload) -> tuple[str, ...]:
    """The logical names of the volumes that must exist before the container is made."""
    return tuple(mount.source for mount in workload.volumes if mount.type == "volume" and mount.source)


def read_mounts(
    container: Mapping[str, Any], names: Names, folders: Collection[str] = ()
) -> tuple[Mount, ...]:
    """What is mounted, as `HostConfig` says it; of the volumes without a name also what it does not say. Those at `folders` are
    only there for configs."""
    host = container["HostConfig"]
    mounts = [_read_bind(text, names) for text in host.get("Binds") or ()]
    mounts += [_read_mount(body, names) for body in host.get("Mounts") or ()]
    mounts += unsaid(container, mounts, names.volumes.values())
    return tuple(mount for mount in mounts if mount.source or mount.target not in folders)


def read_anonymous(
    container: Mapping[str, Any], names: Names, folders: Collection[str] = ()
) -> dict[str, str]:
    """Place → name, but for those that are only there for configs."""
    found = mounted(container, names.volumes.values())
    return {place: name for place, name in found.items() if place not in folders}


def _read_bind(text: str, names: Names) -> Mount:
    source, _, rest = text.partition(":")
    target, _, options = rest.partition(":")
    words = [word for word in options.split(",") if word]
    if not source.startswith("/"):
        return Mount(
            type="volume",
            source=_read_source(source, names),
            target=target,
            read_only="ro" in words,
            volume=VolumeOptions(nocopy="nocopy" in words, subpath=None),
            bind=BindOptions(selinux=_selinux(words)) if _selinux(words) else None,
        )
    return Mount(
        type="bind",
        source=source,
        target=target,
        read_only="ro" in words,
        bind=BindOptions(
            propagation=next((word for word in words if word in _PROPAGATION), None),
            create_host_path=True,
            selinux=_selinux(words),
        ),
    )


def _read_source(name: str, names: Names) -> str | None:
    return None if is_made_up(name, names.volumes.values()) else names.logical_volume(name)


def _selinux(words: list[str]) -> str | None:
    return next((word for word in words if word in ("z", "Z")), None)


def _read_mount(body: Mapping[str, Any], names: Names) -> Mount:
    kind, source = body["Type"], body.get("Source") or None
    fields: Json = {
        "type": kind,
        "target": body["Target"],
        "source": source,
        "read_only": bool(body.get("ReadOnly")),
    }
    if body.get("Consistency"):
        fields["consistency"] = body["Consistency"]
    if kind == "bind":
        propagation = (body.get("BindOptions") or {}).get("Propagation") or None
        fields["bind"] = BindOptions(propagation=propagation, create_host_path=False, selinux=None)
    elif kind == "volume":
        options = body.get("VolumeOptions") or {}
        fields["source"] = _read_source(source, names) if source else None
        fields["volume"] = VolumeOptions(
            nocopy=bool(options.get("NoCopy")), subpath=options.get("Subpath") or None
        )
    elif kind == "tmpfs":
        options = body.get("TmpfsOptions") or {}
        fields["tmpfs"] = TmpfsOptions(
            size=options.get("SizeBytes") or None, mode=options.get("Mode") or None
        )
    else:  # `image`, `npipe`, `cluster`: no spec may say that
        return Mount.model_construct(**fields)
    return Mount.model_validate(fields)


def read_tmpfs(host: Mapping[str, Any]) -> tuple[str, ...]:
    tmpfs: Mapping[str, str] = host.get("Tmpfs") or {}
    return tuple(f"{target}:{options}" if options else target for target, options in sorted(tmpfs.items()))
