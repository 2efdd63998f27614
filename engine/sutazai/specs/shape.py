"""The first look at a tree: is a map where one is expected, and are its keys known."""

from collections.abc import Callable, Iterable
from functools import cache

from sutazai.diagnostics import did_you_mean
from sutazai.model.workload import Workload
from sutazai.specs import words
from sutazai.specs.nodes import Mapping, Mark, Node, Scalar, kind_of
from sutazai.specs.report import Report


@cache
def workload_keys(*without: str) -> tuple[str, ...]:
    """The keys of a service body."""
    return tuple(name for name in Workload.model_fields if name not in without)


def as_mapping(node: Node | None, what: str, report: Report) -> Mapping | None:
    """`node` as a map; None when it is absent, or something else, which is reported."""
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return None
    if not isinstance(node, Mapping):
        report.error(
            node.mark, f"{what} must be a map, not {kind_of(node)}", "wrong-type", hint="write KEY: VALUE"
        )
        return None
    return node


def check_keys(
    tree: Mapping,
    known: Iterable[str],
    what: str,
    report: Report,
    where: Callable[[Mark], Iterable[tuple[str, Mark]]] = lambda _: (),
) -> None:
    """Report keys that are not among `known`; `where` says what else is to be shown with one."""
    names = tuple(known)
    for key, entry in tree.entries.items():
        if key not in names:
            unknown_key(key, entry.key, names, what, report, where(entry.key))


def unknown_key(
    key: str,
    mark: Mark,
    known: Iterable[str],
    what: str,
    report: Report,
    related: Iterable[tuple[str, Mark]] = (),
) -> None:
    names = tuple(known)
    reason = _NOT_CARRIED_OUT.get(key) if key != "name" or "project" in names else None
    if reason is None and key in words.COMPOSE:
        reason = "Compose has it, but this engine does not carry it out; remove it"
    if key.startswith("x-"):
        hint: str | None = "extension keys are not read; remove it"
    else:
        hint = reason or did_you_mean(key, names) or _known(names)
    report.error(mark, f'unknown key "{key}" in {what}', "unknown-key", hint=hint, related=related)


def _known(names: tuple[str, ...]) -> str:
    return f"the keys are {', '.join(names)}" if len(names) <= 16 else "see `sutazai schema` for the keys"


_NOT_CARRIED_OUT = {
    "container_name": "containers are named PROJECT-ENV-NAME-SLOT, to run side by side; remove it",
    "links": "workloads reach each other by name in their networks; use networks and depends_on",
    "extends": "use a module: modules/NAME/module.yaml",
    "profiles": "use environments and their exclude",
    "scale": "use deploy.replicas",
    "gpus": "reserve them: deploy.resources.reservations.devices: [{capabilities: [gpu], count: all}]",
    "volumes_from": "name the volumes in both bodies",
    "mac_address": "give it in a network: networks: {NAME: {mac_address: …}}",
    "label_file": "write its lines under labels",
    "post_start": "use hooks.post_deploy",
    "pre_stop": "use hooks.pre_stop",
    "restart_policy": "use restart: its on-failure:N counts attempts; a delay or a window there is none",
    "update_config": "say how it changes in rollout",
    "rollback_config": "say how it changes back in rollout",
    "external_links": "put both into a network that is external: true",
    "mem_limit": "use deploy.resources.limits.memory",
    "mem_reservation": "use deploy.resources.reservations.memory",
    "cpus": "use deploy.resources.limits.cpus",
    "cpu_count": "use deploy.resources.limits.cpus",
    "pids_limit": "use deploy.resources.limits.pids",
    "include": "every file under specs/ is read; remove it",
    "version": "Compose's version is obsolete; remove it",
    "name": "the project's name is project: NAME",
}
