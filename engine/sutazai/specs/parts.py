"""The parts of a fleet beside its workloads: networks, volumes, configs, secrets, rollout and policies."""

from collections.abc import Iterable
from collections.abc import Mapping as AbstractMapping
from typing import TypeVar

from pydantic import BaseModel

from sutazai.model.base import SpecModel
from sutazai.model.fleet import Config, Network, Policy, Secret, Volume
from sutazai.model.rollout import Rollout
from sutazai.model.subnets import Subnet, overlap, subnets
from sutazai.specs.body import IMPLICIT_NETWORK
from sutazai.specs.check import Checked, report_flaw
from sutazai.specs.environment import Environment
from sutazai.specs.interpolate import Failed
from sutazai.specs.lifecycle import EVERYTHING
from sutazai.specs.merge import canonical, merge, settle
from sutazai.specs.nodes import Entry, Mapping, Mark, Node, Scalar, Sequence, find, kind_of, plain
from sutazai.specs.project import Project
from sutazai.specs.read import read_text
from sutazai.specs.refused_networks import attachment_flaws, network_flaws
from sutazai.specs.report import Report
from sutazai.specs.resolve import Resolver
from sutazai.specs.rollouts import check_rollouts
from sutazai.specs.translate import validate
from sutazai.specs.world import World

M = TypeVar("M", bound=BaseModel)

_MODELS: dict[str, type[SpecModel]] = {
    "networks": Network,
    "volumes": Volume,
    "configs": Config,
    "secrets": Secret,
}


def is_given(node: Node | None) -> bool:
    return node is not None and not (isinstance(node, Scalar) and node.value is None)


def section(model: type[M], node: Node | None, what: str, resolver: Resolver) -> M | None:
    """One rendered and validated section; None when it is absent or wrong, which is reported."""
    rendered = rendered_section(node, what, resolver)
    return validate(model, rendered, what, resolver.report) if rendered is not None else None


def rendered_section(node: Node | None, what: str, resolver: Resolver) -> Node | None:
    """One section, rendered; None when it is absent or wrong, which is reported."""
    settled = settle(node, resolver.report) if node is not None else None
    if settled is None or plain(settled) is None:
        return None
    if not isinstance(settled, Mapping):
        resolver.report.error(settled.mark, f"{what} must be a map, not {kind_of(settled)}", "wrong-type")
        return None
    try:
        return resolver.renderer.render(settled, resolver.context())
    except Failed:
        return None


def fleet_parts(
    project: Project,
    overlay: Environment,
    members: Iterable[Checked],
    resolver: Resolver,
    world: World,
) -> dict[str, object] | None:
    """The keyword arguments of a `Fleet` that its workloads don't give. Everything declared is validated;
    only what a workload uses is kept, or may go on using since it ignores what is declared."""
    members = tuple(members)
    used = _used(members)
    for table in _ignored(members):
        used[table].update(project.table(table), (IMPLICIT_NETWORK,) if table == "networks" else ())
    parts: dict[str, object] = {}
    for table, model in _MODELS.items():
        declared = {
            name: _resource(model, table, name, entry, resolver)
            for name, entry in project.table(table).items()
        }
        kept = {name: value for name, value in declared.items() if value is not None and name in used[table]}
        parts[table] = kept
        if table == "networks":
            _networks(declared, kept, project.table(table), members, resolver.report)
    if IMPLICIT_NETWORK in used["networks"] and IMPLICIT_NETWORK not in project.table("networks"):
        parts["networks"] = {**_table(parts["networks"]), IMPLICIT_NETWORK: Network()}
    parts["configs"] = _contents(_table(parts["configs"]), project.table("configs"), world, resolver.report)
    base = project.single.get("rollout")
    written = merge(base.node if base else None, overlay.rollout)
    rollout = _rollout(written, members, resolver)
    if rollout is not None:
        parts["rollout"] = rollout
        if rollout.fleet_canary is not None:
            parts["fleet_canary"] = rollout.fleet_canary
    policies = _policies(project, overlay, resolver)
    if policies:
        parts["policies"] = policies
    return None if resolver.report.failed else parts


def _rollout(written: Node | None, members: Iterable[Checked], resolver: Resolver) -> Rollout | None:
    """The rollout of project and environment, and whether those of the workloads fit it."""
    node = rendered_section(written, "rollout", resolver)
    rollout = validate(Rollout, node, "rollout", resolver.report) if node is not None else None
    fleets = Rollout() if node is None else rollout
    check_rollouts(node, fleets, members, resolver.drafts, resolver.report)
    return rollout


def _networks(
    declared: AbstractMapping[str, SpecModel | None],
    used: AbstractMapping[str, SpecModel],
    entries: AbstractMapping[str, Entry],
    members: Iterable[Checked],
    report: Report,
) -> None:
    """Report what Docker refuses of networks, by themselves, beside each other, and of those who are in them."""

    def mark(name: str, *path: str | int) -> Mark:
        place = find(entries[name].node, path)
        return place.mark if place.path else entries[name].key

    for name, network in declared.items():
        for flaw in network_flaws(network) if isinstance(network, Network) else ():
            summary = f"the network {name}: {flaw.summary}"
            report.error(mark(name, *flaw.path), summary, "bad-value", hint=flaw.hint)
    together = {name: network for name, network in used.items() if isinstance(network, Network)}
    earlier: list[tuple[str, int, Subnet]] = []
    for name, index, subnet in subnets(together):
        for other, at, taken in earlier:
            if overlap(subnet, taken):
                report.error(
                    mark(name, "ipam", "config", index, "subnet"),
                    f"the subnet {subnet} of the network {name} overlaps with {taken} of {other}",
                    "duplicate-subnet",
                    hint="give one of them another subnet",
                    related=[(f"{other} has it here", mark(other, "ipam", "config", at, "subnet"))],
                )
                break
        earlier.append((name, index, subnet))
    for member in members:
        for flaw in attachment_flaws(member.model, together):
            report_flaw(member, flaw, report)


def _table(value: object) -> dict[str, SpecModel]:
    return value if isinstance(value, dict) else {}


def _used(members: Iterable[Checked]) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {name: set() for name in _MODELS}
    for member in members:
        model = member.model
        used["networks"].update(model.networks)
        used["volumes"].update(
            mount.source for mount in model.volumes if mount.type == "volume" and mount.source
        )
        used["configs"].update(grant.source for grant in model.configs)
        used["secrets"].update(model.secret_names)
    return used


def _ignored(members: Iterable[Checked]) -> frozenset[str]:
    """The tables of which a workload may have something else than its body says."""
    words = {word.partition(".")[0] for one in members for word in one.model.lifecycle.ignore_changes}
    tables = ("networks", "volumes", "configs")
    return frozenset(tables if EVERYTHING in words else words.intersection(tables))


def _resource(
    model: type[SpecModel], table: str, name: str, entry: Entry, resolver: Resolver
) -> SpecModel | None:
    what = f"the {table.removesuffix('s')} {name}"
    node = entry.node
    if isinstance(node, Mapping):
        labels = canonical(Mapping({k: v for k, v in node.entries.items() if k == "labels"}, node.mark))
        node = Mapping({**node.entries, **labels.entries}, node.mark)
        return section(model, node, what, resolver)
    if isinstance(node, Scalar) and node.value is None and model is not Config:
        return model()
    resolver.report.error(
        entry.key, f"{what} must be a map, not {kind_of(node)}", "wrong-type", hint=f"write {name}: {{}}"
    )
    return None


def _contents(
    configs: AbstractMapping[str, SpecModel],
    entries: AbstractMapping[str, Entry],
    world: World,
    report: Report,
) -> dict[str, SpecModel]:
    """Configs with their content, whatever it came from."""
    found: dict[str, SpecModel] = {}
    for name, config in configs.items():
        content = _content(config, entries[name], world, report) if isinstance(config, Config) else None
        if content is not None:
            found[name] = Config(content=content)
    return found


def _content(config: Config, entry: Entry, world: World, report: Report) -> str | None:
    if config.content is not None:
        return config.content
    key = "file" if config.file is not None else "environment"
    mark = _mark(entry, key)
    if config.environment is not None:
        value = world.variable(config.environment)
        if value is None:
            report.error(
                mark,
                f"the variable {config.environment} is not set",
                "missing-variable",
                hint=f"export {config.environment}=… before running sutazai",
            )
        return value
    file = config.file or ""
    if world.kind(file) != "file":
        report.error(
            mark,
            f"the file {file} does not exist",
            "missing-file",
            hint="it is looked for from the project's directory",
        )
        return None
    return read_text(world, file, report)


def _mark(entry: Entry, key: str) -> Mark:
    node = entry.node.get(key) if isinstance(entry.node, Mapping) else None
    return node.mark if node is not None else entry.key


def _policies(project: Project, overlay: Environment, resolver: Resolver) -> tuple[Policy, ...]:
    base = project.single.get("policies")
    node = merge(base.node if base else None, overlay.policies)
    node = settle(node, resolver.report) if node is not None else None
    if node is None or plain(node) is None:
        return ()
    if not isinstance(node, Sequence):
        resolver.report.error(
            node.mark,
            f"policies is a list, not {kind_of(node)}",
            "wrong-type",
            hint="begin each item with a dash",
        )
        return ()
    found = [section(Policy, item, "a policy", resolver) for item in node.items]
    return tuple(policy for policy in found if policy is not None)
