"""What only shows when all workloads are looked at together: cycles, ports, and names of things that must be
declared."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from itertools import pairwise

from sutazai.address import Address
from sutazai.diagnostics import did_you_mean
from sutazai.graph.waves import describe_cycle, find_cycle
from sutazai.model.workload import Workload
from sutazai.specs.body import IMPLICIT_NETWORK
from sutazai.specs.lifecycle import check_lifecycle
from sutazai.specs.nodes import Entry, Mapping, Mark, Path, find
from sutazai.specs.refused import Flaw, flaws
from sutazai.specs.report import Report
from sutazai.specs.resolve import Draft
from sutazai.state.published import Wanted, overlap


@dataclass(frozen=True, slots=True)
class Checked:
    """A workload and where it came from. `wrong` are its fields that are not in the model: what is said of them is said,
    and what is not there may be because of that."""

    draft: Draft
    model: Workload
    wrong: frozenset[str] = frozenset()

    def mark(self, *path: str | int) -> Mark:
        node = self.draft.body if self.draft.body is not None else Mapping({}, self.draft.key)
        place = find(node, path)
        return place.mark if place.path else self.draft.key

    @property
    def address(self) -> Address:
        return self.draft.address


def check_fleet(
    drafts: Iterable[Draft],
    members: Iterable[Checked],
    tables: AbstractMapping[str, AbstractMapping[str, Entry]],
    report: Report,
) -> None:
    """Report everything that is wrong between workloads."""
    found = tuple(members)
    _cycles(drafts, report)
    _host_ports(found, report)
    for member in found:
        _declared_names(member, tables, report)
        _own_fields(member, report)
        _values(member, report)
    _waits(found, report)
    check_lifecycle(found, tables, report)


def _values(member: Checked, report: Report) -> None:
    for flaw in flaws(member.model):
        report_flaw(member, flaw, report)


def report_flaw(member: Checked, flaw: Flaw, report: Report) -> None:
    mark = member.mark(*flaw.path)
    report.error(mark, flaw.summary, "bad-value", hint=flaw.hint, related=member.draft.where(mark))


def _cycles(drafts: Iterable[Draft], report: Report) -> None:
    known = {draft.address: draft for draft in drafts}
    edges = {address: list(draft.depends_on) for address, draft in known.items()}
    while cycle := find_cycle(edges):
        steps = list(pairwise(cycle))
        places = [(f"{a} depends on {b}", known[a].depends_on[b]) for a, b in steps]
        report.error(
            places[0][1],
            f"dependency cycle: {describe_cycle(cycle)}",
            "cycle",
            hint="remove one of these dependencies",
            related=places[1:],
        )
        for a, b in steps:
            edges[a] = [target for target in edges[a] if target != b]


def _claims(member: Checked) -> Iterator[tuple[Wanted, Path]]:
    """Each host port that a workload takes, and the path of it."""
    model = member.model
    if model.route:
        yield (model.route.bind, model.route.port, "tcp"), ("route", "port")
    for index, port in enumerate(model.ports):
        if port.published is not None:
            yield (port.host_ip or "", port.published, port.protocol), ("ports", index, "published")


def _host_ports(members: Iterable[Checked], report: Report) -> None:
    taken: defaultdict[int, list[tuple[Wanted, Checked, Path]]] = defaultdict(list)
    for member in members:
        for wanted, path in _claims(member):
            _, port, protocol = wanted
            for there, other, its_path in taken[port]:
                if overlap(wanted, there):
                    who = "twice" if other.address == member.address else f"by {other.address} too"
                    report.error(
                        member.mark(*path),
                        f"{member.address} takes the host port {port}/{protocol}, taken {who}",
                        "duplicate-port",
                        hint="give one of them another port",
                        related=[(f"{other.address} takes it here", other.mark(*its_path))],
                    )
                    break
            taken[port].append((wanted, member, path))


def _declared_names(
    member: Checked, tables: AbstractMapping[str, AbstractMapping[str, Entry]], report: Report
) -> None:
    for kind, name, path in _names(member.model):
        table = tables[kind]
        if name in table or (kind == "networks" and name == IMPLICIT_NETWORK):
            continue
        if report.may_be_declared(name):
            continue
        what, mark = kind.removesuffix("s"), member.mark(*path)
        report.error(
            mark,
            f'there is no {what} "{name}"',
            f"unknown-{what}",
            hint=did_you_mean(name, table) or f"declare it: {kind}: {{{name}: {{}}}}",
            related=member.draft.where(mark),
        )


def _names(model: Workload) -> Iterator[tuple[str, str, Path]]:
    for name in model.networks:
        yield "networks", name, ("networks", name)
    for index, mount in enumerate(model.volumes):
        if mount.type == "volume" and mount.source:
            yield "volumes", mount.source, ("volumes", index, "source")
    for index, grant in enumerate(model.configs):
        yield "configs", grant.source, ("configs", index, "source")
    for index, grant in enumerate(model.secrets):
        yield "secrets", grant.source, ("secrets", index, "source")


def _own_fields(member: Checked, report: Report) -> None:
    model, where = member.model, member.draft.where
    if model.image is None and model.build is None and not member.wrong & {"image", "build"}:
        report.error(
            member.draft.key,
            f"{member.address} has no image",
            "missing-key",
            hint="write image: REFERENCE, build: DIRECTORY or module: NAME",
        )
    mode = model.network_mode
    if mode is not None and model.networks:
        report.error(
            member.mark("network_mode"),
            f"network_mode {mode} and networks exclude each other",
            "conflict",
            hint="remove one of them",
            related=[("networks are here", member.mark("networks"))],
        )
    if mode is not None and mode != "bridge" and model.route:
        report.error(
            member.mark("route"),
            f"a route can't lead to a workload with network_mode {mode}",
            "conflict",
            hint="remove the route, or network_mode",
            related=[("network_mode is here", member.mark("network_mode"))],
        )
    if mode == "host" and model.ports:
        report.error(
            member.mark("ports"),
            "ports can't be published with network_mode host",
            "conflict",
            hint="remove ports: the container is on the host's network",
        )
    if model.deploy.replicas > 1:
        for index, port in enumerate(model.ports):
            if port.published is not None:
                report.error(
                    member.mark("ports", index, "published"),
                    f"{model.deploy.replicas} replicas can't all take the host port {port.published}",
                    "duplicate-port",
                    hint="publish only the container's port, or use a route",
                )
    unsure = bool(member.wrong & {"route", "ports", "expose"})
    for index, check in enumerate(() if unsure else model.checks):
        if check.kind not in ("docker", "integration") and check.port is None and model.main_port is None:
            mark = member.mark("checks", index)
            report.error(
                mark,
                f"the check {check.name} does not say which port to ask",
                "missing-key",
                hint="write port: N; without one, the route's target or the first of ports is asked",
                related=where(mark),
            )


def _waits(members: Iterable[Checked], report: Report) -> None:
    """Warn where something waits for the health of what has no check."""
    known = {member.address: member for member in members}
    for member in known.values():
        for name, dependency in member.model.depends_on.items():
            if dependency.condition != "service_healthy":
                continue
            target = next(
                (known[a] for a in member.draft.depends_on if a in known and name in (a.name, str(a))), None
            )
            unsure = target and target.wrong & {"checks", "healthcheck"}
            if target and not unsure and not target.model.checks and target.model.healthcheck is None:
                mark = member.mark("depends_on", name, "condition")
                report.warning(
                    mark,
                    f"{member.address} waits for {target.address} to be healthy, which has no checks",
                    "no-check",
                    hint="unless its image has a HEALTHCHECK, give it checks or a healthcheck",
                    related=member.draft.where(mark),
                )
